//! Each kernel against loops that follow its definition, on random shapes, bit for bit, with each kind of instructions
//! that this CPU has and by one thread as by several.

use fastrand::Rng;

use super::convert::{to_bytes, to_floats};
use super::convolution::Int8Convolution;
use super::dots::{CHOSEN, Int8Instructions, LANES};
use super::epilogue::{Destination, Epilogue};
use super::scale::Scale;
use super::window::Int8Window;
use crate::Team;
use crate::kernels::common::geometry::Axis;
use crate::kernels::common::lanes::LANES as FLOAT_LANES;
use crate::kernels::common::tests::{areas, axis, each_tap};

const ROUNDS: u64 = 200;

/// Runs `test` with seeds that are the same each time.
fn rounds(test: impl Fn(&mut Rng)) {
    for instructions in Int8Instructions::available() {
        CHOSEN.set(Some(instructions));
        for threads in 1..=3 {
            let _team = Team::start(threads, move || CHOSEN.set(Some(instructions))).unwrap();
            (0..ROUNDS).for_each(|seed| test(&mut Rng::with_seed(seed)));
        }
    }
    CHOSEN.set(None);
}

/// Of steps of some size, with a sign or without.
fn scale(rng: &mut Rng) -> Scale {
    Scale::new(rng.f32() * 0.05 + 1e-3, rng.bool())
}

/// Numbers of steps, extremes often.
fn steps(rng: &mut Rng, length: usize, scale: Scale) -> Vec<i32> {
    let [least, most] = scale.bounds().map(|bound| bound as i32);
    let value = |rng: &mut Rng| match rng.u8(0..8) {
        0 => least,
        1 => most,
        _ => rng.i32(least..=most),
    };
    (0..length).map(|_| value(rng)).collect()
}

/// A map `[channels, area]` of steps as it lies in memory.
fn bytes(steps: &[i32], area: usize, scale: Scale) -> Vec<i8> {
    let above = |steps: &i32| (steps + scale.zero) as i8;
    let plain: Vec<i8> = steps.iter().map(above).collect();
    blocked(&plain, area, LANES, scale.zero as i8)
}

fn weights(rng: &mut Rng, length: usize) -> Vec<i8> {
    let values = steps(rng, length, Scale::new(1.0, true)).into_iter();
    values.map(|weight| weight.max(-127) as i8).collect()
}

fn floats(rng: &mut Rng, length: usize) -> Vec<f32> {
    (0..length).map(|_| rng.f32() * 2.0 - 1.0).collect()
}

fn blocked<T: Copy>(plain: &[T], area: usize, lanes: usize, fill: T) -> Vec<T> {
    let channels = plain.len() / area;
    let mut blocked = vec![fill; channels.next_multiple_of(lanes) * area];
    for (at, value) in plain.iter().enumerate() {
        let (channel, cell) = (at / area, at % area);
        blocked[(channel / lanes * area + cell) * lanes + channel % lanes] = *value;
    }
    blocked
}

/// Random epilogues and what they should make of accumulators.
struct Expected {
    epilogue: Epilogue,
    /// Of bytes.
    residual: Option<Vec<i8>>,
    /// The scale of the results, if they are bytes.
    scale: Option<Scale>,
    values: Vec<f32>,
}

impl Expected {
    fn new(rng: &mut Rng, accumulators: &[i32], area: usize, can_add: bool) -> Self {
        let channels = accumulators.len() / area;
        let factors: Vec<f32> = (0..channels).map(|_| rng.f32() * 1e-3).collect();
        let bias = floats(rng, channels);
        let mut epilogue = Epilogue::new(&factors, &bias);
        if rng.bool() {
            epilogue.bounds = [0.0, 6.0];
        }
        let added = scale(rng);
        let residual = (can_add && rng.bool()).then(|| steps(rng, accumulators.len(), added));
        epilogue.residual = residual.as_ref().map(|_| added);
        let mut per_step = 1.0;
        let mut bounds = epilogue.bounds;
        let scale = rng.bool().then(|| scale(rng));
        if let Some(scale) = scale {
            epilogue.write_bytes(scale);
            per_step = scale.step.recip();
            let [least, most] = scale.bounds();
            bounds = bounds.map(|bound| (bound * per_step).clamp(least, most));
        }
        let values = accumulators.iter().enumerate().map(|(at, sum)| {
            let channel = at / area;
            let mut value = *sum as f32 * (factors[channel] * per_step) + bias[channel] * per_step;
            if let Some(residual) = &residual {
                value += residual[at] as f32 * (added.step * per_step);
            }
            value.clamp(bounds[0], bounds[1])
        });
        Expected {
            values: values.collect(),
            epilogue,
            residual: residual.map(|steps| bytes(&steps, area, added)),
            scale,
        }
    }

    /// Runs a layer and compares.
    fn check(&self, area: usize, apply: impl FnOnce(Option<&[i8]>, Destination)) {
        let residual = self.residual.as_deref();
        let length = self.epilogue.output_length(area);
        if let Some(scale) = self.scale {
            let mut found = vec![0; length];
            apply(residual, Destination::Bytes(found.as_mut_ptr()));
            let rounded = self
                .values
                .iter()
                .map(|value| (value.round_ties_even() as i32 + scale.zero) as i8);
            let rounded: Vec<i8> = rounded.collect();
            let filling = rest(&found, self.values.len() / area, area);
            let zero = scale.zero as i8;
            assert!(filling.iter().all(|value| *value == zero), "{filling:?}");
            assert_eq!(plain(&found, area, LANES, self.values.len()), rounded);
        } else {
            let mut found = vec![f32::NAN; length];
            apply(residual, Destination::Floats(found.as_mut_ptr()));
            assert_eq!(
                plain(&found, area, FLOAT_LANES, self.values.len()),
                self.values
            );
        }
    }
}

fn plain<T: Copy>(blocked: &[T], area: usize, lanes: usize, length: usize) -> Vec<T> {
    let value = |at: usize| {
        let (channel, cell) = (at / area, at % area);
        blocked[(channel / lanes * area + cell) * lanes + channel % lanes]
    };
    (0..length).map(value).collect()
}

/// What fills up the last block.
fn rest(blocked: &[i8], channels: usize, area: usize) -> Vec<i8> {
    let cells = blocked[(channels - 1) / LANES * LANES * area..].chunks_exact(LANES);
    let filling = cells.flat_map(|cell| &cell[(channels - 1) % LANES + 1..]);
    filling.copied().collect()
}

#[test]
fn convolution() {
    rounds(|rng| {
        let axes = [axis(rng, 1..=5, 9), axis(rng, 1..=5, 9)];
        let [input_area, area, taps] = areas(&axes);
        let (inputs, outputs) = (rng.usize(1..70), rng.usize(1..60));
        let scale = scale(rng);
        let map = steps(rng, inputs * input_area, scale);
        let weights = weights(rng, outputs * inputs * taps);
        let mut accumulators = vec![0; outputs * area];
        each_tap(&axes, |cell, place, tap| {
            for output in 0..outputs {
                for input in 0..inputs {
                    let weight = weights[(output * inputs + input) * taps + tap];
                    accumulators[output * area + place] +=
                        map[input * input_area + cell] * i32::from(weight);
                }
            }
        });
        let expected = Expected::new(rng, &accumulators, area, true);
        let epilogue = expected.epilogue.clone();
        let layer = Int8Convolution::new(axes, inputs, &weights, epilogue, scale.zero);
        let map = bytes(&map, input_area, scale);
        // SAFETY: `check` gives room for the output.
        expected.check(area, |residual, target| unsafe {
            layer.apply(&map, residual, target)
        });
    });
}

/// Geometry that [`Int8Window`] takes, and channels.
fn window(rng: &mut Rng) -> ([Axis; 2], usize) {
    loop {
        let axes = [axis(rng, 1..=8, 1), axis(rng, 1..=8, 1)];
        if Int8Window::takes(&axes) {
            return (axes, rng.usize(1..40));
        }
    }
}

#[test]
fn window_in_each_channel() {
    rounds(|rng| {
        let (axes, channels) = window(rng);
        let [input_area, area, taps] = areas(&axes);
        let scale = scale(rng);
        let map = steps(rng, channels * input_area, scale);
        let weights = weights(rng, channels * taps);
        let mut accumulators = vec![0; channels * area];
        each_tap(&axes, |cell, place, tap| {
            for channel in 0..channels {
                accumulators[channel * area + place] +=
                    map[channel * input_area + cell] * i32::from(weights[channel * taps + tap]);
            }
        });
        let expected = Expected::new(rng, &accumulators, area, false);
        let layer = Int8Window::new(axes, &weights, expected.epilogue.clone(), scale.zero);
        let map = bytes(&map, input_area, scale);
        // SAFETY: `check` gives room for the output.
        expected.check(area, |_, target| unsafe { layer.apply(&map, target) });
    });
}

#[test]
fn from_floats_and_back() {
    rounds(|rng| {
        let (channels, area) = (rng.usize(1..40), rng.usize(1..30));
        let map: Vec<f32> = floats(rng, channels * area)
            .iter()
            .map(|value| value * 5.0)
            .collect();
        let scale = Scale::new(1.0 / 64.0, rng.bool());
        let mut found = vec![
            1;
            channels
                .next_multiple_of(FLOAT_LANES)
                .next_multiple_of(LANES)
                * area
        ];
        to_bytes(
            &blocked(&map, area, FLOAT_LANES, 0.0),
            area,
            scale,
            &mut found,
        );
        let [least, most] = scale.bounds();
        let rounded = map
            .iter()
            .map(|value| (value * 64.0).clamp(least, most).round_ties_even() as i32);
        let rounded: Vec<i32> = rounded.collect();
        let in_memory: Vec<i8> = rounded
            .iter()
            .map(|steps| (steps + scale.zero) as i8)
            .collect();
        assert_eq!(plain(&found, area, LANES, map.len()), in_memory);
        let mut back = vec![f32::NAN; channels.next_multiple_of(FLOAT_LANES) * area];
        to_floats(&found, area, scale, &mut back);
        let expected: Vec<f32> = rounded
            .iter()
            .map(|steps| *steps as f32 * scale.step)
            .collect();
        assert_eq!(plain(&back, area, FLOAT_LANES, map.len()), expected);
    });
}
