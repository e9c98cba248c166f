//! `aecsad-train gpu-check`: whether a GPU computes what the CPU computes, and how long a training step takes there.

use std::path::PathBuf;

use aecsad_program::ExitCode;
use aecsad_program::standard_streams::print_line;

use super::Failure;
use crate::paper::{Device, gpu_check};

/// Compare a GPU with the CPU and time the paper's training steps on it
///
/// The backbone has random weights: what is compared is arithmetic. Prints JSON.
#[derive(Debug, clap::Args)]
pub struct GpuCheckArgs {
    /// Where to train: cuda, cuda:N, or cpu to try this command out
    #[arg(long, value_name = "DEVICE", default_value_t = Device::Cuda(0))]
    device: Device,
    /// Narrow networks and two images a step, to try this command out
    #[arg(long)]
    narrow: bool,
    /// Convolve by burn's own kernels even where cuDNN is installed
    #[arg(long)]
    no_cudnn: bool,
    /// Write the random weights, for a `fit --weights` on a machine without the real ones, and do nothing else
    #[arg(long, value_name = "FILE")]
    random_weights: Option<PathBuf>,
}

pub(super) fn run(args: &GpuCheckArgs) -> Result<(), Failure> {
    if let Some(path) = &args.random_weights {
        let bytes = gpu_check::random_weights()
            .to_safetensors()
            .map_err(|e| Failure::new(&e, e.exit_code()))?;
        return super::write_whole(path, &bytes);
    }
    let figures = gpu_check::figures(args.device, args.narrow, !args.no_cudnn)
        .map_err(|e| Failure::new(e, ExitCode::Device))?;
    print_line(format_args!("{figures:#}"));
    gpu_check::judge(&figures).map_err(|e| Failure::new(e, ExitCode::Device))
}
