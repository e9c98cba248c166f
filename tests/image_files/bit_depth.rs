//! Images of 16 bits that use a part of them are brought to 8 by a stated depth, and never by what one image holds.

use super::*;

fn grey(value: u16) -> Vec<u8> {
    plain(Luma([value]), ImageFormat::Png)
}

#[test]
fn a_stated_depth_scales_dark_and_bright_images_alike() {
    for (value, bit_depth, narrow) in [
        (4095, 12, 255),
        (4080, 12, 255),
        (16, 12, 1),
        (15, 12, 0),
        (1023, 10, 255),
        (16383, 14, 255),
        (65535, 16, 255),
        (200, 8, 200),
    ] {
        let frame = decode(&grey(value), Path::new("part"), Some(bit_depth)).unwrap();
        assert_eq!(
            pixel(&frame, 3, 3),
            [narrow; 3],
            "{value} of {bit_depth} bits"
        );
    }
    // What is not a colour doesn't count.
    let bytes = plain(LumaA([4095u16, 65535]), ImageFormat::Png);
    assert!(decode(&bytes, Path::new("part"), Some(12)).is_ok());
}

#[test]
fn without_a_stated_depth_a_part_of_the_range_is_refused() {
    let error = decode(&grey(4095), Path::new("part.png"), None).unwrap_err();
    assert!(matches!(error, ImageError::BitDepthUnknown { .. }));
    let sentence = error.to_string();
    assert!(
        sentence.contains("a camera of 12 bits") && sentence.contains("--bit-depth 12"),
        "{sentence}"
    );
    assert!(decode(&grey(40_000), Path::new("part"), None).is_ok());
    let eight = plain(Luma([3u8]), ImageFormat::Png);
    assert!(decode(&eight, Path::new("part"), None).is_ok());
}

#[test]
fn a_value_beyond_the_stated_depth_is_refused() {
    let error = decode(&grey(4096), Path::new("part"), Some(12)).unwrap_err();
    assert!(matches!(error, ImageError::BeyondBitDepth { .. }));
    assert!(error.to_string().contains("4095"), "{error}");
}

#[test]
fn a_camera_s_values_are_shifted_as_stated_or_refused() {
    let layout = |format, shift| BufferLayout {
        format,
        width: 2,
        height: 1,
        stride: 4,
        shift,
        yuv: YuvEncoding::default(),
    };
    let seen = |layout: BufferLayout, values: [u16; 2]| {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let mut frame = Frame::empty();
        layout
            .to_rgb(&bytes, &mut frame)
            .map(|()| [frame.rgb[0], frame.rgb[3]])
    };
    assert_eq!(
        seen(layout(PixelFormat::Y12, 4), [16, 4095]).unwrap(),
        [1, 255]
    );
    assert_eq!(
        seen(layout(PixelFormat::Y14, 6), [64, 16383]).unwrap(),
        [1, 255]
    );
    assert_eq!(
        seen(layout(PixelFormat::Y16, 4), [16, 4095]).unwrap(),
        [1, 255]
    );
    // A smaller shift than the format's is a gain.
    assert_eq!(
        seen(layout(PixelFormat::Y10, 0), [16, 1023]).unwrap(),
        [16, 255]
    );
    for (format, shift, brightest) in [
        (PixelFormat::Y10, 2, 1024),
        (PixelFormat::Y12, 4, 65520),
        (PixelFormat::Y10, 0, 1024),
    ] {
        let refused = seen(layout(format, shift), [0, brightest])
            .unwrap_err()
            .to_string();
        assert!(refused.contains("camera.shift"), "{refused}");
    }
    assert_eq!(
        seen(layout(PixelFormat::Y10, 8), [256, 65535]).unwrap(),
        [1, 255]
    );
}
