//! Each kernel against loops that follow its definition, on random shapes; with each kind of instructions that this CPU
//! has, and the same bits by one thread as by several.

mod attention;

use fastrand::Rng;

use super::convolution::Convolution;
use super::layout::{blocks, to_blocked, to_plain};
use super::separable::Separable;
use super::window::Window;
use crate::Team;
use crate::kernels::common::geometry::Axis;
use crate::kernels::common::lanes::{CHOSEN, Instructions, LANES};
use crate::kernels::common::tests::{areas, axis, each_tap};

const ROUNDS: u64 = 300;

/// Runs `test` with seeds that are the same each time.
fn rounds(test: impl Fn(&mut Rng)) {
    for instructions in Instructions::available() {
        CHOSEN.set(Some(instructions));
        (0..ROUNDS).for_each(|seed| test(&mut Rng::with_seed(seed)));
    }
    CHOSEN.set(None);
}

/// What a layer writes. Each implementation must write the same.
fn written(length: usize, apply: impl Fn(&mut [f32])) -> Vec<f32> {
    let mut alone = vec![f32::NAN; length];
    apply(&mut alone);
    let instructions = CHOSEN.get();
    for threads in [2, 3] {
        let _team = Team::start(threads, move || CHOSEN.set(instructions)).unwrap();
        let mut together = vec![f32::NAN; length];
        apply(&mut together);
        let bits = |values: &[f32]| {
            values
                .iter()
                .map(|value| value.to_bits())
                .collect::<Vec<_>>()
        };
        assert!(bits(&alone) == bits(&together), "by {threads} threads");
    }
    alone
}

fn noise(rng: &mut Rng, length: usize) -> Vec<f32> {
    (0..length).map(|_| rng.f32() * 2.0 - 1.0).collect()
}

fn blocked(plain: &[f32], area: usize) -> Vec<f32> {
    let mut values = vec![f32::NAN; blocks(plain.len() / area) * LANES * area];
    to_blocked(plain, area, &mut values);
    values
}

#[track_caller]
fn assert_close(expected: &[f32], found_in_blocks: &[f32], area: usize) {
    let mut found = vec![f32::NAN; expected.len()];
    to_plain(found_in_blocks, area, &mut found);
    for (expected, found) in expected.iter().zip(&found) {
        assert!(
            (expected - found).abs() <= 1e-4 * expected.abs().max(1.0) || expected == found,
            "{found} instead of {expected}"
        );
    }
}

#[test]
fn convolution() {
    rounds(|rng| {
        let axes = [axis(rng, 1..=5, 9), axis(rng, 1..=5, 9)];
        let [input_area, area, taps] = areas(&axes);
        let (inputs, outputs) = (rng.usize(1..70), rng.usize(1..60));
        let map = noise(rng, inputs * input_area);
        let weights = noise(rng, outputs * inputs * taps);
        let bias = noise(rng, outputs);
        let residual = rng.bool().then(|| noise(rng, outputs * area));
        let bounds = if rng.bool() {
            [0.0, 6.0]
        } else {
            [f32::NEG_INFINITY, f32::INFINITY]
        };

        let mut expected: Vec<f32> = (0..outputs * area).map(|at| bias[at / area]).collect();
        each_tap(&axes, |cell, place, tap| {
            for output in 0..outputs {
                for input in 0..inputs {
                    expected[output * area + place] += map[input * input_area + cell]
                        * weights[(output * inputs + input) * taps + tap];
                }
            }
        });
        for (at, value) in expected.iter_mut().enumerate() {
            let sum = *value + residual.as_ref().map_or(0.0, |residual| residual[at]);
            *value = sum.clamp(bounds[0], bounds[1]);
        }

        let mut layer = Convolution::new(axes, inputs, &weights, &bias);
        layer.bounds = bounds;
        let map = if layer.reads_planes() {
            map
        } else {
            blocked(&map, input_area)
        };
        let residual = residual.map(|residual| blocked(&residual, area));
        let length = layer.output_shape().iter().product();
        let found = written(length, |found| {
            layer.apply(&map, residual.as_deref(), found)
        });
        assert_close(&expected, &found, area);
    });
}

/// Geometry that [`Window`] takes, and channels.
fn window(rng: &mut Rng) -> ([Axis; 2], usize) {
    loop {
        let axes = [axis(rng, 2..=5, 1), axis(rng, 2..=5, 1)];
        if Window::takes(&axes) {
            return (axes, rng.usize(1..30));
        }
    }
}

#[test]
fn depthwise() {
    rounds(|rng| {
        let (axes, channels) = window(rng);
        let [input_area, area, taps] = areas(&axes);
        let map = noise(rng, channels * input_area);
        let weights = noise(rng, channels * taps);
        let bias = noise(rng, channels);

        let mut expected: Vec<f32> = (0..channels * area).map(|at| bias[at / area]).collect();
        each_tap(&axes, |cell, place, tap| {
            for channel in 0..channels {
                expected[channel * area + place] +=
                    map[channel * input_area + cell] * weights[channel * taps + tap];
            }
        });
        expected
            .iter_mut()
            .for_each(|value| *value = value.clamp(-0.5, 0.7));

        let mut layer = Window::convolution(axes, &weights, &bias);
        layer.bounds = [-0.5, 0.7];
        let map = blocked(&map, input_area);
        let length = layer.output_shape().iter().product();
        let found = written(length, |found| layer.apply(&map, found));
        assert_close(&expected, &found, area);
    });
}

#[test]
fn mean_and_maximum() {
    rounds(|rng| {
        let (axes, channels) = window(rng);
        let [input_area, area, taps] = areas(&axes);
        let map = noise(rng, channels * input_area);
        let mut means = vec![0.0; channels * area];
        let mut maxima = vec![f32::NEG_INFINITY; channels * area];
        each_tap(&axes, |cell, place, _| {
            for channel in 0..channels {
                let value = map[channel * input_area + cell];
                means[channel * area + place] += value / taps as f32;
                let most = &mut maxima[channel * area + place];
                *most = most.max(value);
            }
        });
        let map = blocked(&map, input_area);
        for (layer, expected) in [
            (Window::mean(axes, channels), means),
            (Window::maximum(axes, channels), maxima),
        ] {
            let length = layer.output_shape().iter().product();
            let found = written(length, |found| layer.apply(&map, found));
            assert_close(&expected, &found, area);
        }
    });
}

#[test]
fn separable() {
    rounds(|rng| {
        let [height, width, rows, columns] = std::array::from_fn(|_| rng.usize(1..20));
        let channels = rng.usize(1..20);
        let map = noise(rng, channels * height * width);
        let mut sparse = |length: usize| -> Vec<f32> {
            (0..length)
                .map(|_| if rng.bool() { rng.f32() } else { 0.0 })
                .collect()
        };
        let (vertical, horizontal) = (sparse(rows * height), sparse(columns * width));
        let mut expected = Vec::new();
        for channel in map.chunks_exact(height * width) {
            for place in 0..rows * columns {
                expected.push(
                    channel
                        .iter()
                        .enumerate()
                        .map(|(cell, value)| {
                            let down = vertical[place / columns * height + cell / width];
                            value * down * horizontal[place % columns * width + cell % width]
                        })
                        .sum(),
                );
            }
        }
        let layer = Separable::new(blocks(channels), (&vertical, height), (&horizontal, width));
        let map = blocked(&map, height * width);
        let length = layer.output_shape().iter().product();
        let found = written(length, |found| layer.apply(&map, found));
        assert_close(&expected, &found, rows * columns);
    });
}
