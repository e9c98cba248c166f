//! Rectangles around objects, and which of many that mean the same object are left.

use serde::{Deserialize, Serialize};

/// A rectangle in pixels of the picture: left, top, right, bottom.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PixelBox(pub [f32; 4]);

impl PixelBox {
    /// From a centre and a size as shares of the picture's.
    pub fn from_shares([cx, cy, w, h]: [f32; 4], width: usize, height: usize) -> Self {
        let (width, height) = (width as f32, height as f32);
        Self([
            (cx - w / 2.0) * width,
            (cy - h / 2.0) * height,
            (cx + w / 2.0) * width,
            (cy + h / 2.0) * height,
        ])
    }

    pub fn area(&self) -> f32 {
        let [left, top, right, bottom] = self.0;
        (right - left).max(0.0) * (bottom - top).max(0.0)
    }

    /// Intersection over union.
    pub fn iou(&self, other: &Self) -> f32 {
        let (a, b) = (self.0, other.0);
        let common = Self([
            a[0].max(b[0]),
            a[1].max(b[1]),
            a[2].min(b[2]),
            a[3].min(b[3]),
        ])
        .area();
        common / (self.area() + other.area() - common).max(f32::MIN_POSITIVE)
    }
}

/// Indices of the boxes left by non-maximum suppression, best first: each of them overlaps no better one by more than
/// `threshold` (intersection over union). Of equal scores the first is the better one.
pub fn suppress(boxes: &[PixelBox], scores: &[f32], threshold: f32) -> Vec<usize> {
    let mut order: Vec<usize> = (0..boxes.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let mut kept: Vec<usize> = Vec::new();
    for index in order {
        if kept
            .iter()
            .all(|&better| boxes[better].iou(&boxes[index]) <= threshold)
        {
            kept.push(index);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_better_of_two_boxes_of_one_object_is_left() {
        let boxes = [
            PixelBox([0.0, 0.0, 10.0, 10.0]),
            PixelBox([1.0, 0.0, 11.0, 10.0]),
            PixelBox([30.0, 0.0, 40.0, 10.0]),
        ];
        assert_eq!(suppress(&boxes, &[0.5, 0.9, 0.1], 0.7), [1, 2]);
        assert_eq!(suppress(&boxes, &[0.5, 0.9, 0.1], 0.9), [1, 0, 2]);
        let centred = PixelBox::from_shares([0.5, 0.5, 0.5, 0.25], 20, 40);
        assert_eq!(centred, PixelBox([5.0, 15.0, 15.0, 25.0]));
    }
}
