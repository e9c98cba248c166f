//! Batch normalisation with the ReLU behind it, forward and backward.

use std::ptr::null_mut;
use std::sync::OnceLock;

use cudarc::cudnn::{CudnnError, result as cudnn, sys};

use super::descriptors::{rectifier, tensor};
use super::plan::factors;
use super::{Values, contiguous, room, with};
use crate::engine::normalise::{Normalise, Normalised};
use crate::paper::cuda::Gpu;
use crate::paper::cuda::agreement::agree;

/// One mean and one variance a channel.
const MODE: sys::cudnnBatchNormMode_t = sys::cudnnBatchNormMode_t::CUDNN_BATCHNORM_SPATIAL;

impl Normalise for Gpu {
    fn forward(inputs: [&Values; 3], epsilon: f64) -> Option<Normalised<Gpu>> {
        is_right(inputs[0]).then(|| forward(inputs, epsilon))?
    }

    fn backward(
        inputs: [&Values; 2],
        result: &Normalised<Gpu>,
        gradient: &mut Values,
        epsilon: f64,
    ) -> Option<[Values; 3]> {
        is_right(inputs[0]).then(|| backward(inputs, result, gradient, epsilon))?
    }
}

/// Whether cuDNN has normalised a small map as burn does, checked once: a training that goes wrong by a library's fault
/// looks like any other.
static RIGHT: OnceLock<bool> = OnceLock::new();

/// Whether cuDNN normalises, once something was.
pub fn normalises() -> Option<bool> {
    RIGHT.get().copied()
}

fn is_right(map: &Values) -> bool {
    *RIGHT.get_or_init(|| {
        let agrees = agree::<Gpu>(&map.device, forward, backward);
        if agrees == Some(false) {
            log::warn!(
                "cuDNN normalises otherwise than burn, whose own kernels do it now, in more time"
            );
        }
        agrees == Some(true)
    })
}

fn forward([map, scale, shift]: [&Values; 3], epsilon: f64) -> Option<Normalised<Gpu>> {
    let shape: [usize; 4] = map.meta.shape().dims();
    with(map.device.index, |library| {
        let [map, scale, shift] = [map, scale, shift].map(contiguous);
        let output = room(&map, shape);
        let [mean, sharpness] = [(); 2].map(|()| room(&map, [shape[1]]));
        let mode = NormalisationMode::new(shape)?;
        let tensors = [&map, &scale, &shift, &output, &mean, &sharpness];
        library.between(
            tensors,
            |library, [map, scale, shift, output, mean, sharpness]| {
                let (one, zero) = factors();
                // SAFETY: these are the addresses of tensors of the shapes described; without addresses for them no
                // running statistics are written.
                unsafe {
                    sys::cudnnBatchNormalizationForwardTraining(
                        library.handle,
                        MODE,
                        one,
                        zero,
                        mode.map,
                        map,
                        mode.map,
                        output,
                        mode.channels,
                        scale,
                        shift,
                        1.0,
                        null_mut(),
                        null_mut(),
                        epsilon,
                        mean,
                        sharpness,
                    )
                    .result()?;
                    library.rectify(mode.rectifier, mode.map, output)
                }
            },
        )?;
        Ok(Normalised {
            output,
            mean,
            sharpness,
        })
    })
}

fn backward(
    [map, scale]: [&Values; 2],
    result: &Normalised<Gpu>,
    gradient: &mut Values,
    epsilon: f64,
) -> Option<[Values; 3]> {
    let shape: [usize; 4] = map.meta.shape().dims();
    with(map.device.index, |library| {
        let [map, scale] = [map, scale].map(contiguous);
        let mode = NormalisationMode::new(shape)?;
        library.through_rectifier(mode.rectifier, mode.map, &result.output, gradient)?;
        let of_map = room(&map, shape);
        let [of_scale, of_shift] = [(); 2].map(|()| room(&map, [shape[1]]));
        let tensors = [
            &map,
            &scale,
            &result.mean,
            &result.sharpness,
            &*gradient,
            &of_map,
            &of_scale,
            &of_shift,
        ];
        library.between(
            tensors,
            |library,
             [
                map,
                scale,
                mean,
                sharpness,
                gradient,
                of_map,
                of_scale,
                of_shift,
            ]| {
                let (one, zero) = factors();
                // SAFETY: as above.
                unsafe {
                    sys::cudnnBatchNormalizationBackward(
                        library.handle,
                        MODE,
                        one,
                        zero,
                        one,
                        zero,
                        mode.map,
                        map,
                        mode.map,
                        gradient,
                        mode.map,
                        of_map,
                        mode.channels,
                        scale,
                        of_scale,
                        of_shift,
                        epsilon,
                        mean,
                        sharpness,
                    )
                }
                .result()?;
                Ok(())
            },
        )?;
        Ok([of_map, of_scale, of_shift])
    })
}

/// cuDNN's mode for it.
struct NormalisationMode {
    map: sys::cudnnTensorDescriptor_t,
    /// One value a channel.
    channels: sys::cudnnTensorDescriptor_t,
    rectifier: sys::cudnnActivationDescriptor_t,
}

impl NormalisationMode {
    fn new(map: [usize; 4]) -> Result<Self, CudnnError> {
        Ok(Self {
            map: tensor(map)?,
            channels: tensor([1, map[1], 1, 1])?,
            rectifier: rectifier()?,
        })
    }
}

impl Drop for NormalisationMode {
    fn drop(&mut self) {
        // SAFETY: each was made by `new` and is destroyed once. A failure here could not be reported.
        unsafe {
            let _ = cudnn::destroy_tensor_descriptor(self.map);
            let _ = cudnn::destroy_tensor_descriptor(self.channels);
            let _ = sys::cudnnDestroyActivationDescriptor(self.rectifier);
        }
    }
}
