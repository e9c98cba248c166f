//! Good vectors to compare with: one Gaussian where good parts are alike, nearest neighbours where they come in
//! variants.

use ndarray::{Array2, ArrayView1};

use super::shrunk_gaussian::ShrunkGaussian;
use crate::arrays::Arrays;

/// How far a vector (a class histogram, a pooled feature) lies from good ones.
#[derive(Clone, Debug)]
pub enum Reference {
    /// Mahalanobis distance (paper, eq. 2).
    Gaussian(ShrunkGaussian),
    /// Mean distance to the `NEIGHBOURS` nearest good vectors, after whitening by how much neighbours differ.
    Nearest {
        /// Only its whitening and mean are used to map vectors.
        space: ShrunkGaussian,
        /// `[n, k]`, already in that space.
        good: Array2<f32>,
    },
}

pub const NEIGHBOURS: usize = 3;

impl Reference {
    /// Adds its arrays under `name`.
    pub fn write(&self, arrays: &mut Arrays, name: &str) {
        let space = match self {
            Reference::Gaussian(gaussian) => gaussian,
            Reference::Nearest { space, good } => {
                arrays.insert(format!("{name}.good"), good.clone());
                space
            }
        };
        arrays.insert(format!("{name}.mean"), space.mean.clone());
        arrays.insert(format!("{name}.whitening"), space.whitening.clone());
    }

    /// *Shapes*: `x` is `[n]`.
    pub fn distance(&self, x: ArrayView1<'_, f32>) -> f32 {
        match self {
            Reference::Gaussian(gaussian) => gaussian.distance(x),
            Reference::Nearest { space, good } => {
                let at = space.whiten(x);
                let mut nearest = [f32::INFINITY; NEIGHBOURS];
                for row in good.rows() {
                    let distance = row.iter().zip(&at).map(|(a, b)| (a - b).powi(2)).sum();
                    insert(&mut nearest, distance);
                }
                let found = nearest.iter().filter(|d| d.is_finite());
                let count = found.clone().count().max(1);
                found.map(|d: &f32| d.sqrt()).sum::<f32>() / count as f32
            }
        }
    }
}

/// Keeps `nearest` ascending.
///
/// *Shapes*: `nearest` is `[neighbours]`.
pub fn insert(nearest: &mut [f32], mut distance: f32) {
    for kept in nearest {
        if distance < *kept {
            std::mem::swap(kept, &mut distance);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array1, array};

    #[test]
    fn a_mixture_of_variants_is_far_from_each() {
        let space = ShrunkGaussian {
            mean: Array1::zeros(2),
            whitening: Array2::eye(2),
        };
        let good = array![
            [0.0, 0.0],
            [0.0, 0.0],
            [0.0, 0.0],
            [4.0, 4.0],
            [4.0, 4.0],
            [4.0, 4.0]
        ];
        let nearest = Reference::Nearest { space, good };
        assert!(nearest.distance(array![4.0, 4.0].view()) < 1e-6);
        let mixed = nearest.distance(array![4.0, 0.0].view());
        assert!((mixed - 4.0).abs() < 1e-6, "{mixed}");
    }
}
