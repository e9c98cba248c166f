//! How a frame is exposed as a whole. Lamps age, and exposure times are set anew: a frame that is brighter, darker, flatter
//! or steeper than any good part was in training is brought back to the nearest of them, so that light alone makes no part
//! anomalous. A frame within the range of the good parts stays as it is.

use serde::{Deserialize, Serialize};

/// Added to each value before its logarithm is taken, so that the noise of dark pixels says little.
const PEDESTAL: f32 = 8.0;
/// The range is wider than the good parts' own by this much, in logarithms: one percent of brightness.
const MARGIN: f32 = 0.01;
/// A frame is brightened or darkened by this factor at most, and its contrast changed by that one. What is further off is
/// no other light but another picture.
const MOST_GAIN: f32 = 1.6;
const MOST_CONTRAST: f32 = 1.5;

/// From this value on a pixel may have been brighter still.
const CLIPPED: usize = 250;
/// Shares of a frame's brightest values that are left out, from none on: as few as leave out all that is clipped. Light
/// changes values and not their order, so that the same share is left out of every frame.
const LEFT_OUT: [f64; LEVELS] = [0.0, 0.25, 0.5, 0.75];
const LEVELS: usize = 4;

/// How a frame is exposed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exposure {
    /// Without each of the shares of [`LEFT_OUT`].
    moments: [Moments; LEVELS],
    /// The share that leaves out all that is clipped, as an index.
    clipped: usize,
}

/// Mean and standard deviation of the logarithm of values. Brightness moves the first, gamma both.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Moments {
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
        let total = values.len().max(1) as f64;
        let clipped: f64 = histogram[CLIPPED..].iter().map(|n| f64::from(*n)).sum();
        let enough = LEFT_OUT.iter().position(|share| share * total >= clipped);
        Exposure {
            moments: LEFT_OUT.map(|share| Moments::of(&histogram, (1.0 - share) * total)),
            clipped: enough.unwrap_or(LEVELS - 1),
        }
    }
}

impl Moments {
    /// Of the `count` lowest values.
    fn of(histogram: &[u32; 256], count: f64) -> Self {
        let (mut left, mut sum, mut squares) = (count, 0.0f64, 0.0f64);
        for (value, counted) in histogram.iter().enumerate() {
            let counted = f64::from(*counted).min(left);
            let log = f64::from(logarithm(value));
            sum += counted * log;
            squares += counted * log * log;
            left -= counted;
        }
        let mean = sum / count;
        Moments {
            level: mean as f32,
            contrast: (squares / count - mean * mean).max(0.0).sqrt() as f32,
        }
    }
}

fn logarithm(value: usize) -> f32 {
    (value as f32 + PEDESTAL).ln()
}

/// The exposures of the good parts that a bundle was fitted on: least and largest level and contrast, for each share of
/// brightest values that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExposureRange {
    level: [[f32; 2]; LEVELS],
    contrast: [[f32; 2]; LEVELS],
}

impl ExposureRange {
    /// None of no parts.
    pub fn of(parts: impl IntoIterator<Item = Exposure>) -> Option<Self> {
        let mut parts = parts.into_iter();
        let first = parts.next()?;
        let mut range = ExposureRange {
            level: first.moments.map(|moments| [moments.level; 2]),
            contrast: first.moments.map(|moments| [moments.contrast; 2]),
        };
        for part in parts {
            for (at, moments) in part.moments.into_iter().enumerate() {
                range.level[at] = including(range.level[at], moments.level);
                range.contrast[at] = including(range.contrast[at], moments.contrast);
            }
        }
        range.level = range.level.map(|[low, high]| [low - MARGIN, high + MARGIN]);
        let wider = |[low, high]: [f32; 2]| [low * (1.0 - MARGIN), high * (1.0 + MARGIN)];
        range.contrast = range.contrast.map(wider);
        Some(range)
    }

    pub(crate) fn is_usable(&self) -> bool {
        let ordered = |[low, high]: &[f32; 2]| low.is_finite() && high.is_finite() && low <= high;
        let not_negative = |[low, _]: &[f32; 2]| *low >= 0.0;
        self.level.iter().chain(&self.contrast).all(ordered)
            && self.contrast.iter().all(not_negative)
    }

    /// Fills `curve` with what each 8-bit value becomes, and says whether any becomes another one: not where the frame is
    /// exposed as a good part may be.
    pub fn curve(&self, frame: Exposure, curve: &mut [f32; 256]) -> bool {
        let within = |value: f32, [low, high]: [f32; 2]| value.clamp(low, high);
        let seen = frame.moments[frame.clipped];
        let level = within(seen.level, self.level[frame.clipped]);
        let contrast = within(seen.contrast, self.contrast[frame.clipped]);
        if level == seen.level && contrast == seen.contrast {
            return false;
        }
        let steeper = match seen.contrast > 0.0 {
            true => (contrast / seen.contrast).clamp(1.0 / MOST_CONTRAST, MOST_CONTRAST),
            false => 1.0,
        };
        let most = MOST_GAIN.ln();
        let level = seen.level + (level - seen.level).clamp(-most, most);
        for (value, becomes) in curve.iter_mut().enumerate() {
            let log = level + steeper * (logarithm(value) - seen.level);
            *becomes = (log.exp() - PEDESTAL).clamp(0.0, 255.0);
        }
        for becomes in &mut curve[CLIPPED..] {
            *becomes = becomes.max(self.white(frame.clipped));
        }
        true
    }

    /// How bright the values are that are left out, in the middle of the good parts: what is clipped may have been that.
    fn white(&self, clipped: usize) -> f32 {
        let share = LEFT_OUT[clipped];
        if share == 0.0 {
            return 0.0;
        }
        let middle = |[low, high]: [f32; 2]| f64::from(low + high) / 2.0;
        let (all, rest) = (middle(self.level[0]), middle(self.level[clipped]));
        let log = (all - (1.0 - share) * rest) / share;
        (log.exp() as f32 - PEDESTAL).clamp(0.0, 255.0)
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
            assert!(!range().curve(Exposure::of(&part(seed, 1.0, 1.0)), &mut curve));
        }
    }

    #[test]
    fn other_light_is_brought_back() {
        for (gain, gamma) in [
            (0.8, 1.0),
            (1.2, 1.0),
            (1.0, 0.87),
            (1.0, 1.15),
            (1.1, 0.93),
        ] {
            let (expected, lit) = (part(50, 1.0, 1.0), part(50, gain, gamma));
            let mut curve = [0.0; 256];
            assert!(
                range().curve(Exposure::of(&lit), &mut curve),
                "{gain} {gamma}"
            );
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

    /// Its white background can't become brighter: the part alone tells how bright the light is. It is brought back to the
    /// edge of the good parts' range, so that some of the light stays.
    #[test]
    fn what_is_clipped_does_not_mislead() {
        let on_white = |seed, gain: f32| {
            let background = [244u8; 2000].map(|v: u8| (f32::from(v) * gain).min(255.0) as u8);
            [part(seed, gain, 1.0), background.to_vec()].concat()
        };
        let range = ExposureRange::of((0..20).map(|s| Exposure::of(&on_white(s, 1.0)))).unwrap();
        let mut curve = [0.0; 256];
        assert!(range.curve(Exposure::of(&on_white(50, 1.2)), &mut curve));
        assert!((curve[120] - 100.0).abs() < 6.0, "{}", curve[120]);
        assert!((curve[192] - 160.0).abs() < 9.0, "{}", curve[192]);
        assert!((curve[255] - 244.0).abs() < 20.0, "{}", curve[255]);
    }

    #[test]
    fn a_black_frame_stays_dark() {
        let mut curve = [0.0; 256];
        assert!(range().curve(Exposure::of(&[0; 300]), &mut curve));
        assert!(curve[0] < 6.0, "{}", curve[0]);
        assert!(range().curve(Exposure::of(&[255; 300]), &mut curve));
        assert!(curve.iter().all(|value| value.is_finite()));
        assert_eq!(ExposureRange::of([]), None);
    }
}
