//! What the fake libnvinfer computes with: this project's CPU engine behind a C interface, as a shared library. It is an
//! example of the engine, so that it is built with the tests and with nothing else.

use std::ffi::{CString, c_char};
use std::ptr;

use aecsad_engine::{Network, onnx::ModelProto};
use prost::Message;

/// A network with the names of its tensors, inputs and outputs in the graph's order.
pub struct CpuNetwork {
    network: Network,
    names: [Vec<CString>; 2],
}

/// Null if it is no network.
///
/// # Safety
/// `onnx` points at `bytes` bytes. The network is the caller's, to be freed with [`fake_cpu_free`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fake_cpu_load(onnx: *const u8, bytes: usize) -> *mut CpuNetwork {
    // SAFETY: the caller vouches for it.
    let onnx = unsafe { std::slice::from_raw_parts(onnx, bytes) };
    let load = || {
        let graph = ModelProto::decode(onnx).ok()?.graph?;
        let is_constant = |name: &str| graph.initializer.iter().any(|t| t.name == name);
        let inputs = graph.input.iter().filter(|i| !is_constant(&i.name));
        let names = |names: Vec<&str>| names.into_iter().map(CString::new).collect();
        let inputs: Result<Vec<_>, _> = names(inputs.map(|i| &i.name[..]).collect());
        let outputs: Result<Vec<_>, _> = names(graph.output.iter().map(|o| &o.name[..]).collect());
        Some(CpuNetwork {
            network: Network::load("in the fake", onnx).ok()?,
            names: [inputs.ok()?, outputs.ok()?],
        })
    };
    load().map_or(ptr::null_mut(), |network| Box::into_raw(Box::new(network)))
}

/// # Safety
/// `network` comes from [`fake_cpu_load`] and is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fake_cpu_free(network: *mut CpuNetwork) {
    // SAFETY: the caller vouches for it.
    drop(unsafe { Box::from_raw(network) });
}

/// The name of an input (`output` is 0) or an output, valid as long as the network; null where there is none.
///
/// # Safety
/// `network` comes from [`fake_cpu_load`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fake_cpu_name(
    network: *const CpuNetwork,
    output: i32,
    index: usize,
) -> *const c_char {
    // SAFETY: the caller vouches for it.
    let names = unsafe { &(*network).names[usize::from(output != 0)] };
    names.get(index).map_or(ptr::null(), |name| name.as_ptr())
}

/// Writes at most 8 dimensions and returns their number.
///
/// # Safety
/// `network` comes from [`fake_cpu_load`]; there is room for 8 values at `dimensions`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fake_cpu_shape(
    network: *const CpuNetwork,
    output: i32,
    index: usize,
    dimensions: *mut i64,
) -> usize {
    // SAFETY: the caller vouches for it.
    let network = unsafe { &(*network).network };
    let shape = match output {
        0 => network.input_shape(index),
        _ => network.output_shape(index),
    };
    for (axis, length) in shape.iter().take(8).enumerate() {
        // SAFETY: `axis` is below 8.
        unsafe { *dimensions.add(axis) = *length as i64 };
    }
    shape.len().min(8)
}

/// Runs the network on `inputs` and copies each output to its place in `outputs`; 1 if that fails.
///
/// # Safety
/// `network` comes from [`fake_cpu_load`]; the pointers point at as many floats as the tensors' shapes have.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fake_cpu_run(
    network: *mut CpuNetwork,
    inputs: *const *const f32,
    outputs: *const *mut f32,
) -> i32 {
    // SAFETY: the caller vouches for it.
    let network = unsafe { &mut (*network).network };
    let shapes: Vec<_> = (0..network.inputs())
        .map(|index| network.input_shape(index))
        .collect();
    let arrays: Vec<_> = shapes
        .iter()
        .enumerate()
        .map(|(index, shape)| {
            // SAFETY: the caller vouches for it.
            let values =
                unsafe { std::slice::from_raw_parts(*inputs.add(index), shape.iter().product()) };
            (&shape[..], values)
        })
        .collect();
    let mut run = || {
        network.run(&arrays)?;
        for index in 0..network.outputs() {
            let values = network.output_shape(index).iter().product();
            let found = network.output(index, values)?;
            // SAFETY: the caller vouches for it.
            unsafe { ptr::copy_nonoverlapping(found.as_ptr(), *outputs.add(index), values) };
        }
        Ok::<_, aecsad_engine::NetworkError>(())
    };
    run().is_err().into()
}
