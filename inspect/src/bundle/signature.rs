//! The manifest's minisign signature, and the keys that a station trusts.
//!
//! The signature covers the manifest, and the manifest covers every other file by its hash. The stock `minisign`
//! verifies the same two files once they are unpacked.

use std::io::Read;
use std::path::Path;

use aecsad_program::inputs;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::error::{BundleError, BundleFault};
use super::key_ring::KeyRing;

/// The signature's first line. No signature covers it, so only this one text is accepted.
pub const UNTRUSTED_COMMENT: &str = "signature of an aecsad bundle";

/// The key that the demo's bundle is signed with. Its secret half is public, so it proves nothing.
const DEMO_KEY: &str = include_str!("../../../models/demo-key/aecsad.pub");

/// A key file and a signature are a few hundred bytes.
pub(super) const MAX_SIGNATURE_BYTES: u64 = 4096;

/// The keys whose bundles are accepted.
#[derive(Clone, Debug)]
pub enum Trust {
    /// Any bundle that is whole. A signature is not checked.
    Anyone,
    /// Any bundle that is whole, except the demo's, which must not judge a real line.
    AnyoneButDemo,
    /// Only bundles signed by one of these, and not by a revoked one.
    Keys(KeyRing),
}

/// A minisign public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    key: minisign_verify::PublicKey,
    id: String,
}

impl PublicKey {
    /// Reads a `.pub` file as `aecsad-train keygen` or `minisign -G` writes it.
    pub fn from_file(path: &Path) -> Result<PublicKey, BundleError> {
        let unreadable = |source| BundleError::KeyFile {
            path: path.into(),
            source,
        };
        let mut text = Vec::new();
        inputs::open(path)
            .and_then(|file| file.take(MAX_SIGNATURE_BYTES).read_to_end(&mut text))
            .map_err(unreadable)?;
        Self::decode(&String::from_utf8_lossy(&text), &path.display().to_string())
    }

    /// Takes the file's text, or its second line alone. `from` names the place in the message of an error.
    pub fn decode(text: &str, from: &str) -> Result<PublicKey, BundleError> {
        let refused = || BundleError::KeyFormat { from: from.into() };
        let encoded = text.lines().last().unwrap_or_default().trim();
        let key = minisign_verify::PublicKey::from_base64(encoded).map_err(|_| refused())?;
        let id = key_id(encoded).ok_or_else(refused)?;
        Ok(PublicKey { key, id })
    }

    /// The key that the demo's bundle is signed with.
    pub fn demo() -> Result<PublicKey, BundleError> {
        Self::decode(DEMO_KEY, "models/demo-key/aecsad.pub")
    }

    /// The key's number as minisign shows it: 16 upper-case hex digits.
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// Checks the signature and returns the signer's key id, or `None` if no keys are required.
pub(super) fn check(
    manifest: &[u8],
    signature: Option<&[u8]>,
    trust: &Trust,
) -> Result<Option<String>, BundleFault> {
    let signature = signature.map(parse).transpose()?;
    let ring = match trust {
        Trust::Anyone => return Ok(None),
        Trust::AnyoneButDemo => {
            let demo = PublicKey::demo().ok().map(|key| key.id);
            let signer = signature.map(|(_, signer)| signer);
            if signer.is_some() && signer == demo {
                return Err(BundleFault::DemoKey);
            }
            return Ok(None);
        }
        Trust::Keys(ring) => ring,
    };
    let (signature, signer) = signature.ok_or(BundleFault::Unsigned)?;
    if ring.revoked.contains(&signer) {
        return Err(BundleFault::Revoked { signer });
    }
    let mut known = ring.keys.iter().filter(|key| key.id == signer).peekable();
    if known.peek().is_none() {
        let trusted = ring.trusted();
        return Err(BundleFault::UnknownSigner { signer, trusted });
    }
    // Two keys may share an id by accident or design; one that fits is enough.
    if known.any(|key| key.key.verify(manifest, &signature, false).is_ok()) {
        Ok(Some(signer))
    } else {
        Err(BundleFault::BadSignature { signer })
    }
}

/// Four lines, each closed by a newline, in the one spelling that minisign writes.
fn parse(bytes: &[u8]) -> Result<(minisign_verify::Signature, String), BundleFault> {
    let damaged = || BundleFault::SignatureDamaged;
    let text = std::str::from_utf8(bytes).map_err(|_| damaged())?;
    let lines: Vec<&str> = text.split('\n').collect();
    let [untrusted, first, _, second, ""] = lines[..] else {
        return Err(damaged());
    };
    if untrusted.strip_prefix("untrusted comment: ") != Some(UNTRUSTED_COMMENT) {
        return Err(damaged());
    }
    // This decoder accepts only the canonical base64 text; minisign-verify's accepts several texts for the same bytes.
    STANDARD.decode(second).map_err(|_| damaged())?;
    let signer = key_id(first).ok_or_else(damaged)?;
    let signature = minisign_verify::Signature::decode(text).map_err(|_| damaged())?;
    Ok((signature, signer))
}

/// Bytes 2 to 10 of a key or signature: its number, little-endian.
fn key_id(encoded: &str) -> Option<String> {
    let bytes = STANDARD.decode(encoded).ok()?;
    let number: [u8; 8] = bytes.get(2..10)?.try_into().ok()?;
    Some(format!("{:016X}", u64::from_le_bytes(number)))
}
