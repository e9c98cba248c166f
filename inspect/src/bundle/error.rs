//! Why a bundle is refused or could not be written, one sentence each.

use crate::arrays::ArraysError;
use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error("{}: the bundle can't be opened ({source}); check the path and its permissions", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("{bundle}: {fault}")]
    Refused { bundle: String, fault: BundleFault },
    #[error("{}: the bundle can't be written ({source}); free some space or name another place", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{}: the bundle was not written because {fault}", path.display())]
    Unwritable { path: PathBuf, fault: BundleFault },
    #[error("{}: the bundle was not written because signing it failed: {source}", path.display())]
    Sign {
        path: PathBuf,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("{}: the public key can't be read ({source}); check the path and its permissions", path.display())]
    KeyFile { path: PathBuf, source: io::Error },
    #[error("{from}: this is not a minisign public key; expected the .pub file that keygen wrote")]
    KeyFormat { from: String },
    #[error(
        "{}: there are {found} public keys in this folder where 1 to {limit} are expected; put the .pub file of \
         the key that signs your bundles there", folder.display()
    )]
    KeyFolder {
        folder: PathBuf,
        found: usize,
        limit: usize,
    },
    #[error(
        "{}, line {line}: this is not the id of a key; write 16 hex digits a line, as `aecsad-train keygen` prints them",
        path.display()
    )]
    RevokedList { path: PathBuf, line: usize },
}

impl BundleError {
    /// Whether writing failed because of the storage, and not because of the bundle.
    pub fn is_storage(&self) -> bool {
        matches!(self, BundleError::Write { .. })
    }

    /// What is wrong with the bundle, if that is why it was refused.
    pub fn fault(&self) -> Option<&BundleFault> {
        match self {
            BundleError::Refused { fault, .. } | BundleError::Unwritable { fault, .. } => {
                Some(fault)
            }
            _ => None,
        }
    }
}

/// One thing wrong with a bundle. Sentences continue "FILE: …".
#[derive(Debug, thiserror::Error)]
pub enum BundleFault {
    #[error("this is a folder, not a bundle file; name the .aecsad file")]
    Folder,
    #[error("this is a device or a pipe, not a bundle file; name the .aecsad file")]
    NotAFile,
    #[error("the file is empty; copy the bundle again")]
    Empty,
    #[error("this is {what}, not a bundle; name the .aecsad file")]
    NotABundle { what: &'static str },
    #[error("reading stopped at byte {at} ({source}); check the storage it lies on")]
    Read { at: u64, source: io::Error },
    #[error("the file ends at byte {at}, in the middle; copy the bundle again")]
    Truncated { at: u64 },
    #[error("the archive ends before its entry `{missing}`; copy the bundle again")]
    EndsEarly { missing: String },
    #[error("something follows the end of the archive; copy the bundle again")]
    TrailingBytes,
    #[error("the archive header at byte {at} is damaged; copy the bundle again")]
    HeaderDamaged { at: u64 },
    #[error("`{name}` is {kind}, and a bundle holds plain files only; export the bundle again")]
    NotPlainFile { name: String, kind: &'static str },
    #[error(
        "the entry name `{name}` is refused: names are relative, of letters, digits and ._-/, \
         without .. and at most 100 long"
    )]
    BadName { name: String },
    #[error(
        "the header or padding of `{name}` isn't the form that aecsad writes; export the bundle \
         again instead of packing it by hand"
    )]
    NotCanonical { name: String },
    #[error("`{name}` claims {bytes} bytes where at most {limit} are allowed; don't use this file")]
    TooLarge {
        name: String,
        bytes: u64,
        limit: u64,
    },
    #[error("the archive has `{found}` where `{expected}` belongs; export the bundle again")]
    WrongEntry { found: String, expected: String },
    #[error("`{name}` has {found} bytes where its manifest says {expected}; copy the bundle again")]
    WrongSize {
        name: String,
        found: u64,
        expected: u64,
    },
    #[error("`{name}` differs from the SHA-256 in the manifest; copy the bundle again")]
    WrongHash { name: String },
    #[error("the manifest differs from its own SHA-256 line; copy the bundle again")]
    ManifestDamaged,
    #[error("the manifest is refused: {why}")]
    Manifest { why: String },
    #[error(
        "bundle format {found} is not known here (this aecsad reads format {known}); \
         update aecsad or export the bundle again"
    )]
    Format { found: i64, known: u32 },
    #[error("the manifest lists {found} entries where at most {limit} are allowed")]
    TooManyEntries { found: usize, limit: usize },
    #[error("the manifest lists `{name}` twice")]
    Duplicate { name: String },
    #[error("there is no entry `{name}` in this bundle; export it again with this version")]
    NoEntry { name: String },
    #[error(
        "it isn't signed and this station accepts signed bundles only; sign it with aecsad-train sign"
    )]
    Unsigned,
    #[error("its signature is damaged; sign it again with aecsad-train sign")]
    SignatureDamaged,
    #[error(
        "it is signed with key {signer}, which this station doesn't trust (trusted: {trusted})"
    )]
    UnknownSigner { signer: String, trusted: String },
    #[error(
        "its signature by key {signer} doesn't match the manifest: the bundle was changed after \
         signing; don't use it"
    )]
    BadSignature { signer: String },
    #[error(
        "it is signed with key {signer}, which is revoked; sign it again with a key that is still trusted"
    )]
    Revoked { signer: String },
    #[error(
        "it is signed with the demo key, which vouches for nothing; train your own product, or say bundle.demo = true in \
         the station file"
    )]
    DemoKey,
    #[error(transparent)]
    Arrays(#[from] ArraysError),
}
