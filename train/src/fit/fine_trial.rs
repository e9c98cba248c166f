//! What each size of the fine view would see: damage of a few pixels of the images, put on good validation parts, as
//! the branch for damage ranks it among good ones. It decides how fine a view has to be before the branches are fitted.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use aecsad_inspect::branches::Branch;
use aecsad_inspect::branches::scorer::Scorer;
use aecsad_inspect::branches::statistics::Statistics;
use aecsad_inspect::frame::{Frame, Size};
use aecsad_inspect::network::fine::FineView;
use aecsad_inspect::network::{Cpu, Encoder, Percept};
use aecsad_inspect::optics::{InputGeometry, Optics, TrainedRegion};
use ndarray::Array2;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::fine::Fine;
use super::on_all_cores::on_all_cores;
use super::{FitError, stopped};
use crate::calibrate::fine_patch;
use crate::dataset::{Category, read_region};
use crate::metrics::auroc;
use crate::networks::ENCODER;
use crate::planted::graded::{Damage, damage};
use crate::planted::mark_ignored;

/// Images that the branch is fitted on, and good parts that it then ranks, with and without damage.
const TRAIN: usize = 40;
const PARTS: usize = 24;
/// Widths of the damage, in pixels of the images.
pub const WIDTHS: [u32; 3] = [2, 4, 8];
/// By which it is lighter or darker than what it lies on.
const CONTRAST: f32 = 0.2;

/// Good images, and what they are looked at with.
pub struct FineTrial<'a> {
    train: Vec<PathBuf>,
    parts: Vec<PathBuf>,
    geometry: &'a InputGeometry,
    seed: u64,
    cancel: &'a AtomicBool,
}

/// What one size sees.
#[derive(Clone, Debug)]
pub struct SizeResult {
    pub size: Size,
    /// `[widths]`: AUROC of damaged parts against good ones, for each of [`WIDTHS`].
    pub auroc: [f64; WIDTHS.len()],
}

impl SizeResult {
    pub fn mean(&self) -> f64 {
        self.auroc.iter().sum::<f64>() / self.auroc.len() as f64
    }
}

impl<'a> FineTrial<'a> {
    /// Evenly spread images of the category.
    pub fn new(
        category: &Category,
        geometry: &'a InputGeometry,
        seed: u64,
        cancel: &'a AtomicBool,
    ) -> Self {
        let spread = |paths: &[PathBuf], most: usize| -> Vec<PathBuf> {
            let count = paths.len().min(most);
            let chosen = (0..count).map(|i| paths[i * paths.len() / count].clone());
            chosen.collect()
        };
        FineTrial {
            train: spread(&category.train, TRAIN),
            parts: spread(&category.validation, PARTS),
            geometry,
            seed,
            cancel,
        }
    }

    /// What of the images is looked at.
    pub fn region(&self) -> Option<&TrainedRegion> {
        self.geometry.region.as_ref()
    }

    /// Without the images that can't be read: they are named when all are loaded.
    pub fn keep_readable(&mut self) {
        let (depth, region) = (self.geometry.bit_depth, self.geometry.region.as_ref());
        let is_readable = |path: &PathBuf| read_region(path, depth, region).is_ok();
        self.train.retain(is_readable);
        self.parts.retain(is_readable);
    }

    /// None where too little can be read to say anything.
    pub fn of(&self, size: Size) -> Result<Option<SizeResult>, FitError> {
        let geometry = InputGeometry {
            fine: Some(size),
            ..self.geometry.clone()
        };
        let fine = Fine {
            encoder: ENCODER,
            size,
            cancel: self.cancel,
        };
        let read = |index: usize| self.read(&self.train[index]);
        let directions = fine.directions(&geometry, self.train.len(), read, self.seed)?;
        let view = FineView::new(
            Encoder::load_at(&Cpu, ENCODER, size)?,
            directions.low_rank.clone(),
        );
        let view = || {
            Ok(ThreadView {
                view: view.fork()?,
                optics: Optics::new(geometry.clone(), None),
            })
        };
        let train = on_all_cores(self.train.len(), view, |index, view| {
            stopped(self.cancel)?;
            view.see(&read(index)?)
        })?;
        let Some(patch) = fine_patch(&train, self.seed) else {
            return Ok(None);
        };
        drop(train);
        let statistics = Statistics {
            fine: Some(directions),
            ..Statistics::default()
        };
        let statistics = statistics.with(Box::new(patch));
        let scores = on_all_cores(self.parts.len(), view, |index, view| {
            stopped(self.cancel)?;
            let frame = self.read(&self.parts[index])?;
            let mut scorer = Scorer::new(statistics.clone());
            let mut score = |frame: &Frame| -> Result<f64, FitError> {
                let raw = scorer.score(&view.see(frame)?);
                Ok(raw[Branch::FinePatch as usize].map_or(0.0, f64::from))
            };
            let mut scores = vec![score(&frame)?];
            for width in WIDTHS {
                for (stream, kind) in Damage::ALL.into_iter().enumerate() {
                    let mut random = ChaCha8Rng::seed_from_u64(self.seed);
                    random.set_stream(index as u64 * 16 + stream as u64);
                    let mut damaged = frame.clone();
                    let places = mark_ignored(&Array2::zeros((64, 64)), self.region());
                    let planted = (kind, width as f32, CONTRAST);
                    damage(&mut damaged, &places, planted, &mut random);
                    scores.push(score(&damaged)?);
                }
            }
            Ok(scores)
        })?;
        let good: Vec<f64> = scores.iter().map(|of_part| of_part[0]).collect();
        let mut found = [0.0; WIDTHS.len()];
        for (width, found) in found.iter_mut().enumerate() {
            let first = 1 + width * Damage::ALL.len();
            let bad: Vec<f64> = scores
                .iter()
                .flat_map(|of_part| &of_part[first..first + Damage::ALL.len()])
                .copied()
                .collect();
            match auroc(&good, &bad) {
                Some(auroc) => *found = auroc,
                None => return Ok(None),
            }
        }
        Ok(Some(SizeResult { size, auroc: found }))
    }

    fn read(&self, path: &Path) -> Result<Frame, FitError> {
        let region = self.geometry.region.as_ref();
        Ok(read_region(path, self.geometry.bit_depth, region)?)
    }
}

/// One thread's view and buffers.
struct ThreadView {
    view: FineView,
    optics: Optics,
}

impl ThreadView {
    fn see(&mut self, frame: &Frame) -> Result<Percept, FitError> {
        let mut percept = Percept::empty();
        let tensors = self.optics.tensors(frame)?;
        self.view
            .see(tensors.fine.unwrap_or(&[]), &mut percept.fine)?;
        Ok(percept)
    }
}
