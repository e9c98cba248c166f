//! A tray of loose fasteners: two long screws, two short ones, three washers and three nuts, anywhere and at any angle.
//! Only the part counts matter; a detector that expects parts in fixed places must fail here.

use rand::RngExt;

use super::canvas::{Brush, Relief, Texel};
use super::ground::{Ground, Material};
use super::light::linear;
use super::noise;
use super::product::{
    Arrangement, Disturbance, Grade, PlacedPart, Product, Saturation, Stream, TruthRegion, pick,
};
use super::shape::{Shape, Transform};
use super::structural::Defect;

use std::f32::consts::{PI, TAU};

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FastenerKind {
    Tray,
    /// Length of the shank below the head.
    Screw {
        length: f32,
    },
    Washer,
    Nut,
}

const LONG: FastenerKind = FastenerKind::Screw { length: 0.235 };
const SHORT: FastenerKind = FastenerKind::Screw { length: 0.14 };
/// What belongs into every tray.
const CONTENT: [(FastenerKind, usize); 4] = [
    (LONG, 2),
    (SHORT, 2),
    (FastenerKind::Washer, 3),
    (FastenerKind::Nut, 3),
];

const SHANK_HALF: f32 = 0.0155;
const HEAD_HALF: f32 = 0.034;
const HEAD_HEIGHT: f32 = 0.034;
const WASHER: [f32; 2] = [0.05, 0.025];
const NUT: [f32; 2] = [0.047, 0.024];
const TRAY_HALF: f32 = 0.43;
const FLOOR_HALF: f32 = 0.385;
/// How much nearer than touching two parts may come, as a share of their sizes.
const OVERLAP: f32 = 0.12;
const TRIES: usize = 600;

pub struct FastenerTray;

impl Product for FastenerTray {
    type Kind = FastenerKind;
    const NAME: &'static str = "fastener_tray";
    const LAMP: f32 = -0.8;

    fn arrange(&self, rng: &mut Stream) -> Arrangement<FastenerKind> {
        let ground = Ground::new(Material::Wood, rng);
        let mut all = Arrangement::new(ground, 0.02, 0.05, 0.012, rng);
        all.parts
            .push(PlacedPart::new(FastenerKind::Tray, [0.5, 0.5], 0.0, rng));
        for (kind, count) in CONTENT {
            for _ in 0..count {
                drop_in(kind, &mut all, rng);
            }
        }
        // Which lies on top of which has nothing to do with its kind.
        let last = all.parts.len();
        for i in (2..last).rev() {
            let j = rng.random_range(1..=i);
            all.parts.swap(i, j);
        }
        all
    }

    fn outline(&self, kind: &FastenerKind) -> Shape {
        match *kind {
            FastenerKind::Tray => Shape::rounded([TRAY_HALF, TRAY_HALF], 0.05),
            FastenerKind::Washer => Shape::circle(WASHER[0]).with(Shape::circle(WASHER[1])),
            FastenerKind::Nut => Shape::regular(6, NUT[0]).with(Shape::circle(NUT[1])),
            FastenerKind::Screw { length } => screw_outline(length),
        }
    }

    fn paint(&self, part: &PlacedPart<FastenerKind>, brush: &mut Brush) {
        match part.kind {
            FastenerKind::Tray => tray(part, brush),
            FastenerKind::Washer => washer(part, &self.outline(&part.kind), brush),
            FastenerKind::Nut => nut(part, &self.outline(&part.kind), brush),
            FastenerKind::Screw { length } => screw(length, part, brush),
        }
    }

    fn disturbances(&self) -> Vec<Disturbance> {
        let area = |kind: &FastenerKind| Saturation::Area(self.outline(kind).area());
        vec![
            Disturbance {
                name: "missing_screw",
                saturation: area(&SHORT),
                graded: true,
            },
            Disturbance {
                name: "missing_nut_or_washer",
                saturation: area(&FastenerKind::Washer),
                graded: true,
            },
            Disturbance {
                name: "extra_screw",
                saturation: area(&SHORT),
                graded: true,
            },
            Disturbance {
                name: "extra_nut_or_washer",
                saturation: area(&FastenerKind::Washer),
                graded: true,
            },
            Disturbance {
                name: "replaced_part",
                saturation: area(&FastenerKind::Washer),
                graded: true,
            },
            Disturbance {
                name: "wrong_length",
                saturation: Saturation::Whole,
                graded: true,
            },
        ]
    }

    fn disturb(
        &self,
        which: usize,
        grade: Grade,
        all: &mut Arrangement<FastenerKind>,
        rng: &mut Stream,
    ) -> Vec<TruthRegion> {
        let small = grade.of(FastenerKind::Nut, FastenerKind::Nut, FastenerKind::Washer);
        match which {
            0 => self.lose(grade.of(LONG, LONG, SHORT), all, rng),
            1 => self.lose(small, all, rng),
            2 => self.add(grade.of(LONG, SHORT, SHORT), all, rng),
            3 => self.add(small, all, rng),
            4 => {
                let (from, to) = grade.of(
                    (LONG, FastenerKind::Nut),
                    (FastenerKind::Nut, FastenerKind::Washer),
                    (LONG, SHORT),
                );
                self.replace(from, to, all, rng)
            }
            _ => self.stretch(grade, all, rng),
        }
    }

    fn faults(&self) -> &'static [Defect] {
        &[
            Defect::Bend,
            Defect::Chip,
            Defect::Stain,
            Defect::Fibre,
            Defect::Scratch,
            Defect::Crack,
            Defect::Bleach,
        ]
    }

    fn bends(&self, kind: &FastenerKind) -> bool {
        matches!(kind, FastenerKind::Screw { .. })
    }

    fn chips(&self, _: &FastenerKind) -> bool {
        true
    }
}

impl FastenerTray {
    /// Removes a part, which leaves no place of its own empty: any free place on the floor could have held it.
    fn lose(
        &self,
        kind: FastenerKind,
        all: &mut Arrangement<FastenerKind>,
        rng: &mut Stream,
    ) -> Vec<TruthRegion> {
        let Some(&index) = pick(&of_kind(kind, all), rng) else {
            return Vec::new();
        };
        all.parts.remove(index);
        vec![TruthRegion {
            shapes: vec![Shape::rounded([FLOOR_HALF; 2], 0.02).moved([0.5, 0.5])],
            except: all.parts[1..].iter().map(|p| self.placed(p)).collect(),
        }]
    }

    fn add(
        &self,
        kind: FastenerKind,
        all: &mut Arrangement<FastenerKind>,
        rng: &mut Stream,
    ) -> Vec<TruthRegion> {
        drop_in(kind, all, rng);
        self.all_of(kind, all)
    }

    fn replace(
        &self,
        from: FastenerKind,
        to: FastenerKind,
        all: &mut Arrangement<FastenerKind>,
        rng: &mut Stream,
    ) -> Vec<TruthRegion> {
        let Some(&index) = pick(&of_kind(from, all), rng) else {
            return Vec::new();
        };
        all.parts[index].kind = to;
        self.all_of(to, all)
    }

    /// A screw of a length that is in no tray.
    fn stretch(
        &self,
        grade: Grade,
        all: &mut Arrangement<FastenerKind>,
        rng: &mut Stream,
    ) -> Vec<TruthRegion> {
        let (kind, length) = grade.of((SHORT, 0.085), (LONG, 0.185), (LONG, 0.205));
        let Some(&index) = pick(&of_kind(kind, all), rng) else {
            return Vec::new();
        };
        all.parts[index].kind = FastenerKind::Screw { length };
        vec![TruthRegion::of(self.placed(&all.parts[index]))]
    }

    /// Any of the parts of a kind may be the one too many.
    fn all_of(&self, kind: FastenerKind, all: &Arrangement<FastenerKind>) -> Vec<TruthRegion> {
        vec![TruthRegion {
            shapes: of_kind(kind, all)
                .into_iter()
                .map(|i| self.placed(&all.parts[i]))
                .collect(),
            except: Vec::new(),
        }]
    }
}

fn of_kind(kind: FastenerKind, all: &Arrangement<FastenerKind>) -> Vec<usize> {
    (0..all.parts.len())
        .filter(|&i| all.parts[i].kind == kind)
        .collect()
}

/// The line through a part and its radius: enough to keep parts apart.
fn capsule(kind: &FastenerKind, pose: &Transform) -> ([f32; 2], [f32; 2], f32) {
    match *kind {
        FastenerKind::Screw { length } => {
            let half = (length + HEAD_HEIGHT) / 2.0 - 0.01;
            (pose.apply([0.0, -half]), pose.apply([0.0, half]), 0.028)
        }
        FastenerKind::Nut => (pose.at, pose.at, NUT[0]),
        _ => (pose.at, pose.at, WASHER[0]),
    }
}

fn drop_in(kind: FastenerKind, all: &mut Arrangement<FastenerKind>, rng: &mut Stream) {
    let mut best: Option<(f32, Transform)> = None;
    for _ in 0..TRIES {
        let reach = FLOOR_HALF - 0.055;
        let at = [
            0.5 + rng.random_range(-reach..reach),
            0.5 + rng.random_range(-reach..reach),
        ];
        let pose = Transform::new(at, rng.random_range(0.0..TAU), 1.0);
        let (a, b, radius) = capsule(&kind, &pose);
        let inside = [a, b]
            .iter()
            .flatten()
            .all(|v| (v - 0.5).abs() < FLOOR_HALF - radius - 0.004);
        if !inside {
            continue;
        }
        let room = all.parts[1..]
            .iter()
            .map(|other| {
                let (c, d, other_radius) = capsule(&other.kind, &other.pose);
                distance([a, b], [c, d]) / (radius + other_radius) - 1.0
            })
            .fold(f32::MAX, f32::min);
        if best.is_none_or(|(most, _)| room > most) {
            best = Some((room, pose));
        }
        if room > -OVERLAP {
            break;
        }
    }
    if let Some((_, pose)) = best {
        all.parts
            .push(PlacedPart::new(kind, pose.at, pose.angle, rng));
    }
}

/// The smallest distance between two line segments, by sampling: a placement needs no more.
fn distance([a, b]: [[f32; 2]; 2], [c, d]: [[f32; 2]; 2]) -> f32 {
    let along = |from: [f32; 2], to: [f32; 2], t: f32| {
        [
            from[0] + (to[0] - from[0]) * t,
            from[1] + (to[1] - from[1]) * t,
        ]
    };
    let mut nearest = f32::MAX;
    for i in 0..=8 {
        let p = along(a, b, i as f32 / 8.0);
        for j in 0..=8 {
            let q = along(c, d, j as f32 / 8.0);
            nearest = nearest.min((p[0] - q[0]).hypot(p[1] - q[1]));
        }
    }
    nearest
}

/// Seen from the side: a pan head, then the shank down to a blunt point; centred on its length.
fn screw_outline(length: f32) -> Shape {
    let top = -(length + HEAD_HEIGHT) / 2.0;
    let neck = top + HEAD_HEIGHT;
    let tip = neck + length;
    let mut points = Vec::new();
    for step in 0..=10 {
        let turn = PI + PI * step as f32 / 10.0;
        points.push([
            HEAD_HALF * turn.cos(),
            neck - 0.008 + (HEAD_HEIGHT - 0.008) * turn.sin(),
        ]);
    }
    points.extend([
        [HEAD_HALF, neck],
        [SHANK_HALF, neck],
        [SHANK_HALF, tip - 0.012],
        [0.006, tip],
        [-0.006, tip],
        [-SHANK_HALF, tip - 0.012],
        [-SHANK_HALF, neck],
        [-HEAD_HALF, neck],
    ]);
    Shape::polygon(points)
}

fn tray(part: &PlacedPart<FastenerKind>, brush: &mut Brush) {
    let seed = part.seed;
    let plastic = linear([86, 104, 118]).map(|v| v * part.tint);
    let mould = move |[x, y]: [f32; 2]| {
        let grain = noise::fractal(x * 110.0, y * 110.0, 2, seed);
        let wear = noise::fractal(x * 4.0, y * 4.0, 3, seed ^ 2);
        Texel {
            gloss: 0.15,
            ..Texel::matt(plastic).brighter(1.0 + 0.12 * grain + 0.08 * wear)
        }
    };
    let rim = Shape::rounded([TRAY_HALF; 2], 0.05);
    brush.paint(&rim, Relief::raised(0.03, 0.014), mould);
    let floor = Shape::rounded([FLOOR_HALF; 2], 0.03);
    brush.paint(&floor, Relief::recess(0.02), move |p| {
        let scuff = noise::fractal(p[0] * 30.0, p[1] * 7.0, 3, seed ^ 4);
        mould(p).brighter(0.82 + 0.05 * scuff)
    });
}

fn steel(part: &PlacedPart<FastenerKind>, rgb: [u8; 3]) -> impl Fn([f32; 2]) -> Texel + use<> {
    let seed = part.seed;
    let rgb = linear(rgb).map(|v| v * part.tint);
    move |[x, y]| {
        let tarnish = noise::fractal(x * 22.0, y * 22.0, 3, seed);
        let grain = noise::fractal(x * 160.0, y * 160.0, 2, seed ^ 8);
        Texel {
            gloss: 0.55,
            ..Texel::matt(rgb).brighter(1.0 + 0.12 * tarnish + 0.1 * grain)
        }
    }
}

fn washer(part: &PlacedPart<FastenerKind>, outline: &Shape, brush: &mut Brush) {
    let metal = steel(part, [142, 145, 148]);
    let seed = part.seed;
    brush.paint(outline, Relief::raised(0.01, 0.0035), |[x, y]| {
        let turned = noise::value(x.hypot(y) * 500.0, 0.0, seed);
        metal([x, y]).brighter(1.0 + 0.08 * turned)
    });
}

fn nut(part: &PlacedPart<FastenerKind>, outline: &Shape, brush: &mut Brush) {
    let metal = steel(part, [186, 156, 92]);
    brush.paint(outline, Relief::raised(0.028, 0.008), &metal);
    // The chamfered face, and the first thread inside the hole.
    let face = Shape::circle(NUT[0] * 0.84).with(Shape::circle(NUT[1] + 0.004));
    brush.paint(&face, Relief::raised(0.0, 0.005), |p| {
        metal(p).brighter(1.08)
    });
    let thread = Shape::circle(NUT[1] + 0.004).with(Shape::circle(NUT[1] - 0.003));
    brush.paint(&thread, Relief::recess(0.004), |p| metal(p).brighter(0.55));
}

fn screw(length: f32, part: &PlacedPart<FastenerKind>, brush: &mut Brush) {
    let metal = steel(part, [166, 166, 164]);
    let top = -(length + HEAD_HEIGHT) / 2.0;
    let neck = top + HEAD_HEIGHT;
    let outline = screw_outline(length);
    let threaded = neck + 0.012;
    brush.paint(&outline, Relief::raised(0.03, 0.006), |[x, y]| {
        if y < neck {
            // The head is a low dome seen from the side.
            let tilt = [x / HEAD_HALF * 0.9, (y - neck + 0.015) * 22.0];
            return Texel {
                tilt,
                ..metal([x, y])
            };
        }
        let round = (x / SHANK_HALF).clamp(-0.95, 0.95);
        let side = round / (1.0 - round * round).sqrt();
        let pitch = ((y + 0.12 * x) * TAU / 0.0125).sin();
        let groove = if y > threaded { pitch } else { 0.0 };
        Texel {
            tilt: [side * 0.8, 0.9 * groove],
            ..metal([x, y]).brighter(0.92 + 0.16 * groove)
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::product::Streams;

    #[test]
    fn every_good_tray_holds_what_belongs_into_it() {
        for index in 0..40 {
            let streams = Streams::new(5, FastenerTray::NAME, "train/good", index);
            let all = FastenerTray.arrange(&mut streams.arrangement());
            for (kind, count) in CONTENT {
                assert_eq!(of_kind(kind, &all).len(), count, "{kind:?} in tray {index}");
            }
            for part in &all.parts[1..] {
                let bounds = FastenerTray.placed(part).bounds();
                assert!(bounds.iter().all(|v| (v - 0.5).abs() < FLOOR_HALF + 0.01));
            }
        }
    }

    #[test]
    fn parts_lie_anywhere() {
        let places: Vec<[f32; 2]> = (0..40)
            .filter_map(|index| {
                let streams = Streams::new(5, FastenerTray::NAME, "train/good", index);
                let all = FastenerTray.arrange(&mut streams.arrangement());
                let first = *of_kind(LONG, &all).first()?;
                Some(all.parts[first].pose.at)
            })
            .collect();
        for quarter in [[0, 0], [0, 1], [1, 0], [1, 1]] {
            let hits = places.iter().filter(|at| {
                usize::from(at[0] > 0.5) == quarter[0] && usize::from(at[1] > 0.5) == quarter[1]
            });
            assert!(hits.count() >= 3);
        }
    }
}
