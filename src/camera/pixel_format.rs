//! Converts a V4L2 buffer into interleaved 8-bit RGB. The layouts are those of the kernel's "Image Formats" chapter
//! (docs.kernel.org/userspace-api/media/v4l/pixfmt.html).

use std::io::Cursor;

use aecsad_inspect::frame::Frame;
use aecsad_inspect::image_files::container::{self, Container};
use aecsad_inspect::image_files::unless_it_breaks;
use image::codecs::jpeg::JpegDecoder;
use image::{ColorType, ImageDecoder, ImageFormat};

use super::CameraError;

/// A pixel format that a station can request from its camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PixelFormat {
    Grey,
    /// 10 bits in two bytes, least significant first.
    Y10,
    /// 12 bits, likewise.
    Y12,
    /// 14 bits, likewise.
    Y14,
    /// 16 bits, of which many cameras use the lower 10 to 14.
    Y16,
    Yuyv,
    Uyvy,
    /// A plane of luma, then one of interleaved chroma at half size.
    Nv12,
    Rgb24,
    Mjpg,
    /// One colour per pixel, named by the first two pixels of the first two rows.
    Bayer(Bayer),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bayer {
    Bggr,
    Gbrg,
    Grbg,
    Rggb,
}

impl PixelFormat {
    /// Each with its name in the station file and its V4L2 code.
    pub const ALL: [(PixelFormat, &'static str, [u8; 4]); 14] = [
        (PixelFormat::Grey, "GREY", *b"GREY"),
        (PixelFormat::Y10, "Y10", *b"Y10 "),
        (PixelFormat::Y12, "Y12", *b"Y12 "),
        (PixelFormat::Y14, "Y14", *b"Y14 "),
        (PixelFormat::Y16, "Y16", *b"Y16 "),
        (PixelFormat::Yuyv, "YUYV", *b"YUYV"),
        (PixelFormat::Uyvy, "UYVY", *b"UYVY"),
        (PixelFormat::Nv12, "NV12", *b"NV12"),
        (PixelFormat::Rgb24, "RGB24", *b"RGB3"),
        (PixelFormat::Mjpg, "MJPG", *b"MJPG"),
        (PixelFormat::Bayer(Bayer::Bggr), "BGGR8", *b"BA81"),
        (PixelFormat::Bayer(Bayer::Gbrg), "GBRG8", *b"GBRG"),
        (PixelFormat::Bayer(Bayer::Grbg), "GRBG8", *b"GRBG"),
        (PixelFormat::Bayer(Bayer::Rggb), "RGGB8", *b"RGGB"),
    ];

    pub fn named(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, n, _)| *n == name)?;
        Some(found.0)
    }

    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|f| f.0 == self).map_or("", |f| f.1)
    }

    pub fn fourcc(self) -> [u8; 4] {
        Self::ALL
            .iter()
            .find(|f| f.0 == self)
            .map_or([0; 4], |f| f.2)
    }

    /// The number of bits in a two-byte value according to the format's name.
    fn promised_bits(self) -> Option<u32> {
        match self {
            PixelFormat::Y10 => Some(10),
            PixelFormat::Y12 => Some(12),
            PixelFormat::Y14 => Some(14),
            PixelFormat::Y16 => Some(16),
            _ => None,
        }
    }

    /// The default of `camera.shift`, in bits; `None` where the station file must state it.
    pub fn usual_shift(self) -> Option<u32> {
        match self.promised_bits() {
            Some(16) => None,
            bits => Some(bits.unwrap_or(8) - 8),
        }
    }

    /// Whether values have more than 8 bits and are shifted down.
    pub fn is_shifted(self) -> bool {
        self.promised_bits().is_some()
    }

    /// Bytes of a row without padding; 0 for compressed formats.
    fn row_bytes(self, width: usize) -> usize {
        match self {
            PixelFormat::Grey | PixelFormat::Bayer(_) => width,
            PixelFormat::Nv12 => width.div_ceil(2) * 2,
            PixelFormat::Y10 | PixelFormat::Y12 | PixelFormat::Y14 | PixelFormat::Y16 => width * 2,
            PixelFormat::Yuyv | PixelFormat::Uyvy => width.div_ceil(2) * 4,
            PixelFormat::Rgb24 => width * 3,
            PixelFormat::Mjpg => 0,
        }
    }
}

const START_OF_IMAGE: &[u8] = b"\xff\xd8";
/// The segment that makes the decoder use the standard Huffman tables. Many cameras leave the tables out, and some leave
/// this segment out as well.
const MOTION_JPEG: &[u8] = b"\xff\xe0\0\x08AVI1\0\0";

/// The encoding of red, green and blue as luma and chroma.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct YuvEncoding {
    /// ITU-R BT.709 instead of BT.601.
    pub bt709: bool,
    /// 0 to 255 instead of 16 to 235.
    pub full_range: bool,
}

/// A buffer's geometry as the driver granted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferLayout {
    pub format: PixelFormat,
    pub width: u32,
    pub height: u32,
    /// From one row to the next, in bytes.
    pub stride: u32,
    /// How far values of 10 to 16 bits are shifted down to 8.
    pub shift: u32,
    pub yuv: YuvEncoding,
}

impl BufferLayout {
    /// Converts `bytes` into `frame`. A buffer that is too short, or no picture, is [`CameraError::Corrupt`].
    ///
    /// *Shapes*: `bytes` has rows of `stride` bytes, or is one JPEG; `frame` becomes `[height, width, 3]`.
    pub fn to_rgb(&self, bytes: &[u8], frame: &mut Frame) -> Result<(), CameraError> {
        let (width, height) = (self.width as usize, self.height as usize);
        frame.width = self.width;
        frame.height = self.height;
        frame.rgb.resize(width * height * 3, 0);
        if self.format == PixelFormat::Mjpg {
            return unless_it_breaks(|| self.jpeg(bytes, frame)).unwrap_or_else(|| {
                Err(CameraError::Corrupt(
                    "a JPEG that breaks its decoder".into(),
                ))
            });
        }
        let stride = (self.stride as usize).max(self.format.row_bytes(width));
        let last_row = self.format.row_bytes(width);
        let rows = match self.format {
            PixelFormat::Nv12 => height + height.div_ceil(2),
            _ => height,
        };
        let needed = stride * (rows - 1) + last_row;
        if bytes.len() < needed {
            let length = bytes.len();
            return Err(CameraError::Corrupt(format!("{length} bytes of {needed}")));
        }
        let row = |y: usize| &bytes[y * stride..y * stride + last_row];
        let rgb_rows = frame.rgb.chunks_exact_mut(width * 3).enumerate();
        match self.format {
            PixelFormat::Rgb24 => rgb_rows.for_each(|(y, rgb)| rgb.copy_from_slice(row(y))),
            PixelFormat::Grey => rgb_rows.for_each(|(y, rgb)| {
                for (pixel, &grey) in rgb.chunks_exact_mut(3).zip(row(y)) {
                    pixel.fill(grey);
                }
            }),
            PixelFormat::Y10 | PixelFormat::Y12 | PixelFormat::Y14 | PixelFormat::Y16 => {
                let mut brightest = 0;
                rgb_rows.for_each(|(y, rgb)| {
                    for (pixel, value) in rgb.chunks_exact_mut(3).zip(row(y).chunks_exact(2)) {
                        let value = u16::from_le_bytes([value[0], value[1]]);
                        brightest = brightest.max(value);
                        pixel.fill((value >> self.shift).min(255) as u8);
                    }
                });
                self.within_range(brightest)?;
            }
            PixelFormat::Yuyv | PixelFormat::Uyvy => {
                // Two pixels share their chroma: Y U Y V, or U Y V Y.
                let [luma, u, v] = if self.format == PixelFormat::Yuyv {
                    [0, 1, 3]
                } else {
                    [1, 0, 2]
                };
                let convert = YuvToRgb::new(self.yuv);
                rgb_rows.for_each(|(y, rgb)| {
                    for (pixels, group) in rgb.chunks_mut(6).zip(row(y).chunks_exact(4)) {
                        for (i, pixel) in pixels.chunks_exact_mut(3).enumerate() {
                            pixel.copy_from_slice(&convert.pixel(
                                group[luma + 2 * i],
                                group[u],
                                group[v],
                            ));
                        }
                    }
                });
            }
            PixelFormat::Nv12 => {
                let convert = YuvToRgb::new(self.yuv);
                let chroma = &bytes[stride * height..];
                rgb_rows.for_each(|(y, rgb)| {
                    let chroma = &chroma[y / 2 * stride..];
                    for (x, (pixel, &luma)) in rgb.chunks_exact_mut(3).zip(row(y)).enumerate() {
                        let at = x / 2 * 2;
                        pixel.copy_from_slice(&convert.pixel(luma, chroma[at], chroma[at + 1]));
                    }
                });
            }
            PixelFormat::Bayer(order) => {
                demosaic(order, bytes, stride, width, height, &mut frame.rgb)
            }
            PixelFormat::Mjpg => {}
        }
        Ok(())
    }

    /// Refuses values that have more bits than the format and the shift allow: they are stored in other bits than
    /// stated. A smaller shift than the format's default is a gain, and saturates bright pixels.
    fn within_range(&self, brightest: u16) -> Result<(), CameraError> {
        let promised = self.format.promised_bits().unwrap_or(16);
        let bits = promised.max(self.shift + 8);
        if u32::from(brightest) >> bits == 0 {
            return Ok(());
        }
        Err(CameraError::Corrupt(format!(
            "a value of {brightest} in {}, where {bits} bits reach {}; the camera puts its values into other bits: state it by \
             `camera.shift`",
            self.format.name(),
            (1u32 << bits) - 1
        )))
    }

    fn jpeg(&self, bytes: &[u8], frame: &mut Frame) -> Result<(), CameraError> {
        let corrupt = |e: image::ImageError| CameraError::Corrupt(e.to_string());
        let Some(segments) = bytes.strip_prefix(START_OF_IMAGE) else {
            return Err(CameraError::Corrupt("no JPEG".into()));
        };
        // The decoder fills missing blocks with grey and reports no error.
        match container::examine(ImageFormat::Jpeg, bytes) {
            Container::Truncated => {
                return Err(CameraError::Corrupt("a JPEG that is cut short".into()));
            }
            Container::Damaged(what) => {
                return Err(CameraError::Corrupt(format!("a damaged JPEG, {what}")));
            }
            Container::Unsupported(kind) => return Err(CameraError::Corrupt(kind.into())),
            Container::Whole | Container::Cmyk | Container::Animated => {}
        }
        let marked = [START_OF_IMAGE, MOTION_JPEG, segments].concat();
        let decoder = JpegDecoder::new(Cursor::new(marked)).map_err(corrupt)?;
        let (width, height) = decoder.dimensions();
        if (width, height) != (self.width, self.height) {
            return Err(CameraError::Corrupt(format!("a JPEG of {width}×{height}")));
        }
        let pixels = (width * height) as usize;
        match decoder.color_type() {
            ColorType::Rgb8 => decoder.read_image(&mut frame.rgb).map_err(corrupt),
            ColorType::L8 => {
                decoder
                    .read_image(&mut frame.rgb[..pixels])
                    .map_err(corrupt)?;
                // The loop runs from the end, so that no grey value is overwritten before it is used.
                for i in (0..pixels).rev() {
                    let grey = frame.rgb[i];
                    frame.rgb[i * 3..i * 3 + 3].fill(grey);
                }
                Ok(())
            }
            _ => Err(CameraError::Corrupt(
                "a JPEG that is neither grey nor in colour".into(),
            )),
        }
    }
}

/// The matrices of ITU-R BT.601 and BT.709 in 16-bit fixed point.
struct YuvToRgb {
    luma: i32,
    black: i32,
    red_v: i32,
    green_u: i32,
    green_v: i32,
    blue_u: i32,
}

impl YuvToRgb {
    fn new(encoding: YuvEncoding) -> Self {
        let (kr, kb) = if encoding.bt709 {
            (0.2126, 0.0722)
        } else {
            (0.299, 0.114)
        };
        let kg = 1.0 - kr - kb;
        let (luma, chroma, black) = if encoding.full_range {
            (1.0, 1.0, 0)
        } else {
            (255.0 / 219.0, 255.0 / 224.0, 16)
        };
        let fixed = |value: f64| (value * 65_536.0).round() as i32;
        YuvToRgb {
            luma: fixed(luma),
            black,
            red_v: fixed(2.0 * (1.0 - kr) * chroma),
            green_u: fixed(2.0 * (1.0 - kb) * kb / kg * chroma),
            green_v: fixed(2.0 * (1.0 - kr) * kr / kg * chroma),
            blue_u: fixed(2.0 * (1.0 - kb) * chroma),
        }
    }

    fn pixel(&self, y: u8, u: u8, v: u8) -> [u8; 3] {
        let y = (i32::from(y) - self.black) * self.luma + 32_768;
        let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
        let clamp = |value: i32| (value >> 16).clamp(0, 255) as u8;
        [
            clamp(y + self.red_v * v),
            clamp(y - self.green_u * u - self.green_v * v),
            clamp(y + self.blue_u * u),
        ]
    }
}

/// Bilinear demosaicing: a missing colour is the mean of the nearest pixels that have it.
fn demosaic(
    order: Bayer,
    bytes: &[u8],
    stride: usize,
    width: usize,
    height: usize,
    rgb: &mut [u8],
) {
    // The position of the red pixel in each 2×2 cell.
    let (red_x, red_y) = match order {
        Bayer::Rggb => (0, 0),
        Bayer::Grbg => (1, 0),
        Bayer::Gbrg => (0, 1),
        Bayer::Bggr => (1, 1),
    };
    // Beyond an edge the picture is mirrored at its last pixel, which keeps the Bayer pattern.
    let mirror = |at: isize, size: usize| {
        let last = size as isize - 1;
        let at = at.abs();
        if at > last {
            (2 * last - at).max(0) as usize
        } else {
            at as usize
        }
    };
    let mean = |x: usize, y: usize, offsets: &[(isize, isize)]| {
        let sum: u32 = offsets
            .iter()
            .map(|(dx, dy)| {
                let (x, y) = (
                    mirror(x as isize + dx, width),
                    mirror(y as isize + dy, height),
                );
                u32::from(bytes[y * stride + x])
            })
            .sum();
        let count = offsets.len() as u32;
        ((sum + count / 2) / count) as u8
    };
    const SIDES: [(isize, isize); 2] = [(-1, 0), (1, 0)];
    const ENDS: [(isize, isize); 2] = [(0, -1), (0, 1)];
    const CROSS: [(isize, isize); 4] = [(-1, 0), (1, 0), (0, -1), (0, 1)];
    const CORNERS: [(isize, isize); 4] = [(-1, -1), (1, -1), (-1, 1), (1, 1)];
    for y in 0..height {
        for x in 0..width {
            let own = bytes[y * stride + x];
            let pixel = match (x % 2 == red_x, y % 2 == red_y) {
                (true, true) => [own, mean(x, y, &CROSS), mean(x, y, &CORNERS)],
                (false, false) => [mean(x, y, &CORNERS), mean(x, y, &CROSS), own],
                // A green pixel in a row with red.
                (false, true) => [mean(x, y, &SIDES), own, mean(x, y, &ENDS)],
                (true, false) => [mean(x, y, &ENDS), own, mean(x, y, &SIDES)],
            };
            let at = (y * width + x) * 3;
            rgb[at..at + 3].copy_from_slice(&pixel);
        }
    }
}

#[cfg(test)]
mod tests;
