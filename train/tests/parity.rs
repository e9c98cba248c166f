//! The networks of the paper against PyTorch: outputs within 1e-4 of the largest value, gradients within 1e-3, ten
//! steps of the whole training loop. `reference/make.py` made the arrays.

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use aecsad_train::engine::{
    self, Cpu, CpuTraining, Fingerprint, Loss, Objective, RunFolder, Schedule, Shard, Shards,
};
use aecsad_train::lgst::{
    Dropout, GlobalStudentConfig, Jitter, LgstConfig, LgstLossConfig, LgstTerms, LocalStudent,
    LocalStudentConfig, LocalWidths, StudentOutputs, Students, Teacher, TeacherFeatures,
    TrainedLgst,
};
use aecsad_train::paper::backbone::WideResNetConfig;
use aecsad_train::paper::weights::StateDict;
use aecsad_train::segmentation::{
    DecoderConfig, DecoderWidths, LossTarget, Probabilities, SegmentationConfig,
};
use burn::module::{AutodiffModule, ParamId};
use burn::optim::GradientsParams;
use burn::store::{BurnToPyTorchAdapter, ModuleSnapshot, PyTorchToBurnAdapter, TensorSnapshot};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use ndarray::Array2;
use rand_chacha::ChaCha8Rng;
use safetensors::SafeTensors;
use support::{metric, relative_difference};

type B = CpuTraining;

const OUTPUT: f32 = 1e-4;
const GRADIENT: f32 = 1e-3;

struct Stored {
    shape: Vec<usize>,
    values: Vec<f32>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference")
}

fn stored(path: &Path) -> BTreeMap<String, Stored> {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let floats = |raw: &[u8]| {
        raw.chunks_exact(4)
            .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
            .collect()
    };
    file.tensors()
        .into_iter()
        .map(|(name, view)| {
            let shape = view.shape().to_vec();
            (
                name,
                Stored {
                    shape,
                    values: floats(view.data()),
                },
            )
        })
        .collect()
}

fn reference(name: &str) -> BTreeMap<String, Stored> {
    stored(&folder().join(format!("{name}.safetensors")))
}

/// As `wave` in make.py.
fn wave<B: Backend, const D: usize>(shape: [usize; D], scale: f64) -> Tensor<B, D> {
    let count = shape.iter().product::<usize>();
    let values: Vec<f32> = (0..count)
        .map(|index| {
            let index = index as f64;
            ((index * 0.37 + 0.1 * (index * 0.011).sin()).sin() * scale) as f32
        })
        .collect();
    Tensor::from_data(TensorData::new(values, shape), &Default::default())
}

fn values<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    tensor.into_data().iter().collect()
}

/// Every third row and column, as make.py keeps them.
fn thinned<B: Backend>(map: Tensor<B, 4>) -> Vec<f32> {
    let [batch, channels, height, width] = map.dims();
    let all = values(map);
    let mut kept = Vec::new();
    for plane in 0..batch * channels {
        for row in (0..height).step_by(3) {
            for column in (0..width).step_by(3) {
                kept.push(all[(plane * height + row) * width + column]);
            }
        }
    }
    kept
}

#[track_caller]
fn close(what: &str, expected: &[f32], found: &[f32], tolerance: f32) {
    let difference = relative_difference(expected, found);
    assert!(difference < tolerance, "{what} differs by {difference}");
}

/// Gives `module` PyTorch's weights; each must fit.
fn load<B: Backend, M: ModuleSnapshot<B>>(module: &mut M, weights: &BTreeMap<String, Stored>) {
    let snapshots = weights
        .iter()
        .map(|(name, stored)| {
            let path = name.split('.').map(str::to_owned).collect();
            let data = TensorData::new(stored.values.clone(), stored.shape.clone());
            TensorSnapshot::from_data(data, path, Vec::new(), ParamId::new())
        })
        .collect();
    let result = module.apply(snapshots, None, Some(Box::new(PyTorchToBurnAdapter)), true);
    assert!(
        result.missing.is_empty() && result.errors.is_empty(),
        "{result}"
    );
}

/// Compares the gradient of each parameter that the reference has one for.
fn compare_gradients<M: AutodiffModule<B> + ModuleSnapshot<B>>(
    module: &M,
    loss: Tensor<B, 1>,
    reference: &BTreeMap<String, Stored>,
) {
    let gradients = GradientsParams::from_grads(loss.backward(), module);
    let snapshots = module.collect(None, Some(Box::new(BurnToPyTorchAdapter)), true);
    // Some gradients are 0 but for rounding: a shift of all keys doesn't change a softmax.
    let of_gradients = || {
        reference
            .iter()
            .filter(|(name, _)| name.starts_with("gradient."))
    };
    let largest = of_gradients()
        .flat_map(|(_, stored)| &stored.values)
        .fold(0.0f32, |most, value| most.max(value.abs()));
    let mut compared = 0;
    for snapshot in snapshots {
        let name = snapshot.full_path();
        let Some(expected) = reference.get(&format!("gradient.{name}")) else {
            continue;
        };
        let id = snapshot.tensor_id.unwrap();
        let found = match expected.shape.len() {
            1 => gradients.get::<Cpu, 1>(id).map(values),
            _ => gradients.get::<Cpu, 4>(id).map(values),
        };
        let found = found.unwrap_or_else(|| panic!("{name} has no gradient"));
        let difference = expected
            .values
            .iter()
            .zip(&found)
            .map(|(e, f)| (e - f).abs());
        if difference.fold(0.0, f32::max) > 1e-6 * largest {
            close(&name, &expected.values, &found, GRADIENT);
        }
        compared += 1;
    }
    assert_eq!(
        compared,
        of_gradients().count(),
        "parameters with a gradient"
    );
}

#[test]
fn the_backbone_is_torchvision_s() {
    let state = StateDict::read(&folder().join("backbone.pth")).unwrap();
    let config = WideResNetConfig::new()
        .with_stem(3)
        .with_blocks([2, 1, 1, 1]);
    // The classifier of this one has another name than torchvision's 1000 classes, but the same place.
    let network = config.load::<Cpu>(state, &Default::default()).unwrap();
    let maps = network.forward(wave([2, 3, 64, 64], 1.0));
    let stride32 = network.stride32(maps.stride16.clone());
    let reference = reference("backbone");
    for (name, map) in [
        ("stride4", maps.stride4),
        ("stride8", maps.stride8),
        ("stride16", maps.stride16),
        ("stride32", stride32),
    ] {
        close(name, &reference[name].values, &values(map), OUTPUT);
    }
}

/// The folder that `make.py --full` filled, if AECSAD_FULL_REFERENCE names one.
fn full_reference() -> Option<PathBuf> {
    let folder = std::env::var_os("AECSAD_FULL_REFERENCE").filter(|name| !name.is_empty());
    if folder.is_none() {
        eprintln!("AECSAD_FULL_REFERENCE names no folder: skipped");
    }
    folder.map(PathBuf::from)
}

/// Against torchvision's own network.
#[test]
fn the_full_backbone_is_torchvision_s_in_burn_and_in_tract() {
    let Some(folder) = full_reference() else {
        return;
    };
    let state = StateDict::read(&folder.join("wide_resnet50_2.pth")).unwrap();
    let network = WideResNetConfig::new()
        .load::<Cpu>(state, &Default::default())
        .unwrap();
    let image = wave::<Cpu, 4>([1, 3, 256, 256], 1.0);
    let maps = network.forward(image.clone());
    let reference = stored(&folder.join("features.safetensors"));
    let stride32 = network.stride32(maps.stride16.clone());
    close(
        "stride32",
        &reference["stride32"].values,
        &values(stride32),
        OUTPUT,
    );
    std::fs::write(folder.join("encoder.onnx"), network.to_onnx()).unwrap();
    let image = ndarray::Array3::from_shape_vec((3, 256, 256), values(image)).unwrap();
    let in_tract = support::run_in_tract(&network.to_onnx(), &[&image]);
    let in_burn = [maps.stride4, maps.stride8, maps.stride16];
    for (index, (name, map)) in ["stride4", "stride8", "stride16"]
        .into_iter()
        .zip(in_burn)
        .enumerate()
    {
        close(name, &reference[name].values, &values(map), OUTPUT);
        close(name, &reference[name].values, &in_tract[index], OUTPUT);
    }
}

/// The students and the decoder at the paper's widths, with random weights and attention switched on: as burn computes
/// them, as tract does, and written there for `make.py --check`, which asks ONNX's checker and ONNX Runtime.
#[test]
fn the_full_networks_are_exported_as_they_are() {
    let Some(folder) = full_reference() else {
        return;
    };
    let device = Default::default();
    let write = |name: &str, onnx: &[u8], outputs: &[Vec<f32>]| {
        std::fs::write(folder.join(format!("{name}.onnx")), onnx).unwrap();
        let bytes: Vec<u8> = outputs
            .iter()
            .flatten()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        std::fs::write(folder.join(format!("{name}.outputs")), bytes).unwrap();
    };
    let array = |map: &Tensor<Cpu, 4>| {
        let [_, channels, height, width] = map.dims();
        ndarray::Array3::from_shape_vec((channels, height, width), values(map.clone())).unwrap()
    };
    let image = wave::<Cpu, 4>([1, 3, 256, 256], 1.0);
    let stride4 = wave::<Cpu, 4>([1, 256, 64, 64], 1.0);
    let stride8 = wave::<Cpu, 4>([1, 512, 32, 32], 1.0);
    let stride16 = wave::<Cpu, 4>([1, 1024, 16, 16], 1.0);

    let config = LgstConfig::paper(1, 1, Jitter::default(), 3);
    let mut students = config.init::<Cpu>(&device);
    let gains = students
        .collect(None, None, true)
        .into_iter()
        .filter(|snapshot| snapshot.full_path().ends_with("gain"))
        .map(|snapshot| {
            let path = snapshot.path_stack.unwrap();
            let half = TensorData::new(vec![0.5f32], [1]);
            TensorSnapshot::from_data(half, path, Vec::new(), ParamId::new())
        })
        .collect();
    assert_eq!(students.apply(gains, None, None, true).applied.len(), 4);
    let features = TeacherFeatures {
        stride8: stride8.clone(),
        stride16: stride16.clone(),
    };
    let trained = TrainedLgst {
        teacher: Teacher::fit(&[features], config.channels, 3, &device),
        students,
        image_size: 256,
    };
    let maps = trained.maps(image.clone(), stride8.clone(), stride16.clone());
    let expected = [maps.local, maps.global, maps.teacher_global].map(values);
    let onnx = trained.to_onnx(StudentOutputs::Errors);
    let inputs = [array(&image), array(&stride8), array(&stride16)];
    let found = support::run_in_tract(&onnx, &inputs.each_ref());
    for (expected, found) in expected.iter().zip(&found) {
        close("students", expected, found, OUTPUT);
    }
    write("students", &onnx, &expected);

    let mut config = SegmentationConfig::paper(9, 1, 1, 0).decoder;
    config.classes = 9;
    let decoder = config.init::<Cpu>(&device);
    let expected = values(decoder.forward(stride4.clone(), stride16.clone()));
    let onnx = decoder.to_onnx();
    let found = support::run_in_tract(&onnx, &[&array(&stride4), &array(&stride16)]);
    close("decoder", &expected, &found[0], OUTPUT);
    write("segmentation", &onnx, &[expected]);
}

#[test]
fn the_decoder_is_deeplab_s() {
    let widths = DecoderWidths {
        branch: 4,
        trunk: 6,
        detail: 3,
    };
    let config = DecoderConfig::new(3, widths)
        .with_encoder([4, 6])
        .with_rates([6, 12, 18]);
    let mut decoder = config.init::<B>(&Default::default());
    load(&mut decoder, &reference("decoder.weights"));
    let reference = reference("decoder");

    let evaluated = decoder
        .valid()
        .forward(wave([2, 4, 64, 64], 1.0), wave([2, 6, 16, 16], 0.7));
    close(
        "evaluated",
        &reference["evaluated"].values,
        &thinned(evaluated),
        OUTPUT,
    );

    let trained = decoder.forward(wave([2, 4, 64, 64], 1.0), wave([2, 6, 16, 16], 0.7));
    close(
        "trained",
        &reference["trained"].values,
        &thinned(trained.clone()),
        OUTPUT,
    );
    let loss = (trained.clone() * wave(trained.dims(), 1.0)).mean();
    compare_gradients(&decoder, loss, &reference);
}

#[test]
fn each_loss_and_its_gradient_are_pytorch_s() {
    const CLASSES: usize = 4;
    let masks: Vec<Array2<u8>> = (0..2)
        .map(|image| {
            Array2::from_shape_fn((8, 8), |(y, x)| {
                let index = (image * 8 + y) * 8 + x;
                match y == 0 && x < 3 {
                    true => aecsad_train::segmentation::IGNORE,
                    false => ((index * 7 / 3 + index / 11) % CLASSES) as u8,
                }
            })
        })
        .collect();
    let reference = reference("losses");
    type Term = fn(&Probabilities<B>, &LossTarget<B>) -> Tensor<B, 1>;
    let terms: [(&str, Term); 5] = [
        ("cross_entropy", |p, t| p.cross_entropy(t)),
        ("dice", |p, t| p.dice(t)),
        ("focal", |p, t| p.focal(t)),
        ("histogram", |p, t| p.histogram(t)),
        ("entropy", |p, _| p.entropy()),
    ];
    for (name, term) in terms {
        let target = LossTarget::new(masks.iter(), CLASSES, &Default::default());
        let logits = wave::<B, 4>([2, CLASSES, 8, 8], 2.0).require_grad();
        let loss = term(&Probabilities::new(logits.clone()), &target);
        close(name, &reference[name].values, &values(loss.clone()), OUTPUT);
        let gradient = logits.grad(&loss.backward()).unwrap();
        let expected = &reference[&format!("gradient.{name}")].values;
        close(
            &format!("gradient of {name}"),
            expected,
            &values(gradient),
            GRADIENT,
        );
    }
}

/// The paper's students, narrow, with PyTorch's weights.
fn students() -> Students<B> {
    let device = Default::default();
    let mut global = GlobalStudentConfig::paper(5);
    global.encoder = [3, 4, 4, 5, 5];
    global.bottleneck_kernel = 2;
    global.width = 6;
    global.head_width = 6;
    global.key_channels = 3;
    let local = LocalStudentConfig::new(LocalWidths { stem: 4, trunk: 6 }, 5).with_pooling(true);
    let mut students = Students {
        local: local.init(&device),
        global: global.init(&device),
    };
    load(&mut students, &reference("students.weights"));
    students
}

fn lgst_loss(students: &Students<B>) -> Loss<B> {
    LgstLossConfig::default().loss(LgstTerms {
        teacher: wave([2, 5, 64, 64], 1.5),
        local: students.local.forward(wave([2, 3, 64, 64], 1.0)),
        global: students
            .global
            .forward(wave([2, 3, 64, 64], 0.8), None::<Dropout<'_, ChaCha8Rng>>),
        out_of_distribution: None,
    })
}

#[test]
fn the_students_and_their_losses_are_pytorch_s() {
    let students = students();
    let reference = reference("students");
    let (local, local_of_global) = students.local.forward(wave([2, 3, 64, 64], 1.0));
    let global = students
        .global
        .forward(wave([2, 3, 64, 64], 0.8), None::<Dropout<'_, ChaCha8Rng>>);
    for (name, map) in [
        ("local", local),
        ("local_of_global", local_of_global),
        ("global", global),
    ] {
        close(name, &reference[name].values, &thinned(map), OUTPUT);
    }
    let loss = lgst_loss(&students);
    for (name, value) in loss.terms {
        let expected = &reference[&format!("loss.{name}")].values;
        close(name, expected, &values(value), OUTPUT);
    }
    compare_gradients(&students, loss.total, &reference);
}

/// The local student imitates the teacher with one head and says nothing with the other.
struct Fixed;

impl Objective<B> for Fixed {
    type Model = LocalStudent<B>;

    fn loss(&self, student: &LocalStudent<B>, shard: Shard) -> Loss<B> {
        let seen = shard.part(&[0, 1]);
        let of = |batch: Tensor<B, 4>| batch.narrow(0, seen[0], seen.len());
        let (local, other) = student.forward(of(wave([2, 3, 64, 64], 1.0)));
        let teacher = of(wave([2, 5, 64, 64], 1.5));
        Loss::weighted(vec![
            ("local", (local - teacher).square().mean(), 1.0),
            ("other", other.square().mean(), 1.0),
        ])
    }
}

#[test]
fn ten_steps_of_the_engine_are_ten_steps_of_pytorch() {
    // Both images at once, or one after the other.
    [1, 2].into_iter().for_each(ten_steps);
}

fn ten_steps(turns: usize) {
    let folder = tempfile::tempdir().unwrap();
    let cancel = AtomicBool::new(false);
    let schedule = Schedule {
        steps: 10,
        shards: Shards::InTurn(turns),
        ..Schedule::paper(16, 1, 0)
    };
    let place = RunFolder {
        stage: "ten",
        folder: folder.path(),
        cancel: &cancel,
    };
    let config = LocalStudentConfig::new(LocalWidths { stem: 4, trunk: 6 }, 5).with_pooling(true);
    let mut student = config.init(&Default::default());
    load(&mut student, &reference("steps.weights"));
    let trained = engine::train(
        student,
        &Fixed,
        &schedule,
        Fingerprint::new("ten"),
        &place,
        &Default::default(),
    )
    .unwrap();
    let reference = reference("steps");
    let losses: Vec<f32> = metric(folder.path(), "ten", "loss")
        .iter()
        .map(|l| *l as f32)
        .collect();
    close("losses", &reference["losses"].values, &losses, OUTPUT);
    for snapshot in trained.valid().collect(None, None, true) {
        let name = snapshot.full_path();
        let found: Vec<f32> = snapshot.to_data().unwrap().iter().collect();
        close(&name, &reference[&name].values, &found, GRADIENT);
    }
}
