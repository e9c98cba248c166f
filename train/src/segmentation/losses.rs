//! The five losses of the segmentation (paper, eq. 1). Those that need a label skip cells marked
//! [`IGNORE`](super::IGNORE).

use burn::tensor::activation::log_softmax;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::IGNORE;

/// γ of the focal loss.
const FOCUS: i32 = 2;

/// λ1 to λ5 of eq. 1.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LossWeights {
    pub cross_entropy: f32,
    pub dice: f32,
    pub focal: f32,
    pub histogram: f32,
    pub entropy: f32,
}

impl Default for LossWeights {
    fn default() -> Self {
        Self {
            cross_entropy: 1.0,
            dice: 0.5,
            focal: 0.5,
            histogram: 0.3,
            entropy: 0.1,
        }
    }
}

/// Masks as the losses need them.
pub struct LossTarget<B: Backend> {
    /// 1 at a cell's class, 0 elsewhere and everywhere in ignored cells, `[B, C, H, W]`.
    one_hot: Tensor<B, 4>,
    /// Cells with a label, in the whole batch.
    labelled: f32,
    /// Share of each class among an image's labelled cells, `[B, C]`.
    shares: Tensor<B, 2>,
    /// Weight of each class, one over its cells, 0 if it has none; they sum to 1, `[C]`.
    balance: Tensor<B, 1>,
}

impl<B: Backend> LossTarget<B> {
    /// `masks` are of one size and hold classes below `classes` or [`IGNORE`](super::IGNORE).
    ///
    /// *Shapes*: each mask is `[height, width]`.
    pub fn new<'a>(
        masks: impl ExactSizeIterator<Item = &'a Array2<u8>>,
        classes: usize,
        device: &B::Device,
    ) -> Self {
        let batch = masks.len();
        let mut size = (0, 0);
        let mut one_hot = Vec::new();
        let mut shares = Vec::with_capacity(batch * classes);
        let mut cells = vec![0usize; classes];
        for mask in masks {
            size = mask.dim();
            let start = one_hot.len();
            one_hot.resize(start + classes * mask.len(), 0.0f32);
            let mut counts = vec![0usize; classes];
            for (cell, &class) in mask
                .iter()
                .enumerate()
                .filter(|(_, class)| **class != IGNORE)
            {
                one_hot[start + class as usize * mask.len() + cell] = 1.0;
                counts[class as usize] += 1;
            }
            let labelled = counts.iter().sum::<usize>().max(1) as f32;
            shares.extend(counts.iter().map(|&count| count as f32 / labelled));
            cells
                .iter_mut()
                .zip(&counts)
                .for_each(|(sum, count)| *sum += count);
        }
        let inverse: Vec<f32> = cells
            .iter()
            .map(|&count| if count == 0 { 0.0 } else { 1.0 / count as f32 })
            .collect();
        let total = inverse.iter().sum::<f32>().max(f32::MIN_POSITIVE);
        let balance = inverse
            .iter()
            .map(|weight| weight / total)
            .collect::<Vec<_>>();
        let tensor = |values, shape| TensorData::new::<f32, _>(values, shape);
        Self {
            one_hot: Tensor::from_data(
                TensorData::new(one_hot, [batch, classes, size.0, size.1]),
                device,
            ),
            labelled: cells.iter().sum::<usize>().max(1) as f32,
            shares: Tensor::from_data(TensorData::new(shares, [batch, classes]), device),
            balance: Tensor::from_data(tensor(balance, [classes]), device),
        }
    }
}

/// What a batch of logits says, computed once for all losses.
pub struct Probabilities<B: Backend> {
    /// ln p, `[B, C, H, W]`.
    logarithm: Tensor<B, 4>,
    /// p.
    value: Tensor<B, 4>,
}

impl<B: Backend> Probabilities<B> {
    /// The probabilities of these logits.
    ///
    /// *Shapes*: `logits` is `[B, classes, H, W]`.
    pub fn new(logits: Tensor<B, 4>) -> Self {
        let logarithm = log_softmax(logits, 1);
        Self {
            value: logarithm.clone().exp(),
            logarithm,
        }
    }

    /// Mean of −ln p of the true class.
    pub fn cross_entropy(&self, target: &LossTarget<B>) -> Tensor<B, 1> {
        (self.logarithm.clone() * target.one_hot.clone())
            .sum()
            .div_scalar(-target.labelled)
    }

    /// Mean of −(1 − p)² ln p of the true class: what is already clear counts little.
    pub fn focal(&self, target: &LossTarget<B>) -> Tensor<B, 1> {
        let doubt = (self.value.clone().neg() + 1.0).powi_scalar(FOCUS);
        (doubt * self.logarithm.clone() * target.one_hot.clone())
            .sum()
            .div_scalar(-target.labelled)
    }

    /// One minus the Dice overlap, classes weighted by one over their cells, so that a screw counts as much as the
    /// tray it lies in.
    pub fn dice(&self, target: &LossTarget<B>) -> Tensor<B, 1> {
        let classes = target.balance.dims()[0];
        let labelled = target.one_hot.clone().sum_dim(1);
        let predicted = self.value.clone() * labelled;
        let per_class = |map: Tensor<B, 4>| -> Tensor<B, 1> {
            let [batch, _, height, width] = map.dims();
            map.reshape([batch, classes, height * width])
                .sum_dim(2)
                .sum_dim(0)
                .reshape([classes])
        };
        let overlap = per_class(predicted.clone() * target.one_hot.clone());
        let extent = per_class(predicted + target.one_hot.clone());
        let weighted = |amount: Tensor<B, 1>| (amount * target.balance.clone()).sum();
        (weighted(overlap) * 2.0 / (weighted(extent) + f32::MIN_POSITIVE)).neg() + 1.0
    }

    /// How far the predicted shares of the classes are from the target's: mean absolute difference over classes and
    /// images (paper, eq. 3). Images and targets are paired by their place in the batch.
    pub fn histogram(&self, target: &LossTarget<B>) -> Tensor<B, 1> {
        let [batch, classes, height, width] = self.value.dims();
        let shares: Tensor<B, 2> = self
            .value
            .clone()
            .reshape([batch, classes, height * width])
            .mean_dim(2)
            .reshape([batch, classes]);
        (shares - target.shares.clone()).abs().mean()
    }

    /// Mean entropy of a cell, in nats.
    pub fn entropy(&self) -> Tensor<B, 1> {
        let [batch, _, height, width] = self.value.dims();
        (self.value.clone() * self.logarithm.clone())
            .sum()
            .div_scalar(-((batch * height * width) as f32))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::ElementConversion;
    use ndarray::array;

    use super::*;
    use crate::engine::{Cpu, CpuTraining};
    use crate::export::layers;

    /// Two classes on a 1×4 map; the last cell is ignored.
    fn target<B: Backend>() -> LossTarget<B> {
        LossTarget::new([array![[0u8, 0, 1, IGNORE]]].iter(), 2, &Default::default())
    }

    /// Logits whose softmax is 0.8, 0.5, 0.75, 0.9 for class 0.
    fn logits<B: Backend>() -> Tensor<B, 4> {
        let first: Vec<f32> = [0.8f32, 0.5, 0.75, 0.9]
            .map(|p| (p / (1.0 - p)).ln())
            .to_vec();
        let values = [first, vec![0.0; 4]].concat();
        Tensor::from_data(TensorData::new(values, [1, 2, 1, 4]), &Default::default())
    }

    #[track_caller]
    fn close(found: Tensor<Cpu, 1>, expected: f32) {
        let found: f32 = found.into_scalar().elem();
        assert!((found - expected).abs() < 1e-5, "{found} is not {expected}");
    }

    #[test]
    fn cross_entropy_is_the_mean_over_labelled_cells() {
        let expected = -(0.8f32.ln() + 0.5f32.ln() + 0.25f32.ln()) / 3.0;
        close(
            Probabilities::<Cpu>::new(logits()).cross_entropy(&target()),
            expected,
        );
    }

    #[test]
    fn focal_discounts_what_is_clear() {
        let term = |p: f32| (1.0 - p).powi(2) * -p.ln();
        let expected = (term(0.8) + term(0.5) + term(0.25)) / 3.0;
        close(
            Probabilities::<Cpu>::new(logits()).focal(&target()),
            expected,
        );
    }

    #[test]
    fn dice_balances_the_classes() {
        // Weights 1/2 and 1/1, normalised to 1/3 and 2/3.
        let overlap = (0.8 + 0.5) / 3.0 + 0.25 * 2.0 / 3.0;
        let extent = (0.8 + 0.5 + 0.75 + 2.0) / 3.0 + (0.2 + 0.5 + 0.25 + 1.0) * 2.0 / 3.0;
        close(
            Probabilities::<Cpu>::new(logits()).dice(&target()),
            1.0 - 2.0 * overlap / extent,
        );
    }

    #[test]
    fn a_perfect_prediction_costs_nothing() {
        let sure = target::<Cpu>().one_hot * 200.0 - 100.0;
        let probabilities = Probabilities::new(sure);
        close(probabilities.cross_entropy(&target()), 0.0);
        close(probabilities.dice(&target()), 0.0);
        close(probabilities.focal(&target()), 0.0);
    }

    #[test]
    fn histogram_compares_shares() {
        // Predicted share of class 0 is 2.95/4, the labelled one 2/3.
        let expected = (2.95f32 / 4.0 - 2.0 / 3.0).abs();
        close(
            Probabilities::<Cpu>::new(logits()).histogram(&target()),
            expected,
        );
    }

    #[test]
    fn entropy_is_in_nats() {
        let of = |p: f32| -(p * p.ln() + (1.0 - p) * (1.0 - p).ln());
        let expected = (of(0.8) + of(0.5) + of(0.75) + of(0.9)) / 4.0;
        close(Probabilities::<Cpu>::new(logits()).entropy(), expected);
    }

    #[test]
    fn gradients_agree_with_differences() {
        let total = |probabilities: &Probabilities<CpuTraining>| {
            let target = target();
            probabilities.cross_entropy(&target)
                + probabilities.dice(&target)
                + probabilities.focal(&target)
                + probabilities.histogram(&target)
                + probabilities.entropy()
        };
        let start = logits::<CpuTraining>().require_grad();
        let gradients = total(&Probabilities::new(start.clone())).backward();
        let gradient = layers::values(&start.grad(&gradients).expect("has a gradient"));
        let values = layers::values(&start);
        let at = |values: &[f32]| -> f32 {
            let data = TensorData::new(values.to_vec(), [1, 2, 1, 4]);
            total(&Probabilities::new(Tensor::from_data(
                data,
                &Default::default(),
            )))
            .into_scalar()
            .elem()
        };
        let step = 1e-2;
        for index in 0..values.len() {
            let (mut above, mut below) = (values.clone(), values.clone());
            above[index] += step;
            below[index] -= step;
            let expected = (at(&above) - at(&below)) / (2.0 * step);
            assert!(
                (gradient[index] - expected).abs() < 2e-3,
                "{index}: {} is not {expected}",
                gradient[index]
            );
        }
    }
}
