//! Detects parts in the frames of a free-running camera. One strip across the belt's direction is compared with the
//! empty belt; the trigger fires when a part's front edge reaches the strip.

use aecsad_inspect::frame::Frame;

/// The belt's direction in the picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BeltAxis {
    #[default]
    X,
    Y,
}

#[derive(Clone, Debug)]
pub struct Presence {
    /// Brightness of the empty belt, 0 to 255.
    pub belt_level: u8,
    /// A pixel belongs to a part if its brightness differs from `belt_level` by more than this, of 255.
    pub contrast: u8,
    /// The share of the strip that a part must cover.
    pub share: f32,
    /// The position of the strip: 0 and 1 are the picture's ends along the belt.
    pub at: f32,
    pub axis: BeltAxis,
    /// A part was in the strip in the previous frame.
    pub there: bool,
}

impl Default for Presence {
    fn default() -> Self {
        Presence {
            belt_level: 0,
            contrast: 30,
            share: 0.2,
            at: 0.5,
            axis: BeltAxis::X,
            there: false,
        }
    }
}

/// The strip's width, as a share of the picture along the belt.
const STRIP: f32 = 1.0 / 16.0;

impl Presence {
    /// Whether a part's front edge has reached the strip in this frame. The part has left once it covers less than half
    /// of `share`: this hysteresis keeps a flickering edge from counting as a second part.
    pub fn arrives(&mut self, frame: &Frame) -> bool {
        let covered = self.covered(frame);
        if self.there {
            self.there = covered >= self.share / 2.0;
            return false;
        }
        self.there = covered >= self.share;
        self.there
    }

    fn covered(&self, frame: &Frame) -> f32 {
        let (width, height) = (frame.width as usize, frame.height as usize);
        let along = if self.axis == BeltAxis::X {
            width
        } else {
            height
        };
        let strip = ((along as f32 * STRIP) as usize).clamp(1, along.max(1));
        let from = (self.at * (along.saturating_sub(strip)) as f32) as usize;
        let (xs, ys) = match self.axis {
            BeltAxis::X => (from..(from + strip).min(width), 0..height),
            BeltAxis::Y => (0..width, from..(from + strip).min(height)),
        };
        let pixels = xs.len() * ys.len();
        if pixels == 0 {
            return 0.0;
        }
        let is_part = |pixel: &&[u8]| {
            // Green alone approximates brightness and needs a third of the memory accesses.
            pixel[1].abs_diff(self.belt_level) > self.contrast
        };
        let of_parts: usize = ys
            .filter_map(|y| {
                frame
                    .rgb
                    .get((y * width + xs.start) * 3..(y * width + xs.end) * 3)
            })
            .map(|row| row.chunks_exact(3).filter(is_part).count())
            .sum();
        of_parts as f32 / pixels as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bright part of 20 pixels on a dark belt, its front edge at `front`, along either axis.
    fn picture(front: i32, axis: BeltAxis) -> Frame {
        let mut frame = Frame {
            width: 64,
            height: 64,
            rgb: vec![20; 64 * 64 * 3],
            ..Frame::empty()
        };
        for y in 0..64 {
            for x in 0..64 {
                let (along, across) = if axis == BeltAxis::X { (x, y) } else { (y, x) };
                if (front - 20..front).contains(&along) && (16..48).contains(&across) {
                    let at = (y * 64 + x) as usize * 3;
                    frame.rgb[at..at + 3].fill(180);
                }
            }
        }
        frame
    }

    #[test]
    fn a_part_arrives_once_where_the_strip_is() {
        for axis in [BeltAxis::X, BeltAxis::Y] {
            for at in [0.25, 0.5, 0.9] {
                let mut presence = Presence {
                    belt_level: 20,
                    at,
                    axis,
                    ..Presence::default()
                };
                let fronts: Vec<i32> = (0..90)
                    .filter(|&f| presence.arrives(&picture(f, axis)))
                    .collect();
                let strip = (at * 60.0) as i32;
                assert_eq!(fronts.len(), 1, "{fronts:?}");
                assert!(
                    (strip..strip + 5).contains(&fronts[0]),
                    "{fronts:?} at {at}"
                );
            }
        }
    }

    #[test]
    fn an_edge_that_flickers_is_one_part_and_an_empty_belt_none() {
        let mut presence = Presence {
            belt_level: 20,
            ..Presence::default()
        };
        let fronts = [0, 32, 31, 34, 33, 34, 40];
        let arrivals = fronts
            .iter()
            .filter(|&&f| presence.arrives(&picture(f, BeltAxis::X)));
        assert_eq!(arrivals.count(), 1);
        assert!(!Presence::default().arrives(&Frame::empty()));
    }
}
