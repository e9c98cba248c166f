//! Writes a bundle. The same manifest and entries always give the same bytes. After a failure the previous file is
//! unchanged.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use aecsad_program::sha256::hex_sha256;
use aecsad_program::whole_file::WholeFile;

use super::archive::{END_OF_ARCHIVE, canonical_header, padding};
use super::error::{BundleError, BundleFault};
use super::manifest::{Entry, Manifest};
use super::{MANIFEST_NAME, SIGNATURE_NAME};

/// Turns the manifest's bytes into the text of its minisign signature.
pub type Signer<'a> = &'a dyn Fn(&[u8]) -> Result<String, Box<dyn std::error::Error + Send + Sync>>;

/// Writes `entries` in their order, after filling the manifest's `entries` with their sizes and hashes.
pub fn write_bundle(
    path: &Path,
    mut manifest: Manifest,
    entries: &[(String, Vec<u8>)],
    sign: Option<Signer>,
) -> Result<(), BundleError> {
    let unwritable = |fault: BundleFault| BundleError::Unwritable {
        path: path.into(),
        fault,
    };
    manifest.entries = entries
        .iter()
        .map(|(name, content)| Entry {
            path: name.clone(),
            sha256: hex_sha256(content),
            bytes: content.len() as u64,
        })
        .collect();
    let manifest_bytes = manifest.to_bytes().map_err(unwritable)?;
    let signature = match sign {
        Some(sign) => Some(sign(&manifest_bytes).map_err(|source| BundleError::Sign {
            path: path.into(),
            source,
        })?),
        None => None,
    };
    let mut files = vec![(MANIFEST_NAME, manifest_bytes.as_slice())];
    files.extend(signature.as_ref().map(|s| (SIGNATURE_NAME, s.as_bytes())));
    files.extend(entries.iter().map(|(n, c)| (n.as_str(), c.as_slice())));
    let mut headers = Vec::with_capacity(files.len());
    for (name, content) in &files {
        headers.push(canonical_header(name, content.len() as u64).map_err(unwritable)?);
    }
    let write = || -> io::Result<()> {
        let mut file = WholeFile::create(path)?;
        let mut out = BufWriter::new(&mut file);
        for (header, (_, content)) in headers.iter().zip(&files) {
            out.write_all(header.as_bytes())?;
            out.write_all(content)?;
            out.write_all(padding(content.len()))?;
        }
        out.write_all(&END_OF_ARCHIVE)?;
        out.flush()?;
        drop(out);
        file.commit_durably()
    };
    write().map_err(|source| BundleError::Write {
        path: path.into(),
        source,
    })
}
