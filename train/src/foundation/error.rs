//! Why the foundation models could not be run, one sentence for the user each, and with which exit code.

use std::path::PathBuf;

use aecsad_program::ExitCode;

use crate::paper::weights::WeightsError;

#[derive(Debug, thiserror::Error)]
pub enum FoundationError {
    #[error(
        "this program was built without the foundation models: build it with `cargo build --release --workspace --features \
         aecsad-train/foundation`, or take --proposals builtin"
    )]
    NotBuilt,
    #[error(
        "ONNX Runtime can't be opened ({why}): name its libonnxruntime.so with --onnxruntime or ORT_DYLIB_PATH; PyPI's wheel \
         `onnxruntime` holds one"
    )]
    NoRuntime { why: String },
    #[error(
        "the GPU can't be used through {} ({why}): name a libonnxruntime.so that is built for CUDA (PyPI's wheel \
         `onnxruntime-gpu` holds one) with --onnxruntime, or take --device cpu", runtime.display()
    )]
    NoGpu { runtime: PathBuf, why: String },
    #[error(
        "{}: the memory of the GPU does not hold what the network computes: free memory there, take a smaller network, or take \
         --device cpu", model.display()
    )]
    GpuMemory { model: PathBuf },
    #[error(
        "{} is missing: fetch it with `aecsad-train models fetch`, or export it with train/foundation/export.py and bring it \
         with `aecsad-train models import`", path.display()
    )]
    Missing { path: PathBuf },
    #[error(
        "{}: its SHA-256 is {found} and was {recorded} when it was brought here: the file was damaged or exchanged; bring it \
         again with `aecsad-train models import`", path.display()
    )]
    Changed {
        path: PathBuf,
        found: String,
        recorded: String,
    },
    #[error(
        "{}: the network can't be loaded ({why}): export it again with train/foundation/export.py", path.display()
    )]
    Load { path: PathBuf, why: String },
    #[error(
        "{}: this is another layout than {expected} ({found}): export the network again with train/foundation/export.py",
        path.display()
    )]
    Layout {
        path: PathBuf,
        expected: &'static str,
        found: String,
    },
    #[error("{}: the network broke off ({why}): look whether it belongs to the other files in its folder", path.display())]
    Run { path: PathBuf, why: String },
    #[error("{}: can't be read ({source}): look whether the file is there", path.display())]
    Unreadable {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(
        "{}: {found} lines, and the network has {expected} tags: bring the list that belongs to this network", path.display()
    )]
    TagCount {
        path: PathBuf,
        found: usize,
        expected: usize,
    },
    #[error("{}, line {line}: `{text}` is no {wanted}: correct that line", path.display())]
    Line {
        path: PathBuf,
        line: usize,
        text: String,
        wanted: &'static str,
    },
    #[error(
        "--tags: {why}: write tags with commas between, as in \"bolt, washer, tray:background\""
    )]
    Tags { why: String },
    #[error(
        "{}: the tag filter leaves none of the {found} tags that RAM++ finds in the images: name the parts with --tags, or edit \
         the filter",
        filter
    )]
    NoTag { filter: String, found: usize },
    #[error(
        "the tag `{tag}` is too long for GroundingDINO, which reads {most} word pieces: shorten it"
    )]
    LongTag { tag: String, most: usize },
    #[error(
        "GroundingDINO finds no part in any of the {images} images for the tags {tags}: name the parts with --tags, or lower \
         --box-threshold"
    )]
    NoBox { images: usize, tags: String },
    #[error("{}: the word pieces can't be read ({why}): take tokenizer.json or vocab.txt of bert-base-uncased", path.display())]
    Tokenizer { path: PathBuf, why: String },
    #[error("{0}")]
    Unknown(String),
    #[error(
        "{url} could not be fetched ({why}): run the same command again to go on from there, or carry the file here by hand and \
         use `aecsad-train models import`"
    )]
    Fetch { url: String, why: String },
    #[error(transparent)]
    Download(WeightsError),
    #[error(transparent)]
    Image(#[from] aecsad_inspect::image_files::ImageError),
    #[error(transparent)]
    Network(#[from] aecsad_inspect::network::NetworkError),
    #[error("{}: can't be written ({source}): make room there or name another place", path.display())]
    Unwritable {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("interrupted: run the same command again to go on from here")]
    Interrupted,
}

impl FoundationError {
    pub fn exit_code(&self) -> ExitCode {
        match self {
            FoundationError::NotBuilt
            | FoundationError::Fetch { .. }
            | FoundationError::NoRuntime { .. }
            | FoundationError::NoGpu { .. } => ExitCode::Device,
            FoundationError::GpuMemory { .. }
            | FoundationError::Run { .. }
            | FoundationError::Network(_) => ExitCode::Engine,
            FoundationError::NoTag { .. } | FoundationError::NoBox { .. } => ExitCode::Training,
            FoundationError::Download(error) => error.exit_code(),
            FoundationError::Unwritable { .. } => ExitCode::Storage,
            FoundationError::Interrupted => ExitCode::Interrupted,
            _ => ExitCode::Input,
        }
    }
}

impl From<WeightsError> for FoundationError {
    fn from(error: WeightsError) -> Self {
        match error {
            WeightsError::Fetch { url, why } => FoundationError::Fetch { url, why },
            WeightsError::Interrupted => FoundationError::Interrupted,
            error => FoundationError::Download(error),
        }
    }
}
