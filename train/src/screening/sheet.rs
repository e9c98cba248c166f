//! The images furthest from all others side by side, for a person to look at.

use std::io::Cursor;
use std::path::Path;

use aecsad_inspect::frame::Frame;
use aecsad_program::whole_file;
use image::{Rgb, RgbImage, imageops};

use crate::pseudo_label::overlay::{fill, write_text};

/// The picture of the images furthest from all others, in the work folder.
pub const SHEET: &str = "strangest_images.png";

const COLUMNS: u32 = 6;
const MOST: usize = 24;
const TILE: u32 = 208;
const BORDER: u32 = 4;
/// Height of the line with the image's name.
const CAPTION: u32 = 16;
const LEFT_OUT: [u8; 3] = [220, 40, 40];
const KEPT: [u8; 3] = [110, 110, 110];

/// One image, and how far it lies off the others.
pub struct Shown<'a> {
    pub name: String,
    pub frame: &'a Frame,
    pub distance: f32,
    pub left_out: bool,
}

/// Writes the images furthest off as one PNG, those left out in a red frame.
///
/// # Errors
/// If the picture can't be written.
pub fn write(path: &Path, mut images: Vec<Shown<'_>>) -> std::io::Result<()> {
    images.sort_by(|a, b| b.distance.total_cmp(&a.distance));
    images.truncate(MOST);
    let rows = (images.len() as u32).div_ceil(COLUMNS).max(1);
    let mut sheet = RgbImage::from_pixel(COLUMNS * TILE, rows * (TILE + CAPTION), Rgb([24; 3]));
    for (at, shown) in images.iter().enumerate() {
        let at = at as u32;
        let (left, top) = (at % COLUMNS * TILE, at / COLUMNS * (TILE + CAPTION));
        let colour = if shown.left_out { LEFT_OUT } else { KEPT };
        fill(&mut sheet, left + 1, top + 1, TILE - 2, TILE - 2, colour);
        let Frame {
            width, height, rgb, ..
        } = shown.frame;
        if let Some(picture) = RgbImage::from_raw(*width, *height, rgb.clone()) {
            let side = TILE - 2 * BORDER;
            let small = imageops::resize(&picture, side, side, imageops::FilterType::Triangle);
            let (x, y) = (i64::from(left + BORDER), i64::from(top + BORDER));
            imageops::replace(&mut sheet, &small, x, y);
        }
        let letters = (TILE as usize - 8) / 8;
        let caption = format!("{:.1} {}", shown.distance, shown.name);
        let caption: String = caption.chars().take(letters).collect();
        write_text(&mut sheet, left + 4, top + TILE + 2, &caption);
    }
    let mut png = Cursor::new(Vec::new());
    sheet
        .write_to(&mut png, image::ImageFormat::Png)
        .map_err(std::io::Error::other)?;
    whole_file::write(path, png.get_ref())
}
