//! The decoder from features and masks to the graph on the camera: it learns, carries labels over to unlabelled
//! images, resumes to the same weights, refuses what can't be trained on, and computes in tract what it computed in
//! burn.

mod support;

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use aecsad_inspect::network::Features;
use aecsad_train::engine::{self, Cpu, stack};
use aecsad_train::segmentation::{
    self, DecoderConfig, DecoderWidths, IGNORE, SegmentationConfig, TrainedDecoder, TrainingSet,
};
use ndarray::{Array2, Array3};
use support::{inside, kernels, metric, relative_difference, run_in_tract, scene};

fn narrow(steps: usize) -> SegmentationConfig {
    let mut config = SegmentationConfig::edge(2, 5);
    config.decoder.widths = DecoderWidths {
        branch: 8,
        trunk: 16,
        detail: 8,
    };
    config.schedule.steps = steps;
    config.schedule.batch = 4;
    config.schedule.learning_rate = 5e-3;
    config
}

fn features(scenes: std::ops::Range<usize>) -> Vec<Features> {
    scenes.map(|index| scene(index).1).collect()
}

/// The part of a scene on the class map.
fn mask(index: usize) -> Array2<u8> {
    Array2::from_shape_fn((64, 64), |(y, x)| inside(index, 4 * y, 4 * x) as u8)
}

/// Scenes 0 to 2 are labelled, 3 is not.
fn train(
    config: &SegmentationConfig,
    work_dir: &Path,
    cancel: &AtomicBool,
) -> Result<TrainedDecoder, segmentation::SegmentationError> {
    let labelled = features(0..3);
    let mut masks: Vec<Array2<u8>> = (0..3).map(mask).collect();
    masks[0].row_mut(0).fill(IGNORE);
    let unlabelled = features(3..4);
    let set = TrainingSet {
        labelled: &labelled,
        masks: &masks,
        unlabelled: &unlabelled,
    };
    segmentation::train(set, config, work_dir, cancel)
}

#[test]
fn learns_and_computes_the_same_in_tract() {
    let folder = tempfile::tempdir().unwrap();
    let trained = train(&narrow(40), folder.path(), &AtomicBool::new(false)).unwrap();

    for (term, share) in [("cross_entropy", 0.4), ("dice", 0.6), ("focal", 0.4)] {
        let values = metric(folder.path(), "segmentation", term);
        let (first, last) = (values[0], values[values.len() - 1]);
        assert!(last < share * first, "{term} went from {first} to {last}");
    }

    // The unlabelled scene.
    let (_, features) = scene(3);
    let onnx = trained.to_onnx();
    let logits = run_in_tract(&onnx, &[&features.stride4, &features.stride16]).remove(0);
    let device = Default::default();
    let tensor = |array: &Array3<f32>| stack([array].into_iter(), &device);
    let expected: Vec<f32> = trained
        .decoder
        .forward(tensor(&features.stride4), tensor(&features.stride16))
        .to_data()
        .iter()
        .collect();
    let difference = relative_difference(&expected, &logits);
    assert!(difference < 1e-4, "differs by {difference}");

    let (background, part) = logits.split_at(64 * 64);
    let right = mask(3)
        .iter()
        .zip(background.iter().zip(part))
        .filter(|(class, (background, part))| (**class == 1) == (part > background))
        .count();
    assert!(
        right > 64 * 64 * 97 / 100,
        "{right} of {} cells are right",
        64 * 64
    );
}

#[test]
fn the_exported_network_is_as_wide_as_configured() {
    let widths = DecoderWidths {
        branch: 8,
        trunk: 24,
        detail: 16,
    };
    let decoder = DecoderConfig::new(5, widths).init::<Cpu>(&Default::default());
    let expected = [
        [8, 112, 1, 1],
        [8, 112, 3, 3],
        [8, 112, 3, 3],
        [8, 112, 3, 3],
        [8, 112, 1, 1],
        [24, 5 * 8, 1, 1],
        [16, 24, 1, 1],
        [24, 24 + 16, 3, 3],
        [24, 24, 3, 3],
        [5, 24, 1, 1],
    ];
    assert_eq!(kernels(&decoder.to_onnx()), expected);
}

#[test]
fn unlabelled_images_join_in_the_second_stage() {
    let folder = tempfile::tempdir().unwrap();
    train(&narrow(6), folder.path(), &AtomicBool::new(false)).unwrap();
    let text = std::fs::read_to_string(folder.path().join("segmentation.metrics.jsonl")).unwrap();
    let joined: Vec<bool> = text
        .lines()
        .map(|line| line.contains("\"histogram\""))
        .collect();
    assert_eq!(joined, [false, false, true, true, true, true, true]);
}

#[test]
fn an_interrupted_training_ends_where_an_uninterrupted_one_does() {
    let mut config = narrow(6);
    config.schedule.checkpoint_every = Duration::ZERO;
    let whole = tempfile::tempdir().unwrap();
    let expected = train(&config, whole.path(), &AtomicBool::new(false)).unwrap();

    let broken = tempfile::tempdir().unwrap();
    let cancel = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let run = scope.spawn(|| train(&config, broken.path(), &cancel).map(drop));
        let checkpoint = broken.path().join("segmentation.checkpoint");
        while !checkpoint.exists() && !run.is_finished() {
            std::thread::sleep(Duration::from_millis(2));
        }
        cancel.store(true, std::sync::atomic::Ordering::Relaxed);
        match run.join().unwrap() {
            // On a busy machine it may have been done before the request to stop.
            Ok(())
            | Err(segmentation::SegmentationError::Training(
                engine::TrainingError::Interrupted { .. },
            )) => {}
            Err(other) => panic!("{other}"),
        }
    });
    let resumed = train(&config, broken.path(), &AtomicBool::new(false)).unwrap();
    assert_eq!(expected.to_onnx(), resumed.to_onnx());
}

#[test]
fn what_cannot_be_trained_on_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let refuse = |labelled: &[Features], masks: &[Array2<u8>], classes: usize| {
        let mut config = narrow(1);
        config.decoder.classes = classes;
        let set = TrainingSet {
            labelled,
            masks,
            unlabelled: &[],
        };
        segmentation::train(set, &config, folder.path(), &AtomicBool::new(false))
            .unwrap_err()
            .to_string()
    };
    let images = features(0..2);
    let masks = [mask(0), mask(1)];
    assert!(refuse(&[], &[], 2).contains("no labelled images"));
    assert!(refuse(&images, &masks[..1], 2).contains("2 labelled images came with 1"));
    assert!(refuse(&images, &masks, 1).contains("1 classes"));
    assert!(
        refuse(&images, &[mask(0), Array2::zeros((32, 64))], 2).contains("mask 1 has [32, 64]")
    );
    assert!(refuse(&images, &[mask(0), mask(1) * 7], 2).contains("class 7"));
    let mut odd = features(0..2);
    odd[1].stride16 = Array3::zeros((80, 16, 16));
    assert!(refuse(&odd, &masks, 2).contains("image 1 has stride-16 features"));
}
