//! The loop itself: forward and backward on every shard of a batch, Adam on a cosine schedule, a checkpoint now
//! and then. A checkpoint is written only when the model in it has produced a finite loss.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use aecsad_program::whole_file;
use burn::module::{AutodiffModule, Module};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::{AdamConfig, GradientsAccumulator, GradientsParams, Optimizer};
use burn::tensor::Tensor;
use burn::tensor::backend::AutodiffBackend;
use serde::{Deserialize, Serialize};

use super::checkpoint::{Checkpoint, CheckpointFile};
use super::step_log::StepLog;
use super::{Fingerprint, TrainingError, curves};
use crate::progress::Progress;

/// How long and how fast to learn.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Schedule {
    pub steps: usize,
    /// Samples a step.
    pub batch: usize,
    /// The rate of the first step; it falls along a cosine to `final_learning_rate`.
    pub learning_rate: f64,
    pub final_learning_rate: f64,
    /// Coupled L2, as in PyTorch's Adam.
    pub weight_decay: f32,
    pub shards: Shards,
    pub seed: u64,
    /// Time between two checkpoints.
    pub checkpoint_every: Duration,
}

impl Schedule {
    /// As the paper trains every network: Adam from 1e-4 along a cosine to 1e-6, weight decay 1e-4, 16 images a step,
    /// `epochs` rounds over `images` images.
    pub fn paper(images: usize, epochs: usize, seed: u64) -> Self {
        let batch = 16;
        Self {
            steps: epochs * images.div_ceil(batch),
            batch,
            learning_rate: 1e-4,
            final_learning_rate: 1e-6,
            weight_decay: 1e-4,
            shards: Shards::InTurn(1),
            seed,
            checkpoint_every: Duration::from_secs(60),
        }
    }

    fn learning_rate_at(&self, step: usize) -> f64 {
        let done = step as f64 / self.steps.max(1) as f64;
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * done).cos());
        self.final_learning_rate + (self.learning_rate - self.final_learning_rate) * cosine
    }
}

/// Into how many parts a batch is divided. They belong to the result: batch statistics are a part's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shards {
    /// On threads of their own.
    AtOnce(usize),
    /// One after the other on this thread, so that each has the device's memory to itself. On a GPU another thread
    /// would be another stream.
    InTurn(usize),
}

impl Shards {
    fn count(self) -> usize {
        let (Self::AtOnce(count) | Self::InTurn(count)) = self;
        count
    }
}

/// The part of a step that is worked on.
#[derive(Clone, Copy, Debug)]
pub struct Shard {
    pub step: usize,
    pub index: usize,
    pub of: usize,
    /// No other part is worked on meanwhile.
    pub alone: bool,
}

impl Shard {
    /// This shard's samples of a batch.
    pub fn part<'a, T>(&self, batch: &'a [T]) -> &'a [T] {
        let bound = |shard: usize| batch.len() * shard / self.of;
        &batch[bound(self.index)..bound(self.index + 1)]
    }
}

/// A shard's mean loss, and its terms by name for the record.
pub struct Loss<B: AutodiffBackend> {
    pub total: Tensor<B, 1>,
    pub terms: Vec<(&'static str, Tensor<B::InnerBackend, 1>)>,
}

impl<B: AutodiffBackend> Loss<B> {
    /// The weighted sum of at least one named term.
    ///
    /// *Shapes*: each term is a scalar `[1]`.
    pub fn weighted(terms: Vec<(&'static str, Tensor<B, 1>, f32)>) -> Self {
        let mut total = None;
        let mut recorded = Vec::with_capacity(terms.len());
        for (name, value, weight) in terms {
            recorded.push((name, value.clone().inner()));
            let part = value.mul_scalar(weight);
            total = Some(match total {
                Some(sum) => sum + part,
                None => part,
            });
        }
        Self {
            total: total.expect("a loss has terms"),
            terms: recorded,
        }
    }
}

/// What a network is trained for.
pub trait Objective<B: AutodiffBackend>: Sync {
    type Model: AutodiffModule<B> + 'static;

    fn loss(&self, model: &Self::Model, shard: Shard) -> Loss<B>;
}

/// Where a run keeps its files, and the flag that stops it.
pub struct RunFolder<'a> {
    /// Names the files and the progress bar.
    pub stage: &'static str,
    pub folder: &'a Path,
    pub cancel: &'a AtomicBool,
}

/// Trains `model`, or continues from the work folder if the same run was interrupted there.
///
/// With the same fingerprint, seed and device the result is the same, interrupted or not.
///
/// # Errors
/// [`TrainingError::Interrupted`] once `cancel` is set, [`TrainingError::Diverged`] at a loss that isn't finite, and
/// whatever the work folder refuses.
pub fn train<B, T>(
    model: T::Model,
    objective: &T,
    schedule: &Schedule,
    fingerprint: Fingerprint,
    place: &RunFolder,
    device: &B::Device,
) -> Result<T::Model, TrainingError>
where
    B: AutodiffBackend,
    T: Objective<B>,
{
    whole_file::create_folder(place.folder).map_err(|source| TrainingError::WorkFolder {
        path: place.folder.to_owned(),
        source,
    })?;
    let file = CheckpointFile::new(
        place.folder.join(format!("{}.checkpoint", place.stage)),
        fingerprint.finish(),
    );
    let mut model = model;
    let mut optimiser = AdamConfig::new()
        .with_epsilon(1e-8)
        .with_weight_decay(Some(WeightDecayConfig::new(schedule.weight_decay)))
        .init::<B, T::Model>();
    let mut first_step = 0;
    if let Some(saved) = file.load::<B, _, _>(device)? {
        first_step = saved.step;
        model = model.load_record(saved.model);
        optimiser = optimiser.load_record(saved.optimiser);
        if first_step < schedule.steps {
            log::info!("{}: going on from step {first_step}", place.stage);
        }
    }

    let metrics_path = place.folder.join(format!("{}.metrics.jsonl", place.stage));
    let picture = place.folder.join(format!("{}.losses.svg", place.stage));
    let mut step_log = StepLog::open(metrics_path.clone(), first_step)?;
    let mut progress = Progress::start(place.stage, first_step, schedule.steps);
    let mut last_save = Instant::now();
    for step in first_step..=schedule.steps {
        let last = step == schedule.steps;
        let stop = place.cancel.load(Ordering::Relaxed);
        // The state is taken before the forward pass, which moves batch statistics, and written after it.
        let due = last || stop || last_save.elapsed() >= schedule.checkpoint_every;
        let snapshot = due.then(|| Checkpoint {
            step,
            model: model.clone().into_record(),
            optimiser: optimiser.to_record(),
        });

        let outcome = gradients(&model, objective, step, schedule, device);
        if !outcome.loss.is_finite() {
            return Err(TrainingError::Diverged {
                stage: place.stage,
                step,
                loss: outcome.loss,
                checkpoint: file.path().to_owned(),
            });
        }
        let learning_rate = schedule.learning_rate_at(step);
        step_log.record(step, learning_rate, outcome.loss, &outcome.terms)?;
        if let Some(snapshot) = snapshot {
            file.save::<B, _, _>(snapshot)?;
            step_log.flush()?;
            curves::write(place.stage, &metrics_path, &picture);
            last_save = Instant::now();
        }
        if last {
            break;
        }
        if stop {
            return Err(TrainingError::Interrupted {
                stage: place.stage,
                step,
            });
        }
        model = optimiser.step(learning_rate, model, outcome.gradients);
        progress.step_done(step, outcome.loss);
    }
    // What the steps took is of other sizes than what comes next will request.
    B::memory_cleanup(device);
    Ok(model)
}

struct Outcome {
    loss: f32,
    terms: Vec<(&'static str, f32)>,
    gradients: GradientsParams,
}

/// The mean loss of all shards and its gradients. Shards are summed in their order, whichever ends first.
fn gradients<B, T>(
    model: &T::Model,
    objective: &T,
    step: usize,
    schedule: &Schedule,
    device: &B::Device,
) -> Outcome
where
    B: AutodiffBackend,
    T: Objective<B>,
{
    let shards = schedule.shards.count().clamp(1, schedule.batch.max(1));
    let alone = shards == 1 || matches!(schedule.shards, Shards::InTurn(_));
    let shard = |index| Shard {
        step,
        index,
        of: shards,
        alone,
    };
    let results: Vec<Outcome> = if alone {
        (0..shards)
            .map(|index| shard_gradients(model, objective, shard(index)))
            .collect()
    } else {
        // Each fork has a graph of its own, so that the threads don't wait for each other.
        let copies: Vec<T::Model> = (0..shards).map(|_| model.clone().fork(device)).collect();
        std::thread::scope(|scope| {
            let threads: Vec<_> = copies
                .into_iter()
                .enumerate()
                .map(|(index, copy)| {
                    scope.spawn(move || shard_gradients(&copy, objective, shard(index)))
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| {
                    thread
                        .join()
                        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                })
                .collect()
        })
    };
    // Folds what each thread saw into the running statistics of batch normalisation.
    let _ = model.valid();

    let mut outcome = Outcome {
        loss: 0.0,
        terms: Vec::new(),
        gradients: GradientsParams::new(),
    };
    let mut sum = GradientsAccumulator::new();
    for result in results {
        outcome.loss += result.loss / shards as f32;
        for (index, (name, value)) in result.terms.into_iter().enumerate() {
            match outcome.terms.get_mut(index) {
                Some(term) => term.1 += value / shards as f32,
                None => outcome.terms.push((name, value / shards as f32)),
            }
        }
        sum.accumulate(model, result.gradients);
    }
    outcome.gradients = sum.grads();
    outcome
}

/// One shard's share of the gradients. The loss is read last and at once: each reading waits for the device.
fn shard_gradients<B, T>(model: &T::Model, objective: &T, shard: Shard) -> Outcome
where
    B: AutodiffBackend,
    T: Objective<B>,
{
    let loss = objective.loss(model, shard);
    let (names, terms): (Vec<&'static str>, Vec<_>) = loss.terms.into_iter().unzip();
    let total = std::iter::once(loss.total.clone().inner());
    let values = Tensor::cat(total.chain(terms).collect(), 0);
    let gradients = loss.total.div_scalar(shard.of as f32).backward();
    let gradients = GradientsParams::from_grads(gradients, model);
    let mut values = values
        .into_data()
        .iter::<f32>()
        .collect::<Vec<_>>()
        .into_iter();
    Outcome {
        loss: values.next().unwrap_or(f32::NAN),
        terms: names.into_iter().zip(values).collect(),
        gradients,
    }
}
