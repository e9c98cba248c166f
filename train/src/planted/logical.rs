//! Wrong arrangements of right parts: one missing, one too many, two exchanged, one from another part's image.

use aecsad::camera::Frame;
use aecsad::network::MAP_SIDE;
use aecsad::score::pieces;
use ndarray::Array2;
use rand::{Rng, RngExt};

use super::Clean;
use super::structural::pixel;

/// A component's place, in cells of the class map: first row and column, then one past the last.
#[derive(Clone, Copy, Debug)]
struct Box {
    top: usize,
    left: usize,
    bottom: usize,
    right: usize,
}

/// Tries per image before giving up.
const TRIES: usize = 30;
/// Cells that a component must have to be worth moving.
const MIN_CELLS: usize = 8;
/// Share of a box's rim that must show what the component lies on.
const CLEAN_RIM: f32 = 0.7;
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
        let Some(host) = host(own.classes, part) else {
            continue;
        };
        let place = match random.random_range(0..4) {
            0 => {
                let Some(empty) = empty_box(own.classes, host, part, random) else {
                    continue;
                };
                paste(&mut frame, own.frame, empty, part);
                part
            }
            1 => {
                let Some(empty) = empty_box(own.classes, host, part, random) else {
                    continue;
                };
                paste(&mut frame, own.frame, part, empty);
                empty
            }
            2 => {
                let other = boxes[random.random_range(0..boxes.len())];
                let same_kind = own.classes[centre(part)] == own.classes[centre(other)];
                if same_kind || self::host(own.classes, other) != Some(host) {
                    continue;
                }
                paste(
                    &mut frame,
                    own.frame,
                    part,
                    at_centre(other, part, own.classes.dim()),
                );
                paste(
                    &mut frame,
                    own.frame,
                    other,
                    at_centre(part, other, own.classes.dim()),
                );
                part
            }
            _ => {
                let other = &clean[random.random_range(0..clean.len())];
                if self::host(other.classes, part).is_none() {
                    continue;
                }
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
    let mut boxes = Vec::new();
    pieces::for_each(classes, &mut pieces::Scratch::default(), |_, cells| {
        if cells.len() < MIN_CELLS || cells.len() * 3 >= rows * columns {
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
    });
    boxes
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
    Box {
        top,
        left,
        bottom: top + height,
        right: left + width,
    }
}

/// The class that a component lies on: what nearly all of its box's rim shows. None where other things are so near
/// that cutting the box out would cut through them.
fn host(classes: &Array2<u8>, b: Box) -> Option<u8> {
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
fn empty_box(classes: &Array2<u8>, host: u8, like: Box, random: &mut impl Rng) -> Option<Box> {
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

/// Copies `from` of one image over `to` of another, without a seam: the difference at the border is spread over the
/// inside as a membrane (Pérez, Gangnet & Blake, Poisson image editing, SIGGRAPH 2003). A seam would be damage, and
/// damage is planted elsewhere.
fn paste(frame: &mut Frame, source: &Frame, from: Box, to: Box) {
    let scale = frame.width as i32 / MAP_SIDE as i32;
    let height = (to.bottom - to.top) * scale as usize;
    let width = (to.right - to.left) * scale as usize;
    let new = |y: usize, x: usize| {
        pixel(
            source,
            from.left as i32 * scale + x as i32,
            from.top as i32 * scale + y as i32,
        )
    };
    let target = |y: usize, x: usize| {
        (
            to.left as i32 * scale + x as i32,
            to.top as i32 * scale + y as i32,
        )
    };
    let mut membrane = ndarray::Array3::<f32>::zeros((3, height, width));
    for ((c, y, x), offset) in membrane.indexed_iter_mut() {
        if y == 0 || x == 0 || y + 1 == height || x + 1 == width {
            let (tx, ty) = target(y, x);
            *offset = pixel(frame, tx, ty)[c] as f32 - new(y, x)[c] as f32;
        }
    }
    relax(&mut membrane);
    for y in 0..height {
        for x in 0..width {
            let (tx, ty) = target(y, x);
            if tx >= frame.width as i32 || ty >= frame.height as i32 {
                continue;
            }
            let at = (ty as usize * frame.width as usize + tx as usize) * 3;
            for c in 0..3 {
                let value = new(y, x)[c] as f32 + membrane[[c, y, x]];
                frame.rgb[at + c] = value.clamp(0.0, 255.0) as u8;
            }
        }
    }
}

/// Solves Laplace's equation inside, the border held: Gauss–Seidel with over-relaxation.
fn relax(membrane: &mut ndarray::Array3<f32>) {
    const SWEEPS: usize = 80;
    const OVER: f32 = 1.8;
    let (channels, height, width) = membrane.dim();
    for _ in 0..SWEEPS {
        for c in 0..channels {
            for y in 1..height.saturating_sub(1) {
                for x in 1..width.saturating_sub(1) {
                    let around = membrane[[c, y - 1, x]]
                        + membrane[[c, y + 1, x]]
                        + membrane[[c, y, x - 1]]
                        + membrane[[c, y, x + 1]];
                    let value = &mut membrane[[c, y, x]];
                    *value += OVER * (around / 4.0 - *value);
                }
            }
        }
    }
}

/// Mean absolute difference inside a box.
fn change(a: &Frame, b: &Frame, place: Box) -> f32 {
    let scale = a.width as i32 / MAP_SIDE as i32;
    let (mut sum, mut count) = (0.0, 0u32);
    for y in place.top as i32 * scale..place.bottom as i32 * scale {
        for x in place.left as i32 * scale..place.right as i32 * scale {
            let (p, q) = (pixel(a, x, y), pixel(b, x, y));
            sum += (0..3)
                .map(|c| (p[c] as f32 - q[c] as f32).abs())
                .sum::<f32>()
                / 3.0;
            count += 1;
        }
    }
    sum / count.max(1) as f32
}
