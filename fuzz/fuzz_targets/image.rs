//! Any bytes as an image: a frame of the size it states, or refused.
#![no_main]

use std::path::Path;
use std::sync::Once;

static QUIET: Once = Once::new();

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // libFuzzer's hook ends the process at any panic, also at those of decoders, which `decode` catches.
    QUIET.call_once(|| std::panic::set_hook(Box::new(|_| ())));
    if let Ok(frame) = aecsad_inspect::image_files::decode(bytes, Path::new("fuzz.png"), Some(16)) {
        assert_eq!(
            frame.rgb.len(),
            3 * frame.width as usize * frame.height as usize
        );
    }
});
