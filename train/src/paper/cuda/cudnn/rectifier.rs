//! ReLU, forward and backward.

use cudarc::cudnn::sys;

use super::plan::factors;
use super::{Address, Cudnn, Error, Values, contiguous, room};

impl Cudnn {
    /// In place.
    ///
    /// # Safety
    /// The address is that of contiguous values of this shape.
    pub unsafe fn rectify(
        &self,
        rectifier: sys::cudnnActivationDescriptor_t,
        shape: sys::cudnnTensorDescriptor_t,
        values: Address,
    ) -> Result<(), Error> {
        let (one, zero) = factors();
        // SAFETY: the caller's promise.
        unsafe {
            sys::cudnnActivationForward(
                self.handle,
                rectifier,
                one,
                shape,
                values,
                zero,
                shape,
                values,
            )
        }
        .result()?;
        Ok(())
    }

    /// Makes the gradient contiguous, and 0 where the output is; in place, if nothing else holds it.
    pub fn through_rectifier(
        &mut self,
        rectifier: sys::cudnnActivationDescriptor_t,
        shape: sys::cudnnTensorDescriptor_t,
        output: &Values,
        gradient: &mut Values,
    ) -> Result<(), Error> {
        let output = contiguous(output);
        if !gradient.is_contiguous() {
            *gradient = contiguous(gradient);
        }
        let passed = match gradient.can_mut() {
            true => None,
            false => Some(room(gradient, gradient.meta.shape().clone())),
        };
        let tensors = [&output, &*gradient, passed.as_ref().unwrap_or(gradient)];
        self.between(tensors, |cudnn, [output, gradient, passed]| {
            let (one, zero) = factors();
            // SAFETY: all three have this shape. What the rectifier made is above 0 where what it was given is.
            unsafe {
                sys::cudnnActivationBackward(
                    cudnn.handle,
                    rectifier,
                    one,
                    shape,
                    output,
                    shape,
                    gradient,
                    shape,
                    output,
                    zero,
                    shape,
                    passed,
                )
            }
            .result()?;
            Ok(())
        })?;
        if let Some(passed) = passed {
            *gradient = passed;
        }
        Ok(())
    }
}
