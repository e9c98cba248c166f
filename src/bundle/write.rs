//! Writes a bundle: the same manifest and entries always give the same bytes, and the place it goes to holds
//! either the whole new file or what was there before.

use std::fs::{File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::archive::{CLOSING, canonical_header, padding};
use super::error::{BundleError, Fault};
use super::manifest::{Entry, Manifest};
use super::{MANIFEST_NAME, SIGNATURE_NAME, hex_sha256};

/// Turns the manifest's bytes into the text of its minisign signature.
pub type Signer<'a> = &'a dyn Fn(&[u8]) -> Result<String, Box<dyn std::error::Error + Send + Sync>>;

/// Writes `entries` in their order, after filling the manifest's `entries` with their sizes and hashes.
pub fn write_bundle(
    path: &Path,
    mut manifest: Manifest,
    entries: &[(String, Vec<u8>)],
    sign: Option<Signer>,
) -> Result<(), BundleError> {
    let unwritable = |fault: Fault| BundleError::Unwritable {
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
    replace_file(path, |file| {
        let mut out = BufWriter::new(file);
        for (header, (_, content)) in headers.iter().zip(&files) {
            out.write_all(header.as_bytes())?;
            out.write_all(content)?;
            out.write_all(padding(content.len()))?;
        }
        out.write_all(&CLOSING)?;
        out.flush()
    })
    .map_err(|source| BundleError::Write {
        path: path.into(),
        source,
    })
}

/// Fills a temporary file beside `path`, makes it durable and renames it over `path`. On any failure the temporary
/// file is gone and `path` is as it was.
fn replace_file(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut file = tempfile::Builder::new()
        .prefix(".aecsad-")
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(folder)?;
    fill(file.as_file_mut())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    // The rename itself is durable only once the folder is.
    File::open(folder)?.sync_all()
}
