//! The plugin's C interface, as plugins/tensorrt/src/aecsad_tensorrt.h declares it.

use std::ffi::{CStr, CString, c_char, c_void};
use std::path::Path;
use std::ptr::{self, NonNull};

use aecsad_program::sha256::hex_sha256;
use libloading::Library;

use super::TensorRtError;
use super::plan::Plan;
use super::progress;

/// The version of the interface that this program speaks.
const INTERFACE: i32 = 1;
const REASON: usize = 1024;
const DIMENSIONS: usize = 8;
/// The most device memory that one layer may use beside its inputs and outputs.
const WORKSPACE: u64 = 1 << 30;

#[repr(C)]
struct RawDevice {
    tensorrt: [c_char; 32],
    gpu: [c_char; 256],
    capability: [c_char; 16],
    driver: [c_char; 16],
}

#[repr(C)]
struct Flags {
    half: i32,
    workspace: u64,
}

type Log = extern "C" fn(i32, *const c_char);
type Progress = extern "C" fn(*const c_char, i32, i32);
type Names = *const *const c_char;

/// The plugin's functions. The library is never closed, so they are valid to the end of the process.
pub(super) struct Plugin {
    open: unsafe extern "C" fn(Log, *mut RawDevice, *mut c_char) -> i32,
    build: unsafe extern "C" fn(
        *const c_void,
        usize,
        *const Flags,
        Progress,
        *mut *mut c_void,
        *mut c_char,
    ) -> i32,
    plan_bytes: unsafe extern "C" fn(*const c_void, *mut usize) -> *const u8,
    free_plan: unsafe extern "C" fn(*mut c_void),
    load: unsafe extern "C" fn(
        *const c_void,
        usize,
        Names,
        usize,
        Names,
        usize,
        *mut *mut c_void,
        *mut c_char,
    ) -> i32,
    fork: unsafe extern "C" fn(*const c_void, *mut *mut c_void, *mut c_char) -> i32,
    free_network: unsafe extern "C" fn(*mut c_void),
    shape: unsafe extern "C" fn(*const c_void, i32, usize, *mut usize) -> usize,
    run: unsafe extern "C" fn(*mut c_void, *const *const f32, *mut c_char) -> i32,
    output: unsafe extern "C" fn(*const c_void, usize) -> *const f32,
}

/// What a plan depends on beside the network.
pub(super) struct Device {
    pub tensorrt: String,
    pub gpu: String,
    pub capability: String,
    pub driver: String,
}

impl Device {
    /// A hash of all of it.
    pub fn key(&self) -> String {
        let Device {
            tensorrt,
            gpu,
            capability,
            driver,
        } = self;
        let all = format!("{INTERFACE}\n{tensorrt}\n{gpu}\n{capability}\n{driver}");
        hex_sha256(all.as_bytes())
    }
}

impl Plugin {
    /// Opens the plugin for the rest of the process.
    pub fn open(path: &Path) -> Result<&'static Self, TensorRtError> {
        let unusable = |why: libloading::Error| TensorRtError::Plugin {
            path: path.into(),
            why: why.to_string(),
        };
        // SAFETY: the library is our plugin, whose static objects need nothing of this program. A file that someone else
        // put in its place could do anything, as it could in place of this program.
        let library = unsafe { Library::new(path) }.map_err(unusable)?;
        let library: &'static Library = Box::leak(Box::new(library));
        macro_rules! function {
            ($name:literal) => {
                // SAFETY: the types are those of the header; `aecsad_tensorrt_abi`, which is called first, says whether
                // the plugin was compiled with this version of it.
                *unsafe { library.get(concat!("aecsad_tensorrt_", $name, "\0").as_bytes()) }
                    .map_err(unusable)?
            };
        }
        let abi: unsafe extern "C" fn() -> i32 = function!("abi");
        // SAFETY: it takes nothing and touches nothing, in every version of the interface.
        let found = unsafe { abi() };
        if found != INTERFACE {
            return Err(TensorRtError::Interface {
                path: path.into(),
                found,
                expected: INTERFACE,
            });
        }
        Ok(Box::leak(Box::new(Plugin {
            open: function!("open"),
            build: function!("build"),
            plan_bytes: function!("plan_bytes"),
            free_plan: function!("free_plan"),
            load: function!("load"),
            fork: function!("fork"),
            free_network: function!("free_network"),
            shape: function!("shape"),
            run: function!("run"),
            output: function!("output"),
        })))
    }

    /// Opens NVIDIA's libraries and the GPU.
    pub fn device(&self) -> Result<Device, String> {
        let mut raw = RawDevice {
            tensorrt: [0; 32],
            gpu: [0; 256],
            capability: [0; 16],
            driver: [0; 16],
        };
        // SAFETY: `raw` has the header's layout and outlives the call; the log function lives as long as the process.
        reasoned(|reason| unsafe { (self.open)(progress::log, &raw mut raw, reason) })?;
        Ok(Device {
            tensorrt: text(&raw.tensorrt),
            gpu: text(&raw.gpu),
            capability: text(&raw.capability),
            driver: text(&raw.driver),
        })
    }

    /// Compiles an ONNX file into TensorRT's bytes. [`Plugin::device`] must have succeeded.
    pub fn build(&self, onnx: &[u8], half: bool) -> Result<Vec<u8>, String> {
        let flags = Flags {
            half: half.into(),
            workspace: WORKSPACE,
        };
        let mut plan = ptr::null_mut();
        // SAFETY: the bytes, the flags and the place for the plan outlive the call.
        reasoned(|reason| unsafe {
            let (bytes, length) = (onnx.as_ptr().cast(), onnx.len());
            (self.build)(
                bytes,
                length,
                &raw const flags,
                progress::report,
                &raw mut plan,
                reason,
            )
        })?;
        let mut length = 0;
        // SAFETY: the call succeeded, so `plan` is a plan of ours; its bytes are valid until it is freed, once, below.
        unsafe {
            let bytes = (self.plan_bytes)(plan, &raw mut length);
            let copied = std::slice::from_raw_parts(bytes, length).to_vec();
            (self.free_plan)(plan);
            Ok(copied)
        }
    }

    /// Makes a plan ready to run. [`Plugin::device`] must have succeeded.
    pub fn load(&'static self, plan: &Plan) -> Result<PlanNetwork, String> {
        let (inputs, outputs) = (c_strings(&plan.inputs)?, c_strings(&plan.outputs)?);
        let (inputs, outputs) = (pointers(&inputs), pointers(&outputs));
        let mut network = ptr::null_mut();
        // SAFETY: bytes and names outlive the call, which keeps neither.
        reasoned(|reason| unsafe {
            (self.load)(
                plan.bytes.as_ptr().cast(),
                plan.bytes.len(),
                inputs.as_ptr(),
                inputs.len(),
                outputs.as_ptr(),
                outputs.len(),
                &raw mut network,
                reason,
            )
        })?;
        PlanNetwork::new(self, network)
    }
}

/// A plan that is ready to run; freed when it is dropped.
pub(super) struct PlanNetwork {
    plugin: &'static Plugin,
    network: NonNull<c_void>,
}

// SAFETY: the plugin gives the GPU to whichever thread calls it; it forbids only two threads at a time, and running needs
// `&mut self`.
unsafe impl Send for PlanNetwork {}

impl PlanNetwork {
    fn new(plugin: &'static Plugin, network: *mut c_void) -> Result<Self, String> {
        let network = NonNull::new(network).ok_or("the plugin returns no network")?;
        Ok(PlanNetwork { plugin, network })
    }

    pub fn fork(&self) -> Result<Self, String> {
        let mut forked = ptr::null_mut();
        // SAFETY: the network is ours and not freed yet.
        reasoned(|reason| unsafe {
            (self.plugin.fork)(self.network.as_ptr(), &raw mut forked, reason)
        })?;
        PlanNetwork::new(self.plugin, forked)
    }

    /// The shape of an input or an output, which must be there.
    pub fn shape(&self, is_output: bool, index: usize) -> Vec<usize> {
        let mut dimensions = [0; DIMENSIONS];
        // SAFETY: the network is ours; the plugin writes at most as many values as `dimensions` has.
        let count = unsafe {
            let dimensions = dimensions.as_mut_ptr();
            (self.plugin.shape)(self.network.as_ptr(), is_output.into(), index, dimensions)
        };
        dimensions[..count.min(DIMENSIONS)].to_vec()
    }

    /// Each input must have as many values as its shape says, and there must be as many as the network has.
    ///
    /// # Safety
    /// The plugin reads that many values from each pointer.
    pub unsafe fn run(&mut self, inputs: &[*const f32]) -> Result<(), String> {
        // SAFETY: the network is ours and borrowed by no one else; the caller vouches for the inputs.
        reasoned(|reason| unsafe {
            (self.plugin.run)(self.network.as_ptr(), inputs.as_ptr(), reason)
        })
    }

    /// An output of the latest run, which has `values` values by its shape.
    pub fn output(&self, index: usize, values: usize) -> Option<&[f32]> {
        // SAFETY: the plugin's buffer has as many floats as the output's shape says. It changes only in `run`, which
        // borrows the network exclusively. Any bits are a float.
        unsafe {
            let output = (self.plugin.output)(self.network.as_ptr(), index);
            (!output.is_null()).then(|| std::slice::from_raw_parts(output, values))
        }
    }
}

impl Drop for PlanNetwork {
    fn drop(&mut self) {
        // SAFETY: the network is ours and no one uses it after this.
        unsafe { (self.plugin.free_network)(self.network.as_ptr()) };
    }
}

/// Calls the plugin, and turns what it writes into a sentence where it fails.
fn reasoned(call: impl FnOnce(*mut c_char) -> i32) -> Result<(), String> {
    let mut reason: [c_char; REASON] = [0; REASON];
    match call(reason.as_mut_ptr()) {
        0 => Ok(()),
        _ => Err(text(&reason)),
    }
}

/// The text up to the 0, or all of it.
fn text(raw: &[c_char]) -> String {
    let bytes: Vec<u8> = raw
        .iter()
        .map(|byte| *byte as u8)
        .take_while(|byte| *byte != 0)
        .collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn c_strings(names: &[String]) -> Result<Vec<CString>, String> {
    let names = names.iter().map(|name| CString::new(name.as_str()));
    let names: Result<_, _> = names.collect();
    names.map_err(|_| "a tensor's name has a zero byte".to_owned())
}

fn pointers(names: &[CString]) -> Vec<*const c_char> {
    names.iter().map(|name| CStr::as_ptr(name)).collect()
}
