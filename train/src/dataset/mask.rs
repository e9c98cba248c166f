//! Ground-truth masks: one value a pixel, kept as it stands in the file.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use aecsad::camera::MAX_PIXELS;
use png::{BitDepth, ColorType, Decoder, Transformations};

use super::DatasetError;

/// `values` row by row, `width * height` of them. In a grey file black is 0 and white 255 at any depth; in an indexed
/// file the value is the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    pub width: u32,
    pub height: u32,
    pub values: Vec<u8>,
}

/// Reads an 8-bit (or narrower) grey or indexed PNG.
pub fn read_mask(path: &Path) -> Result<Mask, DatasetError> {
    let mut reader = open(path)?;
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

/// Width and height from the header, with the same refusals as [`read_mask`].
pub fn mask_size(path: &Path) -> Result<(u32, u32), DatasetError> {
    Ok(open(path)?.info().size())
}

/// The pixels in one byte, leftmost in the highest bits.
fn unpack(byte: u8, per_byte: usize) -> impl Iterator<Item = u8> {
    let bits = 8 / per_byte;
    let mask = u8::MAX >> (8 - bits);
    (0..per_byte).map(move |i| (byte >> (8 - bits * (i + 1))) & mask)
}

fn open(path: &Path) -> Result<png::Reader<BufReader<File>>, DatasetError> {
    let file = File::open(path).map_err(|e| refused(path, e))?;
    let mut decoder = Decoder::new(BufReader::new(file));
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
        (ColorType::Grayscale, BitDepth::Sixteen) => Err(refused(path, "it has 16 bits")),
        (ColorType::Grayscale | ColorType::Indexed, _) => Ok(reader),
        _ => Err(refused(path, "it has colours")),
    }
}

fn refused(path: &Path, why: impl std::fmt::Display) -> DatasetError {
    DatasetError::Mask {
        path: path.into(),
        why: why.to_string(),
    }
}
