//! Runs one network on request and says how long it took, so that another program can run a second engine in turns:
//! what else the machine does then hits both alike.
//!
//!     time_network NETWORK.onnx INPUTS.f32 OUTPUTS.f32 THREADS
//!
//! INPUTS holds the values of all inputs one after the other, little-endian; OUTPUTS receives those of the first run.
//! Each line on stdin runs the network once and is answered with three figures: milliseconds by the clock and of all
//! threads' work, and how often memory was allocated.

use std::alloc::{GlobalAlloc, Layout, System};
use std::error::Error;
use std::io::{BufRead, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use aecsad_engine::{Input, Network, Team};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: everything is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [network, inputs, outputs, threads] = &arguments[..] else {
        return Err("usage: time_network NETWORK.onnx INPUTS.f32 OUTPUTS.f32 THREADS".into());
    };
    let _team = Team::start(threads.parse()?, || ())?;
    let values: Vec<f32> = std::fs::read(inputs)?
        .as_chunks::<4>()
        .0
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect();
    let start = Instant::now();
    let mut network = Network::load(network, &std::fs::read(network)?)?;
    let load = start.elapsed();

    let shapes: Vec<Vec<usize>> = (0..network.inputs())
        .map(|index| network.input_shape(index))
        .collect();
    let mut rest = &values[..];
    let mut arrays: Vec<Input<'_>> = Vec::new();
    for shape in &shapes {
        let volume = shape.iter().product();
        let (array, others) = rest
            .split_at_checked(volume)
            .ok_or("INPUTS has too few values for the network's inputs")?;
        arrays.push((shape, array));
        rest = others;
    }

    network.run(&arrays)?;
    let mut bytes = Vec::new();
    for index in 0..network.outputs() {
        let expected = network.output_shape(index).iter().product();
        bytes.extend(
            network
                .output(index, expected)?
                .iter()
                .flat_map(|v| v.to_le_bytes()),
        );
    }
    std::fs::write(outputs, bytes)?;

    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "loaded in {:.1} ms", 1e3 * load.as_secs_f64())?;
    for line in std::io::stdin().lock().lines() {
        line?;
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        let (clock, work) = (Instant::now(), work_ms());
        network.run(&arrays)?;
        let (clock, work) = (clock.elapsed(), work_ms() - work);
        let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
        let clock = 1e3 * clock.as_secs_f64();
        writeln!(stdout, "{clock:.4} {work:.4} {allocations}")?;
        stdout.flush()?;
    }
    Ok(())
}

/// What all threads have worked so far.
fn work_ms() -> f64 {
    let clock = nix::time::ClockId::CLOCK_PROCESS_CPUTIME_ID;
    clock.now().map_or(f64::NAN, |time| {
        time.tv_sec() as f64 * 1e3 + time.tv_nsec() as f64 / 1e6
    })
}
