//! The training engine's operations on an NVIDIA GPU, for builds with the feature `cuda`.

#[cfg(any(test, feature = "cuda"))]
mod agreement;
#[cfg(feature = "cuda")]
mod burn_convolution;
#[cfg(feature = "cuda")]
pub mod cudnn;
#[cfg(any(test, feature = "cuda"))]
mod gradients;
#[cfg(feature = "cuda")]
mod kernels;

/// An NVIDIA GPU; kernels are compiled on the machine they run on.
#[cfg(feature = "cuda")]
pub type Gpu = burn::backend::Cuda;
/// [`Gpu`] with gradients.
#[cfg(feature = "cuda")]
pub type GpuTraining = burn::backend::Autodiff<Gpu>;
