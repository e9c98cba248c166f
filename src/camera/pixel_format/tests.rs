use proptest::prelude::*;

use super::*;

fn layout(format: PixelFormat, width: u32, height: u32) -> BufferLayout {
    BufferLayout {
        format,
        width,
        height,
        stride: format.row_bytes(width as usize) as u32,
        shift: match format {
            PixelFormat::Y10 => 2,
            _ => 4,
        },
        yuv: YuvEncoding::default(),
    }
}

fn rgb(layout: &BufferLayout, bytes: &[u8]) -> Vec<u8> {
    let mut frame = Frame::empty();
    layout.to_rgb(bytes, &mut frame).unwrap();
    assert_eq!((frame.width, frame.height), (layout.width, layout.height));
    frame.rgb
}

#[test]
fn grey_values_of_each_depth_become_eight_bits() {
    let grey = layout(PixelFormat::Grey, 2, 1);
    assert_eq!(rgb(&grey, &[7, 200]), [7, 7, 7, 200, 200, 200]);
    let y10 = layout(PixelFormat::Y10, 2, 1);
    assert_eq!(
        rgb(&y10, &[0xff, 0x03, 0x04, 0x00]),
        [255, 255, 255, 1, 1, 1]
    );
    let mut y12 = layout(PixelFormat::Y12, 2, 1);
    assert_eq!(
        rgb(&y12, &[0xf0, 0x0f, 0x10, 0x00]),
        [255, 255, 255, 1, 1, 1]
    );
    // Dark pictures may want the lower bits; what is too bright for them is white.
    y12.shift = 0;
    assert_eq!(
        rgb(&y12, &[0xf0, 0x0f, 0x10, 0x00]),
        [255, 255, 255, 16, 16, 16]
    );
}

#[test]
fn the_primaries_of_both_matrices_come_out_as_their_standards_say() {
    // Y'CbCr of the 100 % colour bars: ITU-R BT.601-7 and BT.709-6, 8 bits, limited range.
    let bars = [
        (false, [81, 90, 240], [255, 0, 0]),
        (false, [145, 54, 34], [0, 255, 0]),
        (false, [41, 240, 110], [0, 0, 255]),
        (true, [63, 102, 240], [255, 0, 0]),
        (true, [173, 42, 26], [0, 255, 0]),
        (true, [32, 240, 118], [0, 0, 255]),
        (false, [235, 128, 128], [255, 255, 255]),
        (true, [16, 128, 128], [0, 0, 0]),
    ];
    for (bt709, [y, u, v], expected) in bars {
        for format in [PixelFormat::Yuyv, PixelFormat::Uyvy, PixelFormat::Nv12] {
            let mut layout = layout(format, 2, 2);
            layout.yuv.bt709 = bt709;
            let bytes: Vec<u8> = match format {
                PixelFormat::Yuyv => [y, u, y, v].repeat(2),
                PixelFormat::Uyvy => [u, y, v, y].repeat(2),
                _ => vec![y, y, y, y, u, v],
            };
            for pixel in rgb(&layout, &bytes).chunks_exact(3) {
                for (value, expected) in pixel.iter().zip(expected) {
                    let off = i32::from(*value) - expected;
                    assert!(off.abs() <= 2, "{format:?}, BT.709 {bt709}: {pixel:?}");
                }
            }
        }
    }
    let mut full = layout(PixelFormat::Yuyv, 2, 1);
    full.yuv.full_range = true;
    assert_eq!(rgb(&full, &[0, 128, 255, 128]), [0, 0, 0, 255, 255, 255]);
}

#[test]
fn neighbours_keep_their_own_luma_and_share_their_chroma() {
    let mut layout = layout(PixelFormat::Yuyv, 3, 1);
    layout.yuv.full_range = true;
    let pixels = rgb(&layout, &[10, 128, 20, 128, 30, 128, 99, 128]);
    assert_eq!(pixels, [10, 10, 10, 20, 20, 20, 30, 30, 30]);
}

#[test]
fn padded_rows_are_stepped_over() {
    for (format, pixel) in [(PixelFormat::Grey, 1), (PixelFormat::Rgb24, 3)] {
        let mut layout = layout(format, 2, 2);
        layout.stride = 2 * pixel + 5;
        let mut bytes = vec![9; layout.stride as usize * 2 - 5];
        bytes[2 * pixel as usize..layout.stride as usize].fill(200);
        assert_eq!(rgb(&layout, &bytes), [9; 12]);
    }
}

/// A mosaic of one colour: each pixel has only its own channel of it.
fn mosaic(order: Bayer, colour: [u8; 3], width: usize, height: usize) -> Vec<u8> {
    let cell = match order {
        Bayer::Rggb => [0, 1, 1, 2],
        Bayer::Grbg => [1, 0, 2, 1],
        Bayer::Gbrg => [1, 2, 0, 1],
        Bayer::Bggr => [2, 1, 1, 0],
    };
    let pixel = |i: usize| colour[cell[i / width % 2 * 2 + i % width % 2]];
    (0..width * height).map(pixel).collect()
}

#[test]
fn a_mosaic_of_one_colour_is_that_colour_everywhere() {
    for order in [Bayer::Bggr, Bayer::Gbrg, Bayer::Grbg, Bayer::Rggb] {
        for (width, height) in [(6, 4), (5, 7)] {
            let bytes = mosaic(order, [10, 120, 240], width, height);
            let layout = layout(PixelFormat::Bayer(order), width as u32, height as u32);
            for pixel in rgb(&layout, &bytes).chunks_exact(3) {
                assert_eq!(pixel, [10, 120, 240], "{order:?} {width}×{height}");
            }
        }
    }
}

#[test]
fn jpegs_of_colour_and_grey_are_decoded_and_others_refused() {
    let encode = |colour: image::ExtendedColorType, pixels: &[u8]| {
        let mut bytes = Vec::new();
        image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 100)
            .encode(pixels, 16, 16, colour)
            .unwrap();
        bytes
    };
    let layout = layout(PixelFormat::Mjpg, 16, 16);
    let colour = encode(image::ExtendedColorType::Rgb8, &[200, 100, 50].repeat(256));
    let near = |value: u8, expected: i32| (i32::from(value) - expected).abs() <= 3;
    for pixel in rgb(&layout, &colour).chunks_exact(3) {
        assert!(
            near(pixel[0], 200) && near(pixel[1], 100) && near(pixel[2], 50),
            "{pixel:?}"
        );
    }
    let ramp: Vec<u8> = (0..=255).collect();
    let grey = rgb(&layout, &encode(image::ExtendedColorType::L8, &ramp));
    for (i, pixel) in grey.chunks_exact(3).enumerate() {
        assert!(
            near(pixel[0], i as i32) && pixel[0] == pixel[2],
            "{i}: {pixel:?}"
        );
    }
    let mut frame = Frame::empty();
    for length in [40, colour.len() - 9, colour.len() - 2] {
        let torn = layout.to_rgb(&colour[..length], &mut frame).unwrap_err();
        assert!(matches!(torn, CameraError::Corrupt(_)), "{torn}");
    }
    // Drivers leave what lies behind the picture in their buffers as it was.
    let padded = [colour.as_slice(), &[0xff; 100]].concat();
    assert_eq!(rgb(&layout, &padded), rgb(&layout, &colour));
    let other = BufferLayout {
        width: 32,
        ..layout
    };
    let error = other.to_rgb(&colour, &mut frame).unwrap_err().to_string();
    assert!(error.contains("16×16"), "{error}");
}

#[test]
fn a_jpeg_without_huffman_tables_means_the_customary_ones() {
    let mut bytes = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 90)
        .encode(
            &[200, 100, 50].repeat(256),
            16,
            16,
            image::ExtendedColorType::Rgb8,
        )
        .unwrap();
    let layout = layout(PixelFormat::Mjpg, 16, 16);
    let whole = rgb(&layout, &bytes);
    while let Some(at) = bytes.windows(2).position(|two| two == [0xff, 0xc4]) {
        let length = u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]) as usize;
        bytes.drain(at..at + 2 + length);
    }
    assert_eq!(rgb(&layout, &bytes), whole);
}

#[test]
fn names_and_codes_are_unique() {
    for (format, name, code) in PixelFormat::ALL {
        assert_eq!(PixelFormat::named(name), Some(format));
        assert_eq!((format.name(), format.fourcc()), (name, code));
    }
    assert_eq!(PixelFormat::named("yuyv"), None);
}

proptest! {
    /// Whatever a driver grants and hands over, there is a picture or an error.
    #[test]
    fn no_buffer_panics(
        format in 0..PixelFormat::ALL.len(),
        (width, height) in (1u32..12, 1u32..12),
        stride in 0u32..40,
        shift in 0u32..9,
        bytes in proptest::collection::vec(any::<u8>(), 0..700),
    ) {
        let format = PixelFormat::ALL[format].0;
        let layout = BufferLayout { format, width, height, stride, shift, yuv: YuvEncoding::default() };
        let mut frame = Frame::empty();
        if layout.to_rgb(&bytes, &mut frame).is_ok() {
            prop_assert_eq!(frame.rgb.len(), (width * height * 3) as usize);
        }
    }
}
