//! Any bytes as a file of arrays: read or refused, never more memory than the bytes are worth, never a panic.
#![no_main]

use aecsad_inspect::arrays::Arrays;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(arrays) = Arrays::from_bytes(bytes, "fuzz.safetensors") {
        let written = arrays.to_bytes().expect("what was read can be written");
        let again = Arrays::from_bytes(&written, "fuzz.safetensors").expect("and read again");
        assert!(arrays.names().eq(again.names()));
    }
});
