//! Images as every stage needs them: brought to the network's size once, encoded once.

use std::ffi::OsString;
use std::path::PathBuf;

use aecsad_inspect::frame::Frame;
use aecsad_inspect::network::{Encoder, Features, NetworkError};
use aecsad_inspect::optics::{
    Exposure, ExposureRange, InputGeometry, Optics, OpticsError, TrainingImages,
};
use rayon::prelude::*;

use crate::dataset::Loaded;
use crate::networks::ENCODER;

/// One image.
pub struct Image {
    pub path: PathBuf,
    /// Width and height in the file, or of the region.
    pub original: (u32, u32),
    /// At the whole view's size.
    pub frame: Frame,
    /// `[3, 256, 256]`, normalised; empty once the image is [forgotten](Images::forget_encodings).
    pub tensor: Vec<f32>,
    /// Of no cells once the image is forgotten.
    pub features: Features,
    /// How far it lies off the others of its category; 0 until that is measured.
    pub distance: f32,
    /// A good part however far off it lies: the user vouches for it.
    pub vouched: bool,
}

impl Image {
    /// What masks and overlays are named by: the file's name without its extension, after `more-` where the image lies beside
    /// the category, which may hold one of the same name.
    pub fn stem(&self) -> OsString {
        let mut stem = OsString::from(if self.vouched { "more-" } else { "" });
        stem.push(self.path.file_stem().unwrap_or_default());
        stem
    }
}

/// The images that a bundle is fitted on.
pub struct Images {
    pub train: Vec<Image>,
    pub validation: Vec<Image>,
    /// Known bad parts: nothing is learnt from them but the weights of branches.
    pub bad: Vec<Image>,
    /// Of those of 16 bits, if there are any.
    pub bit_depth: Option<u8>,
    /// None where there are no images.
    pub trained_on: Option<TrainingImages>,
}

impl Images {
    /// Keeps the pixels of the images alone: their tensors and features take ten times the memory, and what comes after
    /// training sees them anew where it must.
    pub fn forget_encodings(&mut self) {
        let images = self.train.iter_mut().chain(&mut self.validation);
        for image in images.chain(&mut self.bad) {
            image.tensor = Vec::new();
            image.features = Features::none();
        }
    }

    /// How the good images are exposed, as the whole view shows them; none of no images.
    pub fn exposure(&self) -> Option<ExposureRange> {
        let good = self.train.iter().chain(&self.validation);
        ExposureRange::of(good.map(|image| Exposure::of(&image.frame.rgb)))
    }
}

/// An image brought to size, not yet encoded.
pub struct Sized {
    pub path: PathBuf,
    original: (u32, u32),
    pub frame: Frame,
    tensor: Vec<f32>,
}

/// What was loaded as [`resize`] made it.
pub fn sized(loaded: Loaded<Result<Resized, OpticsError>>) -> Result<Vec<Sized>, OpticsError> {
    let images = loaded.paths.into_iter().zip(loaded.items);
    images
        .map(|(path, image)| {
            let (frame, tensor, original) = image?;
            Ok(Sized {
                path,
                original,
                frame,
                tensor,
            })
        })
        .collect()
}

/// A frame and its tensor at the network's input size, and the width and height that it had, in pixels.
///
/// *Shapes*: the tensor is `[3, height, width]`, normalised.
pub type Resized = (Frame, Vec<f32>, (u32, u32));

pub fn resize(geometry: &InputGeometry, frame: &Frame) -> Result<Resized, OpticsError> {
    let mut optics = Optics::new(geometry.clone(), None);
    let tensor = optics.tensor(frame)?.to_vec();
    Ok((optics.seen_whole(), tensor, (frame.width, frame.height)))
}

/// The images with their features, in order, on all cores.
pub fn encode(images: Vec<Sized>) -> Result<Vec<Image>, NetworkError> {
    let share = images
        .len()
        .div_ceil(rayon::current_num_threads().max(1))
        .max(1);
    let mut rest = images.into_iter();
    let mut parts = Vec::new();
    loop {
        let part: Vec<_> = rest.by_ref().take(share).collect();
        if part.is_empty() {
            break;
        }
        parts.push(part);
    }
    let encoded: Vec<Result<Vec<Image>, NetworkError>> = parts
        .into_par_iter()
        .map(|part| {
            let mut encoder = Encoder::load(ENCODER)?;
            part.into_iter()
                .map(|sized| {
                    let Sized {
                        path,
                        original,
                        frame,
                        tensor,
                    } = sized;
                    let mut features = Features::empty();
                    encoder.encode(&tensor, &mut features)?;
                    Ok(Image {
                        path,
                        original,
                        frame,
                        tensor,
                        features,
                        distance: 0.0,
                        vouched: false,
                    })
                })
                .collect()
        })
        .collect();
    let mut all = Vec::new();
    for part in encoded {
        all.extend(part?);
    }
    Ok(all)
}
