//! Any text as a station file: read or refused in one line, never a panic.
#![no_main]

use std::path::Path;

use aecsad::station::config::StationConfig;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Err(error) = StationConfig::parse(text, Path::new("station.toml")) {
        assert!(!error.to_string().contains('\n'));
    }
});
