//! The paper's two-stage filter: of SAM's candidates those that are no background and belong to an object; of these the
//! smallest parts.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::mask::Mask;
use super::settings::FilterSettings;

/// What prompted masks say of a picture.
#[derive(Clone, Debug)]
pub struct Prompted {
    /// M_G: all that an object covers.
    pub objects: Mask,
    pub background: Mask,
}

impl Prompted {
    /// The background is what masks of background tags cover and objects don't; without any, all that no object covers.
    /// A tray's mask covers the parts on it too, more often than not.
    pub fn new(size: (usize, usize), objects: &[Mask], behind: &[Mask]) -> Self {
        let union = |masks: &[Mask]| {
            let mut union = Mask::empty(size.0, size.1);
            masks.iter().for_each(|mask| union.add(mask));
            union
        };
        let objects = union(objects);
        let mut background = union(behind);
        background.remove(&objects);
        if background.area() == 0 {
            background = objects.inverse();
        }
        Self {
            objects,
            background,
        }
    }
}

/// What becomes of a candidate, and why.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Verdict {
    Kept,
    /// Below the least share of the image; its own share.
    Small(f32),
    /// Its overlap with the background.
    Background(f32),
    /// Its overlap with the objects.
    NoObject(f32),
    /// The share of it that smaller masks cover.
    Covered(f32),
}

impl Verdict {
    pub fn kept(self) -> bool {
        self == Verdict::Kept
    }

    /// One word, for the legend and `reference.json`.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Kept => "kept",
            Verdict::Small(_) => "small",
            Verdict::Background(_) => "background",
            Verdict::NoObject(_) => "no object",
            Verdict::Covered(_) => "covered",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |share: f32| 100.0 * share;
        match *self {
            Verdict::Kept => write!(f, "kept"),
            Verdict::Small(share) => write!(f, "{:.2} % of the image", percent(share)),
            Verdict::Background(share) => write!(f, "background {:.0} %", percent(share)),
            Verdict::NoObject(share) => write!(f, "object only {:.0} %", percent(share)),
            Verdict::Covered(share) => write!(f, "covered {:.0} %", percent(share)),
        }
    }
}

/// The verdict on each candidate, in their order.
pub fn judge(candidates: &[Mask], prompted: &Prompted, settings: &FilterSettings) -> Vec<Verdict> {
    let mut verdicts: Vec<Verdict> = candidates
        .iter()
        .map(|mask| of_one(mask, prompted, settings))
        .collect();
    let mut rest: Vec<usize> = (0..candidates.len())
        .filter(|&index| verdicts[index].kept())
        .collect();
    rest.sort_by_key(|&index| candidates[index].area());
    let Some(first) = rest.first() else {
        return verdicts;
    };
    let (width, height) = candidates[*first].size();
    let mut taken = Mask::empty(width, height);
    for index in rest {
        let mask = &candidates[index];
        let covered = mask.shared(&taken) as f32 / mask.area() as f32;
        match covered >= settings.covered {
            true => verdicts[index] = Verdict::Covered(covered),
            false => taken.add(mask),
        }
    }
    verdicts
}

/// The pixels of the connected pieces of the candidates that are kept, with the candidate's index each. They don't overlap: the
/// smaller candidate, being the part on top, has the pixels.
pub fn parts(
    candidates: &[Mask],
    verdicts: &[Verdict],
    settings: &FilterSettings,
) -> Vec<(usize, Vec<u32>)> {
    let mut kept: Vec<usize> = (0..candidates.len())
        .filter(|&index| verdicts[index].kept())
        .collect();
    kept.sort_by_key(|&index| candidates[index].area());
    let mut parts = Vec::new();
    let mut taken: Option<Mask> = None;
    for index in kept {
        let mut free = candidates[index].clone();
        let (width, height) = free.size();
        let taken = taken.get_or_insert_with(|| Mask::empty(width, height));
        free.remove(taken);
        taken.add(&candidates[index]);
        let pieces = free.pieces(false).into_iter();
        let large = pieces.filter(|piece| piece.len() > settings.least_piece);
        parts.extend(large.map(|piece| (index, piece)));
    }
    parts
}

fn of_one(mask: &Mask, prompted: &Prompted, settings: &FilterSettings) -> Verdict {
    let (width, height) = mask.size();
    let share = mask.area() as f32 / (width * height).max(1) as f32;
    if share < settings.least_share || mask.area() == 0 {
        return Verdict::Small(share);
    }
    let behind = mask.overlap(&prompted.background);
    if behind >= settings.background {
        return Verdict::Background(behind);
    }
    let object = mask.overlap(&prompted.objects);
    match object > settings.object {
        true => Verdict::Kept,
        false => Verdict::NoObject(object),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: (usize, usize) = (100, 100);

    fn square(left: usize, top: usize, side: usize) -> Mask {
        Mask::new(SIZE.0, SIZE.1, |pixel| {
            let (x, y) = (pixel % SIZE.0, pixel / SIZE.0);
            (left..left + side).contains(&x) && (top..top + side).contains(&y)
        })
    }

    #[test]
    fn each_candidate_is_kept_or_dropped_for_its_own_reason() {
        let prompted = Prompted::new(SIZE, &[square(20, 20, 40)], &[]);
        let halves = |mask: Mask, other: Mask| {
            let mut both = mask;
            both.add(&other);
            both
        };
        let candidates = [
            square(20, 20, 20),
            square(40, 20, 20),
            halves(square(20, 20, 20), square(40, 20, 20)),
            square(70, 70, 20),
            square(50, 50, 20),
            square(30, 50, 2),
            halves(square(20, 45, 14), square(46, 46, 14)),
        ];
        let verdicts = judge(&candidates, &prompted, &FilterSettings::default());
        let words: Vec<&str> = verdicts.iter().map(|v| v.word()).collect();
        assert_eq!(
            words,
            [
                "kept",
                "kept",
                "covered",
                "background",
                "no object",
                "small",
                "kept",
            ]
        );
        let parts = parts(&candidates, &verdicts, &FilterSettings::default());
        let areas: Vec<(usize, usize)> = parts.iter().map(|(i, p)| (*i, p.len())).collect();
        assert_eq!(areas, [(6, 196), (6, 196), (0, 400), (1, 400)]);
        assert_eq!(verdicts[2].to_string(), "covered 100 %");
        assert_eq!(verdicts[4].to_string(), "object only 25 %");
    }

    #[test]
    fn what_lies_on_a_background_that_was_found_is_no_background() {
        let behind = [square(0, 0, 80)];
        let prompted = Prompted::new(SIZE, &[square(20, 20, 40)], &behind);
        assert!(prompted.background.covers(0));
        assert!(!prompted.background.covers(30 * SIZE.0 + 30));
        assert!(!prompted.background.covers(90 * SIZE.0 + 90));
        let unprompted = Prompted::new(SIZE, &[], &[]);
        assert_eq!(unprompted.background.area(), 10_000);
    }
}
