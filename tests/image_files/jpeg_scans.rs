//! JPEGs whose coded picture ends early, closed with an end marker all the same, as cameras close a frame that was cut.

use super::*;

/// Baseline with odd sides and subsampled colours; with restart markers; progressive with both; grey; three scans.
const GOOD: [&str; 7] = [
    "odd.jpg",
    "restart.jpg",
    "progressive_restart.jpg",
    "progressive.jpg",
    "grey_odd.jpg",
    "scans.jpg",
    "turned.jpg",
];

fn file(name: &str) -> Vec<u8> {
    std::fs::read(fixture(name)).unwrap()
}

fn motion_jpeg(bytes: &[u8], (width, height): (u32, u32)) -> Result<(), CameraError> {
    let layout = BufferLayout {
        format: PixelFormat::Mjpg,
        width,
        height,
        stride: 0,
        shift: 0,
        yuv: YuvEncoding::default(),
    };
    layout.to_rgb(bytes, &mut Frame::empty())
}

/// Where the coded bytes of the first scan begin.
fn first_scan(bytes: &[u8]) -> usize {
    let at = bytes.windows(2).position(|pair| pair == [0xff, 0xda]);
    at.unwrap() + 2
}

#[test]
fn good_ones_are_read_whatever_follows_them() {
    for name in GOOD {
        let mut bytes = file(name);
        decoded(&bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
        // Padding of a buffer, another picture, and bytes that look like markers.
        bytes.extend([0; 100]);
        bytes.extend(file("grey.jpg"));
        bytes.extend([0xff, 0xda, 0xff, 0xc0, 0xff]);
        decoded(&bytes).unwrap_or_else(|e| panic!("{name} with garbage: {e}"));
    }
}

#[test]
fn a_cut_scan_with_an_end_marker_is_damaged() {
    for name in GOOD {
        let bytes = file(name);
        let size = decoded(&bytes)
            .map(|frame| (frame.width, frame.height))
            .unwrap();
        let end = bytes.len() - 2;
        let mut tried = 0;
        for cut in first_scan(&bytes) + 12..end {
            // A cut after a 0xff would make another marker of it; cameras end on whole words.
            if bytes[cut - 1] == 0xff {
                continue;
            }
            let closed = [&bytes[..cut], &[0xff, 0xd9]].concat();
            let error = match decoded(&closed) {
                Err(error) => error,
                Ok(_) => panic!("{name} cut at {cut} of {end} is read"),
            };
            assert!(
                matches!(
                    error,
                    ImageError::Truncated { .. } | ImageError::Damaged { .. }
                ),
                "{name} cut at {cut}: {error}"
            );
            tried += 1;
            if name != "turned.jpg" && cut % 5 == 0 {
                let refused = motion_jpeg(&closed, size);
                assert!(
                    matches!(refused, Err(CameraError::Corrupt(_))),
                    "{name} cut at {cut}"
                );
            }
        }
        assert!(tried > 50, "{name}: {tried}");
    }
}

#[test]
fn a_lost_restart_interval_is_damaged() {
    let bytes = file("restart.jpg");
    let restarts: Vec<usize> = (first_scan(&bytes)..bytes.len() - 1)
        .filter(|&at| bytes[at] == 0xff && (0xd0..=0xd7).contains(&bytes[at + 1]))
        .collect();
    assert!(restarts.len() >= 3);
    let without = [&bytes[..restarts[0]], &bytes[restarts[1]..]].concat();
    assert!(matches!(
        decoded(&without),
        Err(ImageError::Truncated { .. })
    ));
}

#[test]
fn frames_of_cameras_without_tables_are_read() {
    // As in Motion JPEG, the customary Huffman tables are left out.
    let picture = ImageBuffer::from_fn(40, 24, |x, y| Rgb([x as u8 * 6, y as u8 * 10, 90]));
    let whole = encoded(DynamicImage::ImageRgb8(picture), ImageFormat::Jpeg);
    let mut bare = whole[..2].to_vec();
    let mut at = 2;
    while whole[at + 1] != 0xda {
        let length = 2 + usize::from(u16::from_be_bytes([whole[at + 2], whole[at + 3]]));
        if whole[at + 1] != 0xc4 {
            bare.extend(&whole[at..at + length]);
        }
        at += length;
    }
    bare.extend(&whole[at..]);
    assert!(bare.len() < whole.len());
    motion_jpeg(&bare, (40, 24)).unwrap();
    let half = [&bare[..bare.len() * 2 / 3], &[0xff, 0xd9]].concat();
    assert!(matches!(
        motion_jpeg(&half, (40, 24)),
        Err(CameraError::Corrupt(_))
    ));
}
