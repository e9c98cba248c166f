use std::ops::Range;

use super::super::attention::{Attention, Maps};
use super::*;

/// Maps as ONNX has them, and how many cells each has.
struct Drawn {
    depth: usize,
    channels: usize,
    output: [usize; 2],
    cells: usize,
    queries: Vec<f32>,
    keys: Vec<f32>,
    values: Vec<f32>,
    residual: Option<Vec<f32>>,
    bounds: [f32; 2],
}

impl Drawn {
    fn new(rng: &mut Rng, extent: Range<usize>) -> Self {
        let (depth, channels) = (rng.usize(1..40), rng.usize(1..40));
        let output = [rng.usize(extent.clone()), rng.usize(extent.clone())];
        let cells = rng.usize(extent.clone()) * rng.usize(extent);
        // From nearly equal weights to nearly all weight on one key
        let sharpness = rng.f32() * 20.0 / (depth as f32).sqrt();
        let mut queries = noise(rng, depth * output[0] * output[1]);
        queries.iter_mut().for_each(|value| *value *= sharpness);
        Drawn {
            depth,
            channels,
            output,
            cells,
            queries,
            keys: noise(rng, depth * cells),
            values: noise(rng, channels * cells),
            residual: rng
                .bool()
                .then(|| noise(rng, channels * output[0] * output[1])),
            bounds: match rng.bool() {
                true => [-0.5, 0.7],
                false => [f32::NEG_INFINITY, f32::INFINITY],
            },
        }
    }

    fn queries(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// By definition, in twice the precision: `[channels, queries]`.
    fn expected(&self) -> Vec<f32> {
        let mut answers = vec![0.0; self.channels * self.queries()];
        for query in 0..self.queries() {
            let affinity = |key: usize| -> f64 {
                (0..self.depth)
                    .map(|channel| {
                        f64::from(self.queries[channel * self.queries() + query])
                            * f64::from(self.keys[channel * self.cells + key])
                    })
                    .sum()
            };
            let affinities: Vec<f64> = (0..self.cells).map(affinity).collect();
            let most = affinities.iter().copied().fold(f64::MIN, f64::max);
            let weights: Vec<f64> = affinities.iter().map(|a| (a - most).exp()).collect();
            let sum: f64 = weights.iter().sum();
            for channel in 0..self.channels {
                let values = &self.values[channel * self.cells..][..self.cells];
                let pairs = values.iter().zip(&weights);
                let answer = pairs.map(|(v, w)| f64::from(*v) * w).sum::<f64>() / sum;
                let at = channel * self.queries() + query;
                let residual = self.residual.as_ref().map_or(0.0, |residual| residual[at]);
                let [least, most] = self.bounds;
                answers[at] = (answer as f32 + residual).clamp(least, most);
            }
        }
        answers
    }

    /// In blocks.
    fn found(&self) -> Vec<f32> {
        let mut layer = Attention::new(self.depth, self.channels, self.cells, self.output);
        layer.bounds = self.bounds;
        let residual = self.residual.as_ref();
        let residual = residual.map(|residual| blocked(residual, self.queries()));
        let maps = Maps {
            queries: &blocked(&self.queries, self.queries()),
            keys: &blocked(&self.keys, self.cells),
            values: &blocked(&self.values, self.cells),
            residual: residual.as_deref(),
        };
        let length = layer.output_shape().iter().product();
        written(length, |found| layer.apply(&maps, found))
    }
}

#[test]
fn attention() {
    rounds(|rng| {
        let drawn = Drawn::new(rng, 1..14);
        let mut found = vec![f32::NAN; drawn.channels * drawn.queries()];
        to_plain(&drawn.found(), drawn.queries(), &mut found);
        for (expected, found) in drawn.expected().iter().zip(&found) {
            assert!(
                (expected - found).abs() <= 1e-5,
                "{found} instead of {expected}"
            );
        }
    });
}

/// Several blocks of queries and of keys, on each CPU that multiplies and adds in one step.
#[test]
fn attention_gives_the_same_bits_everywhere() {
    let drawn = Drawn::new(&mut Rng::with_seed(5), 18..25);
    for instructions in Instructions::available() {
        if matches!(instructions, Instructions::Portable) {
            continue;
        }
        CHOSEN.set(Some(instructions));
        let bits = drawn.found().into_iter().map(f32::to_bits);
        let mixed = bits.fold(0u32, |mixed, bits| mixed.rotate_left(5) ^ bits);
        assert_eq!(mixed, 0x0e20_043b, "{mixed:#x}");
    }
    CHOSEN.set(None);
}

#[test]
fn a_query_that_is_not_a_number_has_no_answer() {
    let mut drawn = Drawn::new(&mut Rng::with_seed(3), 4..9);
    (drawn.residual, drawn.bounds) = (None, [-1.0, 1.0]);
    let queries = drawn.queries();
    drawn.queries[queries + 1] = f32::NAN;
    for instructions in Instructions::available() {
        CHOSEN.set(Some(instructions));
        let mut found = vec![0.0; drawn.channels * queries];
        to_plain(&drawn.found(), queries, &mut found);
        for (at, value) in found.iter().enumerate() {
            assert_eq!(value.is_nan(), at % queries == 1);
        }
    }
    CHOSEN.set(None);
}
