//! The public keys that a station trusts: a folder of `.pub` files, and beside them the ids of keys that are revoked.
//! Several keys make a change of keys possible: the new key is added, bundles are signed with it, the old key is revoked.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::path::Path;

use aecsad_program::text_file::{self, TextError};

use super::error::BundleError;
use super::signature::PublicKey;

/// The file with the ids of revoked keys, one per line; `#` starts a comment. Bundles of these keys are always refused.
pub const REVOKED_NAME: &str = "revoked";
const MAX_KEYS: usize = 64;
const MAX_REVOKED_BYTES: u64 = 64 << 10;
const ID_DIGITS: usize = 16;

/// Keys whose bundles are accepted, and keys whose bundles never are.
#[derive(Clone, Debug, Default)]
pub struct KeyRing {
    pub(super) keys: Vec<PublicKey>,
    pub(super) revoked: BTreeSet<String>,
}

impl KeyRing {
    /// Reads every `.pub` file of a folder and its list of revoked keys. A file that can't be read is an error: a key
    /// that is silently missing, or still trusted, is worse.
    pub fn from_folder(folder: &Path) -> Result<KeyRing, BundleError> {
        let failed = |source: io::Error| BundleError::KeyFile {
            path: folder.into(),
            source: match source.kind() {
                ErrorKind::NotADirectory => {
                    io::Error::new(source.kind(), "it is a file: name the folder it is in")
                }
                _ => source,
            },
        };
        let mut paths = Vec::new();
        for entry in folder.read_dir().map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|ending| ending == "pub") {
                paths.push(path);
            }
        }
        if paths.is_empty() || paths.len() > MAX_KEYS {
            return Err(BundleError::KeyFolder {
                folder: folder.into(),
                found: paths.len(),
                limit: MAX_KEYS,
            });
        }
        paths.sort();
        let keys = paths.iter().map(|path| PublicKey::from_file(path));
        Ok(KeyRing {
            keys: keys.collect::<Result<_, _>>()?,
            revoked: revoked(&folder.join(REVOKED_NAME))?,
        })
    }

    /// Trusts one more key.
    pub fn add(&mut self, key: PublicKey) {
        self.keys.push(key);
    }

    /// Ids of the keys that are trusted, for a message.
    pub(super) fn trusted(&self) -> String {
        let ids: Vec<&str> = self
            .keys
            .iter()
            .map(PublicKey::id)
            .filter(|id| !self.revoked.contains(*id))
            .collect();
        if ids.is_empty() {
            return "none".into();
        }
        ids.join(", ")
    }
}

impl From<Vec<PublicKey>> for KeyRing {
    fn from(keys: Vec<PublicKey>) -> Self {
        let revoked = BTreeSet::new();
        KeyRing { keys, revoked }
    }
}

fn revoked(path: &Path) -> Result<BTreeSet<String>, BundleError> {
    let malformed = |line: usize| BundleError::RevokedList {
        path: path.into(),
        line,
    };
    let text = match text_file::read(path, MAX_REVOKED_BYTES) {
        Ok(text) => text,
        Err(error) if error.is_missing() => return Ok(BTreeSet::new()),
        Err(TextError::NotUtf8 { line, .. }) => return Err(malformed(line)),
        Err(TextError::TooLarge { .. } | TextError::OtherEncoding(_)) => return Err(malformed(1)),
        Err(error) => {
            let source = match error {
                TextError::Unreadable(source) => source,
                other => std::io::Error::other(other.to_string()),
            };
            let path = path.into();
            return Err(BundleError::KeyFile { path, source });
        }
    };
    let mut ids = BTreeSet::new();
    for (index, line) in text.lines().enumerate() {
        let id = line.split('#').next().unwrap_or_default().trim();
        if id.is_empty() {
            continue;
        }
        // A mistyped id would leave its key trusted.
        if id.len() != ID_DIGITS || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(malformed(index + 1));
        }
        ids.insert(id.to_ascii_uppercase());
    }
    Ok(ids)
}
