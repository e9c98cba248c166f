//! Pictures that show a part which another picture shows already.

use aecsad_inspect::frame::Frame;
use aecsad_inspect::likeness::View;
use rayon::prelude::*;

/// For each picture the index of the first one that shows the same part, its own where it is that one.
pub fn first_of_each_part(pictures: &[(&View, &Frame)]) -> Vec<usize> {
    let mut firsts: Vec<usize> = Vec::new();
    (0..pictures.len())
        .map(|at| {
            let (view, frame) = pictures[at];
            let same = |first: &&usize| {
                let (first, picture) = pictures[**first];
                first.same_part(picture, view, frame)
            };
            match firsts.par_iter().find_first(same) {
                Some(first) => *first,
                None => {
                    firsts.push(at);
                    at
                }
            }
        })
        .collect()
}
