//! All parts of a run in one picture, each with its heatmap over it and a border that says what was decided.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::imageops::{FilterType, overlay, resize};
use image::{Rgb, RgbImage};

use crate::camera::read_image;
use crate::error::{Error, Result};
use crate::heatmap;
use crate::station::Judge;
use crate::whole_file;

const COLUMNS: u32 = 10;
/// Side of a tile and width of its border, pixels.
const TILE: u32 = 144;
const BORDER: u32 = 6;
const REJECTED: Rgb<u8> = Rgb([200, 30, 30]);
const PASSED: Rgb<u8> = Rgb([40, 140, 60]);

/// A part's picture, small, and its map at the same size where the judge has one.
struct Tile {
    picture: RgbImage,
    map: Option<Vec<f32>>,
    rejected: bool,
}

/// Judges each image once more, off the line, and writes the sheet. Images that can't be read or judged are left out.
pub fn write(judge: &mut dyn Judge, images: &[PathBuf], out: &Path) -> Result<()> {
    let side = TILE - 2 * BORDER;
    let mut tiles = Vec::new();
    for path in images {
        let Ok(frame) = read_image(path) else {
            continue;
        };
        let Ok(verdict) = judge.judge(&frame) else {
            continue;
        };
        let map = judge.heatmap().map(|map| {
            let at = |x: u32, y: u32| {
                let (x, y) = (x * map.width / side, y * map.height / side);
                map.values
                    .get((y * map.width + x) as usize)
                    .copied()
                    .unwrap_or(0.0)
            };
            (0..side)
                .flat_map(|y| (0..side).map(move |x| at(x, y)))
                .collect()
        });
        let Some(picture) = RgbImage::from_raw(frame.width, frame.height, frame.rgb) else {
            continue;
        };
        tiles.push(Tile {
            picture: resize(&picture, side, side, FilterType::Triangle),
            map,
            rejected: verdict.reject,
        });
    }
    let rows = (tiles.len() as u32).div_ceil(COLUMNS).max(1);
    let mut sheet = RgbImage::new(COLUMNS * TILE, rows * TILE);
    for (index, tile) in tiles.iter_mut().enumerate() {
        if let Some(map) = &tile.map {
            heatmap::overlay(&mut tile.picture, map);
        }
        let colour = if tile.rejected { REJECTED } else { PASSED };
        let mut framed = RgbImage::from_pixel(TILE, TILE, colour);
        overlay(&mut framed, &tile.picture, BORDER.into(), BORDER.into());
        let (x, y) = (index as u32 % COLUMNS, index as u32 / COLUMNS);
        overlay(&mut sheet, &framed, (x * TILE).into(), (y * TILE).into());
    }
    let mut png = Vec::new();
    sheet
        .write_to(&mut Cursor::new(&mut png), image::ImageFormat::Png)
        .map_err(std::io::Error::other)
        .and_then(|()| whole_file::write(out, &png))
        .map_err(|source| Error::Unwritable {
            path: out.into(),
            source,
        })
}
