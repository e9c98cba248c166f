//! Good images as every stage needs them: brought to the network's size once, encoded once.

use std::ffi::OsString;
use std::path::PathBuf;

use aecsad_inspect::frame::Frame;
use aecsad_inspect::network::{Encoder, Features};
use aecsad_inspect::optics::{Encoding, InputGeometry, Optics, TrainingImages};
use rayon::prelude::*;

use super::networks::ENCODER;
use super::screening::Screening;
use super::{FitError, bit_depth, encodings};
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
    /// How far it lies off the others of its category; 0 until that is measured.
    pub distance: f32,
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
    /// Of those of 16 bits, if there are any.
    pub bit_depth: Option<u8>,
    /// None where there are no images.
    pub trained_on: Option<TrainingImages>,
}

/// An image brought to size, not yet encoded.
pub(super) struct Sized {
    pub path: PathBuf,
    original: (u32, u32),
    pub frame: Frame,
    tensor: Vec<f32>,
}

/// Reads, screens and encodes the good images of a category.
///
/// # Errors
/// If too few are left to learn from, or the set as a whole is not one of good images.
pub fn load(
    category: &Category,
    geometry: &InputGeometry,
    screening: &Screening<'_>,
) -> Result<Images, FitError> {
    let bit_depth = match geometry.bit_depth {
        Some(stated) => Some(stated),
        None => bit_depth::of_the_set(category)?,
    };
    let paths = category.train.iter().chain(&category.validation);
    let encoding = encodings::of(paths.map(|path| path.as_path()));
    let seen_as_jpeg = screening.as_jpeg && encoding == Encoding::Lossless;
    let good = category.load_good(bit_depth, |path, frame| match seen_as_jpeg {
        true => resize(geometry, &encodings::variant(frame, path)),
        false => resize(geometry, &frame),
    })?;
    let mut sizes = good.train.sizes.clone();
    for (size, count) in &good.validation.sizes {
        *sizes.entry(*size).or_default() += count;
    }
    let trained_on = TrainingImages::of(&sizes, encoding).map(|images| TrainingImages {
        seen_as_jpeg,
        ..images
    });
    if let Some(cost) = trained_on
        .as_ref()
        .and_then(TrainingImages::cost_of_squeezing)
    {
        log::warn!("{}: {cost}", category.path.display());
    }
    let (train, validation) = (sized(good.train)?, sized(good.validation)?);
    let (train, validation) = screening.distinct(category, train, validation)?;
    let images = Images {
        bit_depth,
        trained_on,
        train: encode(train)?,
        validation: encode(validation)?,
    };
    screening.without_strays(category, images)
}

fn sized(
    loaded: Loaded<Result<Resized, aecsad_inspect::optics::OpticsError>>,
) -> Result<Vec<Sized>, FitError> {
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

/// A frame and its tensor at the network's input size, and the size that it had.
type Resized = (Frame, Vec<f32>, (u32, u32));

fn resize(
    geometry: &InputGeometry,
    frame: &Frame,
) -> Result<Resized, aecsad_inspect::optics::OpticsError> {
    let mut optics = Optics::new(geometry.clone(), None);
    let tensor = optics.tensor(frame)?.to_vec();
    Ok((optics.seen(), tensor, (frame.width, frame.height)))
}

fn encode(images: Vec<Sized>) -> Result<Vec<Image>, FitError> {
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
