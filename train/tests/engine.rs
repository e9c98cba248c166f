//! The training loop on a toy network with everything that carries state from step to step: momentum, batch
//! statistics, noise.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aecsad_train::engine::{
    self, CpuTraining, Fingerprint, Loss, Objective, RunFolder, Schedule, Shard, Shards,
    TrainingError, noise_source, seeded_init,
};
use aecsad_train::export::layers::values;
use burn::module::{AutodiffModule, Module};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use rand::RngExt;

type B = CpuTraining;

#[derive(Module, Debug)]
struct Toy<B: Backend> {
    layer: Conv2d<B>,
    norm: BatchNorm<B>,
    head: Conv2d<B>,
}

/// Learns the sum of two noisy channels; can raise the flag or make the loss NaN at a step of its own.
struct Sum<'a> {
    cancel: &'a AtomicBool,
    cancel_at: Option<usize>,
    fail_at: Option<usize>,
}

impl Objective<B> for Sum<'_> {
    type Model = Toy<B>;

    fn loss(&self, toy: &Toy<B>, shard: Shard) -> Loss<B> {
        if self.cancel_at == Some(shard.step) {
            self.cancel.store(true, Ordering::Relaxed);
        }
        let mut noise = noise_source(9, shard.step, shard.index);
        let samples = shard.part(&[(); 6]).len();
        let mut input: Vec<f32> = (0..samples * 2 * 16)
            .map(|_| noise.random_range(-1.0..1.0))
            .collect();
        if self.fail_at == Some(shard.step) {
            input[0] = f32::NAN;
        }
        let device = Default::default();
        let input = Tensor::<B, 4>::from_data(TensorData::new(input, [samples, 2, 4, 4]), &device);
        let expected = input.clone().sum_dim(1);
        let found = toy.head.forward(toy.norm.forward(toy.layer.forward(input)));
        let total = (found - expected).square().mean();
        Loss {
            terms: vec![("square", total.clone().inner())],
            total,
        }
    }
}

fn schedule() -> Schedule {
    Schedule {
        steps: 30,
        batch: 6,
        learning_rate: 0.05,
        final_learning_rate: 1e-4,
        weight_decay: 1e-4,
        shards: Shards::AtOnce(2),
        seed: 4,
        checkpoint_every: Duration::from_secs(3600),
    }
}

/// Trains the toy in `folder`; its weights and statistics, or why it stopped.
fn train(
    folder: &Path,
    schedule: &Schedule,
    cancel_at: Option<usize>,
    fail_at: Option<usize>,
) -> Result<Vec<f32>, TrainingError> {
    let cancel = AtomicBool::new(false);
    let device = Default::default();
    let toy = seeded_init(1, &device, |device| Toy::<B> {
        layer: Conv2dConfig::new([2, 4], [1, 1]).init(device),
        norm: BatchNormConfig::new(4).init(device),
        head: Conv2dConfig::new([4, 1], [1, 1]).init(device),
    });
    let objective = Sum {
        cancel: &cancel,
        cancel_at,
        fail_at,
    };
    let place = RunFolder {
        stage: "toy",
        folder,
        cancel: &cancel,
    };
    let fingerprint = Fingerprint::new(&format!("{schedule:?}"));
    let toy = engine::train(toy, &objective, schedule, fingerprint, &place, &device)?.valid();
    Ok([
        values(&toy.layer.weight.val()),
        values(&toy.norm.running_mean.value()),
        values(&toy.norm.running_var.value()),
        values(&toy.head.weight.val()),
    ]
    .concat())
}

fn metrics(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("toy.metrics.jsonl")).unwrap()
}

#[test]
fn learns() {
    let folder = tempfile::tempdir().unwrap();
    train(folder.path(), &schedule(), None, None).unwrap();
    let losses: Vec<f64> = metrics(folder.path())
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["loss"]
                .as_f64()
                .unwrap()
        })
        .collect();
    assert_eq!(losses.len(), 31);
    assert!(losses[30] < 0.1 * losses[0], "{losses:?}");
}

#[test]
fn interrupted_twice_it_ends_bit_for_bit_where_an_uninterrupted_run_does() {
    let whole = tempfile::tempdir().unwrap();
    let expected = train(whole.path(), &schedule(), None, None).unwrap();
    let broken = tempfile::tempdir().unwrap();
    for at in [7, 19] {
        let stopped = train(broken.path(), &schedule(), Some(at), None).unwrap_err();
        // The flag is raised within a step and seen at the next.
        let TrainingError::Interrupted { step, .. } = stopped else {
            panic!("{stopped}")
        };
        assert_eq!(step, at + 1);
    }
    assert_eq!(
        train(broken.path(), &schedule(), None, None).unwrap(),
        expected
    );
    assert_eq!(metrics(broken.path()), metrics(whole.path()));
    // A finished run is taken as it is.
    assert_eq!(
        train(broken.path(), &schedule(), None, None).unwrap(),
        expected
    );
}

#[test]
fn a_loss_that_is_not_a_number_stops_and_keeps_the_last_good_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let mut often = schedule();
    often.checkpoint_every = Duration::ZERO;
    let stopped = train(folder.path(), &often, None, Some(12)).unwrap_err();
    let TrainingError::Diverged {
        step: 12,
        checkpoint,
        ..
    } = &stopped
    else {
        panic!("{stopped}")
    };
    assert!(stopped.to_string().contains("step 12"), "{stopped}");
    assert!(checkpoint.exists());
    // The state kept is that of step 11 and good: without the cause the run ends as if nothing had happened.
    let resumed = train(folder.path(), &often, None, None).unwrap();
    let whole = tempfile::tempdir().unwrap();
    assert_eq!(resumed, train(whole.path(), &often, None, None).unwrap());
}

#[test]
fn a_checkpoint_of_another_run_is_not_continued() {
    let folder = tempfile::tempdir().unwrap();
    train(folder.path(), &schedule(), None, None).unwrap();
    let mut other = schedule();
    other.learning_rate = 0.01;
    let afresh = tempfile::tempdir().unwrap();
    assert_eq!(
        train(folder.path(), &other, None, None).unwrap(),
        train(afresh.path(), &other, None, None).unwrap()
    );
}

#[test]
fn a_damaged_checkpoint_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    train(folder.path(), &schedule(), None, None).unwrap();
    let path = folder.path().join("toy.checkpoint");
    let whole = std::fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for bytes in [
        &flipped[..],
        &whole[..whole.len() - 10],
        &whole[..20],
        b"",
        b"\n",
    ] {
        std::fs::write(&path, bytes).unwrap();
        let refusal = train(folder.path(), &schedule(), None, None)
            .unwrap_err()
            .to_string();
        assert!(
            refusal.contains("toy.checkpoint") && refusal.contains("delete it"),
            "{refusal}"
        );
    }
}

#[test]
fn a_work_folder_that_cannot_be_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let occupied = folder.path().join("occupied");
    std::fs::write(&occupied, "a file").unwrap();
    let refusal = train(&occupied, &schedule(), None, None).unwrap_err();
    assert!(
        matches!(refusal, TrainingError::WorkFolder { .. }),
        "{refusal}"
    );
    assert!(refusal.to_string().contains("occupied"), "{refusal}");
}
