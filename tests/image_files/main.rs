//! Image files as they are found on disks: of every kind that is read, and of every kind that is refused.

mod bit_depth;
mod jpeg_scans;
mod kinds;

use std::io::Cursor;
use std::path::{Path, PathBuf};

use aecsad::camera::CameraError;
use aecsad::camera::pixel_format::{BufferLayout, PixelFormat, YuvEncoding};
use aecsad_inspect::frame::Frame;
use aecsad_inspect::image_files::{
    ImageError, decode, image_size, read_image, read_image_by_content,
};
use image::{DynamicImage, ImageBuffer, ImageFormat, Luma, LumaA, Pixel, Rgb, Rgba};

const RED: [u8; 3] = [255, 0, 0];
const GREEN: [u8; 3] = [0, 255, 0];
const BLUE: [u8; 3] = [0, 0, 255];
const WHITE: [u8; 3] = [255, 255, 255];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/images")
        .join(name)
}

fn pixel(frame: &Frame, x: u32, y: u32) -> [u8; 3] {
    let at = 3 * (y * frame.width + x) as usize;
    frame.rgb[at..at + 3].try_into().unwrap()
}

/// The four corners: left to right, top to bottom.
fn corners(frame: &Frame) -> [[u8; 3]; 4] {
    assert_eq!(
        frame.rgb.len(),
        3 * frame.width as usize * frame.height as usize
    );
    let (right, bottom) = (frame.width - 1, frame.height - 1);
    [(0, 0), (right, 0), (0, bottom), (right, bottom)].map(|(x, y)| pixel(frame, x, y))
}

fn assert_near(found: [[u8; 3]; 4], expected: [[u8; 3]; 4], tolerance: u8, name: &str) {
    let pairs = found.as_flattened().iter().zip(expected.as_flattened());
    let worst = pairs.map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    assert!(worst <= tolerance, "{name}: {found:?}");
}

/// The bytes of a 20×16 image in this format, each pixel the same.
fn plain<P>(value: P, format: ImageFormat) -> Vec<u8>
where
    P: Pixel + 'static,
    DynamicImage: From<ImageBuffer<P, Vec<P::Subpixel>>>,
{
    encoded(ImageBuffer::from_pixel(20, 16, value).into(), format)
}

fn encoded(image: DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn decoded(bytes: &[u8]) -> Result<Frame, ImageError> {
    decode(bytes, Path::new("part"), Some(16))
}

#[test]
fn colour_files_of_every_kind_show_the_same_picture() {
    for (name, tolerance) in [
        ("palette.png", 0),
        ("palette.bmp", 0),
        ("lzw.tif", 0),
        ("alpha.tif", 0),
        ("progressive.jpg", 6),
    ] {
        let frame = read_image(&fixture(name)).unwrap();
        assert_eq!((frame.width, frame.height), (24, 16), "{name}");
        assert_near(corners(&frame), [RED, GREEN, BLUE, WHITE], tolerance, name);
    }
}

#[test]
fn grey_files_have_three_equal_channels() {
    // Rec. 601 luma of red, green, blue and white.
    let expected = [[76; 3], [150; 3], [29; 3], [255; 3]];
    let frame = read_image(&fixture("grey.jpg")).unwrap();
    assert_near(corners(&frame), expected, 6, "grey.jpg");
    let frame = read_image(&fixture("bilevel.png")).unwrap();
    assert_eq!(corners(&frame)[3], WHITE);
    assert!(frame.rgb.as_chunks::<3>().0.iter().all(|p| *p == [p[0]; 3]));
}

#[test]
fn orientation_is_honoured() {
    for (name, tolerance) in [("turned.jpg", 6), ("turned.tif", 0)] {
        let path = fixture(name);
        let frame = read_image(&path).unwrap();
        assert_eq!((frame.width, frame.height), (16, 24), "{name}");
        assert_near(corners(&frame), [BLUE, RED, WHITE, GREEN], tolerance, name);
        assert_eq!(image_size(&path).unwrap(), (16, 24));
    }
}

#[test]
fn sixteen_bits_are_rounded_to_eight() {
    // 257 steps to one; from the middle on it rounds up.
    for (wide, narrow) in [
        (0u16, 0),
        (128, 0),
        (129, 1),
        (32767, 127),
        (32768, 128),
        (65407, 255),
        (65535, 255),
    ] {
        for format in [ImageFormat::Png, ImageFormat::Tiff] {
            let grey = decoded(&plain(Luma([wide]), format)).unwrap();
            assert_eq!(pixel(&grey, 3, 3), [narrow; 3], "{wide}");
            let colour = decoded(&plain(Rgb([wide, 0, 65535]), format)).unwrap();
            assert_eq!(pixel(&colour, 3, 3), [narrow, 0, 255], "{wide}");
        }
    }
}

#[test]
fn transparency_doesn_t_change_the_colour() {
    let png = ImageFormat::Png;
    for bytes in [
        plain(Rgba([10u8, 20, 30, 0]), png),
        plain(Rgba([10 * 257u16, 20 * 257, 30 * 257, 9]), png),
    ] {
        assert_eq!(pixel(&decoded(&bytes).unwrap(), 0, 0), [10, 20, 30]);
    }
    for bytes in [
        plain(LumaA([40u8, 0]), png),
        plain(LumaA([40 * 257u16, 0]), png),
    ] {
        assert_eq!(pixel(&decoded(&bytes).unwrap(), 0, 0), [40; 3]);
    }
}

#[test]
fn pictures_that_aren_t_one_screen_picture_are_refused() {
    let refusal = |name: &str| read_image(&fixture(name)).unwrap_err();
    assert!(matches!(refusal("cmyk.jpg"), ImageError::Cmyk { .. }));
    assert!(matches!(refusal("cmyk.tif"), ImageError::Cmyk { .. }));
    assert!(matches!(refusal("apng.png"), ImageError::Animated { .. }));
    assert!(matches!(refusal("pages.tif"), ImageError::Animated { .. }));
    let float = ImageBuffer::from_pixel(20, 16, Rgb([0.5f32; 3]));
    let float = encoded(DynamicImage::ImageRgb32F(float), ImageFormat::Tiff);
    assert!(matches!(
        decoded(&float),
        Err(ImageError::Unsupported { .. })
    ));
}

#[test]
fn sizes_are_judged_by_the_header() {
    assert!(matches!(
        read_image(&fixture("huge.png")),
        Err(ImageError::TooLarge {
            width: 60000,
            height: 60000,
            ..
        })
    ));
    // The header of a BMP with no pixels behind it, just below the limit and just on it.
    let mut bmp = plain(Rgb([0u8; 3]), ImageFormat::Bmp);
    bmp[18..22].copy_from_slice(&10_000u32.to_le_bytes());
    bmp[22..26].copy_from_slice(&4_999u32.to_le_bytes());
    assert!(matches!(decoded(&bmp), Err(ImageError::Truncated { .. })));
    bmp[22..26].copy_from_slice(&5_000u32.to_le_bytes());
    assert!(matches!(decoded(&bmp), Err(ImageError::TooLarge { .. })));

    for (width, height) in [(1, 1), (15, 400), (400, 15)] {
        let small = DynamicImage::new_rgb8(width, height);
        for format in [
            ImageFormat::Png,
            ImageFormat::Jpeg,
            ImageFormat::Bmp,
            ImageFormat::Tiff,
        ] {
            let small = encoded(small.clone(), format);
            assert!(matches!(decoded(&small), Err(ImageError::TooSmall { .. })));
        }
    }
    let least = encoded(DynamicImage::new_rgb8(16, 16), ImageFormat::Png);
    assert!(decoded(&least).is_ok());
}

#[test]
fn a_false_name_is_refused_unless_the_caller_doesn_t_mind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("part.png");
    std::fs::copy(fixture("progressive.jpg"), &path).unwrap();
    let error = read_image(&path).unwrap_err();
    assert!(matches!(error, ImageError::Mislabelled { .. }));
    let sentence = error.to_string();
    assert!(
        sentence.contains(".png but holds a JPEG image"),
        "{sentence}"
    );
    assert!(read_image_by_content(&path, None).is_ok());
    for name in ["part.JPG", "part.jpeg"] {
        let path = folder.path().join(name);
        std::fs::copy(fixture("progressive.jpg"), &path).unwrap();
        assert!(read_image(&path).is_ok(), "{name}");
    }
}

#[test]
fn a_jpeg_that_breaks_its_decoder_is_damaged() {
    // Found by fuzzing: the decoder panics where it uses AVX2, and may make something of it elsewhere.
    let bytes = include_bytes!("../fixtures/breaks-a-decoder.jpg");
    if let Err(error) = decoded(bytes) {
        let damaged = matches!(
            error,
            ImageError::Damaged { .. } | ImageError::Truncated { .. }
        );
        assert!(damaged, "{error}");
    }
    let (width, height) = image::ImageReader::new(std::io::Cursor::new(bytes))
        .with_guessed_format()
        .unwrap()
        .into_dimensions()
        .unwrap();
    let layout = BufferLayout {
        format: PixelFormat::Mjpg,
        width,
        height,
        stride: 0,
        shift: 0,
        yuv: YuvEncoding::default(),
    };
    if let Err(error) = layout.to_rgb(bytes, &mut Frame::empty()) {
        assert!(matches!(error, CameraError::Corrupt(_)), "{error}");
    }
}

#[test]
fn files_that_are_no_images_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("part.png");
    assert!(matches!(
        read_image(&path),
        Err(ImageError::Unreadable { .. })
    ));
    assert!(matches!(
        read_image(folder.path()),
        Err(ImageError::Unreadable { .. })
    ));
    assert!(matches!(
        read_image("/dev/zero".as_ref()),
        Err(ImageError::Unreadable { .. })
    ));
    std::fs::write(&path, "").unwrap();
    assert!(matches!(read_image(&path), Err(ImageError::Empty { .. })));
    for content in [&b"hello"[..], &[0; 600]] {
        std::fs::write(&path, content).unwrap();
        assert!(matches!(
            read_image(&path),
            Err(ImageError::NotAnImage { .. })
        ));
    }
    let sparse = std::fs::File::create(&path).unwrap();
    sparse.set_len(3 << 30).unwrap();
    assert!(matches!(
        read_image(&path),
        Err(ImageError::TooManyBytes { .. })
    ));
}

/// One good file of each inner form.
fn good_files() -> Vec<(String, Vec<u8>)> {
    let gradient = DynamicImage::from(ImageBuffer::from_fn(20, 16, |x, y| {
        Rgb([x as u8 * 12, y as u8 * 15, (x * y) as u8])
    }));
    let mut files: Vec<(String, Vec<u8>)> = [
        ImageFormat::Png,
        ImageFormat::Jpeg,
        ImageFormat::Bmp,
        ImageFormat::Tiff,
    ]
    .into_iter()
    .map(|format| (format!("{format:?}"), encoded(gradient.clone(), format)))
    .collect();
    for name in [
        "progressive.jpg",
        "turned.jpg",
        "grey_alpha.tif",
        "lzw.tif",
        "palette.bmp",
        "palette.png",
    ] {
        files.push((name.into(), std::fs::read(fixture(name)).unwrap()));
    }
    files
}

#[test]
fn cut_short_anywhere_an_image_is_refused() {
    for (name, bytes) in good_files() {
        assert!(decoded(&bytes).is_ok(), "{name}");
        for cut in 0..bytes.len() {
            assert!(
                decoded(&bytes[..cut]).is_err(),
                "{name} cut at {cut} of {}",
                bytes.len()
            );
        }
    }
}

#[test]
fn a_cut_in_the_pixels_is_called_so() {
    for (name, bytes) in good_files() {
        let cut = &bytes[..bytes.len() * 19 / 20];
        let error = decoded(cut).unwrap_err();
        assert!(
            matches!(error, ImageError::Truncated { .. }),
            "{name}: {error}"
        );
    }
}

#[test]
fn flipped_bits_never_panic_and_never_change_what_a_frame_is() {
    for (name, mut bytes) in good_files() {
        for at in 0..bytes.len() {
            let bit = 1 << (at * 5 % 8);
            bytes[at] ^= bit;
            if let Ok(frame) = decoded(&bytes) {
                let pixels = frame.width as usize * frame.height as usize;
                assert_eq!(frame.rgb.len(), 3 * pixels, "{name} flipped at {at}");
            }
            bytes[at] ^= bit;
        }
    }
}
