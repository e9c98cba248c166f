//! Writes every network of both profiles, untrained, as ONNX: to time them no training is needed.
//!
//!     cargo run --workspace --example untrained_networks -- FOLDER

use std::error::Error;
use std::path::Path;

use aecsad_train::backbone::{WideResNetConfig, random_state};
use aecsad_train::engine::Cpu;
use aecsad_train::export::onnx::Graph;
use aecsad_train::lgst::{Jitter, Lesson, LgstConfig, Teacher, TrainedLgst};
use aecsad_train::segmentation::SegmentationConfig;
use burn::tensor::{Distribution, Tensor};

const SEED: u64 = 7;
const CLASSES: usize = 8;
const IMAGE: usize = 256;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("name a folder to write to")?;
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder)?;
    let device = Default::default();

    let decoder = SegmentationConfig::edge(CLASSES, SEED).decoder;
    let decoder = decoder.init::<Cpu>(&device).to_onnx();
    std::fs::write(folder.join("edge-decoder.onnx"), decoder)?;
    let students = trained(&LgstConfig::edge(SEED), [40, 112]).to_onnx(false);
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
    Ok(())
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
    let lesson = Lesson {
        stride8: noise(stride8, IMAGE / 8),
        stride16: noise(stride16, IMAGE / 16),
    };
    TrainedLgst {
        teacher: Teacher::fit(&[lesson], config.channels, SEED, &device),
        students: config.init(&device),
        image_size: IMAGE,
    }
}
