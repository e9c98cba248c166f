//! How large a student's error usually is at each position.

use aecsad_inspect::network::MAP_SIDE;
use aecsad_inspect::score::error_scale::ErrorScale;
use ndarray::Array2;

/// From registered error maps (64×64, row by row) of good parts. A position's deviation is never taken smaller than
/// half the median over all positions: a calm corner must not shout.
pub fn fit(maps: &[Vec<f32>]) -> ErrorScale {
    let count = maps.len().max(1) as f32;
    let mut mean = Array2::<f32>::zeros((MAP_SIDE, MAP_SIDE));
    let mut square = mean.clone();
    for map in maps {
        for ((m, q), error) in mean.iter_mut().zip(square.iter_mut()).zip(map) {
            let root = error.max(0.0).sqrt();
            *m += root / count;
            *q += root * root / count;
        }
    }
    let mut std = square - &mean * &mean;
    std.mapv_inplace(|v| v.max(0.0).sqrt());
    let mut sorted: Vec<f32> = std.iter().copied().collect();
    sorted.sort_by(f32::total_cmp);
    let floor = (sorted[sorted.len() / 2] / 2.0).max(1e-6);
    std.mapv_inplace(|v| v.max(floor));
    ErrorScale { mean, std }
}
