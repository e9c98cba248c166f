//! Anomalies planted on good validation images, so that the choice of branches rests on numbers without ever seeing
//! a test image. They are crude on purpose: nothing about the real defects is known at training time.

pub mod graded;
mod harmless;
mod logical;
mod paste;
mod place;
mod structural;

use aecsad_inspect::frame::{Frame, Size};
use aecsad_inspect::optics::TrainedRegion;
use ndarray::Array2;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::dataset::Kind;

/// One good image as planting needs it.
pub struct Clean {
    /// Index of the validation part that it shows.
    pub part: usize,
    /// At the size of the finest view.
    pub frame: Frame,
    /// `[64, 64]`; all 0 where the product has no components, and [`IGNORED`] where nothing is looked at.
    pub classes: Array2<u8>,
}

/// The class of cells in which nothing is planted: it would not be seen.
pub const IGNORED: u8 = u8::MAX;

/// A class map in which the cells that a region ignores are marked.
///
/// *Shapes*: `classes` and the result are `[rows, columns]`.
pub fn mark_ignored(classes: &Array2<u8>, region: Option<&TrainedRegion>) -> Array2<u8> {
    let mut marked = classes.clone();
    let (rows, columns) = classes.dim();
    let view = Size {
        width: columns as u32,
        height: rows as u32,
    };
    let ignored = region.and_then(|region| region.ignored_in(view));
    for (class, ignored) in marked.iter_mut().zip(ignored.into_iter().flatten()) {
        *class = if ignored { IGNORED } else { *class };
    }
    marked
}

/// A good image after an edit.
pub struct Plant {
    /// What is wrong with it now; None after a harmless edit.
    pub anomaly: Option<Kind>,
    /// Index of the validation part it was planted on.
    pub source: usize,
    pub frame: Frame,
}

/// Up to `each` anomalies of either kind and one harmless edit on image `index`; logical and harmless ones only where there
/// are components to play with.
pub fn plant(clean: &[Clean], index: usize, each: usize, seed: u64) -> Vec<Plant> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(index as u64);
    let mut plants = Vec::new();
    let mut push = |anomaly, frame| {
        plants.push(Plant {
            anomaly,
            source: clean[index].part,
            frame,
        });
    };
    for _ in 0..each {
        push(
            Some(Kind::Structural),
            structural::plant(&clean[index], &mut random),
        );
        if let Some(frame) = logical::plant(clean, index, &mut random) {
            push(Some(Kind::Logical), frame);
        }
    }
    if let Some(frame) = harmless::edit(clean, index, &mut random) {
        push(None, frame);
    }
    plants
}

#[cfg(test)]
mod tests {
    use aecsad_inspect::optics::Ignored;

    use super::*;

    /// The right half of pictures of 128×128 pixels is ignored.
    fn region() -> TrainedRegion {
        TrainedRegion {
            area: [0, 0, 128, 128].into(),
            frame: Size {
                width: 128,
                height: 128,
            },
            ignored: Some(Ignored {
                colour: [0; 3],
                areas: vec![[64, 0, 64, 128].into()],
            }),
        }
    }

    #[test]
    fn nothing_is_planted_where_it_is_ignored() {
        let region = region();
        let frame = Frame {
            width: 128,
            height: 128,
            rgb: vec![90; 128 * 128 * 3],
            captured: std::time::Instant::now(),
        };
        let bare = Array2::<u8>::zeros((64, 64));
        let mut parts = bare.clone();
        parts.slice_mut(ndarray::s![10..20, 10..20]).fill(1);
        parts.slice_mut(ndarray::s![10..20, 45..55]).fill(1);
        assert_eq!(place::boxes(&parts).len(), 2);
        let parts = mark_ignored(&parts, Some(&region));
        assert_eq!(place::boxes(&parts).len(), 1);
        for classes in [&parts, &mark_ignored(&bare, Some(&region))] {
            let mut random = ChaCha8Rng::seed_from_u64(3);
            for _ in 0..100 {
                let (x, _) = structural::place(classes, &frame, &mut random);
                assert!(x < 60.0, "{x}");
            }
        }
        assert_eq!(mark_ignored(&bare, None), bare);
    }
}
