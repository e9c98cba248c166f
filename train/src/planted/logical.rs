//! Planted logical anomalies of sound parts: one missing, one too many, two exchanged, one from
//! another part's image.

use aecsad_inspect::frame::Frame;
use rand::{Rng, RngExt};

use super::Clean;
use super::paste::{change, paste};
use super::place::{at_centre, boxes, centre, empty_box, host};

/// Tries per image before giving up.
const TRIES: usize = 30;
/// Mean absolute difference, of 255, under which a change is none.
const MIN_CHANGE: f32 = 10.0;

/// A logical anomaly made from image `index` (and, for one kind, another image). None where the product offers
/// nothing to rearrange.
pub fn plant(clean: &[Clean], index: usize, random: &mut impl Rng) -> Option<Frame> {
    let own = &clean[index];
    let boxes = boxes(&own.classes);
    if boxes.is_empty() {
        return None;
    }
    for _ in 0..TRIES {
        let mut frame = own.frame.clone();
        let part = boxes[random.random_range(0..boxes.len())];
        let Some(host) = host(&own.classes, part) else {
            continue;
        };
        let place = match random.random_range(0..4) {
            0 => {
                let Some(empty) = empty_box(&own.classes, host, part, random) else {
                    continue;
                };
                paste(&mut frame, &own.frame, empty, part);
                part
            }
            1 => {
                let Some(empty) = empty_box(&own.classes, host, part, random) else {
                    continue;
                };
                paste(&mut frame, &own.frame, part, empty);
                empty
            }
            2 => {
                let other = boxes[random.random_range(0..boxes.len())];
                let same_kind = own.classes[centre(part)] == own.classes[centre(other)];
                if same_kind || self::host(&own.classes, other) != Some(host) {
                    continue;
                }
                paste(
                    &mut frame,
                    &own.frame,
                    part,
                    at_centre(other, part, own.classes.dim()),
                );
                paste(
                    &mut frame,
                    &own.frame,
                    other,
                    at_centre(part, other, own.classes.dim()),
                );
                part
            }
            _ => {
                let other = &clean[random.random_range(0..clean.len())];
                if self::host(&other.classes, part).is_none() {
                    continue;
                }
                paste(&mut frame, &other.frame, part, part);
                part
            }
        };
        if change(&frame, &own.frame, place) >= MIN_CHANGE {
            return Some(frame);
        }
    }
    None
}
