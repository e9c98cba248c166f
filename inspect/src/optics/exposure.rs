//! How a frame is exposed as a whole. Lamps age, and exposure times are set anew: a frame that is brighter, darker, flatter
//! or steeper than any good part was in training is brought back to the nearest of them, so that light alone makes no part
//! anomalous. A frame within the range of the good parts stays as it is.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Added to each value before its logarithm is taken, so that the noise of dark pixels says little.
const PEDESTAL: f32 = 8.0;
/// The range is wider than the good parts' own by this much, in logarithms: one percent of brightness.
const MARGIN: f32 = 0.01;
/// A frame is brightened or darkened by this factor at most, and its contrast changed by that one. What is further off is
/// no other light but another picture.
const MOST_GAIN: f32 = 1.6;
const MOST_CONTRAST: f32 = 1.5;

/// Mean and standard deviation of the logarithm of a frame's values. Brightness moves the first, gamma both.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exposure {
    level: f32,
    contrast: f32,
}

impl Exposure {
    /// *Shapes*: `values` are a frame's 8-bit values in any order.
    pub fn of(values: &[u8]) -> Self {
        let mut histogram = [0u32; 256];
        for value in values {
            histogram[usize::from(*value)] += 1;
        }
        let (mut sum, mut squares) = (0.0f64, 0.0f64);
        for (value, count) in histogram.into_iter().enumerate() {
            let log = f64::from(logarithm(value));
            sum += f64::from(count) * log;
            squares += f64::from(count) * log * log;
        }
        let count = values.len().max(1) as f64;
        let mean = sum / count;
        Exposure {
            level: mean as f32,
            contrast: (squares / count - mean * mean).max(0.0).sqrt() as f32,
        }
    }
}

fn logarithm(value: usize) -> f32 {
    (value as f32 + PEDESTAL).ln()
}

/// How a frame is exposed unlike any good part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OtherLight {
    Brighter,
    Darker,
    /// Of less contrast.
    Flatter,
    /// Of more contrast.
    Steeper,
}

impl OtherLight {
    pub const ALL: [OtherLight; 4] = [
        OtherLight::Brighter,
        OtherLight::Darker,
        OtherLight::Flatter,
        OtherLight::Steeper,
    ];
}

impl fmt::Display for OtherLight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OtherLight::Brighter => "brighter",
            OtherLight::Darker => "darker",
            OtherLight::Flatter => "of less contrast",
            OtherLight::Steeper => "of more contrast",
        })
    }
}

/// The exposures of the good parts that a bundle was fitted on: least and largest, each.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExposureRange {
    level: [f32; 2],
    contrast: [f32; 2],
}

impl ExposureRange {
    /// None of no parts.
    pub fn of(parts: impl IntoIterator<Item = Exposure>) -> Option<Self> {
        let mut parts = parts.into_iter();
        let Exposure { level, contrast } = parts.next()?;
        let mut range = ExposureRange {
            level: [level; 2],
            contrast: [contrast; 2],
        };
        for part in parts {
            range.level = including(range.level, part.level);
            range.contrast = including(range.contrast, part.contrast);
        }
        let [low, high] = range.level;
        range.level = [low - MARGIN, high + MARGIN];
        let [low, high] = range.contrast;
        range.contrast = [low * (1.0 - MARGIN), high * (1.0 + MARGIN)];
        Some(range)
    }

    pub(crate) fn is_usable(&self) -> bool {
        let ordered = |[low, high]: [f32; 2]| low.is_finite() && high.is_finite() && low <= high;
        ordered(self.level) && ordered(self.contrast) && self.contrast[0] >= 0.0
    }

    /// How a frame is exposed unlike any good part, if it is. Its brightness counts before its contrast, since a lamp that
    /// changes one mostly changes both.
    pub fn other_light(&self, frame: Exposure) -> Option<OtherLight> {
        let beyond = |value: f32, [low, high]: [f32; 2], names: [OtherLight; 2]| {
            let [lower, higher] = names.map(Some);
            match value {
                value if value < low => lower,
                value if value > high => higher,
                _ => None,
            }
        };
        let level = [OtherLight::Darker, OtherLight::Brighter];
        let contrast = [OtherLight::Flatter, OtherLight::Steeper];
        let other = beyond(frame.level, self.level, level);
        other.or_else(|| beyond(frame.contrast, self.contrast, contrast))
    }

    /// Fills `curve` with what each 8-bit value becomes where the frame is exposed unlike any good part, and says how it is;
    /// else no value changes.
    pub fn curve(&self, frame: Exposure, curve: &mut [f32; 256]) -> Option<OtherLight> {
        let other = self.other_light(frame)?;
        let within = |value: f32, [low, high]: [f32; 2]| value.clamp(low, high);
        let (level, contrast) = (
            within(frame.level, self.level),
            within(frame.contrast, self.contrast),
        );
        let steeper = match frame.contrast > 0.0 {
            true => (contrast / frame.contrast).clamp(1.0 / MOST_CONTRAST, MOST_CONTRAST),
            false => 1.0,
        };
        let most = MOST_GAIN.ln();
        let level = frame.level + (level - frame.level).clamp(-most, most);
        for (value, seen) in curve.iter_mut().enumerate() {
            let log = level + steeper * (logarithm(value) - frame.level);
            *seen = (log.exp() - PEDESTAL).clamp(0.0, 255.0);
        }
        Some(other)
    }
}

fn including([low, high]: [f32; 2], value: f32) -> [f32; 2] {
    [low.min(value), high.max(value)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A part with dark and bright places, exposed `gain` times as long, with another gamma.
    fn part(seed: usize, gain: f32, gamma: f32) -> Vec<u8> {
        (0..3000)
            .map(|i| {
                let value = 20 + (i * 37 + seed * 11 + i * i / 7) % 160;
                (255.0 * gain * (value as f32 / 255.0).powf(gamma)).round() as u8
            })
            .collect()
    }

    fn range() -> ExposureRange {
        ExposureRange::of((0..20).map(|seed| Exposure::of(&part(seed, 1.0, 1.0)))).unwrap()
    }

    #[test]
    fn a_frame_like_the_good_parts_stays_as_it_is() {
        let mut curve = [0.0; 256];
        for seed in 0..40 {
            let seen = range().curve(Exposure::of(&part(seed, 1.0, 1.0)), &mut curve);
            assert_eq!(seen, None);
        }
    }

    #[test]
    fn other_light_is_brought_back() {
        use OtherLight::{Brighter, Darker};
        for (gain, gamma, how) in [
            (0.8, 1.0, Darker),
            (1.2, 1.0, Brighter),
            (1.0, 0.87, Brighter),
            (1.0, 1.15, Darker),
            (1.1, 0.93, Brighter),
        ] {
            let (expected, lit) = (part(50, 1.0, 1.0), part(50, gain, gamma));
            let mut curve = [0.0; 256];
            let seen = range().curve(Exposure::of(&lit), &mut curve);
            assert_eq!(seen, Some(how), "{gain} {gamma}");
            let off = |seen: &dyn Fn(u8) -> f32| {
                let pairs = lit.iter().zip(&expected);
                pairs
                    .map(|(l, e)| (seen(*l) - f32::from(*e)).abs())
                    .sum::<f32>()
                    / 3000.0
            };
            let (before, after) = (off(&f32::from), off(&|v| curve[usize::from(v)]));
            assert!(after < 0.25 * before, "{gain} {gamma}: {before} {after}");
        }
    }

    #[test]
    fn contrast_alone_is_named_too() {
        let of = |level, contrast| Exposure { level, contrast };
        let range = ExposureRange::of([of(4.0, 0.5), of(4.2, 0.6)]).unwrap();
        assert_eq!(range.other_light(of(4.1, 0.55)), None);
        assert_eq!(range.other_light(of(4.1, 0.4)), Some(OtherLight::Flatter));
        assert_eq!(range.other_light(of(4.1, 0.7)), Some(OtherLight::Steeper));
        assert_eq!(range.other_light(of(4.5, 0.7)), Some(OtherLight::Brighter));
    }

    #[test]
    fn a_black_frame_stays_dark() {
        let mut curve = [0.0; 256];
        let black = range().curve(Exposure::of(&[0; 300]), &mut curve);
        assert_eq!(black, Some(OtherLight::Darker));
        assert!(curve[0] < 6.0, "{}", curve[0]);
        let white = range().curve(Exposure::of(&[255; 300]), &mut curve);
        assert_eq!(white, Some(OtherLight::Brighter));
        assert!(curve.iter().all(|value| value.is_finite()));
        assert_eq!(ExposureRange::of([]), None);
    }
}
