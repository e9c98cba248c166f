//! A fuse box: every part has its own place, and the whole lies a little differently in each picture. Which fuse
//! sits in which slot is what matters, so counts of colours alone don't tell a swapped pair.

use rand::RngExt;

use super::canvas::{Brush, Relief, Texel};
use super::ground::{Ground, Material};
use super::light::linear;
use super::noise;
use super::product::{
    Arrangement, Disturbance, Grade, Part, Product, Region, Saturation, Stream, pick,
};
use super::shape::{Pose, Shape};
use super::structural::Fault;

use std::f32::consts::PI;

/// Colour codes as on blade fuses. The last two belong to no slot of this box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rating {
    Red,
    Blue,
    Yellow,
    Green,
    Orange,
    Teal,
}

impl Rating {
    fn rgb(self) -> [f32; 3] {
        linear(match self {
            Rating::Red => [196, 40, 36],
            Rating::Blue => [38, 92, 176],
            Rating::Yellow => [222, 178, 32],
            Rating::Green => [46, 142, 66],
            Rating::Orange => [218, 112, 32],
            Rating::Teal => [30, 126, 134],
        })
    }

    /// Bars moulded into the top, the way a rating is printed.
    fn marks(self) -> usize {
        match self {
            Rating::Red | Rating::Orange => 1,
            Rating::Blue | Rating::Teal => 2,
            Rating::Yellow => 3,
            Rating::Green => 4,
        }
    }

    /// A wrong fuse for a slot of this rating: the further in colour, the easier to see.
    fn wrong(self, grade: Grade) -> Self {
        match self {
            Rating::Red => grade.of(Rating::Green, Rating::Yellow, Rating::Orange),
            Rating::Blue => grade.of(Rating::Red, Rating::Green, Rating::Teal),
            Rating::Yellow => grade.of(Rating::Blue, Rating::Red, Rating::Orange),
            Rating::Green => grade.of(Rating::Red, Rating::Blue, Rating::Teal),
            Rating::Orange => Rating::Red,
            Rating::Teal => Rating::Blue,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Housing,
    Fuse(Rating),
    Relay,
    Capacitor,
    Screw,
}

const FUSE_HALF: [f32; 2] = [0.031, 0.078];
const SLOT_HALF: [f32; 2] = [0.038, 0.088];
const RELAY_HALF: [f32; 2] = [0.082, 0.098];
const CAPACITOR_RADIUS: f32 = 0.062;
const COLUMNS: [f32; 5] = [0.415, 0.51, 0.605, 0.70, 0.795];
const ROWS: [f32; 2] = [0.365, 0.635];
/// What each slot holds, row by row. The fifth of the upper row stays empty.
const PLAN: [Option<Rating>; 10] = [
    Some(Rating::Red),
    Some(Rating::Red),
    Some(Rating::Blue),
    Some(Rating::Yellow),
    None,
    Some(Rating::Blue),
    Some(Rating::Yellow),
    Some(Rating::Green),
    Some(Rating::Green),
    Some(Rating::Red),
];

fn slot(index: usize) -> [f32; 2] {
    [COLUMNS[index % 5], ROWS[index / 5]]
}

pub struct FuseBox;

impl Product for FuseBox {
    type Kind = Kind;
    const NAME: &'static str = "fuse_box";
    const LAMP: f32 = -2.2;

    fn arrange(&self, rng: &mut Stream) -> Arrangement<Kind> {
        let ground = Ground::new(Material::BrushedMetal, rng);
        let mut all = Arrangement::new(ground, 0.035, 0.035, 0.012, rng);
        all.parts
            .push(Part::new(Kind::Housing, [0.5, 0.5], 0.0, rng));
        for at in [[0.155, 0.235], [0.845, 0.765]] {
            let turn = rng.random_range(0.0..PI);
            all.parts
                .push(Part::new(Kind::Screw, at, turn, rng).jittered(0.001, 0.0, rng));
        }
        let relay = Part::new(Kind::Relay, [0.245, 0.40], 0.0, rng);
        all.parts.push(relay.jittered(0.004, 0.025, rng));
        let capacitor = Part::new(Kind::Capacitor, [0.245, 0.645], 0.0, rng);
        all.parts.push(capacitor.jittered(0.003, 0.12, rng));
        for (index, rating) in PLAN.iter().enumerate() {
            if let Some(rating) = *rating {
                all.parts.push(fuse(rating, index, rng));
            }
        }
        all
    }

    fn outline(&self, kind: &Kind) -> Shape {
        match kind {
            Kind::Housing => Shape::rounded([0.405, 0.335], 0.035),
            Kind::Fuse(_) => Shape::rounded(FUSE_HALF, 0.008),
            Kind::Relay => Shape::rounded(RELAY_HALF, 0.01),
            Kind::Capacitor => Shape::circle(CAPACITOR_RADIUS),
            Kind::Screw => Shape::circle(0.03),
        }
    }

    fn paint(&self, part: &Part<Kind>, brush: &mut Brush) {
        let outline = self.outline(&part.kind);
        match part.kind {
            Kind::Housing => housing(part, &outline, brush),
            Kind::Fuse(rating) => paint_fuse(rating, part, &outline, brush),
            Kind::Relay => relay(part, &outline, brush),
            Kind::Capacitor => capacitor(part, &outline, brush),
            Kind::Screw => screw(part, &outline, brush),
        }
    }

    fn disturbances(&self) -> Vec<Disturbance> {
        [
            "missing_part",
            "extra_fuse",
            "swapped_fuses",
            "wrong_fuse",
            "turned_part",
            "shifted_part",
        ]
        .map(|name| Disturbance {
            name,
            saturation: Saturation::Whole,
            graded: true,
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
        match which {
            0 => self.lose_one(grade, all, rng),
            1 => self.add_one(grade, all, rng),
            2 => self.swap_two(grade, all, rng),
            3 => self.mistake_one(grade, all, rng),
            4 => self.turn_one(grade, all),
            _ => self.shift_one(grade, all, rng),
        }
    }

    fn faults(&self) -> &'static [Fault] {
        &[
            Fault::Scratch,
            Fault::Crack,
            Fault::Stain,
            Fault::Chip,
            Fault::Fibre,
            Fault::Bend,
            Fault::Bleach,
            Fault::Dent,
        ]
    }

    fn bends(&self, kind: &Kind) -> bool {
        matches!(kind, Kind::Fuse(_))
    }

    fn chips(&self, kind: &Kind) -> bool {
        *kind != Kind::Screw
    }
}

impl FuseBox {
    fn lose_one(&self, grade: Grade, all: &mut Arrangement<Kind>, rng: &mut Stream) -> Vec<Region> {
        let fuses = fuses(all);
        let index = match grade {
            Grade::Easy => all.parts.iter().position(|p| p.kind == Kind::Relay),
            Grade::Medium => pick(&fuses, rng).copied(),
            Grade::Hard => all.parts.iter().position(|p| p.kind == Kind::Screw),
        };
        let Some(index) = index else {
            return Vec::new();
        };
        let gone = all.parts.remove(index);
        vec![Region::of(self.placed(&gone))]
    }

    /// A fuse where none belongs: in the empty slot, or lying loose on the box.
    fn add_one(&self, grade: Grade, all: &mut Arrangement<Kind>, rng: &mut Stream) -> Vec<Region> {
        let any = [Rating::Red, Rating::Blue, Rating::Yellow, Rating::Green];
        let rating = match grade {
            Grade::Hard => Rating::Yellow,
            _ => pick(&any, rng).copied().unwrap_or(Rating::Red),
        };
        let mut added = fuse(rating, 4, rng);
        if grade == Grade::Easy {
            added.pose = Pose::new(
                [rng.random_range(0.3..0.7), 0.5],
                PI / 2.0 + rng.random_range(-0.4..0.4),
                1.0,
            );
        }
        let region = Region::of(self.placed(&added));
        all.parts.push(added);
        vec![region]
    }

    fn swap_two(&self, grade: Grade, all: &mut Arrangement<Kind>, rng: &mut Stream) -> Vec<Region> {
        let pairs: &[(Rating, Rating)] = grade.of(
            &[(Rating::Red, Rating::Green), (Rating::Red, Rating::Blue)],
            &[
                (Rating::Red, Rating::Yellow),
                (Rating::Blue, Rating::Yellow),
            ],
            &[
                (Rating::Blue, Rating::Green),
                (Rating::Green, Rating::Yellow),
            ],
        );
        let Some(&(a, b)) = pick(pairs, rng) else {
            return Vec::new();
        };
        let of = |rating| -> Vec<usize> {
            let same = |&i: &usize| all.parts[i].kind == Kind::Fuse(rating);
            fuses(all).into_iter().filter(same).collect()
        };
        let (first, second) = (of(a), of(b));
        let (Some(&i), Some(&j)) = (pick(&first, rng), pick(&second, rng)) else {
            return Vec::new();
        };
        all.parts[i].kind = Kind::Fuse(b);
        all.parts[j].kind = Kind::Fuse(a);
        [i, j]
            .map(|i| Region::of(self.placed(&all.parts[i])))
            .to_vec()
    }

    fn mistake_one(
        &self,
        grade: Grade,
        all: &mut Arrangement<Kind>,
        rng: &mut Stream,
    ) -> Vec<Region> {
        let Some(&index) = pick(&fuses(all), rng) else {
            return Vec::new();
        };
        let part = &mut all.parts[index];
        if let Kind::Fuse(rating) = part.kind {
            part.kind = Kind::Fuse(rating.wrong(grade));
        }
        vec![Region::of(self.placed(&all.parts[index]))]
    }

    /// Turned half round, so that every part is there and in its place.
    fn turn_one(&self, grade: Grade, all: &mut Arrangement<Kind>) -> Vec<Region> {
        let (kind, angle) = grade.of(
            (Kind::Relay, PI),
            (Kind::Capacitor, PI),
            (Kind::Capacitor, PI / 2.0),
        );
        self.move_one(kind, all, |pose| pose.angle += angle)
    }

    fn shift_one(
        &self,
        grade: Grade,
        all: &mut Arrangement<Kind>,
        rng: &mut Stream,
    ) -> Vec<Region> {
        let kind = *pick(&[Kind::Relay, Kind::Capacitor], rng).unwrap_or(&Kind::Relay);
        let far = grade.of(0.05, 0.034, 0.022);
        let turn = grade.of(0.3, 0.2, 0.12);
        let way: f32 = rng.random_range(0.0..2.0 * PI);
        // A round part doesn't show that it is turned a little.
        self.move_one(kind, all, |pose| {
            pose.at[0] += far * way.cos();
            pose.at[1] += far * way.sin();
            pose.angle += if kind == Kind::Relay { turn } else { 0.0 };
        })
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

fn fuse(rating: Rating, index: usize, rng: &mut Stream) -> Part<Kind> {
    Part::new(Kind::Fuse(rating), slot(index), 0.0, rng).jittered(0.0028, 0.03, rng)
}

fn fuses(all: &Arrangement<Kind>) -> Vec<usize> {
    (0..all.parts.len())
        .filter(|&i| matches!(all.parts[i].kind, Kind::Fuse(_)))
        .collect()
}

fn housing(part: &Part<Kind>, outline: &Shape, brush: &mut Brush) {
    let seed = part.seed;
    let plastic = linear([62, 64, 68]).map(|v| v * part.tint);
    let mould = move |[x, y]: [f32; 2]| {
        let grain = noise::fractal(x * 120.0, y * 120.0, 2, seed);
        let wear = noise::fractal(x * 5.0, y * 5.0, 3, seed ^ 2);
        Texel {
            gloss: 0.12,
            ..Texel::matt(plastic).brighter(1.0 + 0.18 * grain + 0.08 * wear)
        }
    };
    brush.paint(outline, Relief::raised(0.035, 0.014), mould);
    for index in 0..PLAN.len() {
        let [x, y] = slot(index);
        let at = [x - 0.5, y - 0.5];
        let dark = move |p| mould(p).brighter(0.42);
        brush.paint(
            &Shape::rounded(SLOT_HALF, 0.01).moved(at),
            Relief::recess(0.008),
            dark,
        );
        for side in [-1.0, 1.0] {
            let contact = Shape::rect([0.017, 0.004]).moved([at[0], at[1] + side * 0.05]);
            let brass = linear([168, 138, 78]);
            brush.paint(&contact, Relief::PRINT, |_| Texel::matt(brass));
        }
        // The slot's printed number, as short strokes.
        let above = at[1] - SLOT_HALF[1] - 0.018;
        for stroke in 0..=(index % 5) {
            let x = at[0] - 0.024 + 0.0115 * stroke as f32;
            print(brush, &Shape::rect([0.0028, 0.008]).moved([x, above]));
        }
    }
    for (half, at) in [
        ([0.075, 0.004], [-0.255, 0.262]),
        ([0.05, 0.004], [-0.28, 0.282]),
        ([0.19, 0.003], [0.105, 0.0]),
    ] {
        print(brush, &Shape::rect(half).moved(at));
    }
}

fn print(brush: &mut Brush, shape: &Shape) {
    let ink = linear([196, 196, 190]);
    brush.paint(shape, Relief::PRINT, |_| Texel {
        alpha: 0.8,
        ..Texel::matt(ink)
    });
}

fn paint_fuse(rating: Rating, part: &Part<Kind>, outline: &Shape, brush: &mut Brush) {
    let seed = part.seed;
    let rgb = rating.rgb().map(|v| v * part.tint);
    let body = move |[x, y]: [f32; 2]| {
        let streak = noise::fractal(x * 60.0, y * 18.0, 2, seed);
        Texel {
            gloss: 0.35,
            ..Texel::matt(rgb).brighter(1.0 + 0.08 * streak)
        }
    };
    brush.paint(outline, Relief::raised(0.022, 0.009), body);
    // The window over the link, darker because one looks into the body.
    brush.paint(
        &Shape::rounded([0.019, 0.026], 0.005),
        Relief::recess(0.006),
        |p| body(p).brighter(0.5),
    );
    let link = Shape::stroke(
        &[
            [-0.013, 0.018],
            [-0.011, -0.008],
            [0.0, -0.014],
            [0.011, -0.008],
            [0.013, 0.018],
        ],
        |_| 0.0048,
    );
    let zinc = linear([176, 172, 168]);
    brush.paint(&link, Relief::PRINT, |_| Texel {
        alpha: 0.75,
        ..Texel::matt(zinc)
    });
    for side in [-1.0, 1.0] {
        let test_point = Shape::rect([0.007, 0.0045]).moved([side * 0.016, -0.066]);
        brush.paint(&test_point, Relief::recess(0.002), |_| Texel::matt(zinc));
    }
    let marks = rating.marks();
    for mark in 0..marks {
        let y = 0.045 + 0.008 * mark as f32 - 0.004 * marks as f32;
        let bar = Shape::rect([0.014, 0.0022]).moved([0.0, y + 0.006]);
        brush.paint(&bar, Relief::PRINT, |_| Texel {
            alpha: 0.7,
            ..Texel::matt([0.82; 3])
        });
    }
}

fn relay(part: &Part<Kind>, outline: &Shape, brush: &mut Brush) {
    let seed = part.seed;
    let grey = linear([178, 180, 176]).map(|v| v * part.tint);
    let case = move |[x, y]: [f32; 2]| {
        let grain = noise::fractal(x * 90.0, y * 90.0, 2, seed);
        Texel {
            gloss: 0.2,
            ..Texel::matt(grey).brighter(1.0 + 0.05 * grain)
        }
    };
    brush.paint(outline, Relief::raised(0.05, 0.012), case);
    brush.paint(
        &Shape::rounded([0.066, 0.082], 0.008),
        Relief::recess(0.005),
        move |p| case(p).brighter(0.94),
    );
    let ink = linear([40, 42, 48]);
    let mut printed = |shape: &Shape, alpha: f32| {
        brush.paint(shape, Relief::PRINT, |_| Texel {
            alpha,
            ..Texel::matt(ink)
        });
    };
    // The maker's name and a wiring diagram on top; the triangle shows which way round it belongs.
    for (line, half) in [(0, 0.05), (1, 0.036), (2, 0.044)] {
        let y = -0.058 + 0.017 * line as f32;
        printed(&Shape::rect([half, 0.0042]).moved([half - 0.056, y]), 0.8);
    }
    let ring = Shape::circle(0.02).with(Shape::circle(0.0155));
    printed(&ring.moved([-0.028, 0.022]), 0.8);
    printed(&Shape::rect([0.03, 0.002]).moved([0.022, 0.022]), 0.8);
    printed(&Shape::rect([0.002, 0.02]).moved([0.03, 0.042]), 0.8);
    printed(
        &Shape::polygon(vec![[0.036, -0.074], [0.06, -0.074], [0.06, -0.05]]),
        0.9,
    );
}

fn capacitor(part: &Part<Kind>, outline: &Shape, brush: &mut Brush) {
    let seed = part.seed;
    let sleeve = linear([44, 58, 96]).map(|v| v * part.tint);
    brush.paint(outline, Relief::raised(0.06, 0.012), |[x, y]| {
        // The pale stripe of the negative lead, on the left.
        let stripe = y.abs() < 0.026 && x < 0.0;
        let rgb = if stripe {
            linear([186, 192, 200])
        } else {
            sleeve
        };
        let grain = noise::value(x * 70.0, y * 70.0, seed);
        Texel {
            gloss: 0.3,
            ..Texel::matt(rgb).brighter(1.0 + 0.05 * grain)
        }
    });
    let can = linear([172, 174, 178]);
    brush.paint(
        &Shape::circle(0.045),
        Relief::raised(0.004, 0.005),
        |[x, y]| {
            let spun = noise::value(x.hypot(y) * 420.0, 0.0, seed);
            Texel {
                gloss: 0.5,
                ..Texel::matt(can).brighter(1.0 + 0.1 * spun)
            }
        },
    );
    // The vent scored into the can: a K-like cross, not symmetric.
    for line in [
        [[-0.03, 0.0], [0.03, 0.0]],
        [[0.0, 0.0], [0.02, -0.024]],
        [[0.0, 0.0], [0.02, 0.024]],
    ] {
        let groove = Shape::stroke(&line, |_| 0.004);
        brush.paint(&groove, Relief::recess(0.003), |_| {
            Texel::matt(can).brighter(0.55)
        });
    }
}

fn screw(part: &Part<Kind>, outline: &Shape, brush: &mut Brush) {
    let seed = part.seed;
    let steel = linear([158, 160, 160]).map(|v| v * part.tint);
    brush.paint(outline, Relief::raised(0.012, 0.01), |[x, y]| Texel {
        tilt: [x * 12.0, y * 12.0],
        gloss: 0.5,
        ..Texel::matt(steel).brighter(1.0 + 0.12 * noise::fractal(x * 150.0, y * 60.0, 2, seed))
    });
    let cross = Shape::rect([0.017, 0.0045]);
    for angle in [0.0, PI / 2.0] {
        brush.paint(&cross.turned(angle), Relief::recess(0.004), |_| {
            Texel::matt(steel).brighter(0.25)
        });
    }
}
