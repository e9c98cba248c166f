//! A bundle is one file that carries a trained model to the line: a plain tar whose manifest names every other
//! entry with its size and SHA-256, and may be signed.
//!
//! Reading trusts nothing: each bound is checked before what it bounds is read, nothing is ever unpacked to disk,
//! and what the manifest doesn't name isn't accepted.

mod archive;
mod error;
mod key_ring;
mod manifest;
mod signature;
mod write;

use std::io::{ErrorKind, Read};
use std::path::Path;

use aecsad_program::inputs;
use aecsad_program::sha256::{hex, hex_sha256};

use crate::arrays::Arrays;
use archive::ArchiveReader;
pub use error::{BundleError, BundleFault};
pub use key_ring::{KeyRing, REVOKED_NAME};
pub use manifest::{BranchStats, Entry, FORMAT, Manifest, Profile, TRAINED, Threshold, Tolerance};
pub use signature::{PublicKey, Trust, UNTRUSTED_COMMENT};
pub use write::{Signer, write_bundle};

pub const MANIFEST_NAME: &str = "manifest.toml";
pub const SIGNATURE_NAME: &str = "manifest.minisig";

/// A board with 1 GiB of memory must hold a bundle and its networks.
pub const MAX_BUNDLE_BYTES: u64 = 256 << 20;
pub const MAX_ENTRY_BYTES: u64 = 200 << 20;
pub const MAX_MANIFEST_BYTES: u64 = 1 << 20;
pub const MAX_ENTRIES: usize = 64;

/// A bundle in memory. It is whole, as its manifest says, and signed as [`Trust`] requires.
#[derive(Clone, Debug)]
pub struct Bundle {
    pub manifest: Manifest,
    /// In the manifest's order.
    contents: Vec<Vec<u8>>,
    name: String,
    sha256: String,
    bytes: u64,
    signed_by: Option<String>,
}

impl Bundle {
    /// Reads a bundle file.
    pub fn read(path: &Path, trust: &Trust) -> Result<Bundle, BundleError> {
        let name = path.display().to_string();
        let refused = |fault| BundleError::Refused {
            bundle: name.clone(),
            fault,
        };
        let open_error = |source| BundleError::Open {
            path: path.into(),
            source,
        };
        let file = inputs::open(path).map_err(|error| match error.kind() {
            ErrorKind::IsADirectory => refused(BundleFault::Folder),
            ErrorKind::InvalidInput => refused(BundleFault::NotAFile),
            _ => open_error(error),
        })?;
        Self::from_reader(file, &name, trust)
    }

    /// Reads a bundle from its bytes; `name` stands for the file in messages.
    pub fn from_reader(input: impl Read, name: &str, trust: &Trust) -> Result<Bundle, BundleError> {
        Self::take_apart(input, name, trust).map_err(|fault| BundleError::Refused {
            bundle: name.into(),
            fault,
        })
    }

    fn take_apart(input: impl Read, name: &str, trust: &Trust) -> Result<Bundle, BundleFault> {
        let mut archive = ArchiveReader::new(input);
        let header = archive.header(MANIFEST_NAME)?;
        expect(&header.name, MANIFEST_NAME)?;
        bound(&header.name, header.bytes, MAX_MANIFEST_BYTES)?;
        let manifest_bytes = archive.body(&header)?;

        // One header ahead: it is either the signature's or the first entry's.
        let mut ahead = Some(archive.header("the first one in the manifest")?);
        let mut signature = None;
        if let Some(header) = ahead.take_if(|header| header.name == SIGNATURE_NAME) {
            bound(&header.name, header.bytes, signature::MAX_SIGNATURE_BYTES)?;
            signature = Some(archive.body(&header)?);
        }
        // The signature is checked first: an untrusted manifest is not parsed.
        let signed_by = signature::check(&manifest_bytes, signature.as_deref(), trust)?;
        let manifest = Manifest::from_bytes(&manifest_bytes)?;

        let mut contents = Vec::with_capacity(manifest.entries.len());
        for entry in &manifest.entries {
            let header = match ahead.take() {
                Some(header) => header,
                None => archive.header(&entry.path)?,
            };
            expect(&header.name, &entry.path)?;
            if header.bytes != entry.bytes {
                return Err(BundleFault::WrongSize {
                    name: header.name,
                    found: header.bytes,
                    expected: entry.bytes,
                });
            }
            let content = archive.body(&header)?;
            if hex_sha256(&content) != entry.sha256 {
                return Err(BundleFault::WrongHash { name: header.name });
            }
            contents.push(content);
        }
        let (digest, bytes) = archive.finish()?;
        Ok(Bundle {
            manifest,
            contents,
            name: name.into(),
            sha256: hex(&digest),
            bytes,
            signed_by,
        })
    }

    /// The content of an entry, by its path in the manifest.
    pub fn entry(&self, path: &str) -> Result<&[u8], BundleError> {
        self.entries()
            .find(|(name, _)| *name == path)
            .map(|(_, content)| content)
            .ok_or_else(|| self.refused(BundleFault::NoEntry { name: path.into() }))
    }

    /// The named arrays in a safetensors entry.
    pub fn arrays(&self, path: &str) -> Result<Arrays, BundleError> {
        Arrays::from_bytes(self.entry(path)?, path).map_err(|error| self.refused(error.into()))
    }

    /// Path and content of each entry, in the manifest's order.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let paths = self.manifest.entries.iter().map(|e| e.path.as_str());
        paths.zip(self.contents.iter().map(Vec::as_slice))
    }

    /// The SHA-256 of the whole file, in hex: the bundle's identity in every record.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Size of the whole file.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Id of the trusted key that signed it; `None` where no keys are required.
    pub fn signed_by(&self) -> Option<&str> {
        self.signed_by.as_deref()
    }

    /// The file it came from, as messages name it.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn refused(&self, fault: BundleFault) -> BundleError {
        BundleError::Refused {
            bundle: self.name.clone(),
            fault,
        }
    }
}

fn expect(found: &str, expected: &str) -> Result<(), BundleFault> {
    if found == expected {
        return Ok(());
    }
    Err(BundleFault::WrongEntry {
        found: found.into(),
        expected: expected.into(),
    })
}

fn bound(name: &str, bytes: u64, limit: u64) -> Result<(), BundleFault> {
    if bytes <= limit {
        return Ok(());
    }
    Err(BundleFault::TooLarge {
        name: name.into(),
        bytes,
        limit,
    })
}
