//! The models' folder: which files are there, and whether they are still those that were brought.
//!
//! `SHA256SUMS` keeps the digest of each file, as `sha256sum --check` reads it. No digests of these files are
//! published, so that of the first one is recorded, and a later file with another digest is refused.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use aecsad_program::whole_file::{self, WholeFile};

use super::FoundationError;
use super::catalogue::Role;
use crate::paper::weights;

const SUMS: &str = "SHA256SUMS";
/// What the name of a network's file is followed by where its weights lie beside it: no ONNX file can have 2 GB.
const WEIGHTS: &str = ".data";

/// A folder with a subfolder for each role.
#[derive(Clone, Debug)]
pub struct ModelFolder {
    pub path: PathBuf,
}

/// What is known of a file of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileState {
    /// Within the models' folder.
    pub name: String,
    /// None where it is missing.
    pub bytes: Option<u64>,
    /// The digest recorded when it was brought.
    pub recorded: Option<String>,
}

impl ModelFolder {
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    /// Where nothing is named: `aecsad/models` in the user's cache folder.
    pub fn usual() -> Result<PathBuf, FoundationError> {
        let weights = weights::cache_folder()?;
        Ok(weights.with_file_name("models"))
    }

    pub fn of(&self, role: Role) -> PathBuf {
        self.path.join(role.folder())
    }

    /// The files of the layout that is there, or else of the most complete one, with the weights that lie beside them.
    pub fn files(&self, role: Role) -> Vec<FileState> {
        let recorded = self.recorded();
        let state = |file: &str| {
            let name = format!("{}/{file}", role.folder());
            let found = std::fs::metadata(self.path.join(&name)).ok();
            FileState {
                bytes: found.filter(|found| found.is_file()).map(|f| f.len()),
                recorded: recorded.get(&name).cloned(),
                name,
            }
        };
        let layouts = role.layouts().iter();
        let with_weights = |file: &&str| {
            let weights = state(&format!("{file}{WEIGHTS}"));
            [state(file)]
                .into_iter()
                .chain(Some(weights).filter(|w| w.bytes.is_some()))
        };
        let states = layouts.map(|files| files.iter().flat_map(with_weights).collect::<Vec<_>>());
        let missing = |files: &Vec<FileState>| files.iter().filter(|f| f.bytes.is_none()).count();
        states.min_by_key(missing).unwrap_or_default()
    }

    /// The digests of a role's files, which must be the recorded ones; those of files that are new here are recorded.
    ///
    /// # Errors
    /// If a file is missing, can't be read, or is another one than was recorded.
    pub fn check(&self, role: Role) -> Result<String, FoundationError> {
        let mut digests = String::new();
        let mut new = BTreeMap::new();
        for file in self.files(role) {
            let path = self.path.join(&file.name);
            if file.bytes.is_none() {
                return Err(FoundationError::Missing { path });
            }
            let found = weights::digest(&path)?;
            match file.recorded {
                Some(recorded) if recorded != found => {
                    return Err(FoundationError::Changed {
                        path,
                        found: found[..12].to_owned(),
                        recorded: recorded.chars().take(12).collect(),
                    });
                }
                Some(_) => {}
                None => {
                    new.insert(file.name, found.clone());
                }
            }
            digests.push_str(&found);
        }
        if !new.is_empty()
            && let Err(error) = self.record(new)
        {
            // A folder that many share is often read-only.
            log::warn!("{error}");
        }
        Ok(digests)
    }

    /// Copies a file to its place; its digest replaces one that was recorded.
    ///
    /// # Errors
    /// If its name belongs to no file of the role, it can't be read, or the copy can't be written.
    pub fn import(&self, role: Role, file: &Path) -> Result<FileState, FoundationError> {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let known = role.layouts().concat();
        let network = name.strip_suffix(WEIGHTS).filter(|n| n.ends_with(".onnx"));
        if !known.contains(&network.unwrap_or(&name)) && name != "preprocessor_config.json" {
            let mut known = known;
            known.dedup();
            return Err(FoundationError::Unknown(format!(
                "{}: {} has no file of this name: rename it to one of {}",
                file.display(),
                role.folder(),
                known.join(", ")
            )));
        }
        let folder = self.of(role);
        let target = folder.join(&*name);
        let unwritable = |source| FoundationError::Unwritable {
            path: target.clone(),
            source,
        };
        let unreadable = |source| FoundationError::Unreadable {
            path: file.to_owned(),
            source,
        };
        let digest = weights::digest(file)?;
        whole_file::create_folder(&folder).map_err(unwritable)?;
        let mut source = aecsad_program::inputs::open(file).map_err(unreadable)?;
        let mut copy = WholeFile::create(&target).map_err(unwritable)?;
        std::io::copy(&mut source, &mut copy).map_err(unwritable)?;
        copy.commit_durably().map_err(unwritable)?;
        // The card it came on may have been pulled out half way.
        let copied = weights::digest(&target)?;
        if copied != digest {
            return Err(FoundationError::Changed {
                path: target,
                found: copied[..12].to_owned(),
                recorded: digest[..12].to_owned(),
            });
        }
        self.brought(role, &name)
    }

    /// Records the digest of a file that was brought here.
    pub fn brought(&self, role: Role, file: &str) -> Result<FileState, FoundationError> {
        let name = format!("{}/{file}", role.folder());
        let path = self.path.join(&name);
        let digest = weights::digest(&path)?;
        self.record(BTreeMap::from([(name.clone(), digest.clone())]))?;
        Ok(FileState {
            name,
            bytes: std::fs::metadata(&path).ok().map(|found| found.len()),
            recorded: Some(digest),
        })
    }

    /// Digest of each file by its name; damaged lines are as good as none.
    fn recorded(&self) -> BTreeMap<String, String> {
        let text = std::fs::read_to_string(self.path.join(SUMS)).unwrap_or_default();
        let entry = |line: &str| {
            let (digest, name) = line.split_once("  ")?;
            let whole = digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit());
            whole.then(|| (name.to_owned(), digest.to_owned()))
        };
        text.lines().filter_map(entry).collect()
    }

    fn record(&self, new: BTreeMap<String, String>) -> Result<(), FoundationError> {
        let mut all = self.recorded();
        all.extend(new);
        let lines: Vec<String> = all
            .iter()
            .map(|(name, digest)| format!("{digest}  {name}\n"))
            .collect();
        let path = self.path.join(SUMS);
        whole_file::write(&path, lines.concat().as_bytes())
            .map_err(|source| FoundationError::Unwritable { path, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_changed_after_it_was_brought_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let models = ModelFolder::new(&folder.path().join("models"));
        let carried = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            models.import(Role::Tags, &path)
        };
        let message = carried("other.onnx", "x").unwrap_err().to_string();
        assert!(message.contains("model.onnx, tags.txt"), "{message}");
        let missing = |_| models.check(Role::Tags).unwrap_err().to_string();
        assert!(missing(()).contains("model.onnx is missing"));
        for name in ["model.onnx", "tags.txt", "thresholds.txt"] {
            let brought = carried(name, name).unwrap();
            assert_eq!(brought.recorded.map(|digest| digest.len()), Some(64));
        }
        let digests = models.check(Role::Tags).unwrap();
        assert_eq!(models.check(Role::Tags).unwrap(), digests);
        std::fs::write(models.of(Role::Tags).join("tags.txt"), "swapped").unwrap();
        let message = missing(());
        assert!(
            message.contains("tags.txt") && message.contains("damaged or exchanged"),
            "{message}"
        );
        carried("tags.txt", "swapped").unwrap();
        assert_ne!(models.check(Role::Tags).unwrap(), digests);
    }

    #[test]
    fn weights_beside_a_network_are_brought_and_checked_too() {
        let folder = tempfile::tempdir().unwrap();
        let models = ModelFolder::new(&folder.path().join("models"));
        let carried = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            models.import(Role::Masks, &path)
        };
        for name in ["encoder.onnx", "encoder.onnx.data", "decoder.onnx"] {
            carried(name, name).unwrap();
        }
        assert!(carried("notes.data", "x").is_err());
        let digests = models.check(Role::Masks).unwrap();
        assert_eq!(digests.len(), 3 * 64);
        let weights = models.of(Role::Masks).join("encoder.onnx.data");
        std::fs::write(weights, "others").unwrap();
        let message = models.check(Role::Masks).unwrap_err().to_string();
        assert!(message.contains("encoder.onnx.data"), "{message}");
    }

    #[test]
    fn what_is_there_of_either_layout_is_listed() {
        let folder = tempfile::tempdir().unwrap();
        let models = ModelFolder::new(folder.path());
        let names = || -> Vec<(String, bool)> {
            let files = models.files(Role::Masks).into_iter();
            files.map(|f| (f.name, f.bytes.is_some())).collect()
        };
        assert_eq!(names()[0], ("sam/encoder.onnx".to_owned(), false));
        std::fs::create_dir(folder.path().join("sam")).unwrap();
        std::fs::write(folder.path().join("sam/vision_encoder.onnx"), "x").unwrap();
        assert_eq!(names()[0], ("sam/vision_encoder.onnx".to_owned(), true));
    }
}
