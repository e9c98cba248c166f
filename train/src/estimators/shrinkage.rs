//! Ledoit–Wolf shrinkage: a covariance that can always be inverted, its bias chosen by the data.

use aecsad_inspect::branches::shared::shrunk_gaussian::ShrunkGaussian;
use nalgebra::{DMatrix, SymmetricEigen};
use ndarray::{Array1, Array2, Axis};

/// Mean and whitening of the rows of `samples` (`[n, d]`), the covariance shrunk towards a multiple of the identity
/// (Ledoit & Wolf, J. Multivariate Analysis 2004).
pub fn gaussian(samples: &Array2<f32>) -> ShrunkGaussian {
    let mean = samples
        .mean_axis(Axis(0))
        .unwrap_or_else(|| Array1::zeros(samples.ncols()));
    let centred = samples - &mean;
    ShrunkGaussian {
        mean,
        whitening: whitening(&centred),
    }
}

/// Whitening of deviations that already have mean 0: `[d, d]`.
pub fn whitening(centred: &Array2<f32>) -> Array2<f32> {
    let (n, d) = centred.dim();
    let x = DMatrix::from_fn(n, d, |i, j| centred[[i, j]] as f64);
    let covariance = x.transpose() * &x / n as f64;
    let scale = covariance.trace() / d as f64;
    let distance = (0..d)
        .flat_map(|i| (0..d).map(move |j| (i, j)))
        .map(|(i, j)| (covariance[(i, j)] - if i == j { scale } else { 0.0 }).powi(2))
        .sum::<f64>()
        / d as f64;
    // Mean squared error of the covariance itself: how far the outer product of one sample is from it.
    let noise = x
        .row_iter()
        .map(|row| {
            let norm = row.norm_squared();
            let cross = (row * &covariance * row.transpose())[0];
            norm * norm - 2.0 * cross + covariance.norm_squared()
        })
        .sum::<f64>()
        / (n * n * d) as f64;
    let shrinkage = if distance > 0.0 {
        (noise / distance).clamp(0.0, 1.0)
    } else {
        1.0
    };
    let floor = scale.max(1e-12) * 1e-6;
    let mut shrunk = covariance * (1.0 - shrinkage);
    for i in 0..d {
        shrunk[(i, i)] += shrinkage * scale + floor;
    }
    let eigen = SymmetricEigen::new(shrunk);
    Array2::from_shape_fn((d, d), |(i, k)| {
        (eigen.eigenvectors[(i, k)] / eigen.eigenvalues[k].max(floor).sqrt()) as f32
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::ArrayView1;

    /// scikit-learn 1.9.1's `LedoitWolf().fit(x).mahalanobis([[2, -1, 1]])` on the same points (shrinkage 0.0677).
    #[test]
    fn agrees_with_scikit_learn() {
        let x = Array2::from_shape_fn((20, 3), |(i, j)| {
            let step = i as f32;
            match j {
                0 => 0.5 * step,
                1 => 0.4 * step + 0.3 * ((i * 7) % 5) as f32,
                _ => 0.2 * ((i * 3) % 7) as f32,
            }
        });
        let squared = gaussian(&x)
            .distance(ArrayView1::from(&[2.0, -1.0, 1.0]))
            .powi(2);
        assert!((squared - 16.590_884).abs() < 1e-2, "{squared}");
    }

    #[test]
    fn more_dimensions_than_samples_can_still_be_inverted() {
        let x = Array2::from_shape_fn((4, 20), |(i, j)| ((i * 7 + j * 3) % 11) as f32);
        let far = gaussian(&x).distance(Array1::from_elem(20, 100.0).view());
        assert!(far.is_finite() && far > 1.0);
    }
}
