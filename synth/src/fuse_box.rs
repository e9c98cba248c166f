//! A fuse box: every part has its own place, and the whole lies a little differently in each picture. Which fuse
//! sits in which slot is what matters, so counts of colours alone don't tell a swapped pair.

use rand::RngExt;

use super::canvas::Brush;
use super::ground::{Ground, Material};
use super::light::linear;
use super::product::{
    Arrangement, Disturbance, Grade, PlacedPart, Product, Saturation, Stream, TruthRegion, pick,
};
use super::shape::{Shape, Transform};
use super::structural::Defect;

use std::f32::consts::PI;

mod paint;

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
pub enum FuseBoxKind {
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
    type Kind = FuseBoxKind;
    const NAME: &'static str = "fuse_box";
    const LAMP: f32 = -2.2;

    fn arrange(&self, rng: &mut Stream) -> Arrangement<FuseBoxKind> {
        let ground = Ground::new(Material::BrushedMetal, rng);
        let mut all = Arrangement::new(ground, 0.035, 0.035, 0.012, rng);
        all.parts
            .push(PlacedPart::new(FuseBoxKind::Housing, [0.5, 0.5], 0.0, rng));
        for at in [[0.155, 0.235], [0.845, 0.765]] {
            let turn = rng.random_range(0.0..PI);
            all.parts
                .push(PlacedPart::new(FuseBoxKind::Screw, at, turn, rng).jittered(0.001, 0.0, rng));
        }
        let relay = PlacedPart::new(FuseBoxKind::Relay, [0.245, 0.40], 0.0, rng);
        all.parts.push(relay.jittered(0.004, 0.025, rng));
        let capacitor = PlacedPart::new(FuseBoxKind::Capacitor, [0.245, 0.645], 0.0, rng);
        all.parts.push(capacitor.jittered(0.003, 0.12, rng));
        for (index, rating) in PLAN.iter().enumerate() {
            if let Some(rating) = *rating {
                all.parts.push(fuse(rating, index, rng));
            }
        }
        all
    }

    fn outline(&self, kind: &FuseBoxKind) -> Shape {
        match kind {
            FuseBoxKind::Housing => Shape::rounded([0.405, 0.335], 0.035),
            FuseBoxKind::Fuse(_) => Shape::rounded(FUSE_HALF, 0.008),
            FuseBoxKind::Relay => Shape::rounded(RELAY_HALF, 0.01),
            FuseBoxKind::Capacitor => Shape::circle(CAPACITOR_RADIUS),
            FuseBoxKind::Screw => Shape::circle(0.03),
        }
    }

    fn paint(&self, part: &PlacedPart<FuseBoxKind>, brush: &mut Brush) {
        let outline = self.outline(&part.kind);
        match part.kind {
            FuseBoxKind::Housing => paint::housing(part, &outline, brush),
            FuseBoxKind::Fuse(rating) => paint::fuse(rating, part, &outline, brush),
            FuseBoxKind::Relay => paint::relay(part, &outline, brush),
            FuseBoxKind::Capacitor => paint::capacitor(part, &outline, brush),
            FuseBoxKind::Screw => paint::screw(part, &outline, brush),
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
        all: &mut Arrangement<FuseBoxKind>,
        rng: &mut Stream,
    ) -> Vec<TruthRegion> {
        match which {
            0 => self.lose_one(grade, all, rng),
            1 => self.add_one(grade, all, rng),
            2 => self.swap_two(grade, all, rng),
            3 => self.mistake_one(grade, all, rng),
            4 => self.turn_one(grade, all),
            _ => self.shift_one(grade, all, rng),
        }
    }

    fn faults(&self) -> &'static [Defect] {
        &[
            Defect::Scratch,
            Defect::Crack,
            Defect::Stain,
            Defect::Chip,
            Defect::Fibre,
            Defect::Bend,
            Defect::Bleach,
            Defect::Dent,
        ]
    }

    fn bends(&self, kind: &FuseBoxKind) -> bool {
        matches!(kind, FuseBoxKind::Fuse(_))
    }

    fn chips(&self, kind: &FuseBoxKind) -> bool {
        *kind != FuseBoxKind::Screw
    }
}

impl FuseBox {
    fn lose_one(
        &self,
        grade: Grade,
        all: &mut Arrangement<FuseBoxKind>,
        rng: &mut Stream,
    ) -> Vec<TruthRegion> {
        let fuses = fuses(all);
        let index = match grade {
            Grade::Easy => all.parts.iter().position(|p| p.kind == FuseBoxKind::Relay),
            Grade::Medium => pick(&fuses, rng).copied(),
            Grade::Hard => all.parts.iter().position(|p| p.kind == FuseBoxKind::Screw),
        };
        let Some(index) = index else {
            return Vec::new();
        };
        let removed = all.parts.remove(index);
        vec![TruthRegion::of(self.placed(&removed))]
    }

    /// A fuse where none belongs: in the empty slot, or lying loose on the box.
    fn add_one(
        &self,
        grade: Grade,
        all: &mut Arrangement<FuseBoxKind>,
        rng: &mut Stream,
    ) -> Vec<TruthRegion> {
        let any = [Rating::Red, Rating::Blue, Rating::Yellow, Rating::Green];
        let rating = match grade {
            Grade::Hard => Rating::Yellow,
            _ => pick(&any, rng).copied().unwrap_or(Rating::Red),
        };
        let mut added = fuse(rating, 4, rng);
        if grade == Grade::Easy {
            added.pose = Transform::new(
                [rng.random_range(0.3..0.7), 0.5],
                PI / 2.0 + rng.random_range(-0.4..0.4),
                1.0,
            );
        }
        let region = TruthRegion::of(self.placed(&added));
        all.parts.push(added);
        vec![region]
    }

    fn swap_two(
        &self,
        grade: Grade,
        all: &mut Arrangement<FuseBoxKind>,
        rng: &mut Stream,
    ) -> Vec<TruthRegion> {
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
            let same = |&i: &usize| all.parts[i].kind == FuseBoxKind::Fuse(rating);
            fuses(all).into_iter().filter(same).collect()
        };
        let (first, second) = (of(a), of(b));
        let (Some(&i), Some(&j)) = (pick(&first, rng), pick(&second, rng)) else {
            return Vec::new();
        };
        all.parts[i].kind = FuseBoxKind::Fuse(b);
        all.parts[j].kind = FuseBoxKind::Fuse(a);
        [i, j]
            .map(|i| TruthRegion::of(self.placed(&all.parts[i])))
            .to_vec()
    }

    fn mistake_one(
        &self,
        grade: Grade,
        all: &mut Arrangement<FuseBoxKind>,
        rng: &mut Stream,
    ) -> Vec<TruthRegion> {
        let Some(&index) = pick(&fuses(all), rng) else {
            return Vec::new();
        };
        let part = &mut all.parts[index];
        if let FuseBoxKind::Fuse(rating) = part.kind {
            part.kind = FuseBoxKind::Fuse(rating.wrong(grade));
        }
        vec![TruthRegion::of(self.placed(&all.parts[index]))]
    }

    /// Turned half round, so that every part is there and in its place.
    fn turn_one(&self, grade: Grade, all: &mut Arrangement<FuseBoxKind>) -> Vec<TruthRegion> {
        let (kind, angle) = grade.of(
            (FuseBoxKind::Relay, PI),
            (FuseBoxKind::Capacitor, PI),
            (FuseBoxKind::Capacitor, PI / 2.0),
        );
        self.move_one(kind, all, |pose| pose.angle += angle)
    }

    fn shift_one(
        &self,
        grade: Grade,
        all: &mut Arrangement<FuseBoxKind>,
        rng: &mut Stream,
    ) -> Vec<TruthRegion> {
        let kind = *pick(&[FuseBoxKind::Relay, FuseBoxKind::Capacitor], rng)
            .unwrap_or(&FuseBoxKind::Relay);
        let far = grade.of(0.05, 0.034, 0.022);
        let turn = grade.of(0.3, 0.2, 0.12);
        let way: f32 = rng.random_range(0.0..2.0 * PI);
        // A round part doesn't show that it is turned a little.
        self.move_one(kind, all, |pose| {
            pose.at[0] += far * way.cos();
            pose.at[1] += far * way.sin();
            pose.angle += if kind == FuseBoxKind::Relay {
                turn
            } else {
                0.0
            };
        })
    }

    fn move_one(
        &self,
        kind: FuseBoxKind,
        all: &mut Arrangement<FuseBoxKind>,
        change: impl Fn(&mut Transform),
    ) -> Vec<TruthRegion> {
        let Some(part) = all.parts.iter_mut().find(|p| p.kind == kind) else {
            return Vec::new();
        };
        let before = self.placed(part);
        change(&mut part.pose);
        vec![TruthRegion {
            shapes: vec![before, self.placed(part)],
            except: Vec::new(),
        }]
    }
}

fn fuse(rating: Rating, index: usize, rng: &mut Stream) -> PlacedPart<FuseBoxKind> {
    PlacedPart::new(FuseBoxKind::Fuse(rating), slot(index), 0.0, rng).jittered(0.0028, 0.03, rng)
}

fn fuses(all: &Arrangement<FuseBoxKind>) -> Vec<usize> {
    (0..all.parts.len())
        .filter(|&i| matches!(all.parts[i].kind, FuseBoxKind::Fuse(_)))
        .collect()
}
