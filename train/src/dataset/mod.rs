//! A category on disk: good images to learn from, and where there are some, test images with their masks.
//!
//! The layout is MVTec LOCO AD's. MVTec AD's, which has no validation folder, and a plain folder of good images are
//! understood too: there the validation images are split off, by seed.

mod defects;
mod error;
mod kind;
mod load;
mod mask;
mod more_parts;
mod test_set;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use aecsad_inspect::image_files::{list_images, list_images_flat};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

pub use defects::DefectConfig;
pub use error::DatasetError;
pub use kind::Kind;
pub use load::{GoodImages, Loaded, load, read_region};
pub use mask::{Mask, mask_size, read_mask};
pub use more_parts::sha256_of;

/// Fewer good images than this say too little about what is normal.
pub const MIN_GOOD: usize = 20;
/// A threshold needs some good images of its own.
pub const MIN_VALIDATION: usize = 6;
/// Share of the good images to learn from, where the set doesn't say.
const TRAIN_SHARE: f64 = 0.65;

/// A category's images, by what they are for. All lists are sorted.
#[derive(Clone, Debug)]
pub struct Category {
    /// The folder's name.
    pub name: String,
    pub path: PathBuf,
    pub train: Vec<PathBuf>,
    pub validation: Vec<PathBuf>,
    /// Those of `train` and `validation` that were added as good parts which a line rejected: the user vouches for them.
    pub more_good: BTreeSet<PathBuf>,
    /// Known bad parts that the user named.
    pub bad: Vec<PathBuf>,
    /// Empty if there is no `test/`.
    pub test: Vec<TestImage>,
    pub defects: Option<Vec<DefectConfig>>,
    /// What was passed over, and why.
    pub skipped: Vec<Skipped>,
    /// The seed that split the good images, where the folder has no split of its own.
    pub split_seed: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestImage {
    pub path: PathBuf,
    pub kind: Kind,
    /// One file a region; empty for good images and where masks are missing or don't fit.
    pub masks: Vec<PathBuf>,
}

/// Something passed over. `why` is a whole sentence with the path in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    pub path: PathBuf,
    pub why: String,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl Kind {
    /// The kind that a folder under `test/` stands for: any that isn't known is a kind of damage.
    fn of_folder(name: &str) -> Kind {
        match name {
            "good" => Kind::Good,
            "logical_anomalies" => Kind::Logical,
            _ => Kind::Structural,
        }
    }
}

impl Category {
    /// Finds the images of a category by name, without reading them, and warns of what is skipped; `seed` decides the split where one is needed.
    pub fn open(folder: &Path, seed: u64) -> Result<Category, DatasetError> {
        let path = folder
            .canonicalize()
            .map_err(|source| DatasetError::NotAFolder {
                path: folder.into(),
                source,
            })?;
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let mut category = Category {
            name,
            path: folder.into(),
            train: Vec::new(),
            validation: Vec::new(),
            more_good: BTreeSet::new(),
            bad: Vec::new(),
            test: Vec::new(),
            defects: None,
            skipped: Vec::new(),
            split_seed: None,
        };
        if folder.join("train").is_dir() {
            category.read_layout()?;
        } else {
            category.train = plain_folder(folder)?;
        }
        if category.train.is_empty() {
            return Err(DatasetError::NoImages {
                path: folder.into(),
            });
        }
        if category.validation.is_empty() {
            category.split_seed = Some(seed);
            let all = std::mem::take(&mut category.train);
            (category.train, category.validation) = split(all, seed);
            category.train.sort();
            category.validation.sort();
        }
        category.check_enough(category.train.len(), category.validation.len())?;
        for skipped in &category.skipped {
            log::warn!("skipped: {skipped}");
        }
        Ok(category)
    }

    fn read_layout(&mut self) -> Result<(), DatasetError> {
        let good = self.path.join("train/good");
        if !good.is_dir() {
            return Err(DatasetError::NoGoodFolder {
                path: self.path.clone(),
            });
        }
        self.train = list_images(&good)?;
        let validation = self.path.join("validation/good");
        if validation.is_dir() {
            self.validation = list_images(&validation)?;
        }
        self.test = test_set::read(&self.path, &mut self.skipped)?;
        self.defects = defects::read(&self.path)?;
        Ok(())
    }

    /// How many test images are left out because they lie in no kind's folder.
    pub fn stray(&self) -> usize {
        let test = self.path.join("test");
        let is_stray = |skipped: &&Skipped| skipped.path.parent() == Some(test.as_path());
        self.skipped.iter().filter(is_stray).count()
    }
}

/// Splits about a third off, for validation: (train, validation).
pub(crate) fn split<T>(all: Vec<T>, seed: u64) -> (Vec<T>, Vec<T>) {
    split_by(all, TRAIN_SHARE, seed)
}

/// As [`split`], with this share to learn from.
fn split_by<T>(mut all: Vec<T>, train_share: f64, seed: u64) -> (Vec<T>, Vec<T>) {
    all.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let kept = (all.len() as f64 * train_share).round() as usize;
    let validation = all.split_off(kept);
    (all, validation)
}

/// Sub-folders are left alone: one of them may well hold the bad parts.
fn plain_folder(folder: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let images = list_images_flat(folder)?;
    if images.is_empty() && !list_images(folder)?.is_empty() {
        return Err(DatasetError::OnlySubfolders {
            path: folder.into(),
        });
    }
    Ok(images)
}
