//! Keeps the work of burn and of cuDNN on the GPU in order: burn does not show the stream that it works in.

use std::ffi::c_void;
use std::sync::Arc;

use cudarc::driver::{CudaStream, DriverError, result, sys};

/// An event of a whole context: `cuCtxRecordEvent` and `cuCtxWaitEvent` have the same arguments.
type OfContext = unsafe extern "C" fn(sys::CUcontext, sys::CUevent) -> sys::CUresult;

/// From this version of the driver on.
const SINCE: i32 = 12_050;

/// With the newer drivers the GPU keeps the order, with others this thread waits.
pub struct Order {
    event: sys::CUevent,
    of_context: Option<[OfContext; 2]>,
}

impl Order {
    pub fn new(stream: &Arc<CudaStream>) -> Result<Self, DriverError> {
        stream.context().bind_to_thread()?;
        let mut order = Self {
            event: result::event::create(sys::CUevent_flags::CU_EVENT_DISABLE_TIMING)?,
            of_context: None,
        };
        if let (Some(record), Some(wait)) = (find(c"cuCtxRecordEvent"), find(c"cuCtxWaitEvent")) {
            order.of_context = Some([record, wait]);
            // A driver that has the functions may still refuse them for this context.
            let tried = order
                .after_burn(stream)
                .and_then(|()| order.before_burn(stream));
            if tried.is_err() {
                order.of_context = None;
            }
        }
        Ok(order)
    }

    /// What comes into `stream` from now on runs after all that is in burn's.
    pub fn after_burn(&self, stream: &Arc<CudaStream>) -> Result<(), DriverError> {
        let Some([record, _]) = self.of_context else {
            return stream.context().synchronize();
        };
        // SAFETY: context, event and stream live as long as the process.
        unsafe {
            record(stream.context().cu_ctx(), self.event).result()?;
            result::stream::wait_event(
                stream.cu_stream(),
                self.event,
                sys::CUevent_wait_flags::CU_EVENT_WAIT_DEFAULT,
            )
        }
    }

    /// What comes into burn's stream from now on runs after all that is in `stream`.
    pub fn before_burn(&self, stream: &Arc<CudaStream>) -> Result<(), DriverError> {
        let Some([_, wait]) = self.of_context else {
            return stream.synchronize();
        };
        // SAFETY: as above.
        unsafe {
            result::event::record(self.event, stream.cu_stream())?;
            wait(stream.context().cu_ctx(), self.event).result()
        }
    }
}

/// A function that the driver may not have.
fn find(name: &std::ffi::CStr) -> Option<OfContext> {
    let mut function: *mut c_void = std::ptr::null_mut();
    // SAFETY: the name is a string, and the address goes to a place for one.
    let found = unsafe {
        sys::cuGetProcAddress_v2(name.as_ptr(), &mut function, SINCE, 0, std::ptr::null_mut())
    };
    if found.result().is_err() || function.is_null() {
        return None;
    }
    // SAFETY: this is the signature of both functions that are looked for.
    Some(unsafe { std::mem::transmute::<*mut c_void, OfContext>(function) })
}
