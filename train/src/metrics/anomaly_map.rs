//! An anomaly map at its image's size: masks are drawn there, so overlap must be counted there.

use ndarray::{Array2, CowArray, Ix2};

/// The map enlarged or reduced bilinearly to `size` (height, width), pixel centres aligned and edges repeated; a map
/// that has that size already is handed through untouched.
///
/// *Shapes*: `map` is `[rows, columns]`, the result `[height, width]`.
pub fn at_size(map: &Array2<f32>, size: (usize, usize)) -> CowArray<'_, f32, Ix2> {
    if map.dim() == size || map.is_empty() {
        return CowArray::from(map);
    }
    let rows = taps(map.nrows(), size.0);
    let columns = taps(map.ncols(), size.1);
    let mut raised = Array2::zeros(size);
    for (mut out, row) in raised.outer_iter_mut().zip(&rows) {
        let (above, below) = (map.row(row.first), map.row(row.second));
        for (value, column) in out.iter_mut().zip(&columns) {
            let mix = |line: &ndarray::ArrayView1<f32>| {
                line[column.first] + column.weight * (line[column.second] - line[column.first])
            };
            let (top, bottom) = (mix(&above), mix(&below));
            *value = top + row.weight * (bottom - top);
        }
    }
    CowArray::from(raised)
}

/// The two source cells that one target cell lies between.
struct Neighbours {
    first: usize,
    second: usize,
    /// Of the second; the first has the rest.
    weight: f32,
}

fn taps(from: usize, to: usize) -> Vec<Neighbours> {
    let last = from - 1;
    (0..to)
        .map(|target| {
            let centre = (target as f64 + 0.5) * from as f64 / to as f64 - 0.5;
            let clamped = centre.clamp(0.0, last as f64);
            let first = clamped as usize;
            Neighbours {
                first,
                second: (first + 1).min(last),
                weight: (clamped - first as f64) as f32,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn doubling_interpolates_between_cell_centres() {
        let map = array![[0.0, 4.0], [8.0, 12.0]];
        let raised = at_size(&map, (2, 4));
        assert_eq!(raised, array![[0.0, 1.0, 3.0, 4.0], [8.0, 9.0, 11.0, 12.0]]);
    }

    #[test]
    fn the_same_size_is_not_copied() {
        let map = array![[1.0, 2.0]];
        assert!(at_size(&map, (1, 2)).is_view());
    }
}
