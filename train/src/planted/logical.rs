//! Wrong arrangements of right parts: one missing, one too many, two exchanged, one from another part's image.

use aecsad::camera::Frame;
use ndarray::Array2;
use rand::{Rng, RngExt};

use super::Clean;
use super::structural::pixel;
use crate::pseudo_label::components;

/// A component's place, in cells of the class map: first row and column, then one past the last.
#[derive(Clone, Copy, Debug)]
struct Box {
    top: usize,
    left: usize,
    bottom: usize,
    right: usize,
}

/// Tries per image before giving up.
const TRIES: usize = 12;
/// Cells that a component must have to be worth moving.
const MIN_CELLS: usize = 8;
/// Mean absolute difference, of 255, under which a change is none.
const MIN_CHANGE: f32 = 10.0;

/// A wrong arrangement made from image `index` (and, for one kind, another image). None where the product offers
/// nothing to rearrange.
pub fn plant(clean: &[Clean<'_>], index: usize, random: &mut impl Rng) -> Option<Frame> {
    let own = &clean[index];
    let boxes = boxes(own.classes);
    if boxes.is_empty() {
        return None;
    }
    for _ in 0..TRIES {
        let mut frame = own.frame.clone();
        let part = boxes[random.random_range(0..boxes.len())];
        let place = match random.random_range(0..4) {
            0 => {
                let Some(empty) = background_box(own.classes, part, random) else { continue };
                paste(&mut frame, own.frame, empty, part);
                part
            }
            1 => {
                let Some(empty) = background_box(own.classes, part, random) else { continue };
                paste(&mut frame, own.frame, part, empty);
                empty
            }
            2 => {
                let other = boxes[random.random_range(0..boxes.len())];
                if own.classes[centre(part)] == own.classes[centre(other)] {
                    continue;
                }
                paste(&mut frame, own.frame, part, at_centre(other, part, own.classes.dim()));
                paste(&mut frame, own.frame, other, at_centre(part, other, own.classes.dim()));
                part
            }
            _ => {
                let other = &clean[random.random_range(0..clean.len())];
                paste(&mut frame, other.frame, part, part);
                part
            }
        };
        if change(&frame, own.frame, place) >= MIN_CHANGE {
            return Some(frame);
        }
    }
    None
}

fn boxes(classes: &Array2<u8>) -> Vec<Box> {
    let (rows, columns) = classes.dim();
    components(classes)
        .into_iter()
        .filter(|cells| cells.len() >= MIN_CELLS && cells.len() * 3 < rows * columns)
        .filter_map(|cells| {
            let ys = cells.iter().map(|c| c.0);
            let xs = cells.iter().map(|c| c.1);
            Some(Box {
                top: ys.clone().min()?.saturating_sub(1),
                left: xs.clone().min()?.saturating_sub(1),
                bottom: (ys.max()? + 2).min(rows),
                right: (xs.max()? + 2).min(columns),
            })
        })
        .collect()
}

fn centre(b: Box) -> (usize, usize) {
    ((b.top + b.bottom) / 2, (b.left + b.right) / 2)
}

/// `size`'s extent around the centre of `at`, kept inside the map.
fn at_centre(at: Box, size: Box, (rows, columns): (usize, usize)) -> Box {
    let (height, width) = (size.bottom - size.top, size.right - size.left);
    let (y, x) = centre(at);
    let top = y.saturating_sub(height / 2).min(rows - height);
    let left = x.saturating_sub(width / 2).min(columns - width);
    Box { top, left, bottom: top + height, right: left + width }
}

/// A place as large as `like` where nothing but background lies.
fn background_box(classes: &Array2<u8>, like: Box, random: &mut impl Rng) -> Option<Box> {
    let (rows, columns) = classes.dim();
    let (height, width) = (like.bottom - like.top, like.right - like.left);
    for _ in 0..60 {
        let top = random.random_range(0..=rows - height);
        let left = random.random_range(0..=columns - width);
        let found = Box { top, left, bottom: top + height, right: left + width };
        let cells = classes.slice(ndarray::s![found.top..found.bottom, found.left..found.right]);
        if cells.iter().all(|c| *c == 0) {
            return Some(found);
        }
    }
    None
}

/// Copies `from` of one image over `to` of another; the edges fade over two pixels.
fn paste(frame: &mut Frame, source: &Frame, from: Box, to: Box) {
    let scale = frame.width as i32 / aecsad::network::MAP_SIDE as i32;
    let height = (to.bottom - to.top) as i32 * scale;
    let width = (to.right - to.left) as i32 * scale;
    for y in 0..height {
        for x in 0..width {
            let edge = y.min(x).min(height - 1 - y).min(width - 1 - x);
            let share = ((edge + 1) as f32 / 3.0).min(1.0);
            let new = pixel(source, from.left as i32 * scale + x, from.top as i32 * scale + y);
            let (tx, ty) = (to.left as i32 * scale + x, to.top as i32 * scale + y);
            let old = pixel(frame, tx, ty);
            if tx >= frame.width as i32 || ty >= frame.height as i32 {
                continue;
            }
            let at = (ty as usize * frame.width as usize + tx as usize) * 3;
            for c in 0..3 {
                let mixed = new[c] as f32 * share + old[c] as f32 * (1.0 - share);
                frame.rgb[at + c] = mixed as u8;
            }
        }
    }
}

/// Mean absolute difference inside a box.
fn change(a: &Frame, b: &Frame, place: Box) -> f32 {
    let scale = a.width as i32 / aecsad::network::MAP_SIDE as i32;
    let (mut sum, mut count) = (0.0, 0u32);
    for y in place.top as i32 * scale..place.bottom as i32 * scale {
        for x in place.left as i32 * scale..place.right as i32 * scale {
            let (p, q) = (pixel(a, x, y), pixel(b, x, y));
            sum += (0..3).map(|c| (p[c] as f32 - q[c] as f32).abs()).sum::<f32>() / 3.0;
            count += 1;
        }
    }
    sum / count.max(1) as f32
}
