//! A contact sheet: many parts in one picture, each with its heat map if there is one, and a border in the colour of its
//! verdict.

use std::io::{self, Cursor};
use std::path::{Path, PathBuf};

use aecsad_inspect::branches::shared::map;
use aecsad_inspect::frame::Frame;
use aecsad_inspect::heatmap;
use aecsad_inspect::image_files::read_image;
use aecsad_program::whole_file;
use image::imageops::{FilterType, overlay, resize};
use image::{Rgb, RgbImage};

use crate::calibration::collect::CollectedParts;
use crate::station::Judge;

const COLUMNS: u32 = 10;
/// Side of a tile and width of its border, pixels.
const TILE: u32 = 144;
const BORDER: u32 = 6;
const SIDE: u32 = TILE - 2 * BORDER;
const REJECTED: Rgb<u8> = Rgb([200, 30, 30]);
const PASSED: Rgb<u8> = Rgb([40, 140, 60]);

/// A part's small picture, and its heat map at the same size if the judge has one.
pub struct Tile {
    picture: RgbImage,
    map: Option<Vec<f32>>,
    rejected: bool,
}

impl Tile {
    /// `None` for a frame whose buffer is not of its size.
    ///
    /// *Shapes*: `map` is `[SIDE, SIDE]`.
    pub fn new(frame: Frame, map: Option<Vec<f32>>, rejected: bool) -> Option<Self> {
        let picture = RgbImage::from_raw(frame.width, frame.height, frame.rgb)?;
        Some(Tile {
            picture: resize(&picture, SIDE, SIDE, FilterType::Triangle),
            map,
            rejected,
        })
    }
}

/// Judges each image once more, off the line. Images that can't be read or judged are left out.
pub fn judged(judge: &mut dyn Judge, images: &[PathBuf]) -> Vec<Tile> {
    let mut tiles = Vec::new();
    for path in images {
        let Ok(frame) = read_image(path) else {
            continue;
        };
        let Ok(verdict) = judge.judge(&frame) else {
            continue;
        };
        let (width, height) = (frame.width, frame.height);
        let map = judge.heat_map().map(|map| {
            let over = heatmap::over_frame(&map.values, map.columns, map.region, width, height);
            let mut small = Vec::new();
            map::resize(
                &over,
                width as usize,
                SIDE as usize,
                SIDE as usize,
                &mut small,
            );
            small
        });
        tiles.extend(Tile::new(frame, map, verdict.reject));
    }
    tiles
}

/// The parts of a calibration with the highest scores; those left out have a red border.
pub fn scored(parts: &CollectedParts, left_out: &[usize]) -> Vec<Tile> {
    let tiles = parts.highest.iter().filter_map(|shown| {
        let frame = shown.frame.clone();
        Tile::new(frame, None, left_out.contains(&shown.part))
    });
    tiles.collect()
}

/// Writes the tiles as one PNG file.
pub fn save(tiles: Vec<Tile>, out: &Path) -> io::Result<()> {
    whole_file::write(out, &png(tiles)?)
}

/// The tiles as one PNG, in their order, row by row.
pub fn png(mut tiles: Vec<Tile>) -> io::Result<Vec<u8>> {
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
        .map_err(io::Error::other)?;
    Ok(png)
}
