//! Any text as a manifest, in a sound archive and with its hash made right, so that the fuzzer gets behind both.
#![no_main]

use aecsad_inspect::bundle::{Bundle, Trust};
use sha2::{Digest, Sha256};

#[path = "../archived.rs"]
mod archived;

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    let digest = Sha256::digest(text);
    let hex: String = digest.iter().map(|b| format!("{b:02x}")).collect();
    let mut manifest = text.to_vec();
    manifest.extend(format!("# sha256 of all lines above: {hex}\n").into_bytes());
    let mut archive = Vec::new();
    archived::append(&mut archive, "manifest.toml", &manifest);
    archived::append(&mut archive, "a", b"");
    archive.extend([0; 1024]);
    let _ = Bundle::from_reader(&archive[..], "fuzz.aecsad", &Trust::Anyone);
});
