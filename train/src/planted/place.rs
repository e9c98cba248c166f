//! Where components lie and where another one would have room.

use ndarray::Array2;
use rand::{Rng, RngExt};

use super::IGNORED;
use crate::segmentation::pieces;

/// A component's place, in cells of the class map: first row and column, then one past the last.
#[derive(Clone, Copy, Debug)]
pub struct Box {
    pub top: usize,
    pub left: usize,
    pub bottom: usize,
    pub right: usize,
}

/// Cells that a component must have to be worth moving.
const MIN_CELLS: usize = 8;
/// Share of a box's rim that must show what the component lies on.
const CLEAN_RIM: f32 = 0.7;
/// Share of a box that a part and its ground must fill.
const ALONE: f32 = 0.9;

/// Where each component of a class map (`[64, 64]`) lies, with a cell of what is around it; specks and what takes a
/// third of the image are none.
pub fn boxes(classes: &Array2<u8>) -> Vec<Box> {
    let (rows, columns) = classes.dim();
    let mut boxes = Vec::new();
    pieces::for_each(
        classes,
        &mut pieces::PieceScratch::default(),
        |class, cells| {
            if class == IGNORED || cells.len() < MIN_CELLS || cells.len() * 3 >= rows * columns {
                return;
            }
            let span = |of: fn(usize, usize) -> usize, length: usize| {
                let low = cells.iter().map(|c| of(*c, columns)).min().unwrap_or(0);
                let high = cells.iter().map(|c| of(*c, columns)).max().unwrap_or(0);
                (low.saturating_sub(1), (high + 2).min(length))
            };
            let (top, bottom) = span(|cell, columns| cell / columns, rows);
            let (left, right) = span(|cell, columns| cell % columns, columns);
            boxes.push(Box {
                top,
                left,
                bottom,
                right,
            });
        },
    );
    boxes
}

/// Row and column.
pub fn centre(b: Box) -> (usize, usize) {
    ((b.top + b.bottom) / 2, (b.left + b.right) / 2)
}

/// `size`'s extent around the centre of `at`, kept inside the map.
pub fn at_centre(at: Box, size: Box, (rows, columns): (usize, usize)) -> Box {
    let (height, width) = (size.bottom - size.top, size.right - size.left);
    let (y, x) = centre(at);
    let top = y.saturating_sub(height / 2).min(rows - height);
    let left = x.saturating_sub(width / 2).min(columns - width);
    Box {
        top,
        left,
        bottom: top + height,
        right: left + width,
    }
}

/// The class that a component lies on: what nearly all of its box's rim shows. None where other things are so near
/// that cutting the box out would cut through them.
///
/// *Shapes*: `classes` is `[rows, columns]`, and so for the functions below.
pub fn host(classes: &Array2<u8>, b: Box) -> Option<u8> {
    let mut counts = [0usize; 256];
    let mut rim = 0;
    for y in b.top..b.bottom {
        for x in b.left..b.right {
            if y == b.top || x == b.left || y + 1 == b.bottom || x + 1 == b.right {
                counts[classes[[y, x]] as usize] += 1;
                rim += 1;
            }
        }
    }
    let (host, count) = counts.iter().enumerate().max_by_key(|(_, count)| **count)?;
    (*count as f32 >= CLEAN_RIM * rim as f32).then_some(host as u8)
}

/// A place as large as `like` where nothing but `host` lies.
///
/// *Shapes*: `classes` is `[64, 64]`.
pub fn empty_box(classes: &Array2<u8>, host: u8, like: Box, random: &mut impl Rng) -> Option<Box> {
    let (rows, columns) = classes.dim();
    let (height, width) = (like.bottom - like.top, like.right - like.left);
    for _ in 0..200 {
        let top = random.random_range(0..=rows - height);
        let left = random.random_range(0..=columns - width);
        let found = Box {
            top,
            left,
            bottom: top + height,
            right: left + width,
        };
        let cells = classes.slice(ndarray::s![
            found.top..found.bottom,
            found.left..found.right
        ]);
        if cells.iter().all(|c| *c == host) {
            return Some(found);
        }
    }
    None
}

/// Whether a box shows a part of `kind`, what that lies on around it, and almost nothing else.
///
/// *Shapes*: `classes` is `[64, 64]`.
pub fn lies_alone(classes: &Array2<u8>, b: Box, kind: u8, ground: u8) -> bool {
    let cells = classes.slice(ndarray::s![b.top..b.bottom, b.left..b.right]);
    let known = cells.iter().filter(|c| [kind, ground].contains(c)).count();
    host(classes, b) == Some(ground) && known as f32 >= ALONE * cells.len() as f32
}
