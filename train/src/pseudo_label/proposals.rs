//! Where candidate regions come from. All sources deliver the same, regions of single images without a class, so
//! everything after this point is the same for each of them.

use super::felzenszwalb::Felzenszwalb;
use super::regions::{self, Regions};
use super::square_image::SquareImage;

/// A source of regions.
#[derive(Clone, Debug)]
pub enum Proposals {
    /// Over-segmentation by colour; needs nothing but the images.
    Builtin(Felzenszwalb),
    /// Regions of each image from masks ([`super::masks::read`]); what no mask covers is background.
    Masks(Vec<Option<Regions>>),
}

impl Default for Proposals {
    fn default() -> Self {
        Self::Builtin(Felzenszwalb::default())
    }
}

impl Proposals {
    /// Regions of image `index`; they never overlap.
    pub(super) fn regions(&self, index: usize, square: &SquareImage) -> Regions {
        match self {
            Self::Builtin(segmentation) => regions::solid(square, builtin(square, segmentation)),
            Self::Masks(masks) => masks.get(index).cloned().flatten().unwrap_or_default(),
        }
    }

    /// Whether every pixel is in a region or in the gap between two, background included.
    pub(super) fn cover_everything(&self) -> bool {
        matches!(self, Self::Builtin(_))
    }

    /// Whether anything is known of image `index`.
    pub(super) fn covers(&self, index: usize) -> bool {
        match self {
            Self::Builtin(_) => true,
            Self::Masks(masks) => masks.get(index).is_some_and(Option::is_some),
        }
    }
}

/// The regions of an over-segmentation; every pixel is in exactly one.
pub(super) fn builtin(square: &SquareImage, segmentation: &Felzenszwalb) -> Regions {
    let numbers = segmentation.segment(square);
    let count = numbers.iter().max().map_or(0, |m| *m as usize + 1);
    let mut regions = vec![Vec::new(); count];
    for (pixel, &number) in numbers.iter().enumerate() {
        regions[number as usize].push(pixel as u32);
    }
    regions
}
