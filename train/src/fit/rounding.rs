//! How far int8 scores move by rounding alone. Where a float sum is rounded differently, a value between two
//! quantisation steps goes to the other one, and by the last layer these flips amount to noise. CPUs that fuse
//! multiplication and addition give the same bits. One that doesn't differs by that noise and is right as well, so
//! golden vectors must allow for it there.

use aecsad_inspect::branches::scorer::Scorer;
use aecsad_inspect::bundle::Tolerance;
use aecsad_inspect::decision::Verdict;
use aecsad_inspect::frame::Frame;
use aecsad_inspect::golden::Pair;
use aecsad_inspect::network::Percept;
use aecsad_inspect::optics::{InputGeometry, Optics, Tensors};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::FitError;
use crate::calibrate::Selection;
use crate::networks::{Directions, Trained};

/// By this share of itself each value of an image is moved: some ten times what the order of a float sum does.
const NUDGE: f32 = 1e-6;
/// Nudged copies of each image.
const COPIES: usize = 4;
/// The largest difference seen on a few images is not the largest there is.
const MARGIN: f32 = 2.0;

/// What the scores of `frames` may differ by on a CPU that rounds otherwise: a margin over the largest difference that nudging them makes,
/// measured as golden vectors measure it.
pub fn tolerance(
    trained: &Trained,
    selection: &Selection,
    frames: &[Frame],
    geometry: &InputGeometry,
) -> Result<f32, FitError> {
    let mut perception = trained.seeing(&Directions::of(&selection.statistics), geometry)?;
    let mut scorer = Scorer::new(selection.statistics.clone());
    let mut optics = Optics::new(geometry.clone(), None);
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let mut percept = Percept::empty();
    let mut largest = 0.0f32;
    for frame in frames {
        let tensors = optics.tensors(frame)?;
        let mut judge = |tensors: &Tensors<'_>| -> Result<Verdict, FitError> {
            perception.perceive(tensors, &mut percept)?;
            Ok(selection.decision.judge(&scorer.score(&percept)))
        };
        let expected = judge(&tensors)?;
        for _ in 0..COPIES {
            let mut nudged = |tensor: &[f32]| -> Vec<f32> {
                let nudge = |v: &f32| v * (1.0 + NUDGE * random.random_range(-1.0f32..1.0));
                tensor.iter().map(nudge).collect()
            };
            let (whole, fine) = (nudged(tensors.whole), tensors.fine.map(&mut nudged));
            let found = judge(&Tensors {
                whole: &whole,
                fine: fine.as_deref(),
            })?;
            largest = largest.max(difference(&expected, &found));
        }
    }
    Ok(MARGIN * largest)
}

/// The manifest's tolerance: `exact` where other CPUs come to the same bits as this one, `rounded` where they can't. TensorRT
/// adds the same products in an order of its own.
pub fn allowed(exact: f32, rounded: f32) -> Tolerance {
    match aecsad_engine::fuses() {
        true => Tolerance {
            golden: exact,
            unfused: Some(rounded),
            tensorrt: Some(rounded),
        },
        false => Tolerance {
            golden: rounded,
            unfused: None,
            tensorrt: None,
        },
    }
}

fn difference(expected: &Verdict, found: &Verdict) -> f32 {
    let branches = expected.branches.iter().zip(&found.branches);
    let pairs = branches.map(|((_, expected), (_, found))| (*expected, *found));
    pairs
        .chain([(expected.score, found.score)])
        .map(|(expected, found)| Pair { expected, found }.difference())
        .fold(0.0, f32::max)
}
