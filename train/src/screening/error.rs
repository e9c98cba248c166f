//! Why a set of good images can't be learnt from, and with which exit code.

use std::path::PathBuf;

use aecsad_program::ExitCode;

use crate::dataset::DatasetError;

#[derive(Debug, thiserror::Error)]
pub enum ScreeningError {
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    #[error(
        "{}: {images} of {total} images of 16 bits are less than a quarter as bright as the others can be, as if they had fewer \
         bits ({} is one): take them away, or state the bit depth of all with --bit-depth",
        path.display(), example.display()
    )]
    BitDepthsMixed {
        path: PathBuf,
        images: usize,
        total: usize,
        example: PathBuf,
    },
    #[error(
        "{}: {images} of {total} images of 16 bits have no value above {brightest} of 65535, as by a camera of {} bits: state \
         their bit depth, `--bit-depth {}`, or `--bit-depth 16` if they are meant to be so dark",
        path.display(), aecsad_inspect::image_files::narrowest_depth(*brightest), aecsad_inspect::image_files::narrowest_depth(*brightest)
    )]
    BitDepthUnknown {
        path: PathBuf,
        images: usize,
        total: usize,
        brightest: u16,
    },
    #[error(
        "{}: this known bad part shows what the good image {} shows, so one of the two lies in the wrong folder: take it away, \
         or keep both with --keep-duplicates if they are two parts that look alike",
        bad.display(), good.display()
    )]
    GoodAndBad { bad: PathBuf, good: PathBuf },
    #[error(
        "{}: all {images} good images show the same part, so there is no scale to judge another by: add images of other good \
         parts", path.display()
    )]
    OnePart { path: PathBuf, images: usize },
    #[error("{}: this file is named as a good part and as a known bad one: take it out of one of the two folders", path.display())]
    SameFile { path: PathBuf },
    #[error("{}: none of the images of known bad parts can be used; the lines above say why", path.display())]
    NoUsableBad { path: PathBuf },
    #[error(transparent)]
    Network(#[from] aecsad_inspect::network::NetworkError),
    #[error(transparent)]
    Optics(#[from] aecsad_inspect::optics::OpticsError),
    #[error("the work folder {} can't be used ({source}): make room there or name another folder", path.display())]
    WorkFolder {
        path: PathBuf,
        source: std::io::Error,
    },
}

impl ScreeningError {
    pub fn exit_code(&self) -> ExitCode {
        match self {
            ScreeningError::Dataset(_)
            | ScreeningError::BitDepthsMixed { .. }
            | ScreeningError::BitDepthUnknown { .. }
            | ScreeningError::GoodAndBad { .. }
            | ScreeningError::OnePart { .. }
            | ScreeningError::SameFile { .. }
            | ScreeningError::NoUsableBad { .. } => ExitCode::Training,
            ScreeningError::Network(_) => ExitCode::Engine,
            ScreeningError::Optics(_) => ExitCode::Input,
            ScreeningError::WorkFolder { .. } => ExitCode::Storage,
        }
    }
}
