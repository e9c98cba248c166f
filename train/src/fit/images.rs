//! Good images as every stage needs them: brought to the network's size once, encoded once.

use std::ffi::OsString;
use std::path::PathBuf;

use aecsad::camera::Frame;
use aecsad::network::{Encoder, Features};
use aecsad::optics::{InputGeometry, Optics};
use rayon::prelude::*;

use super::FitError;
use super::networks::ENCODER;
use crate::dataset::{Category, Loaded};

/// One good image.
pub struct Image {
    pub path: PathBuf,
    /// Width and height in the file.
    pub original: (u32, u32),
    /// At the network's input size.
    pub frame: Frame,
    /// `[3, 256, 256]`, normalised.
    pub tensor: Vec<f32>,
    pub features: Features,
}

impl Image {
    /// The file's name without its extension: what masks and overlays are named by.
    pub fn stem(&self) -> OsString {
        self.path.file_stem().unwrap_or_default().to_owned()
    }
}

/// The good images of a category.
pub struct Images {
    pub train: Vec<Image>,
    pub validation: Vec<Image>,
}

/// An image brought to size, not yet encoded.
struct Sized {
    original: (u32, u32),
    frame: Frame,
    tensor: Vec<f32>,
}

pub fn load(category: &Category, geometry: &InputGeometry) -> Result<Images, FitError> {
    let good = category.load_good(|frame| resize(geometry, &frame))?;
    Ok(Images {
        train: encode(good.train)?,
        validation: encode(good.validation)?,
    })
}

fn resize(geometry: &InputGeometry, frame: &Frame) -> Result<Sized, aecsad::optics::OpticsError> {
    let mut optics = Optics::new(geometry.clone(), None);
    let tensor = optics.tensor(frame)?.to_vec();
    Ok(Sized {
        original: (frame.width, frame.height),
        frame: Frame {
            width: geometry.width,
            height: geometry.height,
            rgb: optics.pixels().to_vec(),
            captured: frame.captured,
        },
        tensor,
    })
}

fn encode(
    loaded: Loaded<Result<Sized, aecsad::optics::OpticsError>>,
) -> Result<Vec<Image>, FitError> {
    let images: Vec<_> = loaded.paths.into_iter().zip(loaded.items).collect();
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
    let encoded: Vec<Result<Vec<Image>, FitError>> = parts
        .into_par_iter()
        .map(|part| {
            let mut encoder = Encoder::load(ENCODER)?;
            part.into_iter()
                .map(|(path, sized)| {
                    let Sized {
                        original,
                        frame,
                        tensor,
                    } = sized?;
                    let mut features = Features::empty();
                    encoder.encode(&tensor, &mut features)?;
                    Ok(Image {
                        path,
                        original,
                        frame,
                        tensor,
                        features,
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
