//! Structural defects, the same kinds on every product. Each is planned on the visible part of one piece, so that its
//! geometry is the ground truth, and painted over the finished scene. A chip or a deformation is painted with its part.

use std::f32::consts::{PI, TAU};

use rand::{Rng, RngExt};

use super::coverage::{Coverage, IN_REGION};
use super::light::{linear, spread};
use super::noise;
use super::overlay::{Effect, Overlay};
use super::product::{Arrangement, Grade, Product, Stream, pick};
use super::shape::{Deformation, Shape};
use super::shot::Resolution;

/// A part smaller than this (in product units squared, visible) is too small to show a defect.
const SMALLEST_TARGET: f32 = 0.0015;
/// Places tried before a defect settles for the best of them.
const TRIES: usize = 40;
/// Share of a defect that has to lie on the visible part for a place to be taken at once.
const ENOUGH_SEEN: f32 = 0.6;
/// How far from the middle of the picture (a share of its size) a defect may be, to be all in it.
const FURTHEST: f32 = 0.42;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    Scratch,
    Dent,
    Crack,
    Stain,
    Chip,
    Fibre,
    Bend,
    Bleach,
    Hole,
}

impl Defect {
    pub fn name(self) -> &'static str {
        match self {
            Defect::Scratch => "scratch",
            Defect::Dent => "dent",
            Defect::Crack => "crack",
            Defect::Stain => "stain",
            Defect::Chip => "chip",
            Defect::Fibre => "foreign_fibre",
            Defect::Bend => "bent_part",
            Defect::Bleach => "bleached",
            Defect::Hole => "hole",
        }
    }
}

/// Puts a fault on some part of the arrangement and returns its ground truth.
pub fn damage<P: Product>(
    product: &P,
    fault: Defect,
    grade: Grade,
    arrangement: &mut Arrangement<P::Kind>,
    Resolution { size, damage }: Resolution,
    rng: &mut Stream,
) -> Coverage {
    let target = choose_target(product, fault, arrangement, size, rng);
    if let (Defect::Bend, Some(part)) = (fault, target.part) {
        return deform(
            product,
            grade,
            arrangement,
            part,
            Resolution { size, damage },
            rng,
        );
    }
    let px = size as f32;
    let mut best: Option<(f32, Overlay)> = None;
    for _ in 0..TRIES {
        let Some(at) = target.visible.point(rng.random()) else {
            break;
        };
        if at.iter().any(|v| (v / px - 0.5).abs() > FURTHEST) {
            continue;
        }
        let (overlay, wanted_px) = draw(fault, grade, at, (size, damage * px), &target, rng);
        let share = overlay.cover.area_px() / wanted_px.max(1.0);
        if best.as_ref().is_none_or(|(most, _)| share > *most) {
            best = Some((share, overlay));
        }
        if share >= ENOUGH_SEEN {
            break;
        }
    }
    match best {
        Some((_, overlay)) => settle(fault, overlay, target.part, arrangement),
        None => Coverage::default(),
    }
}

/// What is hit: a part, or the ground where there are none, and what can be seen of it.
struct Target {
    part: Option<usize>,
    outline: Coverage,
    visible: Coverage,
}

fn choose_target<P: Product>(
    product: &P,
    fault: Defect,
    arrangement: &Arrangement<P::Kind>,
    size: usize,
    rng: &mut Stream,
) -> Target {
    let to_pixels = arrangement.to_pixels(size);
    let outlines: Vec<_> = arrangement
        .parts
        .iter()
        .map(|part| Coverage::of(&product.placed(part).placed(&to_pixels), size, 0.0))
        .collect();
    let smallest = SMALLEST_TARGET * (size * size) as f32;
    let mut targets: Vec<Target> = Vec::new();
    for (i, part) in arrangement.parts.iter().enumerate() {
        let suits = match fault {
            Defect::Bend => product.bends(&part.kind),
            Defect::Chip => product.chips(&part.kind),
            _ => true,
        };
        let visible = outlines[i + 1..]
            .iter()
            .fold(outlines[i].clone(), |seen, above| seen.without(above));
        let covered = visible.area_px() < 0.6 * outlines[i].area_px();
        // A deformation shows only on a part of which most can be seen.
        let hidden = fault == Defect::Bend && covered;
        if suits && !hidden && visible.area_px() > smallest {
            targets.push(Target {
                part: Some(i),
                outline: outlines[i].clone(),
                visible,
            });
        }
    }
    // Large parts are hit more often than small ones, but not by as much as they are larger.
    let weight = |target: &Target| target.visible.area_px().sqrt();
    let mut left = rng.random::<f32>() * targets.iter().map(weight).sum::<f32>();
    let chosen = targets.iter().position(|target| {
        left -= weight(target);
        left <= 0.0
    });
    match chosen {
        Some(index) => targets.swap_remove(index),
        None => Target {
            part: None,
            outline: Coverage::full(size),
            visible: Coverage::full(size),
        },
    }
}

/// The fault about a place, as large as in a picture of `px` pixels, clipped to what can be seen of its target, and the area it would have unclipped.
fn draw(
    fault: Defect,
    grade: Grade,
    at: [f32; 2],
    (size, px): (usize, f32),
    target: &Target,
    rng: &mut Stream,
) -> (Overlay, f32) {
    let visible = &target.visible;
    let contrast = grade.of(1.0, 0.72, 0.5);
    // A part's own size bounds its defects: a washer can't have a scratch as long as the housing's.
    let reach = visible.area_px().sqrt();
    let cover = |shape: &Shape, margin: f32| Coverage::of(shape, size, margin);
    let (whole, effect) = match fault {
        Defect::Scratch => {
            let length = grade.of(0.24, 0.15, 0.09) * px;
            let line = wander(at, length.min(1.4 * reach), 0.25, rng);
            let width = grade.of(2.8, 2.0, 1.5) * px / 320.0;
            let groove = Shape::stroke(&line, |t| width * (t * PI).sin().powf(0.4).max(0.25));
            let depth = grade.of(1.6, 1.2, 0.9);
            (
                cover(&groove, 2.0),
                Effect::Groove {
                    width_px: 2.0 * width,
                    depth,
                },
            )
        }
        Defect::Crack => {
            let length = (grade.of(0.22, 0.14, 0.085) * px).min(1.3 * reach);
            let line = wander(at, length, 1.0, rng);
            let width = grade.of(2.4, 1.9, 1.6) * px / 320.0;
            let taper = |t: f32| width * (1.15 - t);
            let mut whole = cover(&Shape::stroke(&line, taper), 1.0);
            for _ in 0..grade.of(3, 2, 1) {
                if let Some(&root) = pick(&line, rng) {
                    let branch =
                        wander_from(root, 0.35 * length, rng.random_range(0.0..TAU), 1.0, rng);
                    let twig = Shape::stroke(&branch, |t| 0.7 * taper(t));
                    whole = whole.joined(&cover(&twig, 1.0));
                }
            }
            let dark = grade.of(0.1, 0.2, 0.3);
            (whole, Effect::Tint([dark; 3]))
        }
        Defect::Stain | Defect::Bleach => {
            let radius = (grade.of(0.062, 0.042, 0.026) * px).min(0.45 * reach);
            let whole = blot(at, radius, size, rng);
            if fault == Defect::Bleach {
                let strength = grade.of(0.9, 0.7, 0.5);
                (whole.scaled_by(|_, _| strength), Effect::Fade)
            } else {
                let oils = [[0.35, 0.27, 0.16], [0.3, 0.3, 0.33], [0.5, 0.25, 0.2]];
                let oil = pick(&oils, rng).copied().unwrap_or(oils[0]);
                (whole, Effect::Tint(oil.map(|v| 1.0 - (1.0 - v) * contrast)))
            }
        }
        Defect::Dent => {
            let radius = (grade.of(0.06, 0.043, 0.03) * px).min(0.42 * reach);
            let bowl = ellipse(radius * 0.75, rng).moved(at);
            let whole = cover(&bowl, radius).blurred(radius * 0.3);
            let depth_px = radius * grade.of(1.5, 1.1, 0.8);
            (whole, Effect::Hollow { depth_px })
        }
        Defect::Fibre => {
            let length = grade.of(0.26, 0.17, 0.1) * px;
            let line = curl(at, length, rng);
            let width = grade.of(2.6, 2.0, 1.5) * px / 320.0;
            let colours = [[24, 24, 30], [150, 30, 34], [40, 70, 140], [226, 222, 210]];
            let rgb = linear(pick(&colours, rng).copied().unwrap_or(colours[0]));
            (
                cover(&Shape::stroke(&line, |_| width), 1.0),
                Effect::Thread {
                    rgb,
                    height_px: 1.5 * width,
                },
            )
        }
        Defect::Chip | Defect::Bend => {
            // Broken out of the edge: a jagged piece about a point of the outline.
            let rim = to_rim(at, &target.outline, rng);
            let radius = (grade.of(0.055, 0.038, 0.026) * px).min(0.5 * reach);
            let piece = jagged(radius, rng).moved(rim);
            (cover(&piece, 1.0), Effect::Tint([1.0; 3]))
        }
        Defect::Hole => {
            let radius = grade.of(0.04, 0.026, 0.016) * px;
            let whole = cover(&jagged(radius, rng).moved(at), 2.0).blurred(0.6);
            (whole, Effect::Tint([0.1; 3]))
        }
    };
    let wanted = match fault {
        // Half of a piece about the rim lies outside.
        Defect::Chip | Defect::Bend => 0.5 * whole.area_px(),
        _ => whole.area_px(),
    };
    // Only a fibre reaches beyond its part.
    let seen = if fault == Defect::Fibre {
        whole
    } else {
        whole.within(visible)
    };
    (
        Overlay {
            cover: seen,
            effect,
        },
        wanted,
    )
}

/// Puts the fault into the arrangement and returns where it can be seen.
fn settle<K>(
    fault: Defect,
    overlay: Overlay,
    part: Option<usize>,
    arrangement: &mut Arrangement<K>,
) -> Coverage {
    let region = overlay.cover.clone();
    let peak = region.alpha.iter().copied().fold(0.0, f32::max).max(1e-6);
    // A dent shows where its wall slopes, out to its very rim; anything else where it is dense or thick.
    let reach = if fault == Defect::Dent { 4.0 } else { 1.0 };
    let region = region.scaled_by(|_, _| reach / peak);
    match (fault, part) {
        (Defect::Chip, Some(part)) => arrangement.parts[part].missing = Some(overlay.cover),
        _ => arrangement.overlays.push(overlay),
    }
    region
}

fn deform<P: Product>(
    product: &P,
    grade: Grade,
    arrangement: &mut Arrangement<P::Kind>,
    index: usize,
    Resolution { size, damage }: Resolution,
    rng: &mut Stream,
) -> Coverage {
    let to_pixels = arrangement.to_pixels(size);
    let part = &mut arrangement.parts[index];
    let [_, y0, _, y1] = product.outline(&part.kind).bounds();
    let straight = Coverage::of(&product.placed(part).placed(&to_pixels), size, 0.0);
    let end = if rng.random() { 1.0 } else { -1.0 };
    let from = (y0 + y1) / 2.0 - 0.15 * end * (y1 - y0);
    let length = (y1 - y0) * 0.65;
    let deflection = damage * grade.of(0.34, 0.22, 0.14) * length;
    let side = if rng.random() { 1.0 } else { -1.0 };
    let deformation = Deformation {
        strength: side * deflection / (length * length),
        from,
        end,
    };
    part.deformation = Some(deformation);
    let pose = to_pixels.after(&part.pose);
    let bent = Coverage::of(&product.placed(part).placed(&to_pixels), size, 0.0);
    straight.joined(&bent).scaled_by(|x, y| {
        let [_, v] = pose.apply_inverse([x as f32 + 0.5, y as f32 + 0.5]);
        let moved_px = deformation.shift(v).abs() * pose.scale;
        f32::from(moved_px > 1.0)
    })
}

/// A line of `length` about `at` that turns by up to `turn` (radians) from step to step.
fn wander(at: [f32; 2], length: f32, turn: f32, rng: &mut Stream) -> Vec<[f32; 2]> {
    let angle = rng.random_range(0.0..TAU);
    let start = [
        at[0] - 0.5 * length * angle.cos(),
        at[1] - 0.5 * length * angle.sin(),
    ];
    wander_from(start, length, angle, turn, rng)
}

fn wander_from(
    start: [f32; 2],
    length: f32,
    angle: f32,
    turn: f32,
    rng: &mut Stream,
) -> Vec<[f32; 2]> {
    let steps = ((length / 5.0) as usize).clamp(5, 16);
    let mut line = vec![start];
    let [mut x, mut y] = start;
    for _ in 0..steps {
        let way = angle + spread(rng, turn) * 0.7;
        x += length / steps as f32 * way.cos();
        y += length / steps as f32 * way.sin();
        line.push([x, y]);
    }
    line
}

/// A hair: curvature that drifts along the way.
fn curl(at: [f32; 2], length: f32, rng: &mut Stream) -> Vec<[f32; 2]> {
    let steps = 28;
    let mut angle = rng.random_range(0.0..TAU);
    let mut curvature = spread(rng, 0.22);
    let [mut x, mut y] = at;
    let mut line = vec![at];
    for _ in 0..steps {
        curvature = (curvature + spread(rng, 0.06)).clamp(-0.3, 0.3);
        angle += curvature;
        x += length / steps as f32 * angle.cos();
        y += length / steps as f32 * angle.sin();
        line.push([x, y]);
    }
    line
}

fn ellipse(radius: f32, rng: &mut Stream) -> Shape {
    let stretch = rng.random_range(0.75..1.3);
    let mut shape = Shape::circle(radius);
    for point in shape.contours.iter_mut().flatten() {
        point[0] *= stretch;
        point[1] /= stretch;
    }
    shape.turned(rng.random_range(0.0..PI))
}

fn jagged(radius: f32, rng: &mut Stream) -> Shape {
    let corners = rng.random_range(7..11);
    Shape::polygon(
        (0..corners)
            .map(|i| {
                let turn = TAU * (i as f32 + spread(rng, 0.25)) / corners as f32;
                let reach = radius * rng.random_range(0.65..1.2);
                [reach * turn.cos(), reach * turn.sin()]
            })
            .collect(),
    )
}

/// A spot with a ragged edge and uneven density.
fn blot(at: [f32; 2], radius: f32, size: usize, rng: &mut Stream) -> Coverage {
    let seed = rng.random();
    let window = Coverage::of(&Shape::circle(1.6 * radius).moved(at), size, 2.0);
    window.scaled_by(|x, y| {
        let (dx, dy) = (
            (x as f32 + 0.5 - at[0]) / radius,
            (y as f32 + 0.5 - at[1]) / radius,
        );
        let edge = 1.0 + 0.45 * noise::fractal(dx * 1.3, dy * 1.3, 3, seed);
        let density = 0.85 + 0.2 * noise::fractal(dx * 3.0, dy * 3.0, 2, seed ^ 1);
        density * (1.0 - noise::smooth_step(edge - 0.22, edge + 0.12, dx.hypot(dy)))
    })
}

/// Walks from a point inside a part to its edge.
fn to_rim([mut x, mut y]: [f32; 2], outline: &Coverage, rng: &mut impl Rng) -> [f32; 2] {
    let angle: f32 = rng.random_range(0.0..TAU);
    let inside =
        |x: f32, y: f32| x >= 0.0 && y >= 0.0 && outline.at(x as usize, y as usize) > IN_REGION;
    while inside(x, y) {
        x += angle.cos();
        y += angle.sin();
    }
    [x, y]
}
