//! Writes every network of both profiles, untrained, as ONNX and quantised as well: to time them no training is needed.
//! Only the edge encoder has weights that were ever trained.
//!
//!     cargo run -p aecsad-train --example untrained_networks -- FOLDER [signed]
//!
//! With `signed`, only the edge networks are quantised, and their bytes have a sign everywhere, as TensorRT reads them.

use std::error::Error;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use aecsad_inspect::image_files::read_image;
use aecsad_inspect::network::Network;
use aecsad_inspect::optics::{InputGeometry, Optics};
use aecsad_train::engine::Cpu;
use aecsad_train::export::onnx::Graph;
use aecsad_train::lgst::{
    Jitter, LgstConfig, StudentOutputs, Teacher, TeacherFeatures, TrainedLgst,
};
use aecsad_train::paper::backbone::{WideResNetConfig, random_state};
use aecsad_train::quantise::{Requirement, Sample, Signs, quantise};
use aecsad_train::segmentation::SegmentationConfig;
use burn::tensor::{Distribution, Tensor};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, StandardNormal};

const SEED: u64 = 7;
const CLASSES: usize = 8;
const IMAGE: usize = 256;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("name a folder to write to")?;
    let signs = match std::env::args().nth(2).as_deref() {
        None => Signs::WhereNeeded,
        Some("signed") => Signs::Everywhere,
        Some(_) => return Err("the second argument is `signed` or nothing".into()),
    };
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder)?;
    let device = Default::default();

    let decoder = SegmentationConfig::edge(CLASSES, SEED).decoder;
    let decoder = decoder.init::<Cpu>(&device).to_onnx();
    std::fs::write(folder.join("edge-decoder.onnx"), decoder)?;
    let students = trained(&LgstConfig::edge(SEED), [40, 112]).to_onnx(StudentOutputs::Residuals);
    std::fs::write(folder.join("edge-students.onnx"), students)?;

    let backbone = WideResNetConfig::new();
    let encoder = backbone.load::<Cpu>(random_state(&backbone, SEED), &device)?;
    std::fs::write(folder.join("paper-encoder.onnx"), encoder.to_onnx())?;
    let decoder = SegmentationConfig::paper(CLASSES, 1, 1, SEED).decoder;
    let decoder = decoder.init::<Cpu>(&device).to_onnx();
    std::fs::write(folder.join("paper-decoder.onnx"), decoder)?;
    let students = LgstConfig::paper(1, 1, Jitter::default(), SEED).init::<Cpu>(&device);

    let mut graph = Graph::new("local student");
    let image = graph.input("image", &[1, 3, IMAGE, IMAGE]);
    let (teacher, global) = students.local.write(&mut graph, &image);
    graph.output("teacher", &teacher);
    graph.output("global", &global);
    std::fs::write(folder.join("paper-local.onnx"), graph.finish())?;

    let mut graph = Graph::new("global student");
    let image = graph.input("image", &[1, 3, IMAGE, IMAGE]);
    let map = students.global.write(&mut graph, &image);
    graph.output("map", &map);
    std::fs::write(folder.join("paper-global.onnx"), graph.finish())?;

    let encoder = include_bytes!("../../models/efficientnet-lite0/encoder.onnx");
    std::fs::write(folder.join("edge-encoder.onnx"), encoder)?;
    let quantised = NAMES
        .into_iter()
        .filter(|name| signs == Signs::WhereNeeded || name.starts_with("edge-"));
    for name in quantised {
        let onnx = std::fs::read(folder.join(format!("{name}.onnx")))?;
        let network = Network::load(name, &onnx)?;
        let mut rng = ChaCha8Rng::seed_from_u64(SEED);
        // How many layers can be bytes depends on what a trained network sees; the others know no images.
        let [good, held_out] = match name {
            "edge-encoder" => [parts(1..=12)?, parts(13..=18)?],
            _ => [0, 1].map(|_| vec![noise(&network, &mut rng)]),
        };
        let quantised = quantise(
            name,
            &onnx,
            &good,
            &held_out,
            Requirement::usual(signs),
            &AtomicBool::new(false),
        )?;
        let (int8, kept) = (quantised.int8.len(), quantised.kept_float.len());
        eprintln!("{name}: {int8} layers of bytes, {kept} that could be stay float");
        std::fs::write(folder.join(format!("{name}-int8.onnx")), quantised.onnx)?;
    }
    Ok(())
}

const NAMES: [&str; 7] = [
    "edge-encoder",
    "edge-decoder",
    "edge-students",
    "paper-encoder",
    "paper-decoder",
    "paper-local",
    "paper-global",
];

/// The demo's parts as the encoder sees them.
fn parts(numbers: RangeInclusive<usize>) -> Result<Vec<Sample>, Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/demo-parts");
    let mut optics = Optics::new(InputGeometry::lite0(false), None);
    numbers
        .map(|number| {
            let frame = read_image(&folder.join(format!("part-{number:02}.png")))?;
            let shape = vec![1, 3, IMAGE, IMAGE];
            Ok(Sample {
                inputs: vec![(shape, optics.tensor(&frame)?.to_vec())],
            })
        })
        .collect()
}

/// Inputs of mean 0 and variance 1.
fn noise(network: &Network, rng: &mut ChaCha8Rng) -> Sample {
    let inputs = (0..network.inputs()).map(|index| {
        let shape = network.input_shape(index);
        let values = (0..shape.iter().product()).map(|_| StandardNormal.sample(rng));
        let values = values.collect();
        (shape, values)
    });
    Sample {
        inputs: inputs.collect(),
    }
}

/// Students as they are before the first step, beside a teacher that was standardised on noise.
fn trained(config: &LgstConfig, [stride8, stride16]: [usize; 2]) -> TrainedLgst<Cpu> {
    let device = Default::default();
    let noise = |channels, size| {
        Tensor::random(
            [1, channels, size, size],
            Distribution::Normal(0.0, 1.0),
            &device,
        )
    };
    let features = TeacherFeatures {
        stride8: noise(stride8, IMAGE / 8),
        stride16: noise(stride16, IMAGE / 16),
    };
    TrainedLgst {
        teacher: Teacher::fit(&[features], config.channels, SEED, &device),
        students: config.init(&device),
        image_size: IMAGE,
    }
}
