//! A kernel in int8: each output has its own scale.

use super::graph::ConvolutionKernel;
use super::magnitudes::STEPS;

/// Scales tried for each output, down from the one that clips nothing.
const TRIED: usize = 50;
/// The smallest of them, as a share of that.
const LEAST_SHARE: f32 = 0.5;

/// Weights as whole steps of −127 to 127, and the size of a step for each output.
#[derive(Clone, Debug, PartialEq)]
pub struct Int8Kernel {
    /// `[outputs, inputs of a group, height, width]`, row-major.
    pub steps: Vec<i8>,
    /// `[outputs]`, above 0.
    pub scales: Vec<f32>,
}

impl Int8Kernel {
    /// The scale of each output is the one whose squared error of rounding and clipping is smallest.
    pub fn new(kernel: &ConvolutionKernel) -> Self {
        let (mut steps, mut scales) = (Vec::with_capacity(kernel.weights.len()), Vec::new());
        for weights in kernel.weights.chunks(kernel.of_output().max(1)) {
            let scale = best_scale(weights);
            steps.extend(weights.iter().map(|weight| nearest(*weight, scale)));
            scales.push(scale);
        }
        Self { steps, scales }
    }

    /// What each output is multiplied too much by, summed over the kernel's cells: `[outputs][inputs of a group]`.
    pub fn excess(&self, kernel: &ConvolutionKernel) -> Vec<Vec<f64>> {
        let [_, inputs, height, width] = kernel.shape;
        let (cells, of_output) = (height * width, kernel.of_output());
        let at = |output: usize, input: usize| {
            let from = output * of_output + input * cells;
            let pairs = self.steps[from..from + cells]
                .iter()
                .zip(&kernel.weights[from..]);
            let scale = f64::from(self.scales[output]);
            pairs
                .map(|(step, weight)| f64::from(*step) * scale - f64::from(*weight))
                .sum()
        };
        let outputs = 0..kernel.outputs();
        outputs
            .map(|output| (0..inputs).map(|input| at(output, input)).collect())
            .collect()
    }
}

fn best_scale(weights: &[f32]) -> f32 {
    let largest = weights.iter().fold(0.0f32, |most, w| most.max(w.abs()));
    let whole = largest / STEPS;
    if !whole.is_normal() {
        // Nothing to scale; a scale of 0 is refused by TensorRT.
        return 1.0;
    }
    let error = |scale: f32| -> f64 {
        let of =
            |weight: &f32| f64::from(f32::from(nearest(*weight, scale)) * scale - weight).powi(2);
        weights.iter().map(of).sum()
    };
    let share = |tried: usize| 1.0 - (1.0 - LEAST_SHARE) * tried as f32 / TRIED as f32;
    (0..=TRIED)
        .map(|tried| whole * share(tried))
        .filter(|scale| scale.is_normal())
        .map(|scale| (error(scale), scale))
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .map_or(whole, |(_, scale)| scale)
}

fn nearest(weight: f32, scale: f32) -> i8 {
    (weight / scale).round_ties_even().clamp(-STEPS, STEPS) as i8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(weights: Vec<f32>, shape: [usize; 4]) -> ConvolutionKernel {
        ConvolutionKernel {
            bias: vec![0.0; shape[0]],
            weights,
            shape,
            groups: 1,
        }
    }

    #[test]
    fn each_output_spans_its_own_range_and_none_is_scaled_by_zero() {
        let weights = vec![0.5, -1.0, 0.0, 0.0, 300.0, -4.0];
        let int8 = Int8Kernel::new(&kernel(weights.clone(), [3, 2, 1, 1]));
        assert_eq!(int8.scales[1], 1.0);
        for (index, weight) in weights.iter().enumerate() {
            let scale = int8.scales[index / 2];
            let back = f32::from(int8.steps[index]) * scale;
            assert!((back - weight).abs() <= 0.51 * scale, "{back} for {weight}");
        }
        assert!(int8.steps.iter().all(|step| *step >= -127));
    }

    #[test]
    fn a_scale_that_clips_is_taken_where_it_errs_less() {
        // A hundred weights on a grid that the largest one alone would not give them.
        let mut weights: Vec<f32> = (0..100).map(|i| (i % 90) as f32 / 127.0).collect();
        weights.push(1.01);
        let int8 = Int8Kernel::new(&kernel(weights.clone(), [1, 101, 1, 1]));
        let error = |scale: f32| -> f64 {
            let of = |w: &f32| f64::from(f32::from(nearest(*w, scale)) * scale - w).powi(2);
            weights.iter().map(of).sum()
        };
        assert!(error(int8.scales[0]) <= error(1.01 / 127.0));
        assert!(int8.scales[0] < 1.01 / 127.0);
    }

    #[test]
    fn the_excess_is_what_rounding_added() {
        let kernel = kernel(vec![1.0, 0.3, 0.52, -0.11], [1, 2, 1, 2]);
        let int8 = Int8Kernel::new(&kernel);
        let scale = f64::from(int8.scales[0]);
        let sum = |steps: &[i8]| steps.iter().map(|s| f64::from(*s) * scale).sum::<f64>();
        let excess = int8.excess(&kernel);
        assert!((excess[0][0] - (sum(&int8.steps[..2]) - 1.3)).abs() < 1e-6);
        assert!((excess[0][1] - (sum(&int8.steps[2..]) - 0.41)).abs() < 1e-6);
    }
}
