//! Whether a GPU computes what the CPU computes, and how long a training step takes there.

use std::time::Instant;

use aecsad_program::standard_streams::note;
use burn::module::{AutodiffModule, Param};
use burn::optim::{AdamConfig, GradientsAccumulator, GradientsParams, Optimizer};
use burn::store::ModuleSnapshot;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn::tensor::{Distribution, ElementConversion};
use ndarray::Array2;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::backbone::{FeatureMaps, WideResNet, WideResNetConfig, random_state};
use super::weights::StateDict;
use super::{Device, DeviceError, PaperNetworks, needed_bytes};
use crate::engine::{CpuTraining, Loss, Training};
use crate::lgst::{Dropout, Jitter, LgstConfig, LgstTerms, LocalWidths, Students};
use crate::maps::MAP_SIZE;
use crate::progress::stage;
use crate::segmentation::{Decoder, DecoderConfig, LossTarget, LossWeights, Probabilities};

const SEED: u64 = 7;
const CLASSES: usize = 8;
const BATCH: usize = 16;
/// TF32 keeps ten bits of each factor: on an H100 outputs differed by 0.002 of the largest, gradients by 0.01.
const TOLERATED: f64 = 0.05;
/// Steps before the clock starts, in which kernels are compiled and chosen, and steps that are timed.
const STEPS: [usize; 2] = [5, 20];

/// Weights that a fit can be tried with on a machine without the real ones.
pub fn random_weights() -> StateDict {
    random_state(&WideResNetConfig::new(), SEED)
}

/// What a device computes and how long it takes, beside the CPU. `cudnn`: convolve by cuDNN where it is installed.
///
/// # Errors
/// If the device can't train. `narrow` networks try this out on any.
pub fn figures(device: Device, narrow: bool, cudnn: bool) -> Result<Value, DeviceError> {
    device.check(if narrow { 0 } else { needed_bytes(BATCH) })?;
    let scale = CheckScale::new(narrow);
    Ok(match device {
        Device::Cpu => scale.compare::<CpuTraining>(&Default::default()),
        Device::Cuda(index) => on_gpu(&scale, index, cudnn)?,
    })
}

#[cfg(feature = "cuda")]
fn on_gpu(scale: &CheckScale, index: usize, wanted: bool) -> Result<Value, DeviceError> {
    use super::cuda::{GpuTraining, cudnn};
    cudnn::want(wanted);
    let mut figures = scale.compare::<GpuTraining>(&burn::backend::cuda::CudaDevice::new(index));
    figures["cudnn"] = json!(cudnn::version(index));
    figures["cudnn_normalises"] = json!(cudnn::normalises());
    Ok(figures)
}

#[cfg(not(feature = "cuda"))]
fn on_gpu(_: &CheckScale, _: usize, _: bool) -> Result<Value, DeviceError> {
    Err(DeviceError::NotBuilt)
}

/// Whether a device that differs so much from the CPU may train.
pub fn judge(figures: &Value) -> Result<(), String> {
    let differences = figures["relative_difference_from_cpu"].as_object();
    // NaN is written as null.
    let too_large = |difference: &Value| difference.as_f64().is_none_or(|d| d > TOLERATED);
    match differences
        .into_iter()
        .flatten()
        .find(|(_, d)| too_large(d))
    {
        None => Ok(()),
        Some((name, difference)) => Err(format!(
            "the GPU computes {name} otherwise than the CPU, by {difference} of its largest value: train with \
             --device cpu, and report it"
        )),
    }
}

/// The networks and the number of images a step.
struct CheckScale {
    networks: PaperNetworks,
    lgst: LgstConfig,
    batch: usize,
    steps: [usize; 2],
}

/// All networks on one device.
struct CheckedNetworks<B: Training> {
    encoder: WideResNet<B::InnerBackend>,
    decoder: Decoder<B>,
    students: Students<B>,
    device: B::Device,
}

impl CheckScale {
    fn new(narrow: bool) -> Self {
        let mut networks = PaperNetworks::default();
        let mut lgst = LgstConfig::paper(1, 1, Jitter::default(), SEED);
        if narrow {
            networks.backbone = networks.backbone.with_stem(4).with_blocks([1, 1, 1, 1]);
            networks.decoder = networks.decoder.with_encoder([16, 64]);
            networks.decoder.widths.branch = 8;
            networks.decoder.widths.trunk = 8;
            lgst.channels = 8;
            lgst.local.widths = LocalWidths { stem: 8, trunk: 8 };
            lgst.local.channels = 8;
            lgst.global.width = 8;
            lgst.global.head_width = 8;
            lgst.global.channels = 8;
            lgst.global.decoder = vec![3, 8, 15, 16, 15, 32, 64];
        }
        networks.decoder = DecoderConfig {
            classes: CLASSES,
            ..networks.decoder
        };
        Self {
            networks,
            lgst,
            batch: if narrow { 2 } else { BATCH },
            steps: if narrow { [0, 1] } else { STEPS },
        }
    }

    /// Outputs, losses and times of `B` beside those of the CPU.
    fn compare<B: Training>(&self, device: &B::Device) -> Value {
        let on_cpu = self.networks::<CpuTraining>(&Default::default());
        let on_device = self.moved::<B>(&on_cpu, device);
        stage(
            "gpu-check",
            "one image through all networks and back, on the CPU",
        );
        let expected = self.outputs(&on_cpu);
        stage("gpu-check", "the same on the device");
        let found = self.outputs(&on_device);
        let differences: serde_json::Map<String, Value> = expected
            .iter()
            .zip(&found)
            .map(|((name, expected), (_, found))| {
                (name.to_string(), json!(difference(expected, found)))
            })
            .collect();
        note(format_args!(
            "relative differences: {}",
            Value::Object(differences.clone())
        ));
        stage("gpu-check", "training steps of the students");
        let students = self.students_step(&on_device, 1);
        let in_two_turns = self.students_step(&on_device, 2);
        note(format_args!(
            "{students:.1} ms, in two turns {in_two_turns:.1}"
        ));
        stage("gpu-check", "training steps of the segmentation");
        let segmentation = self.segmentation_step(on_device);
        note(format_args!("{segmentation:.1} ms"));
        json!({
            "batch": self.batch,
            "relative_difference_from_cpu": differences,
            "students_step_ms": students,
            "students_step_in_two_turns_ms": in_two_turns,
            "segmentation_step_ms": segmentation,
        })
    }

    fn networks<B: Training>(&self, device: &B::Device) -> CheckedNetworks<B> {
        let state = random_state(&self.networks.backbone, SEED);
        CheckedNetworks {
            encoder: self
                .networks
                .backbone
                .load(state, device)
                .expect("random weights are made for this network"),
            decoder: self.networks.decoder.init(device),
            students: self.lgst.init(device),
            device: device.clone(),
        }
    }

    /// The same weights on another device.
    fn moved<B: Training>(
        &self,
        from: &CheckedNetworks<CpuTraining>,
        device: &B::Device,
    ) -> CheckedNetworks<B> {
        let mut to = self.networks::<B>(device);
        let (decoder, students) = (&from.decoder, &from.students);
        to.decoder
            .apply(decoder.collect(None, None, true), None, None, true);
        to.students
            .apply(students.collect(None, None, true), None, None, true);
        to
    }

    /// One image through everything and back, without dropout.
    fn outputs<B: Training>(&self, networks: &CheckedNetworks<B>) -> Vec<(&'static str, Vec<f32>)> {
        let image = self.images::<B::InnerBackend>(1, &networks.device);
        let maps = networks.encoder.forward(image.clone());
        let decoder = networks.decoder.valid();
        let logits = decoder.forward(maps.stride4.clone(), maps.stride16.clone());
        let students = networks.students.valid();
        let (local, _) = students.local.forward(image.clone());
        let no_dropout = None::<Dropout<'_, ChaCha8Rng>>;
        let global = students.global.forward(image.clone(), no_dropout);
        let loss = self.students_loss(networks);
        let total = loss.total.clone();
        let gradients = loss.total.backward();
        let gradient = |weight: &Param<Tensor<B, 4>>, gradients: &B::Gradients| {
            values(weight.val().grad(gradients).expect("the layer learns"))
        };
        let labelled =
            self.segmentation_loss(&networks.decoder, 1, networks.encoder.forward(image));
        let labelled_value = values(labelled.clone());
        let of_labelled = labelled.backward();
        vec![
            ("stride16", values(maps.stride16)),
            ("logits", values(logits)),
            ("local_student", values(local)),
            ("global_student", values(global)),
            ("students_loss", values(total)),
            (
                "local_gradient",
                gradient(networks.students.local.first_weight(), &gradients),
            ),
            (
                "global_gradient",
                gradient(networks.students.global.first_weight(), &gradients),
            ),
            ("segmentation_loss", labelled_value),
            (
                "segmentation_gradient",
                gradient(networks.decoder.first_weight(), &of_labelled),
            ),
        ]
    }

    /// Pictures that are the same everywhere: burn's generators differ from device to device.
    fn images<B: Backend>(&self, count: usize, device: &B::Device) -> Tensor<B, 4> {
        let side = self.lgst.global.image_size();
        wave([count, 3, side, side], device)
    }

    /// Of one image, without dropout.
    fn students_loss<B: Training>(&self, networks: &CheckedNetworks<B>) -> Loss<B> {
        let CheckedNetworks {
            students, device, ..
        } = networks;
        let image = self.images::<B>(1, device);
        self.lgst.loss.loss(LgstTerms {
            teacher: wave([1, self.lgst.channels, MAP_SIZE, MAP_SIZE], device),
            local: students.local.forward(image.clone()),
            global: students
                .global
                .forward(image, None::<Dropout<'_, ChaCha8Rng>>),
            out_of_distribution: None,
        })
    }

    /// Of images that are labelled in squares.
    fn segmentation_loss<B: Training>(
        &self,
        decoder: &Decoder<B>,
        images: usize,
        maps: FeatureMaps<B::InnerBackend>,
    ) -> Tensor<B, 1> {
        let masks: Vec<Array2<u8>> = (0..images)
            .map(|image| {
                Array2::from_shape_fn((MAP_SIZE, MAP_SIZE), |(y, x)| {
                    ((image + y / 8 + x / 8) % CLASSES) as u8
                })
            })
            .collect();
        let weights = LossWeights::default();
        let [stride4, stride16] = [maps.stride4, maps.stride16].map(Tensor::from_inner);
        let target = LossTarget::<B>::new(masks.iter(), CLASSES, &stride4.device());
        let known = Probabilities::new(decoder.forward(stride4, stride16));
        known.cross_entropy(&target) * weights.cross_entropy
            + known.dice(&target) * weights.dice
            + known.focal(&target) * weights.focal
    }

    fn students_step<B: Training>(&self, networks: &CheckedNetworks<B>, turns: usize) -> f64 {
        let mut optimiser = AdamConfig::new().init::<B, Students<B>>();
        let mut students = networks.students.clone();
        let images = self.images::<B>(self.batch, &networks.device);
        let teacher = Tensor::<B, 4>::random(
            [self.batch, self.lgst.channels, MAP_SIZE, MAP_SIZE],
            Distribution::Default,
            &networks.device,
        );
        let at_once = self.batch / turns;
        timed(self.steps, || {
            let mut gradients = GradientsAccumulator::new();
            for turn in 0..turns {
                let part = |of: &Tensor<B, 4>| of.clone().narrow(0, turn * at_once, at_once);
                let images = part(&images);
                let loss = self.lgst.loss.loss(LgstTerms {
                    teacher: part(&teacher),
                    local: students.local.forward(images.clone()),
                    global: students
                        .global
                        .forward(images, Some(Dropout::<ChaCha8Rng>::Device)),
                    out_of_distribution: None,
                });
                let value = loss.total.clone().inner();
                let of_part = GradientsParams::from_grads(loss.total.backward(), &students);
                gradients.accumulate(&students, of_part);
                let _: f32 = value.into_scalar().elem();
            }
            students = optimiser.step(1e-4, students.clone(), gradients.grads());
        })
    }

    /// The backbone on the batch, then the decoder's losses on labelled images.
    fn segmentation_step<B: Training>(&self, networks: CheckedNetworks<B>) -> f64 {
        let CheckedNetworks {
            encoder,
            mut decoder,
            device,
            ..
        } = networks;
        let mut optimiser = AdamConfig::new().init::<B, Decoder<B>>();
        let images = self.images::<B::InnerBackend>(self.batch, &device);
        timed(self.steps, || {
            let loss =
                self.segmentation_loss(&decoder, self.batch, encoder.forward(images.clone()));
            let value = loss.clone().inner();
            let gradients = GradientsParams::from_grads(loss.backward(), &decoder);
            decoder = optimiser.step(1e-4, decoder.clone(), gradients);
            let _: f32 = value.into_scalar().elem();
        })
    }
}

/// The median of some steps, in milliseconds. Each step waits for its loss, as training does.
fn timed([warm_up, timed]: [usize; 2], mut step: impl FnMut()) -> f64 {
    (0..warm_up).for_each(|_| step());
    let mut times: Vec<f64> = (0..timed)
        .map(|_| {
            let start = Instant::now();
            step();
            1e3 * start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[timed / 2]
}

fn wave<B: Backend, const D: usize>(shape: [usize; D], device: &B::Device) -> Tensor<B, D> {
    let values: Vec<f32> = (0..shape.iter().product::<usize>())
        .map(|index| (index as f32 * 0.37).sin())
        .collect();
    Tensor::from_data(burn::tensor::TensorData::new(values, shape), device)
}

fn values<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    tensor.into_data().iter().collect()
}

/// The largest difference, relative to the largest value.
fn difference(expected: &[f32], found: &[f32]) -> f32 {
    let largest = expected
        .iter()
        .fold(f32::MIN_POSITIVE, |most, v| most.max(v.abs()));
    let differences = expected.iter().zip(found).map(|(e, f)| (e - f).abs());
    // NaN must not pass for agreement.
    differences.fold(
        0.0f32,
        |most, d| if d > most || d.is_nan() { d } else { most },
    ) / largest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_computes_something_else_is_refused() {
        let figures = |gradient: f32| json!({ "relative_difference_from_cpu": { "logits": 0.002, "gradient": gradient } });
        assert_eq!(judge(&figures(0.01)), Ok(()));
        for wrong in [8.06, f32::NAN, f32::INFINITY] {
            let sentence = judge(&figures(wrong)).unwrap_err();
            assert!(
                sentence.contains("computes gradient otherwise"),
                "{sentence}"
            );
        }
    }
}
