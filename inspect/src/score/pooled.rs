//! One vector for the whole part: the largest and smallest value of each deep channel. A part too many or of a new
//! kind shows there wherever it lies.

use ndarray::Array1;

use crate::network::Features;

/// Length of the vector.
pub const LENGTH: usize = 2 * Features::STRIDE16.0;

/// Maxima of the stride-16 channels, then minima.
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
