//! cuDNN's descriptors of tensors, kernels and convolutions.

use std::ffi::c_int;

use cudarc::cudnn::{CudnnError, result as cudnn, sys};

use super::plan::Problem;

const FLOAT: sys::cudnnDataType_t = sys::cudnnDataType_t::CUDNN_DATA_FLOAT;
const LAYOUT: sys::cudnnTensorFormat_t = sys::cudnnTensorFormat_t::CUDNN_TENSOR_NCHW;

/// Of one convolution.
pub struct Descriptors {
    pub map: sys::cudnnTensorDescriptor_t,
    pub weight: sys::cudnnFilterDescriptor_t,
    pub output: sys::cudnnTensorDescriptor_t,
    /// One value a channel of the output.
    pub bias: sys::cudnnTensorDescriptor_t,
    pub convolution: sys::cudnnConvolutionDescriptor_t,
    pub rectifier: sys::cudnnActivationDescriptor_t,
}

impl Descriptors {
    pub fn new(problem: &Problem) -> Result<Self, CudnnError> {
        let weight = problem.weight.map(|n| n as c_int);
        let [stride, padding, dilation] = [problem.stride, problem.padding, problem.dilation]
            .map(|pair| pair.map(|n| n as c_int));
        let new = Self {
            map: tensor(problem.map)?,
            weight: cudnn::create_filter_descriptor()?,
            output: tensor(problem.output)?,
            bias: tensor([1, problem.output[1], 1, 1])?,
            convolution: cudnn::create_convolution_descriptor()?,
            rectifier: rectifier()?,
        };
        // SAFETY: the descriptors are those just made.
        unsafe {
            cudnn::set_filter4d_descriptor(new.weight, FLOAT, LAYOUT, weight)?;
            cudnn::set_convolution2d_descriptor(
                new.convolution,
                padding[0],
                padding[1],
                stride[0],
                stride[1],
                dilation[0],
                dilation[1],
                sys::cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION,
                FLOAT,
            )?;
            // TF32 where the GPU has it, as burn's kernels use it.
            cudnn::set_convolution_math_type(
                new.convolution,
                sys::cudnnMathType_t::CUDNN_DEFAULT_MATH,
            )?;
        }
        Ok(new)
    }
}

/// Of contiguous values.
pub fn tensor(shape: [usize; 4]) -> Result<sys::cudnnTensorDescriptor_t, CudnnError> {
    let new = cudnn::create_tensor_descriptor()?;
    // SAFETY: the descriptor is the one just made.
    unsafe { cudnn::set_tensor4d_descriptor(new, LAYOUT, FLOAT, shape.map(|n| n as c_int)) }?;
    Ok(new)
}

/// ReLU.
pub fn rectifier() -> Result<sys::cudnnActivationDescriptor_t, CudnnError> {
    let new = cudnn::create_activation_descriptor()?;
    // SAFETY: the descriptor is the one just made.
    unsafe {
        cudnn::set_activation_descriptor(
            new,
            sys::cudnnActivationMode_t::CUDNN_ACTIVATION_RELU,
            sys::cudnnNanPropagation_t::CUDNN_PROPAGATE_NAN,
            0.0,
        )
    }?;
    Ok(new)
}

impl Drop for Descriptors {
    fn drop(&mut self) {
        // SAFETY: each was made by `new` and is destroyed once. A failure here could not be reported.
        unsafe {
            let _ = cudnn::destroy_tensor_descriptor(self.map);
            let _ = cudnn::destroy_filter_descriptor(self.weight);
            let _ = cudnn::destroy_tensor_descriptor(self.output);
            let _ = cudnn::destroy_tensor_descriptor(self.bias);
            let _ = cudnn::destroy_convolution_descriptor(self.convolution);
            let _ = sys::cudnnDestroyActivationDescriptor(self.rectifier);
        }
    }
}
