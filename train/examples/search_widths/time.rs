//! Measures the engine's time on networks, one thread, in turns, so that other load on the machine affects all alike.

use std::error::Error;
use std::sync::atomic::AtomicBool;

use aecsad_inspect::network::{Input, Network};
use aecsad_train::fit::{coarse_and_fine, image_and_features};
use aecsad_train::images::Image;
use aecsad_train::networks::Trained;
use aecsad_train::quantise::{Requirement, Sample, Signs, quantise};

use super::product::MeasuredProduct;

const ROUNDS: usize = 200;
/// Images that give ranges to bytes, and others by which layers are chosen.
const RANGE_IMAGES: usize = 16;
const HELD_OUT_IMAGES: usize = 6;

/// The least that one network took, in floats and in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Milliseconds {
    pub float: f64,
    pub int8: f64,
}

/// Of the decoder or the students in each of `trained`.
pub fn in_turns(
    product: &MeasuredProduct,
    trained: &[Trained],
) -> Result<Vec<Milliseconds>, Box<dyn Error>> {
    let mut networks = Vec::new();
    let mut inputs = Vec::new();
    for trained in trained {
        let (onnx, sample): (_, fn(&Image) -> Sample) =
            match (&trained.segmentation, &trained.students) {
                (Some((onnx, _)), _) => (onnx, |image| coarse_and_fine(&image.features)),
                (None, Some(onnx)) => (onnx, |image| {
                    image_and_features(&image.tensor, &image.features)
                }),
                (None, None) => continue,
            };
        let samples = |images: &[Image], most| images.iter().take(most).map(sample).collect();
        let good: Vec<Sample> = samples(&product.images.train, RANGE_IMAGES);
        let held_out: Vec<Sample> = samples(&product.images.validation, HELD_OUT_IMAGES);
        let quantised = quantise(
            "int8",
            onnx,
            &good,
            &held_out,
            Requirement::usual(Signs::WhereNeeded),
            &AtomicBool::new(false),
        )?;
        networks.push(Network::load("float", onnx)?);
        networks.push(Network::load("int8", &quantised.onnx)?);
        inputs = held_out[0].inputs.clone();
    }
    let inputs: Vec<Input<'_>> = inputs
        .iter()
        .map(|(shape, values)| (&shape[..], &values[..]))
        .collect();
    let mut least = vec![f64::INFINITY; networks.len()];
    for _ in 0..ROUNDS {
        for (network, least) in networks.iter_mut().zip(&mut least) {
            let start = thread_time_ms()?;
            network.run(&inputs)?;
            *least = least.min(thread_time_ms()? - start);
        }
    }
    let (pairs, _) = least.as_chunks();
    Ok(pairs
        .iter()
        .map(|&[float, int8]| Milliseconds { float, int8 })
        .collect())
}

/// What this thread has worked so far.
fn thread_time_ms() -> nix::Result<f64> {
    let time = nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID.now()?;
    Ok(time.tv_sec() as f64 * 1e3 + time.tv_nsec() as f64 / 1e6)
}
