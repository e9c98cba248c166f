//! The students from frames to the graph on the camera: they learn, resume to the same weights, refuse what can't
//! be trained on, and compute in tract what they computed in burn.

mod support;

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use aecsad::network::Features;
use aecsad_train::engine::{self, Cpu, stack};
use aecsad_train::lgst::{self, GlobalStudentConfig, LgstConfig, LocalStudentConfig, TrainedLgst};
use burn::tensor::Tensor;
use ndarray::Array3;
use support::{metric, relative_difference, run_in_tract, scene};

fn narrow(steps: usize) -> LgstConfig {
    let mut config = LgstConfig::edge(11);
    config.channels = 8;
    config.local = LocalStudentConfig::new(8).with_stem(8).with_width(8);
    config.global = GlobalStudentConfig::new(8)
        .with_encoder([4, 8, 8, 16, 16])
        .with_width(16)
        .with_head_width(8);
    config.schedule.batch = 2;
    config.schedule.steps = steps;
    config.schedule.learning_rate = 8e-3;
    config
}

fn scenes(count: usize) -> (Vec<Array3<f32>>, Vec<Features>) {
    (0..count).map(scene).unzip()
}

fn train(
    config: &LgstConfig,
    work_dir: &std::path::Path,
    cancel: bool,
) -> Result<TrainedLgst, lgst::Error> {
    let (images, features) = scenes(4);
    lgst::train(
        &images,
        &features,
        config,
        work_dir,
        &AtomicBool::new(cancel),
    )
}

#[test]
fn learns_and_computes_the_same_in_tract() {
    let folder = tempfile::tempdir().unwrap();
    let trained = train(&narrow(80), folder.path(), false).unwrap();

    for (term, share) in [("local", 0.6), ("global", 0.8), ("loss", 0.7)] {
        let values = metric(folder.path(), "students", term);
        let (first, last) = (values[0], values[values.len() - 1]);
        assert!(last < share * first, "{term} went from {first} to {last}");
    }

    let (image, features) = scene(2);
    let device = Default::default();
    let tensor = |array: &Array3<f32>| -> Tensor<Cpu, 4> { stack([array].into_iter(), &device) };
    let maps = trained.maps(
        tensor(&image),
        tensor(&features.stride8),
        tensor(&features.stride16),
    );
    let outputs = run_in_tract(
        &trained.to_onnx(true),
        &[&image, &features.stride8, &features.stride16],
    );
    let expected = [maps.local, maps.global, maps.teacher_global, maps.residual];
    assert_eq!(outputs.len(), expected.len());
    for (expected, found) in expected.iter().zip(&outputs) {
        let expected: Vec<f32> = expected.to_data().iter().collect();
        let difference = relative_difference(&expected, found);
        assert!(difference < 1e-4, "differs by {difference}");
    }
    assert_eq!(
        run_in_tract(
            &trained.to_onnx(false),
            &[&image, &features.stride8, &features.stride16]
        )
        .len(),
        3
    );

    let teacher = trained
        .teacher
        .forward(tensor(&features.stride8), tensor(&features.stride16));
    let teacher: Vec<f32> = teacher.to_data().iter().collect();
    let found = run_in_tract(
        &trained.teacher_to_onnx(),
        &[&features.stride8, &features.stride16],
    );
    assert!(relative_difference(&teacher, &found[0]) < 1e-4);
}

#[test]
fn attention_in_the_decoder_computes_the_same_in_tract() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = narrow(3);
    config.global = config.global.with_decoder_attention(true);
    let trained = train(&config, folder.path(), false).unwrap();
    let (image, features) = scene(1);
    let device = Default::default();
    let tensor = |array: &Array3<f32>| -> Tensor<Cpu, 4> { stack([array].into_iter(), &device) };
    let maps = trained.maps(
        tensor(&image),
        tensor(&features.stride8),
        tensor(&features.stride16),
    );
    let expected: Vec<f32> = maps.teacher_global.to_data().iter().collect();
    let found = run_in_tract(
        &trained.to_onnx(false),
        &[&image, &features.stride8, &features.stride16],
    );
    assert!(relative_difference(&expected, &found[2]) < 1e-4);
}

#[test]
fn an_interrupted_training_ends_where_an_uninterrupted_one_does() {
    let mut config = narrow(6);
    // A checkpoint at every step, so that the one left behind is in the middle of things.
    config.schedule.checkpoint_every = Duration::ZERO;

    let whole = tempfile::tempdir().unwrap();
    let expected = train(&config, whole.path(), false).unwrap();

    let broken = tempfile::tempdir().unwrap();
    let (images, features) = scenes(4);
    let cancel = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let run = scope
            .spawn(|| lgst::train(&images, &features, &config, broken.path(), &cancel).map(drop));
        let checkpoint = broken.path().join("students.checkpoint");
        while !checkpoint.exists() && !run.is_finished() {
            std::thread::sleep(Duration::from_millis(2));
        }
        cancel.store(true, std::sync::atomic::Ordering::Relaxed);
        let stopped = run.join().unwrap();
        assert!(
            matches!(
                stopped,
                Err(lgst::Error::Training(engine::Error::Interrupted { .. }))
            ),
            "{stopped:?}"
        );
    });
    let resumed = train(&config, broken.path(), false).unwrap();

    assert_eq!(expected.to_onnx(true), resumed.to_onnx(true));
    assert_eq!(
        metric(whole.path(), "students", "loss"),
        metric(broken.path(), "students", "loss")
    );
    // Once more: a finished training is taken as it is.
    assert_eq!(
        train(&config, broken.path(), false).unwrap().to_onnx(true),
        expected.to_onnx(true)
    );
}

#[test]
fn a_checkpoint_of_other_settings_is_not_continued() {
    let folder = tempfile::tempdir().unwrap();
    let first = train(&narrow(1), folder.path(), false).unwrap();
    let mut other = narrow(1);
    other.schedule.seed = 12;
    let second = train(&other, folder.path(), false).unwrap();
    assert_ne!(first.to_onnx(false), second.to_onnx(false));
}

#[test]
fn a_damaged_checkpoint_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    train(&narrow(1), folder.path(), false).unwrap();
    let path = folder.path().join("students.checkpoint");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let refusal = train(&narrow(1), folder.path(), false)
        .unwrap_err()
        .to_string();
    assert!(
        refusal.contains("students.checkpoint") && refusal.contains("delete it"),
        "{refusal}"
    );
}

#[test]
fn a_loss_that_is_not_a_number_stops_and_keeps_the_last_good_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = narrow(30);
    config.schedule.learning_rate = 1e30;
    config.schedule.checkpoint_every = Duration::ZERO;
    let refusal = train(&config, folder.path(), false).unwrap_err();
    let lgst::Error::Training(engine::Error::Diverged {
        step, checkpoint, ..
    }) = &refusal
    else {
        panic!("{refusal}");
    };
    assert!(*step > 0 && checkpoint.exists());
    // What is kept is finite: the run goes on from it to the same end.
    let again = train(&config, folder.path(), false).unwrap_err();
    assert_eq!(again.to_string(), refusal.to_string());
}

#[test]
fn what_cannot_be_trained_on_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let cancel = AtomicBool::new(false);
    let refuse = |images: &[Array3<f32>], features: &[Features]| {
        lgst::train(images, features, &narrow(1), folder.path(), &cancel)
            .unwrap_err()
            .to_string()
    };
    let (images, features) = scenes(2);
    assert!(refuse(&[], &[]).contains("no good images"));
    assert!(refuse(&images, &features[..1]).contains("2 images came with 1"));
    let mut odd = features.clone();
    odd[1].stride8 = Array3::zeros((40, 16, 16));
    assert!(refuse(&images, &odd).contains("image 1 has stride-8 features"));
    let small = vec![Array3::zeros((3, 64, 64)); 2];
    assert!(refuse(&small, &features).contains("3×256×256"));
}
