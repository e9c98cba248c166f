//! Lower-triangular whitening matrices, packed: the rows one after the other, without the zeros.

use ndarray::Array2;

/// Numbers in a packed matrix of `rank` rows.
pub const fn length(rank: usize) -> usize {
    rank * (rank + 1) / 2
}

/// Packed matrices of `rank` rows, one after the other, as a row each: `[matrices, rank·(rank + 1)/2]`.
pub fn rows(rank: usize, matrices: Vec<f32>) -> Array2<f32> {
    let shape = (matrices.len() / length(rank).max(1), length(rank));
    Array2::from_shape_vec(shape, matrices).unwrap_or_else(|_| Array2::zeros((0, length(rank))))
}

/// `|W·x|²` for a packed lower-triangular `W`.
///
/// *Shapes*: `x` is `[n]`, `packed` `[n·(n + 1)/2]`, row by row.
pub fn squared_norm(packed: &[f32], x: &[f32]) -> f32 {
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
///
/// *Shapes*: `a` and `b` are `[n]`.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multiplies_what_lies_below_the_diagonal() {
        let packed = [2.0, 1.0, 3.0, 0.0, -1.0, 1.0];
        // rows (2), (1 3), (0 -1 1) by (1 2 4): 2, 7, 2
        let x = [1.0, 2.0, 4.0];
        assert_eq!(packed.len(), length(x.len()));
        assert_eq!(squared_norm(&packed, &x), 57.0);
    }
}
