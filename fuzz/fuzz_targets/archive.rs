//! Any bytes as a bundle: read or refused, never a panic.
#![no_main]

use aecsad_inspect::bundle::{Bundle, Trust};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = Bundle::from_reader(bytes, "fuzz.aecsad", &Trust::Anyone);
});
