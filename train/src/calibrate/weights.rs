//! Weights of a sum that ranks anomalous parts above good ones.

use ndarray::{Array1, ArrayView2};

/// What a large weight costs. So little that a clear ranking is not held back, and enough that branches which say the same
/// share the weight: their errors differ on what was not planted.
const RIDGE: f64 = 0.3;
/// Rounds over all weights, and the change at which they have settled.
const ROUNDS: usize = 100;
const SETTLED: f64 = 1e-4;
/// A step that makes things worse is halved so often.
const HALVINGS: usize = 20;

/// Parts to be distinguished, by scores on one scale.
pub struct Contrast<'a> {
    /// `[right parts, branches]`
    pub right: ArrayView2<'a, f64>,
    /// `[wrong parts, branches]`
    pub wrong: ArrayView2<'a, f64>,
    /// How much it counts beside the others.
    pub weight: f64,
}

/// One weight a branch, none negative: the least mean of `ln(1 + exp(right − wrong))` over all pairs of a right part's and a
/// wrong part's sum (RankNet, ICML 2005), each contrast counting by its weight, plus [`RIDGE`] times the weights' squares. Convex,
/// so there is one answer whatever the start; found by Newton's steps in one weight at a time.
///
/// *Shapes*: the result is `[branches]`.
pub fn weights(contrasts: &[Contrast<'_>], branches: usize) -> Array1<f64> {
    let mut weights = Array1::zeros(branches);
    let mut loss = total(contrasts, &weights);
    for _ in 0..ROUNDS {
        let mut largest: f64 = 0.0;
        for branch in 0..branches {
            let before = weights[branch];
            let mut step = newton(contrasts, &weights, branch);
            for _ in 0..HALVINGS {
                weights[branch] = (before + step).max(0.0);
                let now = total(contrasts, &weights);
                if now <= loss {
                    loss = now;
                    break;
                }
                weights[branch] = before;
                step /= 2.0;
            }
            largest = largest.max((weights[branch] - before).abs());
        }
        if largest < SETTLED {
            break;
        }
    }
    weights
}

fn total(contrasts: &[Contrast<'_>], weights: &Array1<f64>) -> f64 {
    let mut sum = 0.0;
    for contrast in contrasts {
        contrast.each_pair(weights, |margin, _, _| {
            let loss = (-margin).max(0.0) + (-margin.abs()).exp().ln_1p();
            sum += contrast.share() * loss;
        });
    }
    sum / total_weight(contrasts) + RIDGE * weights.dot(weights)
}

/// Newton's step along one weight: slope by curvature.
fn newton(contrasts: &[Contrast<'_>], weights: &Array1<f64>, branch: usize) -> f64 {
    let (mut slope, mut curvature) = (0.0, 0.0);
    for contrast in contrasts {
        let (right, wrong) = (contrast.right.column(branch), contrast.wrong.column(branch));
        contrast.each_pair(weights, |margin, r, w| {
            let difference = wrong[w] - right[r];
            let doubt = 1.0 / (1.0 + margin.exp());
            slope -= contrast.share() * doubt * difference;
            curvature += contrast.share() * doubt * (1.0 - doubt) * difference.powi(2);
        });
    }
    let total_weight = total_weight(contrasts);
    -(slope / total_weight + 2.0 * RIDGE * weights[branch])
        / (curvature / total_weight + 2.0 * RIDGE)
}

/// Of all contrasts; 1 where none has any.
fn total_weight(contrasts: &[Contrast<'_>]) -> f64 {
    let sum = contrasts.iter().map(|contrast| contrast.weight).sum();
    if sum > 0.0 { sum } else { 1.0 }
}

impl Contrast<'_> {
    /// Of one pair in all.
    fn share(&self) -> f64 {
        self.weight / (self.right.nrows() * self.wrong.nrows()).max(1) as f64
    }

    /// Calls `visit` with how far each wrong part's sum lies above each right part's, and the numbers of the two.
    fn each_pair(&self, weights: &Array1<f64>, mut visit: impl FnMut(f64, usize, usize)) {
        let (right, wrong) = (self.right.dot(weights), self.wrong.dot(weights));
        for (r, below) in right.iter().enumerate() {
            for (w, above) in wrong.iter().enumerate() {
                visit(above - below, r, w);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn fitted(right: &Array2<f64>, wrong: &Array2<f64>) -> Array1<f64> {
        let contrast = Contrast {
            right: right.view(),
            wrong: wrong.view(),
            weight: 1.0,
        };
        weights(&[contrast], right.ncols())
    }

    /// `[parts, 3]` of noise.
    fn noise(seed: u64) -> Array2<f64> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        Array2::from_shape_fn((60, 3), |_| random.random_range(-1.0..1.0))
    }

    /// One pair, one branch: `2·0.3·w = d/(1 + exp(w·d))`; at a difference of 1, `w` is about 0.634.
    #[test]
    fn it_finds_the_least() {
        let w = fitted(&array![[0.0]], &array![[1.0]])[0];
        assert!((0.6 * w - 1.0 / (1.0 + w.exp())).abs() < 1e-4, "{w}");
    }

    #[test]
    fn what_sees_more_weighs_more_and_what_sees_nothing_almost_nothing() {
        let (right, mut wrong) = (noise(1), noise(2));
        wrong.column_mut(0).mapv_inplace(|s| s + 2.0);
        wrong.column_mut(1).mapv_inplace(|s| s + 0.7);
        let w = fitted(&right, &wrong);
        assert!(w[0] > 1.5 * w[1] && w[1] > 3.0 * w[2], "{w}");
    }

    #[test]
    fn what_points_the_wrong_way_is_silent() {
        let (right, mut wrong) = (noise(1), noise(2));
        wrong.column_mut(0).mapv_inplace(|s| s + 1.0);
        wrong.column_mut(2).mapv_inplace(|s| s - 1.0);
        assert_eq!(fitted(&right, &wrong)[2], 0.0);
    }

    #[test]
    fn two_that_say_the_same_share_the_say() {
        let double = |a: Array2<f64>| {
            ndarray::concatenate![
                ndarray::Axis(1),
                a.slice(ndarray::s![.., ..1]),
                a.slice(ndarray::s![.., ..1])
            ]
        };
        let w = fitted(&double(noise(1)), &double(noise(2) + 1.0));
        assert!(w[0] > 0.1 && (w[0] - w[1]).abs() < 0.01, "{w}");
    }

    #[test]
    fn the_contrast_with_more_say_rules() {
        let right = noise(1);
        let wrong = [0, 1].map(|branch| {
            let mut wrong = noise(2);
            wrong.column_mut(branch).mapv_inplace(|s| s + 1.0);
            wrong
        });
        let weighted = |of_contrasts: [f64; 2]| {
            let pairs = wrong.iter().zip(of_contrasts);
            let contrasts = pairs.map(|(wrong, weight)| Contrast {
                right: right.view(),
                wrong: wrong.view(),
                weight,
            });
            weights(&contrasts.collect::<Vec<_>>(), 3)
        };
        let (even, odd) = (weighted([1.0, 1.0]), weighted([1.0, 5.0]));
        assert!(odd[1] > even[1] && odd[0] < 0.7 * even[0], "{even} {odd}");
        assert_eq!(weighted([2.0, 2.0]), even);
    }

    #[test]
    fn no_parts_no_say() {
        let none = Array2::zeros((0, 2));
        assert_eq!(fitted(&none, &none), array![0.0, 0.0]);
    }
}
