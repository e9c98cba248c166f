//! Pre-trained weights: which ones are known, where they are kept on this machine, how they are fetched and read.

mod fetch;
mod pickle;
mod state;
mod zip;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use aecsad_program::inputs;
use aecsad_program::whole_file::{self, WholeFile};
use sha2::{Digest, Sha256};

pub use fetch::{Download, fetch};
pub use state::{StateDict, StoredTensor};

#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    #[error("{}: can't be read ({source}): look whether the file is there", path.display())]
    Unreadable {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(
        "{}: is neither PyTorch's .pth nor safetensors in float32 ({why}): fetch the weights again with \
         `aecsad-train weights fetch`", path.display()
    )]
    Format { path: PathBuf, why: String },
    #[error(
        "{}: the tensor {name} is missing: this is not the network that is wanted, WideResNet-50-2 with torchvision's \
         names", path.display()
    )]
    Missing { path: PathBuf, name: String },
    #[error(
        "{}: holds {name} and {others} more tensors that don't belong to WideResNet-50-2: give the weights of that \
         network", path.display()
    )]
    Extra {
        path: PathBuf,
        name: String,
        others: usize,
    },
    #[error(
        "{}: {name} has shape {found:?} instead of {wanted:?}: give the weights of WideResNet-50-2", path.display()
    )]
    Shape {
        path: PathBuf,
        name: String,
        found: Vec<usize>,
        wanted: Vec<usize>,
    },
    #[error("{}: {name} holds values that are not numbers: fetch the weights again", path.display())]
    NotFinite { path: PathBuf, name: String },
    #[error(
        "{}: its SHA-256 begins with {found} and should with {}: it is damaged or another file; fetch it again",
        path.display(), wanted.join(" or ")
    )]
    Digest {
        path: PathBuf,
        found: String,
        wanted: Vec<&'static str>,
    },
    #[error(
        "{url} could not be fetched ({why}): run the same command again to go on from there, or carry the file here \
         by hand and use `aecsad-train weights import FILE`"
    )]
    Fetch { url: String, why: String },
    #[error("{}: can't be written ({source}): make room there or name another place", path.display())]
    Unwritable {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(
        "there is no cache folder on this machine: name a file with --weights, or set XDG_CACHE_HOME"
    )]
    NoCache,
    #[error(
        "the weights of WideResNet-50-2 are not on this machine (looked in {}): run `aecsad-train weights fetch`, or \
         `aecsad-train weights import FILE` with a file carried here", folder.display()
    )]
    NotFetched { folder: PathBuf },
    #[error("interrupted: run the same command again to go on from there")]
    Interrupted,
}

impl WeightsError {
    pub fn exit_code(&self) -> aecsad_program::ExitCode {
        use aecsad_program::ExitCode;
        match self {
            WeightsError::Unwritable { .. } | WeightsError::NoCache => ExitCode::Storage,
            WeightsError::Fetch { .. } => ExitCode::Device,
            WeightsError::Interrupted => ExitCode::Interrupted,
            _ => ExitCode::Input,
        }
    }
}

/// Weights that are published, with what proves a copy: torchvision names each file after the start of its digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// On the command line.
    pub name: &'static str,
    pub file: &'static str,
    pub url: &'static str,
    /// The first eight hexadecimal digits of the file's SHA-256.
    pub digest: &'static str,
}

/// WideResNet-50-2 trained on ImageNet, as torchvision publishes it.
pub const PUBLISHED: [Published; 2] = [
    Published {
        name: "v1",
        file: "wide_resnet50_2-95faca4d.pth",
        url: "https://download.pytorch.org/models/wide_resnet50_2-95faca4d.pth",
        digest: "95faca4d",
    },
    Published {
        name: "v2",
        file: "wide_resnet50_2-9ba9bcbe.pth",
        url: "https://download.pytorch.org/models/wide_resnet50_2-9ba9bcbe.pth",
        digest: "9ba9bcbe",
    },
];

/// Where fetched weights are kept: `aecsad/weights` in the user's cache folder.
pub fn cache_folder() -> Result<PathBuf, WeightsError> {
    let cache = dirs::cache_dir().ok_or(WeightsError::NoCache)?;
    Ok(cache.join("aecsad").join("weights"))
}

/// The published weights that are on this machine; V1, on which the paper stands, before V2.
pub fn cached() -> Result<PathBuf, WeightsError> {
    let folder = cache_folder()?;
    PUBLISHED
        .iter()
        .map(|known| folder.join(known.file))
        .find(|path| path.is_file())
        .ok_or(WeightsError::NotFetched { folder })
}

/// Reads weights that someone may have carried here. A `.pth` must be one of the [`PUBLISHED`] by its digest;
/// safetensors have no digest to know them by, so only their names and shapes are checked, by the network itself.
pub fn read_checked(path: &Path) -> Result<StateDict, WeightsError> {
    if path
        .extension()
        .is_none_or(|e| !e.eq_ignore_ascii_case("safetensors"))
    {
        identify(path)?;
    }
    StateDict::read(path)
}

/// Copies a file carried here by hand into the cache, if it is one of the published ones.
pub fn import(file: &Path) -> Result<(Published, PathBuf), WeightsError> {
    let known = identify(file)?;
    let folder = cache_folder()?;
    let target = folder.join(known.file);
    let unwritable = |source| WeightsError::Unwritable {
        path: target.clone(),
        source,
    };
    whole_file::create_folder(&folder).map_err(unwritable)?;
    let mut copy = WholeFile::create(&target).map_err(unwritable)?;
    let copied = each_block(file, |block| copy.write_all(block).map_err(unwritable))?;
    // The card it came on may have been pulled out half way.
    if !copied.starts_with(known.digest) {
        return Err(other_file(file, &copied, vec![known.digest]));
    }
    copy.commit_durably().map_err(unwritable)?;
    Ok((known, target))
}

/// Which of the published files this is.
pub fn identify(path: &Path) -> Result<Published, WeightsError> {
    let found = digest(path)?;
    PUBLISHED
        .into_iter()
        .find(|known| found.starts_with(known.digest))
        .ok_or_else(|| other_file(path, &found, PUBLISHED.map(|known| known.digest).to_vec()))
}

fn other_file(path: &Path, found: &str, wanted: Vec<&'static str>) -> WeightsError {
    WeightsError::Digest {
        path: path.to_owned(),
        found: found[..8].to_owned(),
        wanted,
    }
}

fn check(path: &Path, wanted: &'static str) -> Result<(), WeightsError> {
    let found = digest(path)?;
    if found.starts_with(wanted) {
        return Ok(());
    }
    Err(other_file(path, &found, vec![wanted]))
}

/// SHA-256 of a file in lower-case hexadecimal digits.
pub fn digest(path: &Path) -> Result<String, WeightsError> {
    each_block(path, |_| Ok(()))
}

/// Hands a file on block by block; its SHA-256 at the end.
fn each_block(
    path: &Path,
    mut take: impl FnMut(&[u8]) -> Result<(), WeightsError>,
) -> Result<String, WeightsError> {
    let unreadable = |source| WeightsError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let mut file = inputs::open(path).map_err(unreadable)?;
    let mut digest = Sha256::new();
    let mut block = vec![0; 1 << 16];
    loop {
        match file.read(&mut block).map_err(unreadable)? {
            0 => break,
            count => {
                digest.update(&block[..count]);
                take(&block[..count])?;
            }
        }
    }
    Ok(digest
        .finalize()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect())
}
