//! Pictures of the labels for people: each image under its class colours, and one sheet with many of them and a
//! legend. Looking at the sheet is the fastest way to see whether the classes are parts.

use std::ffi::OsString;
use std::io::Cursor;
use std::path::Path;

use aecsad_inspect::frame::Frame;
use aecsad_program::whole_file;
use aecsad_program::written_name::written;
use font8x8::UnicodeFonts;
use image::{ImageFormat, Rgb, RgbImage, imageops};
use ndarray::Array2;

use super::square_image::{SIDE, SquareImage};
use super::{CELLS, LabelError, Labels, Reliability};

const COLUMNS: usize = 8;
const MAX_ON_SHEET: usize = 48;
const THUMB: u32 = 160;
const LEGEND_ROW: u32 = 20;
/// Width of a dark and a light stripe over what is ignored.
const STRIPE: u32 = 12;

/// Colour of a class; neighbouring numbers are far apart, background is black.
pub fn colour(class: usize) -> [u8; 3] {
    const PALETTE: [[u8; 3]; 16] = [
        [230, 25, 75],
        [60, 180, 75],
        [255, 225, 25],
        [0, 130, 200],
        [245, 130, 48],
        [145, 30, 180],
        [70, 240, 240],
        [240, 50, 230],
        [210, 245, 60],
        [250, 190, 212],
        [0, 128, 128],
        [220, 190, 255],
        [170, 110, 40],
        [255, 250, 200],
        [128, 0, 0],
        [170, 255, 195],
    ];
    match class.checked_sub(1) {
        None => [0; 3],
        Some(i) => PALETTE[i % PALETTE.len()],
    }
}

/// Writes `overlays/NAME.png` for each image with what is ignored hatched, `contact_sheet.png`, and `labelled.csv` (which images are labels to
/// learn from, and why) into `folder`, which is created.
///
/// # Errors
/// The folder or a picture can't be written; a frame is malformed.
///
/// *Shapes*: `ignored` is `[SIDE, SIDE]`.
pub fn write(
    folder: &Path,
    names: &[OsString],
    frames: &[Frame],
    labels: &Labels,
    ignored: Option<&[bool]>,
) -> Result<(), LabelError> {
    let overlays = folder.join("overlays");
    whole_file::create_folder(&overlays).map_err(|e| not_written(&overlays, e.to_string()))?;
    let mut sheet_pictures = Vec::new();
    let mut list = String::from("image,labelled,reason\n");
    for (i, (frame, map)) in frames.iter().zip(&labels.maps).enumerate() {
        let mut picture = overlay(&SquareImage::from_frame(i, frame)?, map);
        if let Some(ignored) = ignored {
            hatch(&mut picture, ignored);
        }
        let name = names
            .get(i)
            .cloned()
            .unwrap_or_else(|| format!("{i:03}").into());
        let mut picture_name = name.clone();
        picture_name.push(".png");
        if let Some(Reliability { labelled, reason }) = labels.reliability.get(i) {
            // No reason holds a comma or a quote; a file name may.
            let text = written(Path::new(&name));
            let field = match text.contains([',', '"', '\n', '\r']) {
                true => format!("\"{}\"", text.replace('"', "\"\"")),
                false => text,
            };
            list += &format!("{field},{labelled},{reason}\n");
        }
        save(&picture, &overlays.join(picture_name))?;
        if i < MAX_ON_SHEET {
            sheet_pictures.push(picture);
        }
    }
    let path = folder.join("labelled.csv");
    whole_file::write(&path, list.as_bytes()).map_err(|e| not_written(&path, e.to_string()))?;
    save(
        &contact_sheet(&sheet_pictures, labels),
        &folder.join("contact_sheet.png"),
    )
}

/// The picture tinted by class, with a line where classes meet.
///
/// *Shapes*: `map` is the class map `[CELLS, CELLS]`.
pub fn overlay(square: &SquareImage, map: &Array2<u8>) -> RgbImage {
    let cell = SIDE / CELLS;
    let class_at = |y: usize, x: usize| map[[y / cell, x / cell]];
    RgbImage::from_fn(SIDE as u32, SIDE as u32, |x, y| {
        let (x, y) = (x as usize, y as usize);
        let class = class_at(y, x);
        let edge = class != class_at(y, (x + 1).min(SIDE - 1))
            || class != class_at((y + 1).min(SIDE - 1), x);
        let tint = colour(class.into());
        let strength = match (edge, class) {
            (true, _) => 100,
            (false, 0) => 0,
            (false, _) => 45,
        };
        let pixel = square.pixel(y * SIDE + x);
        Rgb([0, 1, 2].map(|c| {
            let mixed = u16::from(pixel[c]) * (100 - strength) + u16::from(tint[c]) * strength;
            (mixed / 100) as u8
        }))
    })
}

/// Dark stripes on a lighter ground over what is ignored.
fn hatch(picture: &mut RgbImage, ignored: &[bool]) {
    for ((x, y, pixel), _) in picture
        .enumerate_pixels_mut()
        .zip(ignored)
        .filter(|(_, ignored)| **ignored)
    {
        *pixel = Rgb(match (x + y) % STRIPE < STRIPE / 2 {
            true => [40; 3],
            false => [150; 3],
        });
    }
}

/// The overlays in rows (a grey frame: its labels aren't trusted), over a legend with each class's mean share of
/// the image and the share of images it is in.
fn contact_sheet(overlays: &[RgbImage], labels: &Labels) -> RgbImage {
    let rows = overlays.len().div_ceil(COLUMNS) as u32;
    let legend_rows = labels.classes.len().div_ceil(2) as u32;
    let height = rows * THUMB + (legend_rows + 1) * LEGEND_ROW;
    let mut sheet = RgbImage::from_pixel(COLUMNS as u32 * THUMB, height, Rgb([24; 3]));
    for (i, overlay) in overlays.iter().enumerate() {
        let small = imageops::resize(
            overlay,
            THUMB - 6,
            THUMB - 6,
            imageops::FilterType::Triangle,
        );
        let left = (i % COLUMNS) as u32 * THUMB;
        let top = (i / COLUMNS) as u32 * THUMB;
        let trusted = labels.reliability.get(i).is_some_and(|r| r.labelled);
        let frame = if trusted { [70, 200, 90] } else { [110; 3] };
        fill(&mut sheet, left + 1, top + 1, THUMB - 2, THUMB - 2, frame);
        imageops::replace(&mut sheet, &small, i64::from(left) + 3, i64::from(top) + 3);
    }
    for (class, info) in labels.classes.iter().enumerate() {
        let left = (class % 2) as u32 * (COLUMNS as u32 * THUMB / 2) + 8;
        let top = rows * THUMB + (class / 2) as u32 * LEGEND_ROW + 6;
        fill(&mut sheet, left, top, 28, 12, info.colour);
        let name = if class == 0 {
            "background".to_owned()
        } else {
            format!("class {class}")
        };
        let line = format!(
            "{name}: {:.2} % of the image, in {:.0} % of the images",
            100.0 * info.share,
            100.0 * info.presence
        );
        write_text(&mut sheet, left + 36, top + 2, &line);
    }
    sheet
}

/// Paints a rectangle, as much of it as lies on the sheet.
pub(crate) fn fill(
    sheet: &mut RgbImage,
    left: u32,
    top: u32,
    width: u32,
    height: u32,
    colour: [u8; 3],
) {
    for y in top..(top + height).min(sheet.height()) {
        for x in left..(left + width).min(sheet.width()) {
            sheet.put_pixel(x, y, Rgb(colour));
        }
    }
}

/// Writes one line of eight-pixel letters.
pub(crate) fn write_text(sheet: &mut RgbImage, left: u32, top: u32, text: &str) {
    for (i, letter) in text.chars().enumerate() {
        let Some(rows) = font8x8::BASIC_FONTS.get(letter) else {
            continue;
        };
        for (dy, row) in rows.iter().enumerate() {
            for dx in (0..8).filter(|dx| row >> dx & 1 == 1) {
                fill(
                    sheet,
                    left + 8 * i as u32 + dx,
                    top + dy as u32,
                    1,
                    1,
                    [230; 3],
                );
            }
        }
    }
}

fn save(picture: &RgbImage, path: &Path) -> Result<(), LabelError> {
    let mut png = Vec::new();
    picture
        .write_to(&mut Cursor::new(&mut png), ImageFormat::Png)
        .map_err(std::io::Error::other)
        .and_then(|()| whole_file::write(path, &png))
        .map_err(|e| not_written(path, e.to_string()))
}

fn not_written(path: &Path, reason: String) -> LabelError {
    LabelError::NotWritten {
        path: path.to_owned(),
        reason,
    }
}
