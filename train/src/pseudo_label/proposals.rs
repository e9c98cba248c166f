//! Where candidate regions come from. All sources deliver the same, regions of single images without a class, so
//! everything after this point is the same for each of them.

use ndarray::Array2;

use super::descriptors;
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
    /// Regions of each image that come with descriptors of their own; what no region covers is background.
    Described(Vec<Option<DescribedRegions>>),
}

/// Regions of one image, and what each looks like. Regions that are ignored must be gone already.
#[derive(Clone, Debug)]
pub struct DescribedRegions {
    pub regions: Regions,
    /// `[regions, width]`; all images' have one width.
    pub rows: Array2<f32>,
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
            Self::Described(_) => match self.described(index) {
                Some(described) => described.regions.clone(),
                None => Regions::new(),
            },
        }
    }

    /// The descriptors that came with the regions of image `index`; none where they are yet to be computed.
    pub(super) fn rows(&self, index: usize) -> Option<Array2<f32>> {
        let Self::Described(images) = self else {
            return None;
        };
        let width = images
            .iter()
            .flatten()
            .map(|image| image.rows.ncols())
            .next();
        let width = width.unwrap_or(descriptors::GROUPS.iter().sum());
        Some(match self.described(index) {
            Some(described) => described.rows.clone(),
            None => Array2::zeros((0, width)),
        })
    }

    fn described(&self, index: usize) -> Option<&DescribedRegions> {
        match self {
            Self::Described(images) => images.get(index)?.as_ref(),
            _ => None,
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
            Self::Described(_) => self.described(index).is_some(),
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
