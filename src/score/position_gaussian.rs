//! A full Gaussian of the low-rank vector at each position of the grid. Strong where parts lie in fixed places;
//! registration brings them there.

use ndarray::Array2;

use super::low_rank::GRID;

/// One Gaussian a position, kept as mean and packed whitening matrix.
#[derive(Clone, Debug)]
pub struct PositionGaussian {
    /// `[GRID², rank]`
    pub mean: Array2<f32>,
    /// `[GRID², rank·(rank+1)/2]`: the rows of the lower-triangular `W` with `Wᵀ·W = Σ⁻¹`, one after the other.
    pub whitening: Array2<f32>,
}

impl PositionGaussian {
    /// Mahalanobis distance of each position's vector. `vectors` is `[GRID², rank]`, `map` has GRID² values.
    pub fn map(&self, vectors: &Array2<f32>, map: &mut [f32]) {
        let rank = self.mean.ncols();
        let mut centred = [0.0f32; 64];
        let centred = &mut centred[..rank];
        for (position, distance) in map.iter_mut().enumerate().take(GRID * GRID) {
            let (vector, mean) = (vectors.row(position), self.mean.row(position));
            for (c, (x, m)) in centred.iter_mut().zip(vector.iter().zip(mean)) {
                *c = x - m;
            }
            let packed = self.whitening.row(position);
            *distance = squared_norm(packed.as_slice().unwrap_or(&[]), centred).sqrt();
        }
    }
}

/// `|W·x|²` for a packed lower-triangular `W`.
fn squared_norm(packed: &[f32], x: &[f32]) -> f32 {
    let (mut sum, mut rest) = (0.0, packed);
    for i in 0..x.len() {
        let Some((row, next)) = rest.split_at_checked(i + 1) else {
            break;
        };
        let y = dot(row, &x[..=i]);
        sum += y * y;
        rest = next;
    }
    sum
}

/// Eight partial sums, so that the compiler may use vector registers: one running sum would fix the order.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let tail: f32 = a8
        .remainder()
        .iter()
        .zip(b8.remainder())
        .map(|(x, y)| x * y)
        .sum();
    for (x, y) in a8.zip(b8) {
        for lane in 0..8 {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    lanes.iter().sum::<f32>() + tail
}

/// Largest rank that [`PositionGaussian::map`] takes.
pub const MAX_RANK: usize = 64;
