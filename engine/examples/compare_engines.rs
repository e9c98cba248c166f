//! Runs networks on the CPU and through TensorRT on the same noise, and prints how far apart the outputs are, by the
//! largest value of each, and how long each run takes. Fails where they are more than a tenth apart.
//!
//!     compare_engines PLANS NETWORK.onnx...

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use aecsad_engine::{Cpu, Engine, Input, Network, TensorRt, TensorRtSettings};

/// Kernels of TensorRT round otherwise, and int8 values near the middle between two steps change.
const MOST: f32 = 0.1;
const RUNS: u32 = 50;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let plans = arguments.next().ok_or("name a folder for the plans")?;
    std::fs::create_dir_all(&plans)?;
    let tensorrt = TensorRt::open(&TensorRtSettings {
        plans: plans.into(),
        half: false,
    })?;
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{}", tensorrt.name())?;
    let mut apart = 0.0f32;
    for file in arguments {
        let onnx = std::fs::read(&file)?;
        let name = Path::new(&file).display().to_string();
        let mut on_cpu = Cpu.load(&name, &onnx, None)?;
        let mut on_gpu = tensorrt.load(&name, &onnx, None)?;
        let [cpu_ms, gpu_ms] = [time(&mut on_cpu)?, time(&mut on_gpu)?];
        let difference = difference(&on_cpu, &on_gpu)?;
        apart = apart.max(difference);
        writeln!(
            stdout,
            "{name}: {difference:.1e} apart, CPU {cpu_ms:.2} ms, TensorRT {gpu_ms:.2} ms"
        )?;
    }
    match apart <= MOST {
        true => Ok(()),
        false => Err(format!("TensorRT gives other values: {apart:.2} apart").into()),
    }
}

/// Milliseconds of a run on noise that is the same for each network of these shapes.
fn time(network: &mut Network) -> Result<f64, Box<dyn Error>> {
    let mut random = fastrand::Rng::with_seed(1);
    let shapes: Vec<_> = (0..network.inputs())
        .map(|index| network.input_shape(index))
        .collect();
    let arrays: Vec<Vec<f32>> = shapes
        .iter()
        .map(|shape| (0..shape.iter().product()).map(|_| random.f32()).collect())
        .collect();
    let inputs: Vec<Input<'_>> = shapes
        .iter()
        .zip(&arrays)
        .map(|(shape, values)| (&shape[..], &values[..]))
        .collect();
    network.run(&inputs)?;
    let start = Instant::now();
    let mut runs = 0;
    while runs < RUNS && start.elapsed() < Duration::from_secs(5) {
        network.run(&inputs)?;
        runs += 1;
    }
    Ok(start.elapsed().as_secs_f64() * 1e3 / f64::from(runs))
}

/// The largest difference of the latest outputs, relative to the largest value of each.
fn difference(left: &Network, right: &Network) -> Result<f32, Box<dyn Error>> {
    let mut most = 0.0f32;
    for index in 0..left.outputs() {
        let values = left.output_shape(index).iter().product();
        let (left, right) = (left.output(index, values)?, right.output(index, values)?);
        let largest = left
            .iter()
            .fold(f32::MIN_POSITIVE, |most, v| most.max(v.abs()));
        let pairs = left.iter().zip(right);
        let apart = pairs.map(|(left, right)| (left - right).abs() / largest);
        // A NaN is as far apart as can be.
        most = apart.fold(most, |most, v| {
            if v.is_nan() {
                f32::INFINITY
            } else {
                most.max(v)
            }
        });
    }
    Ok(most)
}
