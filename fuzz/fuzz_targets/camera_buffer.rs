//! Any buffer of any granted geometry: a picture or an error, never a panic.
#![no_main]

use std::sync::Once;

use aecsad_inspect::frame::Frame;
use aecsad::camera::pixel_format::{BufferLayout, PixelFormat, YuvEncoding};

static QUIET: Once = Once::new();

libfuzzer_sys::fuzz_target!(|input: (u8, u8, u8, u16, u8, &[u8])| {
    // libFuzzer's hook ends the process at any panic, also at those of decoders, which `to_rgb` catches.
    QUIET.call_once(|| std::panic::set_hook(Box::new(|_| ())));
    let (format, width, height, stride, shift, bytes) = input;
    let layout = BufferLayout {
        format: PixelFormat::ALL[usize::from(format) % PixelFormat::ALL.len()].0,
        width: u32::from(width) + 1,
        height: u32::from(height) + 1,
        stride: stride.into(),
        shift: u32::from(shift % 9),
        yuv: YuvEncoding::default(),
    };
    let mut frame = Frame::empty();
    let _ = layout.to_rgb(bytes, &mut frame);
});
