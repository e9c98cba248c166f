//! Kinds of images that are seldom met: read, or called by their name.

use super::*;

fn refusal(name: &str) -> String {
    read_image(&fixture(name)).unwrap_err().to_string()
}

#[test]
fn grey_with_alpha_is_its_grey() {
    let chunky = read_image(&fixture("grey_alpha.tif")).unwrap();
    assert_eq!((chunky.width, chunky.height), (45, 37));
    assert_eq!(image_size(&fixture("grey_alpha.tif")).unwrap(), (45, 37));
    assert!(
        chunky
            .rgb
            .as_chunks::<3>()
            .0
            .iter()
            .all(|p| *p == [p[0]; 3])
    );
    // The alpha is 7 everywhere, the grey is not.
    assert!(chunky.rgb.iter().any(|v| *v > 100));
    for name in ["grey_alpha_planar.tif", "grey_alpha16.tif"] {
        assert_eq!(
            read_image(&fixture(name)).unwrap().rgb,
            chunky.rgb,
            "{name}"
        );
    }
}

#[test]
fn big_tiff_and_planes_are_read() {
    let big = read_image(&fixture("big.tif")).unwrap();
    assert_eq!((big.width, big.height), (45, 37));
    for name in ["big_be.tif", "planar.tif"] {
        assert_eq!(read_image(&fixture(name)).unwrap().rgb, big.rgb, "{name}");
    }
    assert!(read_image(&fixture("one.tif")).is_ok());
}

#[test]
fn what_is_not_read_is_called_by_its_name() {
    for (name, kind) in [
        ("twelve_bit.jpg", "a JPEG of 12 bits"),
        ("lossless.jpg", "a lossless JPEG"),
        ("float.tif", "floating-point"),
        ("palette.tif", "a TIFF with a palette"),
    ] {
        let sentence = refusal(name);
        assert!(
            sentence.contains(kind) && sentence.contains("convert it"),
            "{sentence}"
        );
        assert!(!sentence.contains("copy it again"), "{sentence}");
    }
    for (content, kind) in [
        (&b"GIF89a\x10\0\x10\0"[..], "a GIF image"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "a WebP image"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 image"),
        (b"\xff\x0a\x10\x10", "a JPEG XL image"),
    ] {
        let error = decoded(content).unwrap_err();
        assert!(matches!(error, ImageError::NotRead { .. }), "{kind}");
        assert!(error.to_string().contains(kind), "{error}");
    }
}
