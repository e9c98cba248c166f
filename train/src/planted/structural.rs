//! Planted structural anomalies: a scratch, a stain, a fibre, a dent, a patch of another material. The size of the real
//! damage is unknown: sizes reach from one pixel of the finest view to several of the whole view.

use aecsad_inspect::frame::Frame;
use ndarray::Array2;
use rand::{Rng, RngExt};

use super::{Clean, IGNORED};

/// The longer side of an image in which the sizes below are pixels.
const SIDE: f32 = 256.0;

/// One kind of damage at random strength, on the product where it is known where that is.
pub fn plant(clean: &Clean, random: &mut impl Rng) -> Frame {
    let mut frame = clean.frame.clone();
    let centre = place(&clean.classes, &frame, random);
    let most = (frame.width.max(frame.height) as f32 / SIDE).max(1.0);
    // Without a fine view there is one size, and no number is drawn.
    let scale = match most > 1.0 {
        true => most.powf(random.random_range(0.0..1.0f32)),
        false => 1.0,
    };
    match random.random_range(0..5) {
        0 => scratch(&mut frame, centre, scale, random),
        1 => stain(&mut frame, centre, scale, random),
        2 => fibre(&mut frame, centre, scale, random),
        3 => dent(&mut frame, centre, scale, random),
        _ => foreign_piece(&mut frame, centre, scale, random),
    }
    frame
}

/// A random place in pixels that is looked at, on the product where it is known where that is.
pub(super) fn place(classes: &Array2<u8>, frame: &Frame, random: &mut impl Rng) -> (f32, f32) {
    let (rows, columns) = classes.dim();
    let inner = |i: usize, length: usize| (length / 8..length - length / 8).contains(&i);
    let on_parts: Vec<(usize, usize)> = classes
        .indexed_iter()
        .filter(|((y, x), class)| {
            !matches!(**class, 0 | IGNORED) && inner(*y, rows) && inner(*x, columns)
        })
        .map(|(at, _)| at)
        .collect();
    let jitter = random.random_range(0.0..1.0f32);
    let (y, x) = match on_parts.len() {
        0..16 => anywhere(classes, random),
        count => {
            let (y, x) = on_parts[random.random_range(0..count)];
            (y as f32 + jitter, x as f32 + jitter)
        }
    };
    (
        x * frame.width as f32 / columns as f32,
        y * frame.height as f32 / rows as f32,
    )
}

/// A random place in cells that is not ignored, as far as chance finds one.
fn anywhere(classes: &Array2<u8>, random: &mut impl Rng) -> (f32, f32) {
    const TRIES: usize = 200;
    let (rows, columns) = classes.dim();
    let mut place = (0.0, 0.0);
    for _ in 0..TRIES {
        place = (
            random.random_range(0.15..0.85) * rows as f32,
            random.random_range(0.15..0.85) * columns as f32,
        );
        if classes[[place.0 as usize, place.1 as usize]] != IGNORED {
            break;
        }
    }
    place
}

/// Blends `colour` into a pixel; outside the frame nothing happens.
fn blend(frame: &mut Frame, x: i32, y: i32, colour: [f32; 3], share: f32) {
    if x < 0 || y < 0 || x >= frame.width as i32 || y >= frame.height as i32 {
        return;
    }
    let at = (y as usize * frame.width as usize + x as usize) * 3;
    for (value, colour) in frame.rgb[at..at + 3].iter_mut().zip(colour) {
        *value = (*value as f32 * (1.0 - share) + colour * share).clamp(0.0, 255.0) as u8;
    }
}

/// Walks a line that bends, `length` pixels long, and calls `dot` at each step.
fn wander(
    (mut x, mut y): (f32, f32),
    length: f32,
    curvature: f32,
    random: &mut impl Rng,
    mut dot: impl FnMut(f32, f32),
) {
    let mut heading = random.random_range(0.0..std::f32::consts::TAU);
    for _ in 0..(length * 2.0) as usize {
        dot(x, y);
        heading += random.random_range(-curvature..=curvature);
        x += 0.5 * heading.cos();
        y += 0.5 * heading.sin();
    }
}

fn line(
    frame: &mut Frame,
    at: (f32, f32),
    colour: [f32; 3],
    (share, curvature, scale): (f32, f32, f32),
    random: &mut impl Rng,
) {
    let length = scale * random.random_range(10.0..40.0);
    let half_width = scale * random.random_range(0.5..1.4f32);
    // Over its length the line turns as much at every scale.
    let curvature = curvature / scale.sqrt();
    let reach = half_width.ceil() as i32;
    wander(at, length, curvature, random, |x, y| {
        for dy in -reach..=reach {
            for dx in -reach..=reach {
                let distance = ((dx * dx + dy * dy) as f32).sqrt();
                let cover = (half_width + 0.5 - distance).clamp(0.0, 1.0);
                blend(frame, x as i32 + dx, y as i32 + dy, colour, share * cover);
            }
        }
    });
}

fn scratch(frame: &mut Frame, at: (f32, f32), scale: f32, random: &mut impl Rng) {
    let level = if random.random_bool(0.5) { 225.0 } else { 25.0 };
    let share = random.random_range(0.1..0.4);
    line(frame, at, [level; 3], (share, 0.02, scale), random);
}

fn fibre(frame: &mut Frame, at: (f32, f32), scale: f32, random: &mut impl Rng) {
    let colour = std::array::from_fn(|_| random.random_range(0.0..255.0));
    let share = random.random_range(0.15..0.5);
    line(frame, at, colour, (share, 0.12, scale), random);
}

fn stain(frame: &mut Frame, (cx, cy): (f32, f32), scale: f32, random: &mut impl Rng) {
    let (rx, ry) = (
        scale * random.random_range(3.0..11.0f32),
        scale * random.random_range(3.0..11.0f32),
    );
    let colour = std::array::from_fn(|_| random.random_range(0.0..255.0));
    let share = random.random_range(0.12..0.45);
    let waves: [f32; 3] = std::array::from_fn(|_| random.random_range(0.0..std::f32::consts::TAU));
    let reach = (18.0 * scale) as i32;
    for dy in -reach..=reach {
        for dx in -reach..=reach {
            let angle = (dy as f32).atan2(dx as f32);
            let edge =
                1.0 + 0.2 * (2.0 * angle + waves[0]).sin() + 0.1 * (5.0 * angle + waves[1]).sin();
            let distance = ((dx as f32 / rx).powi(2) + (dy as f32 / ry).powi(2)).sqrt() / edge;
            let cover = ((1.0 - distance) * 3.0).clamp(0.0, 1.0);
            blend(frame, cx as i32 + dx, cy as i32 + dy, colour, share * cover);
        }
    }
}

/// Pulls the surface towards a point: outlines bend, texture is squeezed.
fn dent(frame: &mut Frame, (cx, cy): (f32, f32), scale: f32, random: &mut impl Rng) {
    let radius = scale * random.random_range(6.0..16.0f32);
    let heading = random.random_range(0.0..std::f32::consts::TAU);
    let pull = random.random_range(0.2..0.5) * radius;
    let source = frame.clone();
    let reach = radius as i32;
    for dy in -reach..=reach {
        for dx in -reach..=reach {
            let distance = ((dx * dx + dy * dy) as f32).sqrt() / radius;
            let strength = pull * (1.0 - distance * distance).max(0.0).powi(2);
            let (x, y) = (cx as i32 + dx, cy as i32 + dy);
            let from_x = x as f32 + heading.cos() * strength;
            let from_y = y as f32 + heading.sin() * strength;
            let colour = pixel(&source, from_x as i32, from_y as i32).map(f32::from);
            blend(frame, x, y, colour, 1.0);
        }
    }
}

/// A piece of the same image, turned, where it does not belong.
fn foreign_piece(frame: &mut Frame, (cx, cy): (f32, f32), scale: f32, random: &mut impl Rng) {
    let halves = (random.random_range(2..8), random.random_range(2..8));
    let scaled = |half: i32| (half as f32 * scale) as i32;
    let (half_x, half_y) = (scaled(halves.0), scaled(halves.1));
    let from_x = random.random_range(0.1..0.9) * frame.width as f32;
    let from_y = random.random_range(0.1..0.9) * frame.height as f32;
    let (sin, cos) = random.random_range(0.0..std::f32::consts::TAU).sin_cos();
    let source = frame.clone();
    for dy in -half_y..=half_y {
        for dx in -half_x..=half_x {
            let (u, v) = (dx as f32, dy as f32);
            let x = from_x + cos * u - sin * v;
            let y = from_y + sin * u + cos * v;
            let colour = pixel(&source, x as i32, y as i32).map(f32::from);
            blend(frame, cx as i32 + dx, cy as i32 + dy, colour, 1.0);
        }
    }
}

/// The nearest pixel inside the frame.
pub(super) fn pixel(frame: &Frame, x: i32, y: i32) -> [u8; 3] {
    let x = x.clamp(0, frame.width as i32 - 1) as usize;
    let y = y.clamp(0, frame.height as i32 - 1) as usize;
    let at = (y * frame.width as usize + x) * 3;
    [frame.rgb[at], frame.rgb[at + 1], frame.rgb[at + 2]]
}
