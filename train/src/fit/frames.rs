//! Images at the size of the finest view. They are read again whenever they are needed, because those of a whole category do
//! not fit into memory.

use aecsad_inspect::frame::Frame;
use aecsad_inspect::optics::{InputGeometry, Optics};

use super::FitError;
use crate::conditions::jpeg;
use crate::dataset::read_region;
use crate::images::{Image, Images};

/// Where the pixels of a category's images come from.
pub struct Frames<'a> {
    images: &'a Images,
    geometry: &'a InputGeometry,
}

impl<'a> Frames<'a> {
    pub fn new(images: &'a Images, geometry: &'a InputGeometry) -> Self {
        Frames { images, geometry }
    }

    pub fn geometry(&self) -> &InputGeometry {
        self.geometry
    }

    /// An image as the networks' optics take it: what its file holds, or the whole view's pixels where there is no finer one.
    pub fn read(&self, image: &Image) -> Result<Frame, FitError> {
        match self.geometry.fine {
            None => Ok(image.frame.clone()),
            Some(_) => self.original(image),
        }
    }

    /// What its file holds of the region.
    pub fn original(&self, image: &Image) -> Result<Frame, FitError> {
        let region = self.geometry.region.as_ref();
        let frame = read_region(&image.path, self.images.bit_depth, region)?;
        let trained_on = self.images.trained_on.as_ref();
        Ok(match trained_on.is_some_and(|on| on.seen_as_jpeg) {
            true => jpeg::variant(frame, &image.path),
            false => frame,
        })
    }

    /// The same at the size of the finest view.
    pub fn finest(&self, image: &Image) -> Result<Frame, FitError> {
        let mut optics = Optics::new(self.geometry.clone(), None);
        optics.tensor(&self.read(image)?)?;
        Ok(optics.seen())
    }
}
