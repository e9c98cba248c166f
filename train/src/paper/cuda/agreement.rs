//! Whether a library normalises as the tensors' operations do, checked on a small map before it is used.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;

use crate::engine::normalise::{Normalised, backward_by_tensors, by_tensors, part, whole};

/// Whether another's `forward` and `backward` do what the tensors' operations do, on a small map; None if they do nothing.
pub fn agree<B: Backend>(
    device: &B::Device,
    forward: impl Fn([&FloatTensor<B>; 3], f64) -> Option<Normalised<B>>,
    backward: impl Fn(
        [&FloatTensor<B>; 2],
        &Normalised<B>,
        &mut FloatTensor<B>,
        f64,
    ) -> Option<[FloatTensor<B>; 3]>,
) -> Option<bool> {
    const MAP: [usize; 4] = [2, 3, 5, 7];
    const EPSILON: f64 = 1e-5;
    const TOLERANCE: f32 = 1e-3;
    let wave = |count: usize, step: f32| -> Vec<f32> {
        (0..count).map(|i| 1.5 + (i as f32 * step).sin()).collect()
    };
    let channels = |step| Tensor::<B, 1>::from_floats(wave(MAP[1], step).as_slice(), device);
    let map = |step| {
        let values = wave(MAP.iter().product(), step);
        Tensor::<B, 1>::from_floats(values.as_slice(), device).reshape(MAP)
    };
    let (map, towards, scale, shift) =
        (map(0.7), map(1.9) - 1.5, channels(0.9), channels(1.3) - 1.5);

    let [m, s, t] = [part(map.clone()), part(scale.clone()), part(shift.clone())];
    let found = forward([&m, &s, &t], EPSILON)?;
    let mut gradient = part(towards.clone());
    let found_back = backward([&m, &s], &found, &mut gradient, EPSILON)?;
    let expected = by_tensors(map.clone(), scale.clone(), shift, EPSILON);
    let expected_back = backward_by_tensors(map, scale, expected.clone(), towards);

    let all = |of: Normalised<B>, [map, scale, shift]: [FloatTensor<B>; 3]| {
        let maps = [of.output, map].map(|values| whole::<B, 4>(values).into_data());
        let channels = [of.mean, of.sharpness, scale, shift];
        let channels = channels.map(|values| whole::<B, 1>(values).into_data());
        maps.into_iter().chain(channels)
    };
    let mut pairs = all(found, found_back).zip(all(expected, expected_back));
    Some(pairs.all(|(found, expected)| {
        let most = expected
            .iter::<f32>()
            .fold(0.0, |most, value| value.abs().max(most));
        let mut pairs = found.iter::<f32>().zip(expected.iter::<f32>());
        pairs.all(|(found, expected)| (found - expected).abs() <= TOLERANCE * most)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Cpu;
    use crate::engine::normalise::Normalise;

    #[test]
    fn who_normalises_otherwise_is_found_out() {
        let agreed = |factor: f64, kept: f64| {
            let forward = |[map, scale, shift]: [&FloatTensor<Cpu>; 3], epsilon| {
                let tensors = (
                    whole(map.clone()),
                    whole(scale.clone()),
                    whole(shift.clone()),
                );
                let mut result = by_tensors::<Cpu>(tensors.0, tensors.1, tensors.2, epsilon);
                result.sharpness = part(whole::<Cpu, 1>(result.sharpness) * factor);
                Some(result)
            };
            let backward = |[map, scale]: [&FloatTensor<Cpu>; 2],
                            result: &Normalised<Cpu>,
                            gradient: &mut FloatTensor<Cpu>,
                            _| {
                let (map, scale) = (whole(map.clone()), whole(scale.clone()));
                let gradient = whole(gradient.clone());
                let [of_map, of_scale, of_shift] =
                    backward_by_tensors::<Cpu>(map, scale, result.clone(), gradient);
                Some([of_map, of_scale, part(whole::<Cpu, 1>(of_shift) * kept)])
            };
            agree::<Cpu>(&Default::default(), forward, backward)
        };
        assert_eq!(agreed(1.0, 1.0), Some(true));
        assert_eq!(agreed(1.01, 1.0), Some(false));
        assert_eq!(agreed(1.0, -1.0), Some(false));
        let silent = agree::<Cpu>(&Default::default(), Cpu::forward, Cpu::backward);
        assert_eq!(silent, None);
    }
}
