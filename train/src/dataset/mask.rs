//! Masks: one value a pixel, kept as it stands in the file.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use aecsad_inspect::image_files::{MAX_PIXELS, read_image_by_content};
use aecsad_program::inputs;
use png::{BitDepth, ColorType, Decoder, Transformations};

use super::DatasetError;

/// One value a pixel. In a grey file black is 0 and white 255 at any depth; in an indexed file the value is the index.
///
/// *Shapes*: `values` is `[height, width]`, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    pub width: u32,
    pub height: u32,
    pub values: Vec<u8>,
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
const JPEG: &[u8] = b"\xff\xd8\xff";

/// What a file holds, whatever it is named.
enum Content {
    /// A PNG whose values are read as they stand.
    Values(Box<png::Reader<BufReader<File>>>),
    /// Any other picture; it is a mask if it is grey.
    Picture,
}

/// Reads an 8-bit (or narrower) grey or indexed PNG, or any lossless picture without colours.
pub fn read_mask(path: &Path) -> Result<Mask, DatasetError> {
    match open(path)? {
        Content::Values(reader) => read_values(path, *reader),
        Content::Picture => read_picture(path),
    }
}

/// Width and height, with the same refusals as [`read_mask`]; from the header where that is enough.
pub fn mask_size(path: &Path) -> Result<(u32, u32), DatasetError> {
    match open(path)? {
        Content::Values(reader) => Ok(reader.info().size()),
        Content::Picture => read_picture(path).map(|mask| (mask.width, mask.height)),
    }
}

fn read_values(
    path: &Path,
    mut reader: png::Reader<BufReader<File>>,
) -> Result<Mask, DatasetError> {
    let refused = |why: String| refused(path, why);
    let size = reader
        .output_buffer_size()
        .ok_or_else(|| refused("it is too large".into()))?;
    let mut packed = vec![0; size];
    let frame = reader
        .next_frame(&mut packed)
        .map_err(|e| refused(e.to_string()))?;
    let (width, height) = (frame.width, frame.height);
    let per_byte = 8 / frame.bit_depth as usize;
    let scale = match frame.color_type {
        ColorType::Grayscale => 255 / (u8::MAX >> (8 - frame.bit_depth as u8)),
        _ => 1,
    };
    let mut values = Vec::with_capacity(width as usize * height as usize);
    for row in packed.chunks_exact(frame.line_size).take(height as usize) {
        let pixels = row.iter().flat_map(|&byte| unpack(byte, per_byte));
        values.extend(pixels.take(width as usize).map(|v| v * scale));
    }
    Ok(Mask {
        width,
        height,
        values,
    })
}

/// The pixels in one byte, leftmost in the highest bits.
fn unpack(byte: u8, per_byte: usize) -> impl Iterator<Item = u8> {
    let bits = 8 / per_byte;
    let mask = u8::MAX >> (8 - bits);
    (0..per_byte).map(move |i| (byte >> (8 - bits * (i + 1))) & mask)
}

fn read_picture(path: &Path) -> Result<Mask, DatasetError> {
    let frame =
        read_image_by_content(path, Some(16)).map_err(|e| refused(path, unnamed(path, &e)))?;
    let (pixels, _) = frame.rgb.as_chunks::<3>();
    let grey = |pixel: &[u8; 3]| (pixel[0] == pixel[1] && pixel[1] == pixel[2]).then_some(pixel[0]);
    let values: Option<Vec<u8>> = pixels.iter().map(grey).collect();
    Ok(Mask {
        width: frame.width,
        height: frame.height,
        values: values.ok_or_else(|| refused(path, "it has colours"))?,
    })
}

/// The error's sentence without the path, which the caller's sentence has already.
fn unnamed(path: &Path, error: &aecsad_inspect::image_files::ImageError) -> String {
    let sentence = error.to_string();
    let named = format!("{}: ", path.display());
    sentence
        .strip_prefix(&named)
        .unwrap_or(&sentence)
        .to_owned()
}

fn open(path: &Path) -> Result<Content, DatasetError> {
    let mut start = Vec::new();
    let file = inputs::open(path).map_err(|e| refused(path, e))?;
    let read = file.take(PNG.len() as u64).read_to_end(&mut start);
    read.map_err(|e| refused(path, e))?;
    if start.starts_with(JPEG) {
        return Err(refused(path, "a JPEG does not keep the values of pixels"));
    }
    if start != PNG {
        return Ok(Content::Picture);
    }
    let file = inputs::open(path).map_err(|e| refused(path, e))?;
    let mut decoder = Decoder::new(BufReader::new(file));
    // Indices are the values: they must not be turned into colours.
    decoder.set_transformations(Transformations::IDENTITY);
    let reader = decoder.read_info().map_err(|e| refused(path, e))?;
    let info = reader.info();
    if u64::from(info.width) * u64::from(info.height) >= MAX_PIXELS {
        return Err(refused(
            path,
            format!("{}×{} is too large", info.width, info.height),
        ));
    }
    match (info.color_type, info.bit_depth) {
        (_, BitDepth::Sixteen) => Err(refused(path, "it has 16 bits")),
        (ColorType::Grayscale | ColorType::Indexed, _) => Ok(Content::Values(Box::new(reader))),
        _ => Ok(Content::Picture),
    }
}

fn refused(path: &Path, why: impl std::fmt::Display) -> DatasetError {
    DatasetError::Mask {
        path: path.into(),
        why: why.to_string(),
    }
}
