//! Anomaly maps: how one becomes an image score, and how it is brought to the frame's size.

use super::registration::Pose;

/// Share of the whole view's cells whose mean is the part's score.
const TOP_SHARE: f32 = 0.01;
/// That share of a fine view's cells, and the fewest cells: damage covers a smaller share of more cells.
const FINE_TOP_SHARE: f32 = 0.0005;
const FINE_TOP_CELLS: usize = 4;

/// How anomalous each place of the latest part is to one branch.
pub struct AnomalyMap<'a> {
    /// `[rows·columns]`, row by row.
    pub values: &'a [f32],
    pub rows: usize,
    pub columns: usize,
    /// How the map lies on the frame: that of the part, or the default where the branch reads the frame as it is.
    pub pose: Pose,
}

/// A branch's map, kept from part to part.
#[derive(Clone, Debug)]
pub struct MapBuffer {
    /// `[rows·columns]`, row by row.
    pub values: Vec<f32>,
    rows: usize,
    columns: usize,
    /// How many of the highest cells make the score.
    top: usize,
    sorted: Vec<f32>,
    pub(super) pose: Pose,
    /// So many cells along the frame's edges don't count where the part has moved; see [`Registration`].
    ///
    /// [`Registration`]: super::registration::Registration
    pub(super) margin: Option<f32>,
}

impl MapBuffer {
    /// Of the whole view.
    pub fn new(side: usize) -> Self {
        let top = (inner(side, side) as f32 * TOP_SHARE) as usize;
        Self::with_top((side, side), top)
    }

    /// Of a fine view of so many rows and columns.
    pub fn fine((rows, columns): (usize, usize)) -> Self {
        let top = (inner(rows, columns) as f32 * FINE_TOP_SHARE) as usize;
        Self::with_top((rows, columns), top.max(FINE_TOP_CELLS))
    }

    fn with_top((rows, columns): (usize, usize), top: usize) -> Self {
        MapBuffer {
            values: vec![0.0; rows * columns],
            rows,
            columns,
            top,
            sorted: Vec::with_capacity(rows * columns),
            pose: Pose::default(),
            margin: None,
        }
    }

    /// The mean of the highest cells. Where the part has moved, cells that see the frame's edge, or beyond it, become 0.
    pub fn score(&mut self) -> f32 {
        let margin = self.margin.filter(|_| self.pose != Pose::default());
        let Some(margin) = margin else {
            return top_mean(&self.values, self.columns, self.top, &mut self.sorted);
        };
        let (rows, columns) = (self.rows as f32, self.columns as f32);
        self.sorted.clear();
        for (cell, value) in self.values.iter_mut().enumerate() {
            let (row, column) = (cell / self.columns, cell % self.columns);
            let (x, y) = ((column as f32 + 0.5) / columns, (row as f32 + 0.5) / rows);
            let (x, y) = self.pose.to_frame(x, y);
            let within = |at: f32, cells: f32| (margin..=cells - margin).contains(&(at * cells));
            match within(x, columns) && within(y, rows) {
                true => self.sorted.push(*value),
                false => *value = 0.0,
            }
        }
        mean_of_highest(&mut self.sorted, self.top)
    }

    pub fn map(&self) -> AnomalyMap<'_> {
        AnomalyMap {
            values: &self.values,
            rows: self.rows,
            columns: self.columns,
            pose: self.pose,
        }
    }
}

/// Cells of a map without the outermost ring.
fn inner(rows: usize, columns: usize) -> usize {
    rows.saturating_sub(2) * columns.saturating_sub(2)
}

/// Mean of the `top` highest of the inner cells of a map with so many `columns` (at least one cell). The outermost ring
/// is left out: the padding of the convolutions decides it. `scratch` is reused between frames.
///
/// *Shapes*: `map` is `[rows, columns]`, row by row.
pub fn top_mean(map: &[f32], columns: usize, top: usize, scratch: &mut Vec<f32>) -> f32 {
    scratch.clear();
    let rows = map.len() / columns.max(1);
    for row in map
        .chunks_exact(columns.max(1))
        .skip(1)
        .take(rows.saturating_sub(2))
    {
        scratch.extend_from_slice(row.get(1..columns.saturating_sub(1)).unwrap_or(&[]));
    }
    mean_of_highest(scratch, top)
}

/// Of the `top` highest values, at least one; changes their order. 0 of none.
fn mean_of_highest(values: &mut [f32], top: usize) -> f32 {
    if values.is_empty() {
        return 0.0;
    }
    let count = top.clamp(1, values.len());
    values.select_nth_unstable_by(count - 1, |a, b| b.total_cmp(a));
    values[..count].iter().sum::<f32>() / count as f32
}

/// A map of so many `columns` resized bilinearly (half-pixel centres, edges repeated) to `width`×`height`.
///
/// *Shapes*: `map` is `[rows, columns]`, `out` becomes `[height, width]`, both row by row.
pub fn resize(map: &[f32], columns: usize, width: usize, height: usize, out: &mut Vec<f32>) {
    let rows = map.len() / columns.max(1);
    let source = |i: usize, length: usize, cells: usize| {
        let centre =
            ((i as f32 + 0.5) * cells as f32 / length as f32 - 0.5).clamp(0.0, (cells - 1) as f32);
        let low = (centre as usize).min(cells.saturating_sub(2));
        (low, (low + 1).min(cells - 1), centre - low as f32)
    };
    out.clear();
    out.reserve(width * height);
    for y in 0..height {
        let (y0, y1, ty) = source(y, height, rows);
        for x in 0..width {
            let (x0, x1, tx) = source(x, width, columns);
            let top = map[y0 * columns + x0] * (1.0 - tx) + map[y0 * columns + x1] * tx;
            let bottom = map[y1 * columns + x0] * (1.0 - tx) + map[y1 * columns + x1] * tx;
            out.push(top * (1.0 - ty) + bottom * ty);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_border_has_no_say() {
        let mut map = vec![100.0; 25];
        for y in 1..4 {
            for x in 1..4 {
                map[y * 5 + x] = (y * 3 + x) as f32;
            }
        }
        let mut scratch = Vec::new();
        assert_eq!(top_mean(&map, 5, 0, &mut scratch), 12.0);
        assert_eq!(top_mean(&map, 5, 2, &mut scratch), 11.5);
    }

    #[test]
    fn what_a_moved_part_shows_of_the_frames_edge_has_no_say() {
        let mut buffer = MapBuffer::new(32);
        buffer.pose.shift_x = 3.0 / 32.0;
        let part_and_edge = |values: &mut [f32]| {
            values.fill(1.0);
            values[16 * 32 + 20] = 5.0;
            // Seen at column 31 of the frame, and beyond it.
            values[16 * 32 + 28] = 100.0;
            values[16 * 32 + 30] = 100.0;
        };
        part_and_edge(&mut buffer.values);
        let before = buffer.score();
        assert!(before > 10.0);
        buffer.margin = Some(1.49);
        part_and_edge(&mut buffer.values);
        let score = buffer.score();
        assert!(score < 1.0 + 5.0 / 5.0, "{score}");
        assert_eq!(buffer.values[16 * 32 + 20], 5.0);
        assert_eq!(buffer.values[16 * 32 + 28], 0.0);
        buffer.pose = Pose::default();
        part_and_edge(&mut buffer.values);
        assert_eq!(buffer.score(), before);
    }

    #[test]
    fn resize_keeps_a_constant_and_the_ends_of_a_ramp() {
        let mut out = Vec::new();
        resize(&[3.0; 16], 4, 7, 5, &mut out);
        assert!(out.len() == 35 && out.iter().all(|v| (v - 3.0).abs() < 1e-6));
        resize(&[1.0, 2.0, 3.0, 1.0, 2.0, 3.0], 3, 3, 2, &mut out);
        assert_eq!(out, [1.0, 2.0, 3.0, 1.0, 2.0, 3.0]);
        resize(&[0.0, 1.0, 0.0, 1.0], 2, 4, 1, &mut out);
        assert_eq!(out, [0.0, 0.25, 0.75, 1.0]);
    }
}
