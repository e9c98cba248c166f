//! A bottle that comes in three variants. Liquid, cap, picture label, text label and fill level each belong to one
//! variant; a bottle is good when all five agree. Every part of a wrong bottle is normal by itself, so a histogram
//! of parts or one Gaussian over all bottles doesn't see it.

use rand::RngExt;

use super::canvas::Brush;
use super::ground::{Ground, Material};
use super::light::{linear, spread};
use super::noise;
use super::product::{
    Arrangement, Disturbance, Grade, PlacedPart, Product, Saturation, Stream, TruthRegion, pick,
};
use super::shape::{Shape, Transform};
use super::structural::Defect;

use std::f32::consts::PI;

mod paint;

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
pub enum BottleKind {
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
    type Kind = BottleKind;
    const NAME: &'static str = "juice_bottle";
    const LAMP: f32 = -2.5;

    fn arrange(&self, rng: &mut Stream) -> Arrangement<BottleKind> {
        let mut ground = Ground::new(Material::Conveyor, rng);
        // The belt stays level.
        ground.pose.angle *= 0.3;
        let mut all = Arrangement::new(ground, 0.022, 0.02, 0.02, rng);
        let juice = pick(&Juice::ALL, rng).copied().unwrap_or(Juice::Orange);
        let centre = [0.5, 0.5];
        let level = juice.level() + spread(rng, 0.0035);
        all.parts
            .push(PlacedPart::new(BottleKind::Glass, centre, 0.0, rng));
        all.parts.push(PlacedPart::new(
            BottleKind::Liquid { juice, level },
            centre,
            0.0,
            rng,
        ));
        let ring = PlacedPart::new(BottleKind::Ring, [0.5, 0.5 + TOP + 0.074], 0.0, rng);
        all.parts.push(ring.jittered(0.001, 0.01, rng));
        let cap = PlacedPart::new(BottleKind::Cap(juice), [0.5, 0.5 + TOP + 0.022], 0.0, rng);
        all.parts.push(cap.jittered(0.0015, 0.02, rng));
        for (kind, [x, y]) in [
            (BottleKind::Picture(juice), PICTURE_AT),
            (BottleKind::Text(juice), TEXT_AT),
        ] {
            let label = PlacedPart::new(kind, [0.5 + x, 0.5 + y], 0.0, rng);
            all.parts.push(label.jittered(0.004, 0.018, rng));
        }
        all
    }

    fn outline(&self, kind: &BottleKind) -> Shape {
        match *kind {
            BottleKind::Glass => bottle(0.0, TOP),
            BottleKind::Liquid { level, .. } => bottle(WALL, level),
            BottleKind::Ring => Shape::rounded([0.061, 0.0085], 0.003),
            BottleKind::Cap(_) => Shape::rounded([0.066, 0.042], 0.01),
            BottleKind::Picture(_) | BottleKind::Text(_) => Shape::rounded(LABEL_HALF, 0.008),
        }
    }

    fn paint(&self, part: &PlacedPart<BottleKind>, brush: &mut Brush) {
        let outline = self.outline(&part.kind);
        match part.kind {
            BottleKind::Glass => paint::glass(part, &outline, brush),
            BottleKind::Liquid { juice, level } => {
                paint::liquid(juice, level, part, &outline, brush)
            }
            BottleKind::Ring => paint::ring(part, &outline, brush),
            BottleKind::Cap(juice) => paint::cap(juice, part, &outline, brush),
            BottleKind::Picture(juice) => paint::picture(juice, part, &outline, brush),
            BottleKind::Text(juice) => paint::text(juice, part, &outline, brush),
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
        all: &mut Arrangement<BottleKind>,
        rng: &mut Stream,
    ) -> Vec<TruthRegion> {
        let Some(juice) = juice_of(all) else {
            return Vec::new();
        };
        let other = juice.other(grade);
        let label = *pick(&[BottleKind::Picture(juice), BottleKind::Text(juice)], rng)
            .unwrap_or(&BottleKind::Picture(juice));
        match which {
            0 => self.change(BottleKind::Picture(juice), BottleKind::Picture(other), all),
            1 => self.change(BottleKind::Text(juice), BottleKind::Text(other), all),
            2 => self.change(BottleKind::Cap(juice), BottleKind::Cap(other), all),
            3 => self.fill(juice, grade, all, rng),
            4 => self.lose(label, grade, juice, all),
            5 => self.displace(label, grade, all, rng),
            6 => self.swap(juice, all),
            _ => {
                // A picture upside down is a matter of its fruit alone.
                let label = grade.of(
                    BottleKind::Text(juice),
                    BottleKind::Text(juice),
                    BottleKind::Picture(juice),
                );
                self.move_one(label, all, |pose| pose.angle += PI)
            }
        }
    }

    fn faults(&self) -> &'static [Defect] {
        &[
            Defect::Scratch,
            Defect::Crack,
            Defect::Stain,
            Defect::Chip,
            Defect::Fibre,
            Defect::Bleach,
            Defect::Bend,
            Defect::Dent,
        ]
    }

    /// A label comes off and creases; glass breaks before it bends.
    fn bends(&self, kind: &BottleKind) -> bool {
        matches!(kind, BottleKind::Picture(_) | BottleKind::Text(_))
    }

    fn chips(&self, kind: &BottleKind) -> bool {
        !matches!(
            kind,
            BottleKind::Glass | BottleKind::Liquid { .. } | BottleKind::Ring
        )
    }
}

impl JuiceBottle {
    fn change(
        &self,
        from: BottleKind,
        to: BottleKind,
        all: &mut Arrangement<BottleKind>,
    ) -> Vec<TruthRegion> {
        let Some(part) = all.parts.iter_mut().find(|p| p.kind == from) else {
            return Vec::new();
        };
        part.kind = to;
        vec![TruthRegion::of(self.placed(part))]
    }

    /// Hard: another variant's mark. Easier: further off than any.
    fn fill(
        &self,
        juice: Juice,
        grade: Grade,
        all: &mut Arrangement<BottleKind>,
        rng: &mut Stream,
    ) -> Vec<TruthRegion> {
        let Some(part) = all
            .parts
            .iter_mut()
            .find(|p| matches!(p.kind, BottleKind::Liquid { .. }))
        else {
            return Vec::new();
        };
        let BottleKind::Liquid { level: right, .. } = part.kind else {
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
        part.kind = BottleKind::Liquid { juice, level };
        let (fuller, emptier) = if level < right {
            (part.kind, before)
        } else {
            (before, part.kind)
        };
        let pose = part.pose;
        vec![TruthRegion {
            shapes: vec![self.outline(&fuller).placed(&pose)],
            except: vec![self.outline(&emptier).placed(&pose)],
        }]
    }

    fn lose(
        &self,
        label: BottleKind,
        grade: Grade,
        juice: Juice,
        all: &mut Arrangement<BottleKind>,
    ) -> Vec<TruthRegion> {
        let removed = grade.of(label, BottleKind::Cap(juice), BottleKind::Ring);
        let Some(index) = all.parts.iter().position(|p| p.kind == removed) else {
            return Vec::new();
        };
        vec![TruthRegion::of(self.placed(&all.parts.remove(index)))]
    }

    fn displace(
        &self,
        label: BottleKind,
        grade: Grade,
        all: &mut Arrangement<BottleKind>,
        rng: &mut Stream,
    ) -> Vec<TruthRegion> {
        let far: f32 = grade.of(0.045, 0.03, 0.02) * if rng.random() { 1.0 } else { -1.0 };
        let turn = grade.of(0.26, 0.16, 0.1) * if rng.random() { 1.0 } else { -1.0 };
        // Towards the other label, where there is room.
        let way = if matches!(label, BottleKind::Text(_)) {
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
    fn swap(&self, juice: Juice, all: &mut Arrangement<BottleKind>) -> Vec<TruthRegion> {
        let [x, y] = PICTURE_AT;
        let [u, v] = TEXT_AT;
        let down = [u - x, v - y];
        let mut regions = self.move_one(BottleKind::Picture(juice), all, |pose| {
            pose.at = [pose.at[0] + down[0], pose.at[1] + down[1]];
        });
        regions.extend(self.move_one(BottleKind::Text(juice), all, |pose| {
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
        kind: BottleKind,
        all: &mut Arrangement<BottleKind>,
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

fn juice_of(all: &Arrangement<BottleKind>) -> Option<Juice> {
    all.parts.iter().find_map(|part| match part.kind {
        BottleKind::Liquid { juice, .. } => Some(juice),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::product::Streams;

    #[test]
    fn the_parts_of_a_good_bottle_agree_and_all_variants_occur() {
        let mut seen = [0; 3];
        for index in 0..60 {
            let streams = Streams::new(5, JuiceBottle::NAME, "train/good", index);
            let all = JuiceBottle.arrange(&mut streams.arrangement());
            let juice = juice_of(&all).unwrap();
            for part in &all.parts {
                match part.kind {
                    BottleKind::Cap(j) | BottleKind::Picture(j) | BottleKind::Text(j) => {
                        assert_eq!(j, juice)
                    }
                    BottleKind::Liquid { level, .. } => {
                        assert!((level - juice.level()).abs() < 0.004)
                    }
                    BottleKind::Glass | BottleKind::Ring => {}
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
            let others = all.parts.iter().filter(|part| match part.kind {
                BottleKind::Cap(j) | BottleKind::Picture(j) | BottleKind::Text(j) => j != juice,
                _ => false,
            });
            assert_eq!(others.count(), 1);
        }
    }
}
