//! A bottle that comes in three variants. Liquid, cap, picture label, text label and fill level each belong to one
//! variant; a bottle is good when all five agree. Every part of a wrong bottle is normal by itself, so a histogram
//! of parts or one Gaussian over all bottles doesn't see it.

use rand::RngExt;

use super::canvas::{Brush, Relief, Texel};
use super::ground::{Ground, Material};
use super::light::{linear, spread};
use super::noise;
use super::product::{
    Arrangement, Disturbance, Grade, Part, Product, Region, Saturation, Stream, pick,
};
use super::shape::{Pose, Shape};
use super::structural::Fault;

use std::f32::consts::{PI, TAU};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Juice {
    Orange,
    Cherry,
    Apple,
}

impl Juice {
    const ALL: [Juice; 3] = [Juice::Orange, Juice::Cherry, Juice::Apple];

    fn liquid(self) -> [f32; 3] {
        linear(match self {
            Juice::Orange => [228, 142, 40],
            Juice::Cherry => [146, 26, 40],
            Juice::Apple => [196, 188, 92],
        })
    }

    fn cap(self) -> [f32; 3] {
        linear(match self {
            Juice::Orange => [216, 110, 36],
            Juice::Cherry => [168, 34, 44],
            Juice::Apple => [62, 130, 66],
        })
    }

    /// Where the liquid ends, in the bottle's coordinates: each variant is filled to its own mark.
    fn level(self) -> f32 {
        match self {
            Juice::Orange => -0.265,
            Juice::Cherry => -0.228,
            Juice::Apple => -0.191,
        }
    }

    /// Another variant: the nearer in colour, the harder to tell.
    fn other(self, grade: Grade) -> Self {
        match self {
            Juice::Orange => grade.of(Juice::Apple, Juice::Apple, Juice::Cherry),
            Juice::Cherry => grade.of(Juice::Apple, Juice::Orange, Juice::Orange),
            Juice::Apple => grade.of(Juice::Cherry, Juice::Cherry, Juice::Orange),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Glass,
    Liquid {
        juice: Juice,
        level: f32,
    },
    /// The tamper-evident ring below the cap, the same on every variant.
    Ring,
    Cap(Juice),
    Picture(Juice),
    Text(Juice),
}

const HALF_WIDTH: f32 = 0.145;
const NECK_HALF: f32 = 0.052;
const TOP: f32 = -0.40;
const BOTTOM: f32 = 0.40;
const WALL: f32 = 0.011;
const LABEL_HALF: [f32; 2] = [0.113, 0.085];
const PICTURE_AT: [f32; 2] = [0.0, 0.03];
const TEXT_AT: [f32; 2] = [0.0, 0.245];

pub struct JuiceBottle;

impl Product for JuiceBottle {
    type Kind = Kind;
    const NAME: &'static str = "juice_bottle";
    const LAMP: f32 = -2.5;

    fn arrange(&self, rng: &mut Stream) -> Arrangement<Kind> {
        let mut ground = Ground::new(Material::Conveyor, rng);
        // The belt stays level.
        ground.pose.angle *= 0.3;
        let mut all = Arrangement::new(ground, 0.022, 0.02, 0.02, rng);
        let juice = pick(&Juice::ALL, rng).copied().unwrap_or(Juice::Orange);
        let centre = [0.5, 0.5];
        let level = juice.level() + spread(rng, 0.0035);
        all.parts.push(Part::new(Kind::Glass, centre, 0.0, rng));
        all.parts
            .push(Part::new(Kind::Liquid { juice, level }, centre, 0.0, rng));
        let ring = Part::new(Kind::Ring, [0.5, 0.5 + TOP + 0.074], 0.0, rng);
        all.parts.push(ring.jittered(0.001, 0.01, rng));
        let cap = Part::new(Kind::Cap(juice), [0.5, 0.5 + TOP + 0.022], 0.0, rng);
        all.parts.push(cap.jittered(0.0015, 0.02, rng));
        for (kind, [x, y]) in [
            (Kind::Picture(juice), PICTURE_AT),
            (Kind::Text(juice), TEXT_AT),
        ] {
            let label = Part::new(kind, [0.5 + x, 0.5 + y], 0.0, rng);
            all.parts.push(label.jittered(0.004, 0.018, rng));
        }
        all
    }

    fn outline(&self, kind: &Kind) -> Shape {
        match *kind {
            Kind::Glass => bottle(0.0, TOP),
            Kind::Liquid { level, .. } => bottle(WALL, level),
            Kind::Ring => Shape::rounded([0.061, 0.0085], 0.003),
            Kind::Cap(_) => Shape::rounded([0.066, 0.042], 0.01),
            Kind::Picture(_) | Kind::Text(_) => Shape::rounded(LABEL_HALF, 0.008),
        }
    }

    fn paint(&self, part: &Part<Kind>, brush: &mut Brush) {
        let outline = self.outline(&part.kind);
        match part.kind {
            Kind::Glass => glass(part, &outline, brush),
            Kind::Liquid { juice, level } => liquid(juice, level, part, &outline, brush),
            Kind::Ring => ring(part, &outline, brush),
            Kind::Cap(juice) => cap(juice, part, &outline, brush),
            Kind::Picture(juice) => picture(juice, part, &outline, brush),
            Kind::Text(juice) => text(juice, part, &outline, brush),
        }
    }

    fn disturbances(&self) -> Vec<Disturbance> {
        [
            "wrong_picture_label",
            "wrong_text_label",
            "wrong_cap",
            "wrong_fill_level",
            "missing_part",
            "displaced_label",
            "swapped_labels",
            "upside_down_label",
        ]
        .map(|name| Disturbance {
            name,
            saturation: Saturation::Whole,
            graded: name != "swapped_labels",
        })
        .to_vec()
    }

    fn disturb(
        &self,
        which: usize,
        grade: Grade,
        all: &mut Arrangement<Kind>,
        rng: &mut Stream,
    ) -> Vec<Region> {
        let Some(juice) = juice_of(all) else {
            return Vec::new();
        };
        let other = juice.other(grade);
        let label =
            *pick(&[Kind::Picture(juice), Kind::Text(juice)], rng).unwrap_or(&Kind::Picture(juice));
        match which {
            0 => self.change(Kind::Picture(juice), Kind::Picture(other), all),
            1 => self.change(Kind::Text(juice), Kind::Text(other), all),
            2 => self.change(Kind::Cap(juice), Kind::Cap(other), all),
            3 => self.fill(juice, grade, all, rng),
            4 => self.lose(label, grade, juice, all),
            5 => self.displace(label, grade, all, rng),
            6 => self.swap(juice, all),
            _ => {
                // A picture upside down is a matter of its fruit alone.
                let label = grade.of(Kind::Text(juice), Kind::Text(juice), Kind::Picture(juice));
                self.move_one(label, all, |pose| pose.angle += PI)
            }
        }
    }

    fn faults(&self) -> &'static [Fault] {
        &[
            Fault::Scratch,
            Fault::Crack,
            Fault::Stain,
            Fault::Chip,
            Fault::Fibre,
            Fault::Bleach,
            Fault::Bend,
            Fault::Dent,
        ]
    }

    /// A label comes off and creases; glass breaks before it bends.
    fn bends(&self, kind: &Kind) -> bool {
        matches!(kind, Kind::Picture(_) | Kind::Text(_))
    }

    fn chips(&self, kind: &Kind) -> bool {
        !matches!(kind, Kind::Glass | Kind::Liquid { .. } | Kind::Ring)
    }
}

impl JuiceBottle {
    fn change(&self, from: Kind, to: Kind, all: &mut Arrangement<Kind>) -> Vec<Region> {
        let Some(part) = all.parts.iter_mut().find(|p| p.kind == from) else {
            return Vec::new();
        };
        part.kind = to;
        vec![Region::of(self.placed(part))]
    }

    /// Hard: another variant's mark. Easier: further off than any.
    fn fill(
        &self,
        juice: Juice,
        grade: Grade,
        all: &mut Arrangement<Kind>,
        rng: &mut Stream,
    ) -> Vec<Region> {
        let Some(part) = all
            .parts
            .iter_mut()
            .find(|p| matches!(p.kind, Kind::Liquid { .. }))
        else {
            return Vec::new();
        };
        let Kind::Liquid { level: right, .. } = part.kind else {
            return Vec::new();
        };
        let step = spread(rng, 0.0035);
        let level = step
            + match (grade, juice) {
                (Grade::Easy, _) => right + rng.random_range(0.11..0.17),
                (Grade::Medium, Juice::Apple) => Juice::Orange.level(),
                (Grade::Medium, Juice::Orange) => Juice::Apple.level(),
                (Grade::Medium, Juice::Cherry) => right + 0.07,
                (Grade::Hard, Juice::Cherry) => Juice::Orange.level(),
                (Grade::Hard, _) => Juice::Cherry.level(),
            };
        let before = part.kind;
        part.kind = Kind::Liquid { juice, level };
        let (fuller, emptier) = if level < right {
            (part.kind, before)
        } else {
            (before, part.kind)
        };
        let pose = part.pose;
        vec![Region {
            shapes: vec![self.outline(&fuller).placed(&pose)],
            except: vec![self.outline(&emptier).placed(&pose)],
        }]
    }

    fn lose(
        &self,
        label: Kind,
        grade: Grade,
        juice: Juice,
        all: &mut Arrangement<Kind>,
    ) -> Vec<Region> {
        let gone = grade.of(label, Kind::Cap(juice), Kind::Ring);
        let Some(index) = all.parts.iter().position(|p| p.kind == gone) else {
            return Vec::new();
        };
        vec![Region::of(self.placed(&all.parts.remove(index)))]
    }

    fn displace(
        &self,
        label: Kind,
        grade: Grade,
        all: &mut Arrangement<Kind>,
        rng: &mut Stream,
    ) -> Vec<Region> {
        let far: f32 = grade.of(0.045, 0.03, 0.02) * if rng.random() { 1.0 } else { -1.0 };
        let turn = grade.of(0.26, 0.16, 0.1) * if rng.random() { 1.0 } else { -1.0 };
        // Towards the other label, where there is room.
        let way = if matches!(label, Kind::Text(_)) {
            -far.abs()
        } else {
            far
        };
        let turned = rng.random();
        self.move_one(label, all, |pose| {
            if turned {
                pose.angle += turn;
            } else {
                pose.at[1] += way;
            }
        })
    }

    /// Each label in the other's place: nothing is missing, nothing is wrong by itself.
    fn swap(&self, juice: Juice, all: &mut Arrangement<Kind>) -> Vec<Region> {
        let [x, y] = PICTURE_AT;
        let [u, v] = TEXT_AT;
        let down = [u - x, v - y];
        let mut regions = self.move_one(Kind::Picture(juice), all, |pose| {
            pose.at = [pose.at[0] + down[0], pose.at[1] + down[1]];
        });
        regions.extend(self.move_one(Kind::Text(juice), all, |pose| {
            pose.at = [pose.at[0] - down[0], pose.at[1] - down[1]];
        }));
        // Each place is marked once: where a label now lies.
        for region in &mut regions {
            region.shapes.remove(0);
        }
        regions
    }

    fn move_one(
        &self,
        kind: Kind,
        all: &mut Arrangement<Kind>,
        change: impl Fn(&mut Pose),
    ) -> Vec<Region> {
        let Some(part) = all.parts.iter_mut().find(|p| p.kind == kind) else {
            return Vec::new();
        };
        let before = self.placed(part);
        change(&mut part.pose);
        vec![Region {
            shapes: vec![before, self.placed(part)],
            except: Vec::new(),
        }]
    }
}

fn juice_of(all: &Arrangement<Kind>) -> Option<Juice> {
    all.parts.iter().find_map(|part| match part.kind {
        Kind::Liquid { juice, .. } => Some(juice),
        _ => None,
    })
}

/// Half the bottle's width at a height, without the wall.
fn half_width(y: f32) -> f32 {
    let shoulder = noise::smooth_step(-0.285, -0.10, y);
    let foot = noise::smooth_step(BOTTOM - 0.03, BOTTOM, y);
    noise::mix(NECK_HALF, HALF_WIDTH, shoulder) - 0.018 * foot
}

/// The bottle's outline from `top` down, `inset` inside the glass.
fn bottle(inset: f32, top: f32) -> Shape {
    let rows = 48;
    let bottom = BOTTOM - inset;
    let mut right = Vec::with_capacity(2 * rows + 2);
    for row in 0..=rows {
        let y = top + (bottom - top) * row as f32 / rows as f32;
        right.push([half_width(y) - inset, y]);
    }
    let left: Vec<_> = right.iter().rev().map(|&[x, y]| [-x, y]).collect();
    right.extend(left);
    Shape::polygon(right)
}

/// The slope of a round surface of this half width at x.
fn round(x: f32, half: f32) -> f32 {
    let across = (x / half).clamp(-0.94, 0.94);
    across / (1.0 - across * across).sqrt()
}

fn glass(part: &Part<Kind>, outline: &Shape, brush: &mut Brush) {
    let seed = part.seed;
    let tint = linear([168, 184, 180]).map(|v| v * part.tint);
    brush.paint(outline, Relief::raised(0.03, 0.008), |[x, y]| {
        let across = (x / half_width(y)).clamp(-1.0, 1.0);
        let rim = across.abs().powi(6);
        let ripple = noise::fractal(x * 12.0, y * 5.0, 2, seed);
        Texel {
            tilt: [0.35 * round(x, half_width(y)), 0.0],
            gloss: 0.3,
            alpha: 0.32 + 0.45 * rim,
            ..Texel::matt(tint).brighter(1.0 - 0.45 * rim + 0.06 * ripple)
        }
    });
    // A window's reflection down the left side.
    let streak = Shape::stroke(&[[-0.118, -0.06], [-0.12, 0.12], [-0.118, 0.36]], |t| {
        0.014 * (t * PI).sin().max(0.2)
    });
    brush.paint(&streak, Relief::PRINT, |_| Texel {
        alpha: 0.35,
        ..Texel::matt([0.9; 3])
    });
}

fn liquid(juice: Juice, level: f32, part: &Part<Kind>, outline: &Shape, brush: &mut Brush) {
    let seed = part.seed;
    let rgb = juice.liquid().map(|v| v * part.tint);
    brush.paint(outline, Relief::PRINT, |[x, y]| {
        let half = half_width(y) - WALL;
        let across = (x / half).clamp(-1.0, 1.0);
        let pulp = noise::fractal(x * 34.0, y * 34.0, 3, seed);
        let settled = 0.1 * (y - level);
        let rim = 1.0 - 0.4 * across.abs().powi(5);
        let shine = (-((across + 0.72) / 0.09).powi(2)).exp();
        Texel {
            tilt: [0.3 * round(x, half), 0.0],
            gloss: 0.25,
            alpha: 0.93,
            ..Texel::matt(rgb).brighter((1.0 - settled + 0.05 * pulp) * rim + 0.3 * shine)
        }
    });
    // The meniscus: a bright ellipse seen a little from above.
    let half = half_width(level) - WALL;
    let mut surface = Shape::circle(half);
    for point in surface.contours.iter_mut().flatten() {
        point[1] = point[1] * 0.13 + level;
    }
    brush.paint(&surface, Relief::PRINT, |_| Texel {
        alpha: 0.85,
        ..Texel::matt(rgb.map(|v| 0.72 * v + 0.16))
    });
}

fn cap(juice: Juice, part: &Part<Kind>, outline: &Shape, brush: &mut Brush) {
    let seed = part.seed;
    let rgb = juice.cap().map(|v| v * part.tint);
    brush.paint(outline, Relief::raised(0.02, 0.008), |[x, y]| {
        let slope = round(x, 0.072);
        let knurl = if y > -0.028 {
            // Ribs stand closer together towards the sides, as on any round cap.
            (x.clamp(-0.065, 0.065) / 0.068).asin() * 26.0
        } else {
            0.0
        };
        Texel {
            tilt: [0.6 * slope + 0.55 * knurl.sin(), 0.0],
            gloss: 0.3,
            ..Texel::matt(rgb).brighter(1.0 + 0.05 * noise::fractal(x * 60.0, y * 60.0, 2, seed))
        }
    });
}

fn ring(part: &Part<Kind>, outline: &Shape, brush: &mut Brush) {
    let white = linear([206, 206, 200]).map(|v| v * part.tint);
    brush.paint(outline, Relief::raised(0.004, 0.003), |[x, _]| Texel {
        tilt: [0.6 * round(x, 0.066), 0.0],
        gloss: 0.2,
        ..Texel::matt(white)
    });
}

/// Label paper, bent round the bottle.
fn paper(part: &Part<Kind>, outline: &Shape, brush: &mut Brush) {
    let seed = part.seed;
    let white = linear([228, 224, 212]).map(|v| v * part.tint);
    brush.paint(outline, Relief::raised(0.004, 0.003), |[x, y]| {
        let fibre = noise::fractal(x * 90.0, y * 60.0, 3, seed);
        let wave = noise::fractal(x * 8.0, y * 8.0, 2, seed ^ 6);
        Texel {
            tilt: [0.42 * round(x, HALF_WIDTH), 0.06 * wave],
            gloss: 0.06,
            ..Texel::matt(white).brighter(1.0 + 0.035 * fibre)
        }
    });
}

fn ink(brush: &mut Brush, shape: &Shape, rgb: [f32; 3]) {
    brush.paint(shape, Relief::PRINT, |[x, y]| Texel {
        tilt: [0.42 * round(x, HALF_WIDTH), 0.0],
        alpha: 0.93,
        ..Texel::matt(rgb).brighter(1.0 + 0.06 * noise::fractal(x * 80.0, y * 80.0, 2, 3))
    });
}

fn picture(juice: Juice, part: &Part<Kind>, outline: &Shape, brush: &mut Brush) {
    paper(part, outline, brush);
    let frame = Shape::rounded([0.103, 0.075], 0.006).with(Shape::rounded([0.099, 0.071], 0.005));
    ink(brush, &frame, linear([96, 92, 84]));
    let green = linear([72, 128, 58]);
    let stalk = linear([92, 74, 46]);
    match juice {
        Juice::Orange => {
            let at = [0.0, 0.006];
            ink(
                brush,
                &Shape::circle(0.05).moved(at),
                linear([222, 128, 34]),
            );
            let flesh = Shape::circle(0.042).moved(at);
            ink(brush, &flesh, linear([238, 176, 84]));
            for slice in 0..8 {
                let turn = TAU * slice as f32 / 8.0 + 0.2;
                let end = [at[0] + 0.042 * turn.cos(), at[1] + 0.042 * turn.sin()];
                let line = Shape::stroke(&[at, end], |_| 0.0045);
                ink(brush, &line, linear([246, 226, 184]));
            }
            ink(brush, &leaf(0.032, -0.5).moved([0.02, -0.052]), green);
        }
        Juice::Cherry => {
            let red = linear([164, 28, 40]);
            for (at, top) in [([-0.032, 0.025], -0.01), ([0.03, 0.03], 0.006)] {
                let stem = [[at[0], at[1] - 0.02], [top, -0.02], [0.0, -0.056]];
                ink(brush, &Shape::stroke(&stem, |_| 0.005), stalk);
                ink(brush, &Shape::circle(0.027).moved(at), red);
                let shine = Shape::circle(0.006).moved([at[0] - 0.009, at[1] - 0.01]);
                ink(brush, &shine, linear([240, 190, 190]));
            }
            ink(brush, &leaf(0.036, 0.35).moved([0.026, -0.05]), green);
        }
        Juice::Apple => {
            let skin = linear([124, 164, 66]);
            for side in [-1.0, 1.0] {
                ink(
                    brush,
                    &Shape::circle(0.037).moved([side * 0.019, 0.012]),
                    skin,
                );
            }
            let shine = Shape::circle(0.009).moved([-0.025, 0.0]);
            ink(brush, &shine, linear([206, 222, 158]));
            let stem = [[0.0, -0.016], [0.004, -0.036], [0.012, -0.05]];
            ink(brush, &Shape::stroke(&stem, |_| 0.006), stalk);
            ink(brush, &leaf(0.03, -0.3).moved([0.03, -0.042]), green);
        }
    }
}

fn leaf(length: f32, angle: f32) -> Shape {
    let line: Vec<_> = (0..=10)
        .map(|i| [length * (i as f32 / 10.0 - 0.5), 0.0])
        .collect();
    Shape::stroke(&line, |t| 0.45 * length * (t * PI).sin().max(0.05)).turned(angle)
}

fn text(juice: Juice, part: &Part<Kind>, outline: &Shape, brush: &mut Brush) {
    paper(part, outline, brush);
    let band = Shape::rect([0.107, 0.017]).moved([0.0, -0.052]);
    ink(brush, &band, juice.cap());
    let dark = linear([52, 50, 48]);
    // The name in the band: a word for each variant, as blocks of letters.
    let letters: &[f32] = match juice {
        Juice::Orange => &[0.011, 0.008, 0.01, 0.009, 0.011, 0.008],
        Juice::Cherry => &[0.009, 0.009, 0.008, 0.009, 0.009, 0.01],
        Juice::Apple => &[0.012, 0.009, 0.009, 0.006, 0.009],
    };
    let mut x = -letters.iter().sum::<f32>() / 2.0 - 0.002 * letters.len() as f32;
    for width in letters {
        let letter = Shape::rect([width / 2.0, 0.009]).with(Shape::rect([width / 5.0, 0.004]));
        ink(
            brush,
            &letter.moved([x + width / 2.0, -0.052]),
            linear([238, 234, 224]),
        );
        x += width + 0.004;
    }
    for (row, half) in [0.05, 0.042, 0.047, 0.03].into_iter().enumerate() {
        let at = [half - 0.096, -0.018 + 0.0155 * row as f32];
        ink(brush, &Shape::rect([half, 0.0032]).moved(at), dark);
    }
    let mut x = 0.032;
    for bar in 0..13_u32 {
        let width = 0.0016 + 0.0014 * ((bar * 7 + 3) % 4) as f32;
        if bar % 2 == 0 {
            ink(
                brush,
                &Shape::rect([width / 2.0, 0.026]).moved([x, 0.012]),
                dark,
            );
        }
        x += width + 0.0013;
    }
    let dots = match juice {
        Juice::Orange => 1,
        Juice::Cherry => 2,
        Juice::Apple => 3,
    };
    for dot in 0..dots {
        let at = [-0.088 + 0.024 * dot as f32, 0.06];
        ink(brush, &Shape::circle(0.0085).moved(at), juice.cap());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::product::Streams;

    #[test]
    fn the_parts_of_a_good_bottle_agree_and_all_variants_occur() {
        let mut seen = [0; 3];
        for index in 0..60 {
            let streams = Streams::new(5, JuiceBottle::NAME, "train/good", index);
            let all = JuiceBottle.arrange(&mut streams.arrangement());
            let juice = juice_of(&all).unwrap();
            for part in &all.parts {
                match part.kind {
                    Kind::Cap(j) | Kind::Picture(j) | Kind::Text(j) => assert_eq!(j, juice),
                    Kind::Liquid { level, .. } => assert!((level - juice.level()).abs() < 0.004),
                    Kind::Glass | Kind::Ring => {}
                }
            }
            seen[juice as usize] += 1;
        }
        assert!(seen.iter().all(|&count| count >= 10), "{seen:?}");
    }

    #[test]
    fn a_wrong_bottle_is_made_of_normal_parts() {
        let streams = Streams::new(5, JuiceBottle::NAME, "test", 0);
        for which in [0, 1, 2] {
            let mut all = JuiceBottle.arrange(&mut streams.arrangement());
            let regions =
                JuiceBottle.disturb(which, Grade::Medium, &mut all, &mut streams.anomaly());
            assert_eq!(regions.len(), 1);
            let juice = juice_of(&all).unwrap();
            let strangers = all.parts.iter().filter(|part| match part.kind {
                Kind::Cap(j) | Kind::Picture(j) | Kind::Text(j) => j != juice,
                _ => false,
            });
            assert_eq!(strangers.count(), 1);
        }
    }
}
