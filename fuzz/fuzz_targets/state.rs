//! Any text as the slots' state, with its hash made right: refused, or read, and then written and read again unchanged.
#![no_main]

use aecsad::slots::state_file::{parse, text};
use sha2::{Digest, Sha256};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let digest = Sha256::digest(bytes);
    let hex: String = digest.iter().map(|b| format!("{b:02x}")).collect();
    let mut sealed = bytes.to_vec();
    sealed.extend(format!("# sha256 of all lines above: {hex}\n").into_bytes());
    if let Ok(state) = parse(&sealed) {
        let written = text(&state).expect("what was read can be written");
        assert_eq!(parse(written.as_bytes()), Ok(state));
    }
});
