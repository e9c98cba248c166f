//! What is learnt of the fine view before any branch: the few directions that stand for all channels of the encoder.

use std::sync::atomic::AtomicBool;

use aecsad_inspect::branches::statistics::FineStatistics;
use aecsad_inspect::frame::{Frame, Size};
use aecsad_inspect::network::fine::{Stack, cells};
use aecsad_inspect::network::{Cpu, Encoder, Features};
use aecsad_inspect::optics::{InputGeometry, Optics};
use ndarray::Axis;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::on_all_cores::on_all_cores;
use super::{FitError, stopped};
use crate::estimators::low_rank;

/// Directions kept of the stacked channels.
const RANK: usize = 64;
/// The directions are learnt from at most so many images, and so many cells of each.
const IMAGES: usize = 80;
const CELLS: usize = 1024;

/// The encoder as the fine view runs it.
pub struct Fine<'a> {
    pub encoder: &'a [u8],
    pub size: Size,
    pub cancel: &'a AtomicBool,
}

impl Fine<'_> {
    /// The directions in which good parts' cells vary. `read` gives each of `images` images.
    pub fn directions(
        &self,
        geometry: &InputGeometry,
        images: usize,
        read: impl Fn(usize) -> Result<Frame, FitError> + Sync,
        seed: u64,
    ) -> Result<FineStatistics, FitError> {
        let used = images.min(IMAGES);
        let chosen: Vec<usize> = (0..used).map(|i| i * images / used.max(1)).collect();
        let encoder = Encoder::load_at(&Cpu, self.encoder, self.size)?;
        let worker = || {
            let optics = Optics::new(geometry.clone(), None);
            Ok((encoder.fork()?, optics, Features::empty()))
        };
        let pool = on_all_cores(used, worker, |at, (encoder, optics, features)| {
            stopped(self.cancel)?;
            let index = chosen[at];
            let frame = read(index)?;
            let tensors = optics.tensors(&frame)?;
            encoder.encode(tensors.fine.unwrap_or(&[]), features)?;
            let stack = Stack::of(features);
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            random.set_stream(index as u64);
            let mut order: Vec<usize> = (0..stack.nrows()).collect();
            order.shuffle(&mut random);
            order.truncate(CELLS);
            Ok(stack.select(Axis(0), &order))
        })?;
        Ok(FineStatistics {
            cells: cells(self.size),
            low_rank: low_rank::fit(&pool, RANK),
        })
    }
}
