//! Resizing and smoothing along one axis as small constant matrices, so that a graph can do them by products.

/// A small dense matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    pub rows: usize,
    pub columns: usize,
    /// `[rows, columns]`, row by row.
    pub values: Vec<f32>,
}

impl Matrix {
    fn zeros(rows: usize, columns: usize) -> Self {
        Self {
            rows,
            columns,
            values: vec![0.0; rows * columns],
        }
    }

    /// Bilinear interpolation from `from` cells to `to`, half-pixel centres, the border repeated.
    pub fn bilinear(from: usize, to: usize) -> Self {
        let mut matrix = Self::zeros(to, from);
        for row in 0..to {
            let place = (row as f64 + 0.5) * from as f64 / to as f64 - 0.5;
            let place = place.clamp(0.0, (from - 1) as f64);
            let below = place.floor() as usize;
            let above = (below + 1).min(from - 1);
            let share = (place - below as f64) as f32;
            matrix.values[row * from + below] += 1.0 - share;
            matrix.values[row * from + above] += share;
        }
        matrix
    }

    /// The mean of each cell and its two neighbours; at the ends of those that exist.
    pub fn smooth3(cells: usize) -> Self {
        let mut matrix = Self::zeros(cells, cells);
        for row in 0..cells {
            let near = row.saturating_sub(1)..(row + 2).min(cells);
            let share = 1.0 / near.len() as f32;
            near.for_each(|column| matrix.values[row * cells + column] = share);
        }
        matrix
    }

    pub fn transposed(&self) -> Self {
        let mut out = Self::zeros(self.columns, self.rows);
        for row in 0..self.rows {
            for column in 0..self.columns {
                out.values[column * self.rows + row] = self.values[row * self.columns + column];
            }
        }
        out
    }

    /// `self · right`; the inner sizes agree.
    pub fn times(&self, right: &Self) -> Self {
        let mut out = Self::zeros(self.rows, right.columns);
        for row in 0..self.rows {
            for inner in 0..self.columns {
                let factor = self.values[row * self.columns + inner];
                for column in 0..right.columns {
                    out.values[row * right.columns + column] +=
                        factor * right.values[inner * right.columns + column];
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bilinear_doubles_as_by_hand() {
        let doubled = Matrix::bilinear(2, 4);
        assert_eq!(doubled.values, [1.0, 0.0, 0.75, 0.25, 0.25, 0.75, 0.0, 1.0]);
    }

    #[test]
    fn smoothing_averages_existing_cells() {
        let third = 1.0 / 3.0;
        let expected = [0.5, 0.5, 0.0, third, third, third, 0.0, 0.5, 0.5];
        assert_eq!(Matrix::smooth3(3).values, expected);
    }

    #[test]
    fn products_and_transposes_compose() {
        let half = Matrix::bilinear(4, 2);
        let there_and_back = half.times(&Matrix::bilinear(2, 4));
        assert_eq!((there_and_back.rows, there_and_back.columns), (2, 2));
        let flipped = Matrix::bilinear(2, 4)
            .transposed()
            .times(&half.transposed());
        assert_eq!(there_and_back.transposed(), flipped);
    }
}
