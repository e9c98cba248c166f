//! The size and the coding of the training images before they were resized. A frame of another shape is squeezed
//! differently, so that no part in it looks like a good one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Cells of the networks' maps along each side of their input.
const CELLS: u32 = 32;
/// From this proportion of the sides on, squeezing to a square costs so much that it is said.
const LONG: f64 = 2.0;
/// Proportions that differ by less are the same shape: a region is cut to whole pixels.
const SAME_SHAPE: f64 = 1.03;

/// How the files of the training images were coded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    #[default]
    Unknown,
    Lossless,
    Jpeg,
    Mixed,
}

/// The commonest size, and the range of width / height.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingImages {
    pub width: u32,
    pub height: u32,
    pub narrowest: f64,
    pub widest: f64,
    #[serde(default)]
    pub encoding: Encoding,
    /// Training saw a part of them coded as JPEG, so that JPEG frames are as ordinary as lossless ones.
    #[serde(default)]
    pub seen_as_jpeg: bool,
}

impl TrainingImages {
    /// Of images by their sizes; none of no images.
    pub fn of(sizes: &BTreeMap<(u32, u32), usize>, encoding: Encoding) -> Option<Self> {
        let (&(width, height), _) = sizes.iter().max_by_key(|(_, count)| **count)?;
        let shapes = sizes.keys().map(|&size| shape(size));
        Some(TrainingImages {
            width,
            height,
            narrowest: shapes.clone().fold(f64::INFINITY, f64::min),
            widest: shapes.fold(0.0, f64::max),
            encoding,
            seen_as_jpeg: false,
        })
    }

    pub(crate) fn is_usable(&self) -> bool {
        let usable = |shape: f64| shape.is_finite() && shape > 0.0;
        self.width > 0 && self.height > 0 && usable(self.narrowest) && usable(self.widest)
    }

    /// Whether an image of this size has the shape of those in training.
    pub fn match_shape(&self, size: (u32, u32)) -> bool {
        let shape = shape(size);
        shape * SAME_SHAPE >= self.narrowest && shape <= self.widest * SAME_SHAPE
    }

    /// The sentence for frames of another shape, none for those of the same.
    pub fn other_shape(&self, (width, height): (u32, u32)) -> Option<String> {
        let TrainingImages {
            width: w,
            height: h,
            ..
        } = self;
        (!self.match_shape((width, height))).then(|| {
            format!(
                "the part is seen in {width}×{height} pixels, the training images had {w}×{h}: another shape is squeezed \
                 otherwise, and good parts look anomalous; choose a region of that shape, or train on images of this one"
            )
        })
    }

    /// The sentence for JPEG frames where training saw none, none otherwise.
    pub fn unseen_jpeg(&self) -> Option<&'static str> {
        (self.encoding == Encoding::Lossless && !self.seen_as_jpeg).then_some(
            "the frames are JPEG, the training images were lossless: coding noise can make good parts look anomalous; \
             calibrate on frames from here, or train with `--as-jpeg` or on JPEG images",
        )
    }

    /// What squeezing long images costs, none where they are not long.
    pub fn cost_of_squeezing(&self) -> Option<String> {
        let TrainingImages { width, height, .. } = *self;
        let long = shape((width, height));
        (long >= LONG || long <= 1.0 / LONG).then(|| {
            let (across, down) = (width.div_ceil(CELLS), height.div_ceil(CELLS));
            format!(
                "images of {width}×{height} pixels are squeezed to a square: one cell of the network is {across}×{down} \
                 pixels, and smaller defects may be lost; crop or split the picture"
            )
        })
    }
}

fn shape((width, height): (u32, u32)) -> f64 {
    f64::from(width) / f64::from(height.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(sizes: &[((u32, u32), usize)]) -> TrainingImages {
        TrainingImages::of(&sizes.iter().copied().collect(), Encoding::Lossless).unwrap()
    }

    #[test]
    fn another_shape_is_named_and_another_size_is_not() {
        let square = of(&[((320, 320), 40)]);
        assert_eq!(square.other_shape((256, 256)), None);
        assert_eq!(square.other_shape((1000, 1010)), None);
        let sentence = square.other_shape((320, 240)).unwrap();
        assert!(
            sentence.contains("320×240") && sentence.contains("320×320"),
            "{sentence}"
        );
        let mixed = of(&[((640, 480), 3), ((500, 500), 1)]);
        assert_eq!((mixed.width, mixed.height), (640, 480));
        assert!(mixed.match_shape((600, 500)) && !mixed.match_shape((480, 640)));
    }

    #[test]
    fn long_images_cost_something() {
        let long = of(&[((4096, 512), 20)]).cost_of_squeezing().unwrap();
        assert!(
            long.contains("one cell of the network is 128×16 pixels"),
            "{long}"
        );
        assert_eq!(of(&[((640, 480), 20)]).cost_of_squeezing(), None);
    }
}
