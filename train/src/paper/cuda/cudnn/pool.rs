//! Average pooling, forward and backward.

use std::ffi::c_int;

use cudarc::cudnn::{CudnnError, result as cudnn, sys};

use super::descriptors::tensor;
use super::plan::factors;
use super::{Values, contiguous, room, with};

/// Two cells wide and two apart, one cell of zeros around that is counted in: `[B, C, H, W]` to `[B, C, H/2 + 1, W/2 + 1]`.
/// None where burn must compute it.
pub fn halved(map: &Values) -> Option<Values> {
    let shape: [usize; 4] = map.meta.shape().dims();
    let [batch, channels, height, width] = shape;
    let halved = [batch, channels, height / 2 + 1, width / 2 + 1];
    with(map.device.index, |library| {
        let map = contiguous(map);
        let result = room(&map, halved);
        let pool = Pool::new(shape, halved)?;
        library.between([&map, &result], |library, [map, result]| {
            let (one, zero) = factors();
            // SAFETY: these are the addresses of tensors of the shapes described.
            unsafe {
                sys::cudnnPoolingForward(
                    library.handle,
                    pool.window,
                    one,
                    pool.map,
                    map,
                    zero,
                    pool.result,
                    result,
                )
            }
            .result()?;
            Ok(())
        })?;
        Ok(result)
    })
}

/// The gradient of [`halved`] by the map, from what went in, what came out, and the gradient there.
pub fn halved_backward([map, result, gradient]: [&Values; 3]) -> Option<Values> {
    let shapes = [map, result].map(|values| values.meta.shape().dims());
    with(map.device.index, |library| {
        let [map, result, gradient] = [map, result, gradient].map(contiguous);
        let of_map = room(&map, shapes[0]);
        let pool = Pool::new(shapes[0], shapes[1])?;
        let tensors = [&map, &result, &gradient, &of_map];
        library.between(tensors, |library, [map, result, gradient, of_map]| {
            let (one, zero) = factors();
            let Pool {
                window,
                map: shape,
                result: halved,
            } = pool;
            // SAFETY: as above.
            unsafe {
                sys::cudnnPoolingBackward(
                    library.handle,
                    window,
                    one,
                    halved,
                    result,
                    halved,
                    gradient,
                    shape,
                    map,
                    zero,
                    shape,
                    of_map,
                )
            }
            .result()?;
            Ok(())
        })?;
        Ok(of_map)
    })
}

/// cuDNN's words for it.
struct Pool {
    window: sys::cudnnPoolingDescriptor_t,
    map: sys::cudnnTensorDescriptor_t,
    result: sys::cudnnTensorDescriptor_t,
}

impl Pool {
    fn new(map: [usize; 4], result: [usize; 4]) -> Result<Self, CudnnError> {
        let new = Self {
            window: cudnn::create_pooling_descriptor()?,
            map: tensor(map)?,
            result: tensor(result)?,
        };
        let (cells, around): (c_int, c_int) = (2, 1);
        // SAFETY: the descriptor is the one just made.
        unsafe {
            sys::cudnnSetPooling2dDescriptor(
                new.window,
                sys::cudnnPoolingMode_t::CUDNN_POOLING_AVERAGE_COUNT_INCLUDE_PADDING,
                sys::cudnnNanPropagation_t::CUDNN_PROPAGATE_NAN,
                cells,
                cells,
                around,
                around,
                cells,
                cells,
            )
        }
        .result()?;
        Ok(new)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // SAFETY: each was made by `new` and is destroyed once. A failure here could not be reported.
        unsafe {
            let _ = sys::cudnnDestroyPoolingDescriptor(self.window);
            let _ = cudnn::destroy_tensor_descriptor(self.map);
            let _ = cudnn::destroy_tensor_descriptor(self.result);
        }
    }
}
