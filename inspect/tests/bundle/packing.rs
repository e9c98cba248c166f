//! Takes archives apart and puts them together again, as an attacker would.

use std::io::Write;

use sha2::{Digest, Sha256};

/// Name and content of each file in an archive, read by the tar crate.
pub fn unpacked(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(archive);
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let mut content = Vec::new();
        std::io::copy(&mut entry, &mut content).unwrap();
        (name, content)
    });
    entries.collect()
}

/// An archive of these files, each header as a bundle's is.
pub fn packed(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, content) in files {
        archive.extend(header(name, content.len() as u64, |_| ()));
        archive.extend(content);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.extend([0; 1024]);
    archive
}

/// A bundle's header, changed by `change` before its checksum is set. The name is put in as it is.
pub fn header(name: &str, bytes: u64, change: impl FnOnce(&mut tar::Header)) -> [u8; 512] {
    let mut header = tar::Header::new_ustar();
    (&mut header.as_mut_bytes()[..100])
        .write_all(name.as_bytes())
        .unwrap();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_size(bytes);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    change(&mut header);
    header.set_cksum();
    *header.as_bytes()
}

/// A manifest's text with its own hash made right.
pub fn sealed(text: &str) -> Vec<u8> {
    let digest = Sha256::digest(text.as_bytes());
    let hex: String = digest.iter().map(|b| format!("{b:02x}")).collect();
    format!("{text}# sha256 of all lines above: {hex}\n").into_bytes()
}
