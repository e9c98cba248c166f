//! Square maps of strangeness: how one becomes an image score, and how it is brought to the frame's size.

use super::registration::Pose;

/// Share of a map's cells whose mean is its image score.
const TOP_SHARE: f32 = 0.01;

/// How strange each place of the latest part is to one branch.
pub struct Map<'a> {
    /// `[side²]`, row by row.
    pub values: &'a [f32],
    pub side: usize,
    /// How the map lies on the frame: that of the part, or the default where the branch reads the frame as it is.
    pub pose: Pose,
}

/// A branch's map, kept from part to part.
#[derive(Clone, Debug)]
pub struct MapBuffer {
    pub values: Vec<f32>,
    side: usize,
    sorted: Vec<f32>,
    pub pose: Pose,
}

impl MapBuffer {
    pub fn new(side: usize) -> Self {
        MapBuffer {
            values: vec![0.0; side * side],
            side,
            sorted: Vec::with_capacity(side * side),
            pose: Pose::default(),
        }
    }

    /// The mean of the strangest cells.
    pub fn score(&mut self) -> f32 {
        top_mean(&self.values, self.side, TOP_SHARE, &mut self.sorted)
    }

    pub fn map(&self) -> Map<'_> {
        Map {
            values: &self.values,
            side: self.side,
            pose: self.pose,
        }
    }
}

/// Mean of the strangest `share` of the inner cells of a `side`×`side` map (at least one cell). The outermost ring
/// is left out: the padding of the convolutions decides it. `scratch` is reused between frames.
pub fn top_mean(map: &[f32], side: usize, share: f32, scratch: &mut Vec<f32>) -> f32 {
    scratch.clear();
    for row in map.chunks_exact(side).skip(1).take(side.saturating_sub(2)) {
        scratch.extend_from_slice(&row[1..side - 1]);
    }
    if scratch.is_empty() {
        return 0.0;
    }
    let count = ((scratch.len() as f32 * share) as usize).clamp(1, scratch.len());
    scratch.select_nth_unstable_by(count - 1, |a, b| b.total_cmp(a));
    scratch[..count].iter().sum::<f32>() / count as f32
}

/// A map resized bilinearly (half-pixel centres, edges repeated) from `side`×`side` to `width`×`height`.
pub fn resize(map: &[f32], side: usize, width: usize, height: usize, out: &mut Vec<f32>) {
    let source = |i: usize, length: usize| {
        let centre =
            ((i as f32 + 0.5) * side as f32 / length as f32 - 0.5).clamp(0.0, (side - 1) as f32);
        let low = (centre as usize).min(side.saturating_sub(2));
        (low, (low + 1).min(side - 1), centre - low as f32)
    };
    out.clear();
    out.reserve(width * height);
    for y in 0..height {
        let (y0, y1, ty) = source(y, height);
        for x in 0..width {
            let (x0, x1, tx) = source(x, width);
            let top = map[y0 * side + x0] * (1.0 - tx) + map[y0 * side + x1] * tx;
            let bottom = map[y1 * side + x0] * (1.0 - tx) + map[y1 * side + x1] * tx;
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
        assert_eq!(top_mean(&map, 5, 0.01, &mut scratch), 12.0);
        assert_eq!(top_mean(&map, 5, 2.5 / 9.0, &mut scratch), 11.5);
    }

    #[test]
    fn resize_keeps_a_constant_and_the_ends_of_a_ramp() {
        let mut out = Vec::new();
        resize(&[3.0; 16], 4, 7, 5, &mut out);
        assert!(out.len() == 35 && out.iter().all(|v| (v - 3.0).abs() < 1e-6));
        resize(&[0.0, 1.0, 0.0, 1.0], 2, 4, 1, &mut out);
        assert_eq!(out, [0.0, 0.25, 0.75, 1.0]);
    }
}
