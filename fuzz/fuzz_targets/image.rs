//! Any bytes as an image: a frame of the size it states, or refused.
#![no_main]

use std::path::Path;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(frame) = aecsad::camera::decode(bytes, Path::new("fuzz.png")) {
        assert_eq!(
            frame.rgb.len(),
            3 * frame.width as usize * frame.height as usize
        );
    }
});
