//! How large a tensor's values are over many images, in bounded memory, and the range that int8 should span.

/// Cells of the histogram, of which the largest value fills more than half.
const CELLS: usize = 4096;
/// Steps from 0 to the end of a byte with a sign.
pub const STEPS: f32 = 127.0;
/// The same without one.
const UNSIGNED_STEPS: f32 = 255.0;
/// Share of the values that [`Search::Percentile`] keeps inside the range.
const KEPT: f64 = 0.9999;
/// Ranges that [`Search::LeastError`] tries, evenly spaced up to the largest value.
const TRIED: usize = 128;

/// How the range of a tensor is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Search {
    /// The few largest values are left out.
    Percentile,
    /// The squared error of rounding inside the range and of clipping outside is smallest.
    LeastError,
}

impl Search {
    pub const ALL: [Search; 2] = [Search::Percentile, Search::LeastError];
}

impl std::fmt::Display for Search {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Search::Percentile => "percentile",
            Search::LeastError => "least squared error",
        })
    }
}

/// Which tensors get bytes with a sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
pub enum Signs {
    /// Maps that are never below 0 get bytes without a sign: twice the steps
    #[default]
    #[value(name = "int8")]
    #[serde(rename = "int8")]
    WhereNeeded,
    /// A sign everywhere, which is coarser: the form that TensorRT reads
    #[value(name = "int8-signed")]
    #[serde(rename = "int8-signed")]
    Everywhere,
}

impl std::fmt::Display for Signs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Signs::WhereNeeded => "int8",
            Signs::Everywhere => "int8-signed",
        })
    }
}

/// The bytes that stand for a tensor's values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bytes {
    /// What one step is worth.
    pub scale: f32,
    /// From -127 to 127, not from 0 to 255.
    pub signed: bool,
}

/// A histogram of |x| whose cells double in width when a larger value comes. Widths are powers of two, so that it does
/// not matter in which order values come or histograms are joined.
#[derive(Clone, Debug)]
pub struct Magnitudes {
    cells: Vec<u64>,
    width: f32,
    largest: f32,
    zeros: u64,
    has_negative: bool,
}

impl Default for Magnitudes {
    fn default() -> Self {
        Self {
            cells: vec![0; CELLS],
            width: f32::MIN_POSITIVE,
            largest: 0.0,
            zeros: 0,
            has_negative: false,
        }
    }
}

impl Magnitudes {
    /// Counts `values` in. False if one is not a finite number; it is not counted.
    ///
    /// *Shapes*: `values` are one tensor's, of any shape.
    pub fn add(&mut self, values: &[f32]) -> bool {
        let is_finite = values.iter().all(|value| value.is_finite());
        let finite = values.iter().filter(|value| value.is_finite());
        let largest = finite.clone().fold(0.0f32, |most, v| most.max(v.abs()));
        self.widen(largest);
        self.has_negative |= finite.clone().any(|value| *value < 0.0);
        for value in finite {
            match value.abs() {
                0.0 => self.zeros += 1,
                size => self.cells[((size / self.width) as usize).min(CELLS - 1)] += 1,
            }
        }
        is_finite
    }

    /// Counts in what `other` has counted.
    pub fn join(&mut self, mut other: Self) {
        self.widen(other.largest);
        other.widen(self.largest);
        self.zeros += other.zeros;
        self.has_negative |= other.has_negative;
        for (count, more) in self.cells.iter_mut().zip(other.cells) {
            *count += more;
        }
    }

    /// Makes room for values up to `largest`.
    fn widen(&mut self, largest: f32) {
        self.largest = self.largest.max(largest);
        while largest > self.width * CELLS as f32 {
            for cell in 0..CELLS / 2 {
                self.cells[cell] = self.cells[2 * cell] + self.cells[2 * cell + 1];
            }
            self.cells[CELLS / 2..].fill(0);
            self.width *= 2.0;
        }
    }

    /// The bytes that represent the tensor best. A tensor that never was below 0 needs no sign: twice as many steps.
    pub fn bytes(&self, search: Search, signs: Signs) -> Bytes {
        let signed = self.has_negative || signs == Signs::Everywhere;
        let steps = match signed {
            true => STEPS,
            false => UNSIGNED_STEPS,
        };
        if self.largest == 0.0 {
            return Bytes { scale: 1.0, signed };
        }
        let range = match search {
            Search::Percentile => self.percentile(),
            Search::LeastError => self.least_error(steps),
        };
        Bytes {
            scale: (range.min(self.largest) / steps).max(f32::MIN_POSITIVE),
            signed,
        }
    }

    fn percentile(&self) -> f32 {
        let total = self.zeros + self.cells.iter().sum::<u64>();
        let kept = (KEPT * total as f64).ceil() as u64;
        let mut seen = self.zeros;
        for (cell, count) in self.cells.iter().enumerate() {
            seen += count;
            if seen >= kept {
                return (cell + 1) as f32 * self.width;
            }
        }
        self.largest
    }

    fn least_error(&self, steps: f32) -> f32 {
        let tried = (1..=TRIED).map(|part| self.largest * part as f32 / TRIED as f32);
        tried
            .map(|range| (self.squared_error(range, steps), range))
            .min_by(|a, b| a.0.total_cmp(&b.0))
            .map_or(self.largest, |(_, range)| range)
    }

    /// Rounding spreads an error evenly over a step, whose mean square is a twelfth; what lies beyond is clipped. An
    /// exact 0 stays one.
    fn squared_error(&self, range: f32, steps: f32) -> f64 {
        let rounding = f64::from(range / steps).powi(2) / 12.0;
        let cells = self.cells.iter().enumerate();
        cells
            .map(|(cell, count)| {
                let centre = (cell as f32 + 0.5) * self.width;
                let clipped = f64::from((centre - range).max(0.0)).powi(2);
                *count as f64 * if clipped > 0.0 { clipped } else { rounding }
            })
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value at which the bytes end.
    fn range(magnitudes: &Magnitudes, search: Search) -> f32 {
        let Bytes { scale, signed } = magnitudes.bytes(search, Signs::WhereNeeded);
        scale * if signed { STEPS } else { UNSIGNED_STEPS }
    }

    /// An even spread up to 1, and one value in five thousand at 100.
    fn with_outliers() -> Magnitudes {
        let mut magnitudes = Magnitudes::default();
        for batch in 0..4 {
            let even: Vec<f32> = (0..2500)
                .map(|i| {
                    (i as f32 + batch as f32 / 4.0) / 2500.0 * if i % 2 == 0 { 1.0 } else { -1.0 }
                })
                .collect();
            assert!(magnitudes.add(&even));
        }
        assert!(magnitudes.add(&[100.0, -100.0]));
        magnitudes
    }

    #[test]
    fn the_two_searches_weigh_outliers_their_own_way() {
        let magnitudes = with_outliers();
        // 2 of 10 002 values are more than one in ten thousand: they are inside.
        let all = range(&magnitudes, Search::Percentile);
        assert!((99.9..=100.0).contains(&all), "{all}");
        // Rounding to steps of 0.79 would cost 0.05 a value, clipping two values by 99 costs 2 a value.
        let least = range(&magnitudes, Search::LeastError);
        assert!((90.0..=100.0).contains(&least), "{least}");

        let mut many = with_outliers();
        assert!(many.add(&vec![0.5; 20_000]));
        let kept = range(&many, Search::Percentile);
        assert!(kept <= 1.1, "{kept}: now 2 of 30 002 are left out");
    }

    #[test]
    fn the_least_error_is_that_of_trying_all_ranges() {
        let values: Vec<f32> = (1..4000)
            .map(|i| (i as f32 / 1000.0).powi(5) / 500.0)
            .collect();
        let mut magnitudes = Magnitudes::default();
        assert!(magnitudes.add(&values));
        let found = range(&magnitudes, Search::LeastError);
        let error = |range: f32| -> f64 {
            let step = range / UNSIGNED_STEPS;
            let rounded = |v: f32| (v / step).round().min(UNSIGNED_STEPS) * step;
            values
                .iter()
                .map(|v| f64::from(v - rounded(*v)).powi(2))
                .sum()
        };
        let largest = values.last().unwrap();
        let best = (1..=400)
            .map(|i| error(largest * i as f32 / 400.0))
            .fold(f64::INFINITY, f64::min);
        assert!(
            error(found) < 1.1 * best,
            "{found}: {} instead of {best}",
            error(found)
        );
    }

    #[test]
    fn joined_histograms_are_those_of_all_values() {
        let (mut left, mut right, mut both) = <(Magnitudes, Magnitudes, Magnitudes)>::default();
        let small: Vec<f32> = (0..500).map(|i| i as f32 * 1e-3).collect();
        let large: Vec<f32> = (0..500).map(|i| i as f32 * -0.7).collect();
        assert!(left.add(&small) && right.add(&large) && both.add(&large) && both.add(&small));
        left.join(right);
        assert_eq!(
            (left.cells, left.width, left.zeros),
            (both.cells, both.width, both.zeros)
        );
    }

    #[test]
    fn zeros_and_what_is_no_number_are_seen() {
        let mut nothing = Magnitudes::default();
        assert!(nothing.add(&[0.0; 9]));
        let bytes = |of: &Magnitudes| of.bytes(Search::LeastError, Signs::WhereNeeded);
        assert_eq!(bytes(&nothing).scale, 1.0);
        assert!(!nothing.add(&[f32::NAN, 2.0]));
        assert_eq!(range(&nothing, Search::Percentile), 2.0);
        let mut tiny = Magnitudes::default();
        assert!(tiny.add(&[1e-44]));
        assert!(bytes(&tiny).scale.is_normal());
    }

    #[test]
    fn a_sign_where_none_is_needed_costs_half_the_steps() {
        let mut magnitudes = Magnitudes::default();
        let even: Vec<f32> = (0..5000).map(|i| i as f32 / 5000.0).collect();
        assert!(magnitudes.add(&even));
        for search in Search::ALL {
            let [without, with] = [Signs::WhereNeeded, Signs::Everywhere]
                .map(|signs| magnitudes.bytes(search, signs));
            assert!(!without.signed && with.signed);
            let ratio = with.scale / without.scale;
            assert!((ratio - UNSIGNED_STEPS / STEPS).abs() < 0.02, "{ratio}");
        }
    }
}
