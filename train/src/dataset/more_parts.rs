//! Parts beside a category's own, in folders that the user names: known bad ones, and good ones that a line rejected.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use aecsad_inspect::image_files::list_images;
use aecsad_program::inputs;
use sha2::{Digest, Sha256};

use super::{Category, DatasetError, Kind, plain_folder, split_by};

/// Below it lie masks, as beside test images.
const MASKS: &str = "ground_truth";

impl Category {
    /// Adds good parts that the user vouches for, to training and validation in the share that the category has; `seed` says
    /// which goes where. Images that the category has already are not added again.
    ///
    /// # Errors
    /// If the folder can't be listed or holds no image that is new.
    pub fn add_good(&mut self, folder: &Path, seed: u64) -> Result<(), DatasetError> {
        let own = self.train.iter().chain(&self.validation);
        let own: BTreeSet<PathBuf> = own.filter_map(|path| path.canonicalize().ok()).collect();
        let is_new = |path: &PathBuf| path.canonicalize().is_ok_and(|path| !own.contains(&path));
        let found: Vec<PathBuf> = plain_folder(folder)?.into_iter().filter(is_new).collect();
        if found.is_empty() {
            return Err(DatasetError::NoneToAdd {
                path: folder.into(),
                what: "good part that the category doesn't have",
            });
        }
        let total = self.train.len() + self.validation.len();
        let share = self.train.len() as f64 / total.max(1) as f64;
        let (train, validation) = split_by(found.clone(), share, seed);
        for (images, more) in [(&mut self.train, train), (&mut self.validation, validation)] {
            images.extend(more);
            images.sort();
        }
        self.more_good = found.into_iter().collect();
        Ok(())
    }

    /// Notes known bad parts, in the folder itself or in folders of their kinds. Nothing is learnt from them but weights.
    ///
    /// # Errors
    /// If the folder can't be listed or holds no image of a bad part.
    pub fn add_bad(&mut self, folder: &Path) -> Result<(), DatasetError> {
        let images = list_images(folder)?;
        let all: BTreeSet<PathBuf> = images.iter().map(|path| path.with_extension("")).collect();
        let lies_in = |path: &Path, name: &str| {
            let relative = path.strip_prefix(folder).unwrap_or(path).parent();
            relative.is_some_and(|folders| folders.iter().any(|part| part == OsStr::new(name)))
        };
        let is_mask = |path: &PathBuf| lies_in(path, MASKS) || is_mask_of(path, &all);
        let is_good = |path: &PathBuf| lies_in(path, Kind::Good.folder());
        let images: Vec<PathBuf> = images.into_iter().filter(|path| !is_mask(path)).collect();
        let (good, bad): (Vec<PathBuf>, Vec<PathBuf>) = images.into_iter().partition(is_good);
        if let Some(first) = good.first() {
            log::warn!(
                "{}: images in a folder called `good` are no bad parts, and are left alone: {} of them, the first {}",
                folder.display(),
                good.len(),
                first.display()
            );
        }
        if bad.is_empty() {
            return Err(DatasetError::NoneToAdd {
                path: folder.into(),
                what: "known bad part",
            });
        }
        self.bad = bad;
        Ok(())
    }
}

/// SHA-256 of an image's file in hexadecimal, by which it is found again under another name. None where it can't be read, which
/// is said when the image is loaded.
pub fn sha256_of(path: &Path) -> Option<String> {
    let mut file = BufReader::new(inputs::open(path).ok()?);
    let mut digest = Sha256::new();
    loop {
        let block = file.fill_buf().ok()?.len();
        if block == 0 {
            break;
        }
        digest.update(file.buffer());
        file.consume(block);
    }
    let digest = digest.finalize();
    Some(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Whether it is called `NAME_mask` beside an image `NAME`, of names without extension.
fn is_mask_of(path: &Path, names: &BTreeSet<PathBuf>) -> bool {
    let stem = path.file_stem().unwrap_or_default().as_bytes();
    stem.strip_suffix(b"_mask")
        .is_some_and(|name| names.contains(&path.with_file_name(OsStr::from_bytes(name))))
}
