//! Pasting one place of an image over another without a seam.

use aecsad_inspect::frame::Frame;
use aecsad_inspect::network::MAP_SIDE;

use super::place::Box;
use super::structural::pixel;

/// A box in pixels of a frame.
struct Pixels {
    left: i32,
    top: i32,
    right: i32,
    bottom: i32,
}

impl Pixels {
    fn of(cells: Box, frame: &Frame) -> Self {
        let across = |cell: usize| (cell * frame.width as usize / MAP_SIDE) as i32;
        let down = |cell: usize| (cell * frame.height as usize / MAP_SIDE) as i32;
        Pixels {
            left: across(cells.left),
            top: down(cells.top),
            right: across(cells.right),
            bottom: down(cells.bottom),
        }
    }
}

/// Copies `from` of one image over `to` of another, without a seam: the difference at the border is spread over the
/// inside as a membrane (Pérez, Gangnet & Blake, Poisson image editing, SIGGRAPH 2003). A seam would be damage, and
/// damage is planted elsewhere.
pub fn paste(frame: &mut Frame, source: &Frame, from: Box, to: Box) {
    let (from, to) = (Pixels::of(from, source), Pixels::of(to, frame));
    let (height, width) = ((to.bottom - to.top) as usize, (to.right - to.left) as usize);
    let new = |y: usize, x: usize| pixel(source, from.left + x as i32, from.top + y as i32);
    let target = |y: usize, x: usize| (to.left + x as i32, to.top + y as i32);
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
pub fn change(a: &Frame, b: &Frame, place: Box) -> f32 {
    let place = Pixels::of(place, a);
    let (mut sum, mut count) = (0.0, 0u32);
    for y in place.top..place.bottom {
        for x in place.left..place.right {
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
