//! What the models said of an image, kept between runs: a file for each image and stage, named by a digest of all that it
//! depends on. A run that was stopped goes on where it was, and `fit` finds what `label` computed.

use std::path::{Path, PathBuf};

use aecsad_program::whole_file;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::FoundationError;
use crate::engine::Fingerprint;

/// A folder of results; they may be deleted at any time.
pub struct Cache {
    folder: PathBuf,
}

/// What a result depends on, from which its name is made.
pub struct Key(String);

impl Key {
    /// `stage` names what was computed; `of` is everything that could change it.
    pub fn new(stage: &str, of: &[&str]) -> Self {
        let mut fingerprint = Fingerprint::new(stage);
        of.iter().for_each(|text| fingerprint.text(text));
        Self(fingerprint.finish())
    }
}

impl Cache {
    /// In the user's cache folder, or in `otherwise` on a machine without one.
    pub fn open(otherwise: &Path) -> Self {
        let folder = match dirs::cache_dir() {
            Some(cache) => cache.join("aecsad").join("foundation"),
            None => otherwise.join("foundation"),
        };
        Self { folder }
    }

    /// None where it was not computed yet, or the file is damaged.
    pub fn get<T: DeserializeOwned>(&self, key: &Key) -> Option<T> {
        let text = std::fs::read(self.path(key)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    pub fn put<T: Serialize>(&self, key: &Key, value: &T) -> Result<(), FoundationError> {
        let path = self.path(key);
        let unwritable = |source| FoundationError::Unwritable {
            path: path.clone(),
            source,
        };
        let text = serde_json::to_vec(value).map_err(|e| unwritable(e.into()))?;
        if let Some(folder) = path.parent() {
            whole_file::create_folder(folder).map_err(unwritable)?;
        }
        whole_file::write(&path, &text).map_err(unwritable)
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.folder
            .join(&key.0[..2])
            .join(format!("{}.json", key.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_comes_back_for_the_same_key_alone_and_a_damaged_one_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache {
            folder: folder.path().to_owned(),
        };
        let key = Key::new("tags", &["image", "settings"]);
        assert_eq!(cache.get::<Vec<u32>>(&key), None);
        cache.put(&key, &vec![1, 2]).unwrap();
        assert_eq!(cache.get(&key), Some(vec![1, 2]));
        let other = Key::new("tags", &["images", "ettings"]);
        assert_eq!(cache.get::<Vec<u32>>(&other), None);
        std::fs::write(cache.path(&key), "[1").unwrap();
        assert_eq!(cache.get::<Vec<u32>>(&key), None);
    }
}
