//! The machine part that trains. A GPU is checked before burn uses it, so that a missing requirement is one sentence
//! and not the end of the program by a panic.

use std::path::PathBuf;
use std::str::FromStr;

/// What a fit of the paper's networks takes with so many images at once. The students' steps hold half a GiB an image
/// (on the CPU backend: 7.8 GiB with 16); burn's pools make more of it, the larger the GPU the larger their pages: 15.3 GiB on an
/// H100.
pub fn needed_bytes(batch: usize) -> usize {
    (3 << 30) + batch * (1 << 30)
}

/// The oldest driver interface that the kernels are written for, as CUDA counts: 12.0.
#[cfg(feature = "cuda")]
const OLDEST_DRIVER: i32 = 12_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Device {
    #[default]
    Cpu,
    /// The n-th GPU, from 0.
    Cuda(usize),
}

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "cpu" => Ok(Device::Cpu),
            None if text == "cuda" => Ok(Device::Cuda(0)),
            Some(("cuda", number)) => number
                .parse()
                .map(Device::Cuda)
                .map_err(|_| format!("`{number}` is not the number of a GPU")),
            _ => Err("must be cpu, cuda or cuda:N".into()),
        }
    }
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Device::Cpu => f.write_str("cpu"),
            Device::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    #[error(
        "this program was built without CUDA: build it with `cargo build --release --workspace --features \
         aecsad-train/cuda`, or train with --device cpu"
    )]
    NotBuilt,
    #[error(
        "there is no NVIDIA driver on this machine (libcuda.so was not found): install one, or train with --device cpu"
    )]
    NoDriver,
    #[error(
        "the NVIDIA driver doesn't start ({why}): restart the machine, or train with --device cpu"
    )]
    Driver { why: String },
    #[error(
        "the NVIDIA driver supports CUDA {}.{} and 12.0 is needed: update the driver, or train with --device cpu",
        version / 1000, version % 1000 / 10
    )]
    OldDriver { version: i32 },
    #[error(
        "there is no GPU {index}, this machine has {count}: choose another with --device, or use --device cpu"
    )]
    NoGpu { index: usize, count: i32 },
    #[error(
        "CUDA's run-time compiler (libnvrtc.so) was not found: install NVIDIA's nvrtc package and name its folder in \
         LD_LIBRARY_PATH"
    )]
    NoCompiler,
    #[error(
        "CUDA's headers (cuda_runtime.h) were not found in {}: install NVIDIA's cuda-runtime headers and name the \
         folder above `include` in CUDA_PATH", looked.display()
    )]
    NoHeaders { looked: PathBuf },
    #[error(
        "GPU {index} has {} MB free and {} MB are needed: end what else runs on it, or choose another",
        free >> 20, needed >> 20
    )]
    Memory {
        index: usize,
        free: usize,
        needed: usize,
    },
    #[error(
        "the GPU failed: run the same command to go on from the last checkpoint, with fewer --images-at-once if memory ran \
         out; with RUST_LOG=debug it shows what the GPU's libraries said"
    )]
    Failed,
}

/// In how many equal turns a step over `batch` images is taken so that `fits` is true of the images at once; None if it isn't
/// even of one.
fn turns(batch: usize, fits: impl Fn(usize) -> bool) -> Option<usize> {
    (1..=batch).find(|&turns| batch.is_multiple_of(turns) && fits(batch / turns))
}

impl Device {
    /// In how many equal turns the paper's students see a batch, `most` images of it at once and no more than a GPU has memory
    /// for.
    pub fn turns(self, batch: usize, most: usize) -> Result<usize, DeviceError> {
        let (index, free) = match self {
            Device::Cpu => (0, usize::MAX),
            Device::Cuda(index) => (index, gpu_memory(index)?),
        };
        let fits = |images| images <= most.max(1) && needed_bytes(images) <= free;
        turns(batch, fits).ok_or(DeviceError::Memory {
            index,
            free,
            needed: needed_bytes(1),
        })
    }

    /// Whether this device can train with `needed` bytes of memory of its own.
    pub fn check(self, needed: usize) -> Result<(), DeviceError> {
        match self {
            Device::Cpu => Ok(()),
            Device::Cuda(index) => match gpu_memory(index)? {
                free if free < needed => Err(DeviceError::Memory {
                    index,
                    free,
                    needed,
                }),
                _ => Ok(()),
            },
        }
    }
}

#[cfg(not(feature = "cuda"))]
fn gpu_memory(_: usize) -> Result<usize, DeviceError> {
    Err(DeviceError::NotBuilt)
}

/// Bytes free on a GPU that can train.
#[cfg(feature = "cuda")]
fn gpu_memory(index: usize) -> Result<usize, DeviceError> {
    use cudarc::driver::{CudaContext, result, sys};
    // SAFETY: both only look for a shared library of that name.
    let (driver, compiler) = unsafe {
        (
            sys::is_culib_present(),
            cudarc::nvrtc::sys::is_culib_present(),
        )
    };
    if !driver {
        return Err(DeviceError::NoDriver);
    }
    let failed = |error: result::DriverError| DeviceError::Driver {
        why: error.to_string(),
    };
    match result::init() {
        Ok(()) => {}
        Err(result::DriverError(sys::CUresult::CUDA_ERROR_NO_DEVICE)) => {
            return Err(DeviceError::NoGpu { index, count: 0 });
        }
        Err(error) => return Err(failed(error)),
    }
    let mut version = 0;
    // SAFETY: the driver writes one integer to the place it is given.
    unsafe { sys::cuDriverGetVersion(&mut version) }
        .result()
        .map_err(failed)?;
    if version < OLDEST_DRIVER {
        return Err(DeviceError::OldDriver { version });
    }
    let count = CudaContext::device_count().map_err(failed)?;
    if index >= count.max(0) as usize {
        return Err(DeviceError::NoGpu { index, count });
    }
    if !compiler {
        return Err(DeviceError::NoCompiler);
    }
    let toolkit = toolkit();
    if !toolkit.join("include/cuda_runtime.h").is_file() {
        return Err(DeviceError::NoHeaders { looked: toolkit });
    }
    let context = CudaContext::new(index).map_err(failed)?;
    keep_kernels(&context.name().map_err(failed)?, version);
    let (free, _) = context.mem_get_info().map_err(failed)?;
    Ok(free)
}

/// Compiled kernels stay in the user's cache folder: compiling them anew takes minutes in each process. burn tells them
/// apart by everything but the GPU. A `cubecl.toml` beside the program goes first.
#[cfg(feature = "cuda")]
fn keep_kernels(gpu: &str, driver: i32) {
    use burn_cubecl::cubecl::config::cache::CacheConfig;
    use burn_cubecl::cubecl::config::{CubeClRuntimeConfig, RuntimeConfig};
    static ONCE: std::sync::Once = std::sync::Once::new();
    let Some(cache) = dirs::cache_dir() else {
        return;
    };
    ONCE.call_once(|| {
        let gpu: String = gpu
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        let folder = cache.join("aecsad/kernels").join(format!("{gpu}-{driver}"));
        let mut config = CubeClRuntimeConfig::from_current_dir().override_from_env();
        config
            .compilation
            .cache
            .get_or_insert(CacheConfig::File(folder));
        CubeClRuntimeConfig::set(config);
    });
}

/// Where burn's kernels look for headers.
#[cfg(feature = "cuda")]
fn toolkit() -> PathBuf {
    if let Some(path) = std::env::var_os("CUDA_PATH") {
        return path.into();
    }
    let usual = ["/usr/local/cuda", "/opt/cuda"].map(PathBuf::from);
    let [first, _] = usual.clone();
    usual
        .into_iter()
        .find(|path| path.exists())
        .unwrap_or(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_little_is_said_in_the_units_people_know() {
        let old = DeviceError::OldDriver { version: 11_080 }.to_string();
        assert!(old.contains("supports CUDA 11.8"), "{old}");
        let full = DeviceError::Memory {
            index: 1,
            free: 3 << 30,
            needed: needed_bytes(16),
        };
        let full = full.to_string();
        assert!(
            full.contains("GPU 1 has 3072 MB free and 19456 MB are needed"),
            "{full}"
        );
        // What a smaller batch would not do: go on from the checkpoint.
        let failed = DeviceError::Failed.to_string();
        assert!(failed.contains("fewer --images-at-once"), "{failed}");
    }

    #[test]
    fn a_step_is_taken_in_as_few_turns_as_memory_allows() {
        let with = |gib: usize| turns(16, |images| needed_bytes(images) <= gib << 30);
        let expected = [
            (80, Some(1)),
            (19, Some(1)),
            (16, Some(2)),
            (7, Some(4)),
            (3, None),
        ];
        for (gib, turns) in expected {
            assert_eq!(with(gib), turns, "{gib} GiB");
        }
        assert_eq!(turns(15, |images| images <= 4), Some(5));
        assert_eq!(turns(13, |images| images <= 4), Some(13));
    }

    #[test]
    fn devices_are_named_as_on_the_command_line() {
        for text in ["cpu", "cuda:0", "cuda:3"] {
            assert_eq!(text.parse::<Device>().unwrap().to_string(), text);
        }
        assert_eq!("cuda".parse(), Ok(Device::Cuda(0)));
        for text in ["gpu", "cuda:", "cuda:x", "cpu:0", ""] {
            assert!(text.parse::<Device>().is_err(), "{text}");
        }
    }
}
