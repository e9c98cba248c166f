//! Edits like those of logical anomalies that leave the arrangement right. A branch's response to them is a response to
//! the editing. Only what it responds to a logical anomaly beyond that counts.

use aecsad_inspect::frame::Frame;
use rand::{Rng, RngExt};

use super::Clean;
use super::paste::paste;
use super::place::{Box, at_centre, boxes, centre, empty_box, host, lies_alone};

/// Tries per image before giving up.
const TRIES: usize = 60;

/// Image `index` with a part in the place of another of its kind, from any image, or with bare ground in the place of bare
/// ground. None where the product offers neither.
pub fn edit(clean: &[Clean], index: usize, random: &mut impl Rng) -> Option<Frame> {
    let own = &clean[index];
    let parts = boxes(&own.classes);
    if parts.is_empty() {
        return None;
    }
    for _ in 0..TRIES {
        let mut frame = own.frame.clone();
        let part = parts[random.random_range(0..parts.len())];
        let Some(ground) = host(&own.classes, part) else {
            continue;
        };
        if random.random_bool(0.5) {
            let from = empty_box(&own.classes, ground, part, random);
            let to = empty_box(&own.classes, ground, part, random);
            if let Some((from, to)) = from.zip(to) {
                paste(&mut frame, &own.frame, from, to);
                return Some(frame);
            }
        } else {
            let other = &clean[random.random_range(0..clean.len())];
            let kind = own.classes[centre(part)];
            // The nearest: parts of one kind may still differ by where they belong.
            let from = boxes(&other.classes)
                .into_iter()
                .filter(|found| other.classes[centre(*found)] == kind)
                .map(|found| at_centre(found, part, other.classes.dim()))
                .filter(|found| lies_alone(&other.classes, *found, kind, ground))
                .min_by_key(|found| distance(*found, part));
            if let Some(from) = from
                && lies_alone(&own.classes, part, kind, ground)
            {
                paste(&mut frame, &other.frame, from, part);
                return Some(frame);
            }
        }
    }
    None
}

/// Squared, between the centres.
fn distance(a: Box, b: Box) -> usize {
    let ((ay, ax), (by, bx)) = (centre(a), centre(b));
    ay.abs_diff(by).pow(2) + ax.abs_diff(bx).pow(2)
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::super::logical;
    use super::*;

    /// White squares of 8 cells on grey ground, at these cells.
    fn image(squares: &[(usize, usize)]) -> (Frame, Array2<u8>) {
        let mut classes = Array2::zeros((64, 64));
        for (top, left) in squares {
            let mut square = classes.slice_mut(ndarray::s![*top..top + 8, *left..left + 8]);
            square.fill(1u8);
        }
        let white = |x: usize, y: usize| classes[[y / 4, x / 4]] == 1;
        let pixels = (0..256 * 256).map(|i| match white(i % 256, i / 256) {
            true => [255; 3],
            false => [100; 3],
        });
        let frame = Frame {
            width: 256,
            height: 256,
            rgb: pixels.flatten().collect(),
            captured: std::time::Instant::now(),
        };
        (frame, classes)
    }

    fn white_pixels(frame: &Frame) -> usize {
        frame.rgb.iter().filter(|value| **value > 200).count() / 3
    }

    /// The white pixels of each edited image that differs from the first of two good ones.
    fn edited(edit: impl Fn(&[Clean], &mut ChaCha8Rng) -> Option<Frame>) -> Vec<usize> {
        let images = [image(&[(6, 6), (40, 30)]), image(&[(10, 44), (38, 8)])];
        let clean = images.map(|(frame, classes)| Clean {
            part: 0,
            frame,
            classes,
        });
        let frames = (0..40).filter_map(|seed| {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            edit(&clean, &mut random)
        });
        frames.map(|frame| white_pixels(&frame)).collect()
    }

    #[test]
    fn as_many_parts_lie_there_after_it() {
        let two_squares = 2 * 32 * 32;
        let harmless = edited(|clean, random| edit(clean, 0, random));
        assert!(harmless.len() > 30);
        assert!(
            harmless.iter().all(|white| *white == two_squares),
            "{harmless:?}"
        );
        let wrong = edited(|clean, random| logical::plant(clean, 0, random));
        assert!(wrong.iter().all(|white| *white != two_squares), "{wrong:?}");
    }

    #[test]
    fn without_parts_there_is_nothing_to_edit() {
        let (frame, classes) = image(&[]);
        let clean = [Clean {
            part: 0,
            frame,
            classes,
        }];
        assert!(edit(&clean, 0, &mut ChaCha8Rng::seed_from_u64(1)).is_none());
    }
}
