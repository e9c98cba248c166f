//! Everything the networks say of one frame: features, class map, student errors. The encoder runs once; the rest
//! reads what it saw.

use ndarray::{Array2, Array3};

use super::{Encoder, Features, FineMap, FineView, Network, NetworkError, StudentMaps, Students};
use crate::optics::Tensors;

/// Side of class and student maps.
pub const MAP_SIDE: usize = 64;
const MAP_CELLS: usize = MAP_SIDE * MAP_SIDE;

/// One frame as the networks see it.
#[derive(Clone, Debug)]
pub struct Percept {
    pub features: Features,
    /// `[64, 64]`; all 0 without a segmentation network.
    pub classes: Array2<u8>,
    /// `[classes, 64, 64]`; no classes without a segmentation network.
    pub probabilities: Array3<f32>,
    /// All 0 or of no cells without students.
    pub students: StudentMaps,
    /// Of no cells without a fine view.
    pub fine: FineMap,
}

impl Percept {
    pub fn empty() -> Self {
        Percept {
            features: Features::empty(),
            classes: Array2::zeros((MAP_SIDE, MAP_SIDE)),
            probabilities: Array3::zeros((0, MAP_SIDE, MAP_SIDE)),
            students: StudentMaps::empty(),
            fine: FineMap::default(),
        }
    }
}

/// The networks of a bundle; the fine view where it has one, segmentation and students only where a branch that is on needs them.
pub struct Perception {
    pub encoder: Encoder,
    pub fine: Option<FineView>,
    pub segmentation: Option<Segmentation>,
    pub students: Option<Students>,
}

/// The segmentation network and how many classes it tells apart, background included.
pub struct Segmentation {
    pub network: Network,
    pub classes: usize,
}

impl Perception {
    /// The same networks, to run beside these on another thread; the weights are shared.
    pub fn fork(&self) -> Result<Self, NetworkError> {
        let segmentation = match &self.segmentation {
            Some(segmentation) => Some(Segmentation {
                network: segmentation.network.fork()?,
                classes: segmentation.classes,
            }),
            None => None,
        };
        Ok(Perception {
            encoder: self.encoder.fork()?,
            fine: self.fine.as_ref().map(FineView::fork).transpose()?,
            segmentation,
            students: self.students.as_ref().map(Students::fork).transpose()?,
        })
    }

    /// Writes into `percept`.
    pub fn perceive(
        &mut self,
        tensors: &Tensors<'_>,
        percept: &mut Percept,
    ) -> Result<(), NetworkError> {
        self.encoder.encode(tensors.whole, &mut percept.features)?;
        if let (Some(fine), Some(tensor)) = (&mut self.fine, tensors.fine) {
            fine.see(tensor, &mut percept.fine)?;
        }
        self.interpret(tensors.whole, percept)
    }

    /// What follows the encoder: `percept.features` are already those of `tensor`, the whole (`[3, 256, 256]`).
    pub fn interpret(&mut self, tensor: &[f32], percept: &mut Percept) -> Result<(), NetworkError> {
        let features = &percept.features;
        if let Some(segmentation) = &mut self.segmentation {
            let [shape4, shape16] = [&features.stride4, &features.stride16].map(batch_of_one);
            let stride4: super::Input = (&shape4, flat(&features.stride4));
            let stride16: super::Input = (&shape16, flat(&features.stride16));
            segmentation.network.run(&[stride4, stride16])?;
            let logits = segmentation
                .network
                .output(0, segmentation.classes * MAP_CELLS)?;
            if percept.probabilities.dim().0 != segmentation.classes {
                percept.probabilities = Array3::zeros((segmentation.classes, MAP_SIDE, MAP_SIDE));
            }
            if let Some(probabilities) = percept.probabilities.as_slice_mut() {
                probabilities.copy_from_slice(logits);
                for (cell, class) in percept.classes.iter_mut().enumerate() {
                    *class = softmax(probabilities, cell);
                }
            }
        }
        if let Some(students) = &mut self.students {
            students.see(tensor, features, &mut percept.students)?;
        }
        Ok(())
    }
}

pub(super) fn batch_of_one(map: &Array3<f32>) -> [usize; 4] {
    let (channels, height, width) = map.dim();
    [1, channels, height, width]
}

/// Feature maps are made contiguous and stay so.
pub(super) fn flat(map: &Array3<f32>) -> &[f32] {
    map.as_slice().unwrap_or(&[])
}

/// Turns one cell's logits into probabilities, in place; gives the most probable class.
fn softmax(values: &mut [f32], cell: usize) -> u8 {
    let of_cell = || (cell..).step_by(MAP_CELLS);
    let classes = values.len() / MAP_CELLS;
    let mut best = (f32::NEG_INFINITY, 0);
    for (class, at) in of_cell().take(classes).enumerate() {
        if values[at] > best.0 {
            best = (values[at], class as u8);
        }
    }
    let mut sum = 0.0;
    for at in of_cell().take(classes) {
        values[at] = (values[at] - best.0).exp();
        sum += values[at];
    }
    for at in of_cell().take(classes) {
        values[at] /= sum;
    }
    best.1
}
