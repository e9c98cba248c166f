//! One vector for the whole part: the largest and smallest value of each deep channel. A surplus part or one of a new
//! kind changes it wherever the part lies.

use super::shared::aligned_part::AlignedPart;
use super::shared::reference::Reference;
use super::statistics::{ArraySource, StatisticsError};
use super::{Branch, BranchModel};
use crate::arrays::Arrays;
use ndarray::Array1;

use crate::network::Features;

/// Length of the vector.
pub const LENGTH: usize = 2 * Features::STRIDE16.0;

/// Maxima of the stride-16 channels, then minima.
///
/// *Shapes*: `out` is `[LENGTH]`.
pub fn extremes(features: &Features, out: &mut Array1<f32>) {
    let channels = Features::STRIDE16.0;
    for (channel, plane) in features.stride16.outer_iter().enumerate() {
        let (mut high, mut low) = (f32::NEG_INFINITY, f32::INFINITY);
        for value in plane {
            high = high.max(*value);
            low = low.min(*value);
        }
        out[channel] = high;
        out[channels + channel] = low;
    }
}

/// The branch: how far the vector of a part lies from those of good ones.
#[derive(Clone, Debug)]
pub struct Pooled {
    reference: Reference,
    vector: Array1<f32>,
}

impl Pooled {
    pub fn new(reference: Reference) -> Self {
        Pooled {
            reference,
            vector: Array1::zeros(LENGTH),
        }
    }
}

impl BranchModel for Pooled {
    fn branch(&self) -> Branch {
        Branch::Pooled
    }

    fn score(&mut self, part: &mut AlignedPart<'_>) -> f32 {
        extremes(&part.percept.features, &mut self.vector);
        self.reference.distance(self.vector.view())
    }

    fn write(&self, arrays: &mut Arrays) {
        self.reference.write(arrays, "pooled");
    }

    fn boxed(&self) -> Box<dyn BranchModel> {
        Box::new(self.clone())
    }
}

/// # Errors
/// If the arrays are there and can't be used.
pub fn read(source: &ArraySource<'_>) -> Result<Option<Box<dyn BranchModel>>, StatisticsError> {
    source.branch("pooled.mean", || {
        Ok(Pooled::new(source.reference("pooled", LENGTH)?))
    })
}
