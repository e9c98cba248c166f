//! Convolutions, pooling and normalisation by cuDNN, on a machine that has it: burn's own kernels need several times as
//! long (`benches/results`).
//!
//! Tensors stay burn's, contiguous ones; cuDNN is given their addresses and works in a stream of its own.

mod descriptors;
mod layer;
mod normalise;
mod order;
mod plan;
mod pool;
mod rectifier;

use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};

use burn::tensor::Shape;
use burn::tensor::ops::FloatTensor;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use cudarc::cudnn::{CudnnError, sys};
use cudarc::driver::{CudaContext, CudaSlice, CudaStream, DevicePtrMut, DriverError};

use self::order::Order;
use self::plan::{Plan, Problem};
use super::Gpu;

pub use self::layer::{LayerOptions, backward, forward};
pub use self::normalise::normalises;
pub use self::pool::{halved, halved_backward};

/// Values on a GPU.
type Values = FloatTensor<Gpu>;
/// Where they lie.
type Address = *mut c_void;

/// One library, GPU and stream, for the life of the process.
struct Cudnn {
    handle: sys::cudnnHandle_t,
    stream: Arc<CudaStream>,
    order: Order,
    workspace: Option<CudaSlice<u8>>,
    /// None for what cuDNN cannot compute.
    plans: HashMap<Problem, Option<Plan>>,
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("cuDNN: {0}")]
    Cudnn(#[from] CudnnError),
    #[error("CUDA: {0}")]
    Driver(#[from] DriverError),
    #[error("{0}")]
    Burn(String),
    #[error("it has no way to compute that")]
    NoPlan,
}

impl Error {
    /// Whether it concerns this call alone: the thousands of cuDNN's statuses say what kind they are of, 2 is a parameter that it
    /// does not take, 3 is what it does not support.
    fn refuses_the_call(&self) -> bool {
        matches!(self, Error::Cudnn(CudnnError(status)) if matches!(*status as u32 / 1000, 2 | 3))
    }
}

// SAFETY: cuDNN's handle may be used by any one thread at a time, and stands behind a mutex.
unsafe impl Send for Cudnn {}

static WANTED: AtomicBool = AtomicBool::new(true);
/// One entry a GPU; None where cuDNN is missing, does not start or has failed.
static OPENED: Mutex<Option<HashMap<usize, Option<Cudnn>>>> = Mutex::new(None);
/// What it refuses it refuses in each step; only the first refusal is reported.
static REFUSED: Once = Once::new();

/// Whether convolutions are cuDNN's where it is installed; they are unless set otherwise.
pub fn want(wanted: bool) {
    WANTED.store(wanted, Ordering::Relaxed);
}

/// The version of cuDNN that convolves on the GPU `index`, as it counts: 9.10.2 is 91002.
pub fn version(index: usize) -> Option<usize> {
    with(index, |_| Ok(cudarc::cudnn::result::get_version()))
}

/// `work` with the library of a GPU; None if there is none or it does not take the call. A library that fails is not used again.
fn with<T>(index: usize, work: impl FnOnce(&mut Cudnn) -> Result<T, Error>) -> Option<T> {
    if !WANTED.load(Ordering::Relaxed) {
        return None;
    }
    // A panic while it was held left nothing half-done that matters to the next call.
    let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    let opened = opened.get_or_insert_default();
    let cudnn = opened.entry(index).or_insert_with(|| open(index));
    match work(cudnn.as_mut()?) {
        Ok(done) => Some(done),
        Err(Error::NoPlan) => None,
        Err(error) if error.refuses_the_call() => {
            REFUSED
                .call_once(|| log::warn!("{error}: burn's own kernels compute that, in more time"));
            None
        }
        Err(error) => {
            log::warn!("{error}: burn's own kernels go on, at several times the time");
            *cudnn = None;
            None
        }
    }
}

fn open(index: usize) -> Option<Cudnn> {
    // SAFETY: this only looks for a shared library of that name.
    if !unsafe { sys::is_culib_present() } {
        log::warn!(
            "cuDNN (libcudnn.so.9) was not found: training takes several times as long; install it and name its folder \
             in LD_LIBRARY_PATH"
        );
        return None;
    }
    Cudnn::open(index)
        .map_err(|error| log::warn!("{error}: training takes several times as long without cuDNN"))
        .ok()
}

impl Cudnn {
    fn open(index: usize) -> Result<Self, Error> {
        // The context that burn works in too: a process has one a GPU.
        let context = CudaContext::new(index)?;
        let stream = context.new_stream()?;
        let handle = cudarc::cudnn::result::create_handle()?;
        // SAFETY: both live as long as the process.
        unsafe { cudarc::cudnn::result::set_stream(handle, stream.cu_stream().cast()) }?;
        Ok(Self {
            handle,
            order: Order::new(&stream)?,
            stream,
            workspace: None,
            plans: HashMap::new(),
        })
    }

    /// `work` with the addresses of `tensors`, which it may read and write, between what burn has been given to do and what
    /// it will be given.
    fn between<const N: usize>(
        &mut self,
        tensors: [&Values; N],
        work: impl FnOnce(&mut Self, [Address; N]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.stream.context().bind_to_thread()?;
        // A request for a tensor waits until all earlier work of burn is in its stream.
        let held = tensors.map(|tensor| tensor.client.get_resource(tensor.handle.clone()));
        let mut addresses = [std::ptr::null_mut(); N];
        for (address, held) in addresses.iter_mut().zip(&held) {
            let held = held
                .as_ref()
                .map_err(|error| Error::Burn(error.to_string()))?;
            *address = held.resource().ptr as Address;
        }
        self.order.after_burn(&self.stream)?;
        let done = work(self, addresses);
        self.order.before_burn(&self.stream)?;
        done
    }

    /// At least so many bytes, which nothing else uses.
    fn workspace(&mut self, bytes: usize) -> Result<Address, Error> {
        if self
            .workspace
            .as_ref()
            .is_none_or(|space| space.len() < bytes)
        {
            self.workspace = None;
            // SAFETY: what is in it is not read before it is written.
            self.workspace = Some(unsafe { self.stream.alloc::<u8>(bytes.max(1)) }?);
        }
        let space = self.workspace.as_mut();
        let address = space.map(|space| space.device_ptr_mut(&self.stream).0);
        Ok(address.unwrap_or(0) as Address)
    }
}

/// As cuDNN wants to find it.
fn contiguous(values: &Values) -> Values {
    into_contiguous(values.clone())
}

/// Room on the GPU where `like` lies, for values of another shape.
fn room(like: &Values, shape: impl Into<Shape>) -> Values {
    empty_device_contiguous_dtype(
        like.client.clone(),
        like.device.clone(),
        shape.into(),
        like.dtype,
    )
}
