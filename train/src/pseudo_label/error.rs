//! Why images can't be labelled: one sentence for the user each.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum LabelError {
    #[error(
        "image {index} says {width}×{height} but holds {bytes} bytes; decode it again as interleaved RGB"
    )]
    Malformed {
        index: usize,
        width: u32,
        height: u32,
        bytes: usize,
    },
    #[error(
        "a feature map of image {index} has shape {found:?} instead of {expected:?}; compute it with the bundled encoder"
    )]
    FeatureShape {
        index: usize,
        found: Vec<usize>,
        expected: Vec<usize>,
    },
    #[error(
        "{images} images came with {features} feature sets and {masks} mask sets; give one of each for an image"
    )]
    CountMismatch {
        images: usize,
        features: usize,
        masks: usize,
    },
    #[error(
        "the mask folder {folder} can't be read ({source}); check the path and its permissions"
    )]
    MaskFolder {
        folder: PathBuf,
        source: std::io::Error,
    },
    #[error(
        "the folder {folder} holds no mask for any image; name a mask after its image, as 000.png for 000.jpg"
    )]
    NoMasks { folder: PathBuf },
    #[error("there is no image for the mask {path}; name it after its image or remove it")]
    MaskWithoutImage { path: PathBuf },
    #[error(
        "the mask {path} is {}×{} but its image is {}×{}; export it at the image's size",
        found.0, found.1, expected.0, expected.1
    )]
    MaskSize {
        path: PathBuf,
        found: (u32, u32),
        expected: (u32, u32),
    },
    #[error(transparent)]
    Mask(#[from] crate::dataset::DatasetError),
    #[error("{path} can't be written ({reason}); check the folder's permissions and free space")]
    NotWritten { path: PathBuf, reason: String },
}
