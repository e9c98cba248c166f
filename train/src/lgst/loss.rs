//! What the students are trained for (paper, eq. 4 and 6 to 8), with CSAD's two additions as options: hard-feature
//! mining, and a penalty on imitating what is out of the product's domain.

use burn::tensor::Tensor;
use burn::tensor::backend::AutodiffBackend;
use serde::{Deserialize, Serialize};

use crate::engine::Loss;
use crate::export::layers;

/// The weights of eq. 8.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LgstLossConfig {
    pub local: f32,
    pub global: f32,
    pub fusion: f32,
    /// Mean over this share of the largest local errors instead of over all; `None` is the paper's eq. 4.
    pub hardest: Option<f64>,
    /// Weight of the mean square of the local student's output on an out-of-distribution image, where there are any.
    pub penalty: f32,
}

impl Default for LgstLossConfig {
    fn default() -> Self {
        Self {
            local: 1.0,
            global: 1.0,
            fusion: 1.0,
            hardest: None,
            penalty: 1.0,
        }
    }
}

/// The maps of a batch, each `[B, D, 64, 64]`.
pub struct LgstTerms<B: AutodiffBackend> {
    /// F_T, frozen.
    pub teacher: Tensor<B, 4>,
    /// F_L and F_LG.
    pub local: (Tensor<B, 4>, Tensor<B, 4>),
    /// F_G.
    pub global: Tensor<B, 4>,
    /// F_L of an image that shows no such product.
    pub out_of_distribution: Option<Tensor<B, 4>>,
}

impl LgstLossConfig {
    pub fn loss<B: AutodiffBackend>(&self, maps: LgstTerms<B>) -> Loss<B> {
        let squared = |left: &Tensor<B, 4>, right: &Tensor<B, 4>| {
            let difference = left.clone() - right.clone();
            difference.clone() * difference
        };
        let local = squared(&maps.teacher, &maps.local.0);
        let local = match self.hardest {
            Some(share) => mean_of_largest(local, share),
            None => local.mean(),
        };
        let global = squared(&maps.teacher, &maps.global).mean();
        let fusion = squared(&maps.global, &maps.local.1).mean();
        let mut terms = vec![
            ("local", local, self.local),
            ("global", global, self.global),
            ("fusion", fusion, self.fusion),
        ];
        if let Some(said) = maps.out_of_distribution {
            terms.push(("penalty", said.square().mean(), self.penalty));
        }
        Loss::weighted(terms)
    }
}

/// The mean of the largest `share` of the values. The bound is found on the host: a sort with gradients would cost
/// more than the network.
fn mean_of_largest<B: AutodiffBackend>(errors: Tensor<B, 4>, share: f64) -> Tensor<B, 1> {
    let mut sorted = layers::values(&errors.clone().inner());
    let kept = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len());
    let (_, bound, _) =
        sorted.select_nth_unstable_by(kept - 1, |left, right| right.total_cmp(left));
    let mask = errors.clone().greater_equal_elem(*bound).float();
    let count = mask.clone().sum();
    (errors * mask).sum() / count
}

#[cfg(test)]
mod tests {
    use burn::tensor::{ElementConversion, TensorData};

    use super::*;
    use crate::engine::CpuTraining;

    type B = CpuTraining;

    fn map(values: [f32; 4]) -> Tensor<B, 4> {
        Tensor::from_data(
            TensorData::new(values.to_vec(), [1, 1, 2, 2]),
            &Default::default(),
        )
    }

    fn maps() -> LgstTerms<B> {
        LgstTerms {
            teacher: map([1.0, 2.0, 3.0, 4.0]),
            local: (map([1.0, 2.0, 3.0, 0.0]), map([0.0, 0.0, 0.0, 0.0])),
            global: map([2.0, 2.0, 2.0, 2.0]),
            out_of_distribution: None,
        }
    }

    #[test]
    fn sums_the_three_terms_of_equation_8() {
        let config = LgstLossConfig {
            local: 1.0,
            global: 2.0,
            fusion: 0.5,
            ..Default::default()
        };
        let loss = config.loss(maps());
        let terms: Vec<f32> = loss
            .terms
            .into_iter()
            .map(|(_, term)| term.into_scalar().elem())
            .collect();
        // (0+0+0+16)/4, (1+0+1+4)/4, (4+4+4+4)/4
        assert_eq!(terms, [4.0, 1.5, 4.0]);
        let total: f32 = loss.total.into_scalar().elem();
        assert_eq!(total, 4.0 + 2.0 * 1.5 + 0.5 * 4.0);
    }

    #[test]
    fn a_response_to_an_out_of_distribution_image_is_punished() {
        let config = LgstLossConfig {
            penalty: 0.5,
            ..Default::default()
        };
        let without: f32 = config.loss(maps()).total.into_scalar().elem();
        let out_of_distribution = Some(map([1.0, 1.0, 3.0, 1.0]));
        let loss = config.loss(LgstTerms {
            out_of_distribution,
            ..maps()
        });
        assert_eq!(loss.terms[3].0, "penalty");
        let with: f32 = loss.total.into_scalar().elem();
        assert_eq!(with, without + 0.5 * 3.0);
    }

    #[test]
    fn the_hardest_quarter_counts_alone() {
        let config = LgstLossConfig {
            hardest: Some(0.25),
            ..Default::default()
        };
        let loss = config.loss(maps());
        let local: f32 = loss.terms[0].1.clone().into_scalar().elem();
        assert_eq!(local, 16.0);
    }

    #[test]
    fn only_hard_cells_get_a_gradient() {
        let errors = map([1.0, 9.0, 2.0, 7.0]).require_grad();
        let gradients = mean_of_largest(errors.clone(), 0.5).backward();
        let gradient = layers::values(&errors.grad(&gradients).expect("has a gradient"));
        assert_eq!(gradient, [0.0, 0.5, 0.0, 0.5]);
    }
}
