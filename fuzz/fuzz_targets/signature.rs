//! Any bytes as the signature of a sound manifest, on a station with a key, and as a key: never accepted, never a panic.
#![no_main]

use std::sync::LazyLock;

use aecsad_inspect::bundle::{Bundle, KeyRing, PublicKey, Trust};

#[path = "../archived.rs"]
mod archived;

static TRUST: LazyLock<Trust> = LazyLock::new(|| {
    let demo = PublicKey::demo().expect("the demo's key is a key");
    Trust::Keys(KeyRing::from(vec![demo]))
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = PublicKey::decode(&String::from_utf8_lossy(bytes), "fuzz.pub");
    let mut archive = Vec::new();
    archived::append(&mut archive, "manifest.toml", b"format = 1\n");
    archived::append(&mut archive, "manifest.minisig", bytes);
    archive.extend([0; 1024]);
    assert!(Bundle::from_reader(&archive[..], "fuzz.aecsad", &TRUST).is_err());
});
