//! Any text as a manifest, in a sound archive and with its hash made right, so that the fuzzer gets behind both.
#![no_main]

use aecsad::bundle::{Bundle, Trust};
use sha2::{Digest, Sha256};

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    let digest = Sha256::digest(text);
    let hex: String = digest.iter().map(|b| format!("{b:02x}")).collect();
    let mut manifest = text.to_vec();
    manifest.extend(format!("# sha256 of all lines above: {hex}\n").into_bytes());
    let mut archive = Vec::new();
    append(&mut archive, "manifest.toml", &manifest);
    append(&mut archive, "a", b"");
    archive.extend([0; 1024]);
    let _ = Bundle::from_reader(&archive[..], "fuzz.aecsad", &Trust::Anyone);
});

fn append(archive: &mut Vec<u8>, name: &str, content: &[u8]) {
    let mut header = tar::Header::new_ustar();
    header.set_path(name).unwrap();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_cksum();
    archive.extend(header.as_bytes());
    archive.extend(content);
    archive.resize(archive.len().next_multiple_of(512), 0);
}
