//! The students from frames to the graph on the camera: they learn, resume to the same weights, refuse what can't
//! be trained on, and compute in tract what they computed in burn.

mod support;

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use aecsad_inspect::network::Features;
use aecsad_train::engine::{self, Cpu, stack};
use aecsad_train::export::onnx::Graph;
use aecsad_train::lgst::{
    self, GlobalStudentConfig, LgstConfig, LocalStudentConfig, LocalWidths, StudentOutputs,
    TrainedLgst,
};
use burn::tensor::Tensor;
use ndarray::Array3;
use support::{kernels, metric, relative_difference, run_in_tract, scene};

fn narrow(steps: usize) -> LgstConfig {
    let mut config = LgstConfig::edge(11);
    config.channels = 8;
    config.local = LocalStudentConfig::new(LocalWidths { stem: 8, trunk: 8 }, 8);
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
) -> Result<TrainedLgst, lgst::LgstError> {
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
    let errors = vec![maps.local, maps.global, maps.teacher_global];
    let residuals = vec![maps.local_residual, maps.global_residual];
    for (read, expected) in [
        (StudentOutputs::Errors, errors),
        (StudentOutputs::Residuals, residuals),
    ] {
        let outputs = run_in_tract(
            &trained.to_onnx(read),
            &[&image, &features.stride8, &features.stride16],
        );
        assert_eq!(outputs.len(), expected.len());
        for (expected, found) in expected.iter().zip(&outputs) {
            let expected: Vec<f32> = expected.to_data().iter().collect();
            let difference = relative_difference(&expected, found);
            assert!(difference < 1e-4, "differs by {difference}");
        }
    }

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
fn the_exported_local_student_is_as_wide_as_configured() {
    let widths = LocalWidths {
        stem: 16,
        trunk: 24,
    };
    let student = LocalStudentConfig::new(widths, 8).init::<Cpu>(&Default::default());
    let mut graph = Graph::new("local student");
    let image = graph.input("image", &[1, 3, 256, 256]);
    let (teacher, global) = student.write(&mut graph, &image);
    graph.output("teacher", &teacher);
    graph.output("global", &global);
    let expected = [
        [16, 3, 4, 4],
        [24, 16, 4, 4],
        [24, 24, 1, 1],
        [24, 24, 3, 3],
        [24, 24, 3, 3],
        [8, 24, 1, 1],
        [8, 24, 1, 1],
    ];
    assert_eq!(kernels(&graph.finish()), expected);
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
        &trained.to_onnx(StudentOutputs::Errors),
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
        match run.join().unwrap() {
            // On a busy machine it may have been done before the request to stop.
            Ok(()) | Err(lgst::LgstError::Training(engine::TrainingError::Interrupted { .. })) => {}
            Err(other) => panic!("{other}"),
        }
    });
    let resumed = train(&config, broken.path(), false).unwrap();

    assert_eq!(
        expected.to_onnx(StudentOutputs::Errors),
        resumed.to_onnx(StudentOutputs::Errors)
    );
    assert_eq!(
        metric(whole.path(), "students", "loss"),
        metric(broken.path(), "students", "loss")
    );
    // Once more: a finished training is taken as it is.
    assert_eq!(
        train(&config, broken.path(), false)
            .unwrap()
            .to_onnx(StudentOutputs::Errors),
        expected.to_onnx(StudentOutputs::Errors)
    );
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
