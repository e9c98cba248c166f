//! The `paper` profile's own options.

use std::path::PathBuf;

use super::{Device, DeviceError, PaperError, PaperNetworks, weights};

/// How its networks are trained.
#[derive(Clone, Debug)]
pub struct PaperOptions {
    /// Of the backbone.
    pub weights: PathBuf,
    pub device: Device,
    /// Rounds over the images in each training.
    pub epochs: usize,
    /// Images a step.
    pub batch: usize,
    /// Images of a step that the students see at once; None: as many as the GPU has memory for.
    pub at_once: Option<usize>,
    pub learning_rate: f64,
    /// Pictures of other things, for the penalty on imitating them.
    pub out_of_distribution: Option<PathBuf>,
    /// Share of the local errors that count, see [`crate::lgst::LgstLossConfig`].
    pub hardest: Option<f64>,
    pub networks: PaperNetworks,
}

impl PaperOptions {
    /// As the paper has it, on the CPU.
    pub fn new(weights: PathBuf) -> Self {
        Self {
            weights,
            device: Device::Cpu,
            epochs: 120,
            batch: 16,
            at_once: None,
            learning_rate: 1e-4,
            out_of_distribution: None,
            hardest: None,
            networks: PaperNetworks::default(),
        }
    }

    /// Finds out before anything else whether there is something to train with.
    pub fn check(&self) -> Result<(), PaperError> {
        self.turns()?;
        weights::read_checked(&self.weights)?;
        Ok(())
    }

    /// In how many turns a step of the students is taken.
    pub(super) fn turns(&self) -> Result<usize, DeviceError> {
        self.device
            .turns(self.batch, self.at_once.unwrap_or(self.batch))
    }
}
