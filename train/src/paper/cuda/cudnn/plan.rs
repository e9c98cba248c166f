//! Which of cuDNN's algorithms computes a convolution, and the call.

use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr::from_ref;

use cudarc::cudnn::{CudnnError, result as cudnn, sys};

use super::Address;
use super::descriptors::Descriptors;

/// An algorithm that wants more memory beside its tensors is not taken. The first layer's gradient, of 16 images, takes 1.1 GB.
const WORKSPACE: usize = 3 << 29;
/// There are eight algorithms for one product at most.
const RANKED: usize = 16;
/// What a product is multiplied by, and what was in the place of the result before.
const ONE: f32 = 1.0;
const ZERO: f32 = 0.0;

/// What of a convolution is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConvolutionPass {
    /// From the map and the weights.
    Output,
    /// The gradient by the map, from the weights and the gradient at the output.
    OfMap,
    /// The gradient by the weights, from the map and the gradient at the output.
    OfWeight,
}

/// What a plan is made for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Problem {
    pub product: ConvolutionPass,
    /// `[B, C, H, W]`
    pub map: [usize; 4],
    /// `[K, C, h, w]`
    pub weight: [usize; 4],
    /// `[B, K, H', W']`
    pub output: [usize; 4],
    pub stride: [usize; 2],
    pub padding: [usize; 2],
    pub dilation: [usize; 2],
}

#[derive(Clone, Copy, Debug)]
enum Algorithm {
    Output(sys::cudnnConvolutionFwdAlgo_t),
    OfMap(sys::cudnnConvolutionBwdDataAlgo_t),
    OfWeight(sys::cudnnConvolutionBwdFilterAlgo_t),
}

#[derive(Clone, Copy, Debug)]
pub struct Plan {
    algorithm: Algorithm,
    math: sys::cudnnMathType_t,
    /// Bytes beside the tensors.
    pub workspace: usize,
}

/// The first of the algorithms that cuDNN ranks by the time it expects which runs, gives the same result each time and
/// has memory enough. Trying them all, as PyTorch can, was no faster on an H100.
macro_rules! first {
    ($rank:path, $entry:ty, $kind:path, $handle:expr, $($descriptor:expr),*) => {{
        let mut ranked = [const { MaybeUninit::<$entry>::uninit() }; RANKED];
        let mut count: c_int = 0;
        // SAFETY: the descriptors are set, and the library writes `count` entries, as many as there is room for at most.
        unsafe {
            $rank($handle, $($descriptor),*, RANKED as c_int, &mut count, ranked.as_mut_ptr().cast()).result()?;
        }
        ranked
            .iter()
            .take(count.max(0) as usize)
            // SAFETY: as above.
            .map(|entry| unsafe { entry.assume_init_ref() })
            .find(|entry| {
                entry.status == sys::cudnnStatus_t::CUDNN_STATUS_SUCCESS
                    && entry.determinism == sys::cudnnDeterminism_t::CUDNN_DETERMINISTIC
                    && entry.memory <= WORKSPACE
            })
            .map(|entry| Plan {
                algorithm: $kind(entry.algo),
                math: entry.mathType,
                workspace: entry.memory,
            })
    }};
}

impl Plan {
    /// None if cuDNN has no reproducible way.
    pub fn choose(
        handle: sys::cudnnHandle_t,
        of: &Descriptors,
        problem: &Problem,
    ) -> Result<Option<Self>, CudnnError> {
        let &Descriptors {
            map,
            weight,
            output,
            convolution,
            ..
        } = of;
        Ok(match problem.product {
            ConvolutionPass::Output => first!(
                sys::cudnnGetConvolutionForwardAlgorithm_v7,
                sys::cudnnConvolutionFwdAlgoPerf_t,
                Algorithm::Output,
                handle,
                map,
                weight,
                convolution,
                output
            ),
            ConvolutionPass::OfMap => first!(
                sys::cudnnGetConvolutionBackwardDataAlgorithm_v7,
                sys::cudnnConvolutionBwdDataAlgoPerf_t,
                Algorithm::OfMap,
                handle,
                weight,
                output,
                convolution,
                map
            ),
            ConvolutionPass::OfWeight => first!(
                sys::cudnnGetConvolutionBackwardFilterAlgorithm_v7,
                sys::cudnnConvolutionBwdFilterAlgoPerf_t,
                Algorithm::OfWeight,
                handle,
                map,
                output,
                convolution,
                weight
            ),
        })
    }

    /// # Safety
    /// The addresses are those of the two inputs, in the order of [`ConvolutionPass`]'s words, and of the result, contiguous and of the
    /// shapes described; the workspace has as many bytes as the plan says.
    pub unsafe fn run(
        &self,
        handle: sys::cudnnHandle_t,
        of: &Descriptors,
        [first, second, result]: [Address; 3],
        space: Address,
    ) -> Result<(), CudnnError> {
        let &Descriptors {
            map,
            weight,
            output,
            convolution,
            ..
        } = of;
        let bytes = self.workspace;
        let (one, zero) = factors();
        // SAFETY: the caller's promise.
        unsafe {
            cudnn::set_convolution_math_type(convolution, self.math)?;
            match self.algorithm {
                Algorithm::Output(algorithm) => sys::cudnnConvolutionForward(
                    handle,
                    one,
                    map,
                    first,
                    weight,
                    second,
                    convolution,
                    algorithm,
                    space,
                    bytes,
                    zero,
                    output,
                    result,
                ),
                Algorithm::OfMap(algorithm) => sys::cudnnConvolutionBackwardData(
                    handle,
                    one,
                    weight,
                    first,
                    output,
                    second,
                    convolution,
                    algorithm,
                    space,
                    bytes,
                    zero,
                    map,
                    result,
                ),
                Algorithm::OfWeight(algorithm) => sys::cudnnConvolutionBackwardFilter(
                    handle,
                    one,
                    map,
                    first,
                    output,
                    second,
                    convolution,
                    algorithm,
                    space,
                    bytes,
                    zero,
                    weight,
                    result,
                ),
            }
            .result()
        }
    }
}

/// One and zero, where cuDNN can read them.
pub fn factors() -> (*const c_void, *const c_void) {
    (from_ref(&ONE).cast(), from_ref(&ZERO).cast())
}
