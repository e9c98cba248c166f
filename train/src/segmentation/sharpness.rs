//! Calibrates the decoder's confidence. Trained for a few hundred steps under losses that favour small classes, it
//! spreads its probability: a screw's class has a little everywhere in the tray, and the sum of that outweighs a screw.
//! One factor on the logits corrects it (temperature scaling; Guo et al., On calibration of modern neural networks,
//! ICML 2017). The most probable class of each cell stays the same.

use burn::tensor::Tensor;
use ndarray::{Array2, Array3, ArrayView1, Axis};

use super::IGNORE;
use super::decoder::Decoder;
use super::source::{Encoded, Prepared, TrainingSet};
use crate::engine::Cpu;

/// Labelled images that the factor is found on: it is a single number.
const IMAGES: usize = 64;
/// Factors tried: from half as sure to sixteen times, four to each doubling.
const FACTORS: std::ops::RangeInclusive<i32> = -4..=16;

/// The factor at which the labels are likeliest.
pub fn find(decoder: &Decoder<Cpu>, set: TrainingSet) -> f32 {
    let device = Default::default();
    let source = Prepared { set, device };
    let images = set.labelled.len();
    let mut logits = Vec::new();
    for image in (0..images).step_by(images.div_ceil(IMAGES).max(1)) {
        let Encoded { stride4, stride16 } = source.stack(set.labelled, &[image]);
        if let Some(map) = to_array(decoder.forward(stride4, stride16)) {
            logits.push((map, &set.masks[image]));
        }
    }
    let surprise = |factor: f32| -> f64 {
        let images = logits.iter().map(|(map, mask)| surprise(map, mask, factor));
        images.sum()
    };
    let tried = FACTORS.map(|quarter| {
        let factor = 2f32.powf(quarter as f32 / 4.0);
        (factor, surprise(factor))
    });
    tried
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .map_or(1.0, |(factor, _)| factor)
}

/// Sum of −ln p of the true classes, `map` being `[C, H, W]`.
fn surprise(map: &Array3<f32>, mask: &Array2<u8>, factor: f32) -> f64 {
    let surprise = |logits: ArrayView1<f32>, class: u8| {
        let largest = logits.fold(f32::NEG_INFINITY, |a, b| a.max(*b));
        let sum: f32 = logits.iter().map(|l| (factor * (l - largest)).exp()).sum();
        f64::from(sum.ln() - factor * (logits[class as usize] - largest))
    };
    map.lanes(Axis(0))
        .into_iter()
        .zip(mask)
        .filter(|(_, class)| **class != IGNORE)
        .map(|(logits, class)| surprise(logits, *class))
        .sum()
}

fn to_array(map: Tensor<Cpu, 4>) -> Option<Array3<f32>> {
    let [_, classes, height, width] = map.dims();
    let values = map.into_data().into_vec::<f32>().ok()?;
    Array3::from_shape_vec((classes, height, width), values).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cells of which three quarters are what the logits say.
    #[test]
    fn a_classifier_that_is_right_three_times_in_four_is_that_sure() {
        let map = Array3::from_shape_fn((2, 8, 8), |(class, _, _)| class as f32);
        let mask = Array2::from_shape_fn((8, 8), |(y, _)| match y {
            0 | 1 => 0,
            2 => IGNORE,
            _ => 1,
        });
        // 40 of 56 cells: ln(40/16) = 0.92 is the factor at which that is the probability.
        let best = (1..40)
            .map(|tenth| tenth as f32 / 10.0)
            .min_by(|a, b| surprise(&map, &mask, *a).total_cmp(&surprise(&map, &mask, *b)));
        assert_eq!(best, Some(0.9));
    }
}
