//! Feature maps whose channels lie in blocks of eight: `[C / 8, H, W, 8]`, the last block filled up with zeros. One
//! load brings eight channels of a cell, and a kernel that moves over the cells reads memory in order.

use crate::kernels::common::lanes::LANES;
use crate::team;

/// What moving a value costs in multiplications, about.
const MOVED: usize = 32;

/// How many blocks hold `channels`.
pub(crate) fn blocks(channels: usize) -> usize {
    channels.div_ceil(LANES)
}

/// `[C, area]` to `[C / 8, area, 8]`.
pub(crate) fn to_blocked(plain: &[f32], area: usize, blocked: &mut [f32]) {
    let cost = blocked.len() * MOVED;
    team::each_chunk(blocked, LANES * area, cost, |index, block| {
        let channels = &plain[index * LANES * area..];
        let channels = &channels[..channels.len().min(LANES * area)];
        for (lane, channel) in channels.chunks_exact(area).enumerate() {
            let cells = block.chunks_exact_mut(LANES);
            cells
                .zip(channel)
                .for_each(|(cell, value)| cell[lane] = *value);
        }
        for lane in channels.len() / area..LANES {
            let cells = block.chunks_exact_mut(LANES);
            cells.for_each(|cell| cell[lane] = 0.0);
        }
    });
}

/// `[C / 8, area, 8]` to `[C, area]`.
pub(crate) fn to_plain(blocked: &[f32], area: usize, plain: &mut [f32]) {
    let cost = plain.len() * MOVED;
    team::each_chunk(plain, LANES * area, cost, |index, channels| {
        let block = &blocked[index * LANES * area..][..LANES * area];
        for (lane, channel) in channels.chunks_exact_mut(area).enumerate() {
            let cells = block.chunks_exact(LANES);
            channel
                .iter_mut()
                .zip(cells)
                .for_each(|(value, cell)| *value = cell[lane]);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for (channels, area) in [(1, 1), (3, 7), (8, 5), (13, 12), (24, 64)] {
            let plain: Vec<f32> = (0..channels * area).map(|value| value as f32).collect();
            let mut blocked = vec![f32::NAN; blocks(channels) * LANES * area];
            to_blocked(&plain, area, &mut blocked);
            let last = (channels - 1) % LANES;
            let filled_up = blocked[blocked.len() - LANES..].iter().skip(last + 1);
            assert!(filled_up.into_iter().all(|value| *value == 0.0));
            let mut back = vec![f32::NAN; plain.len()];
            to_plain(&blocked, area, &mut back);
            assert_eq!(back, plain);
        }
    }
}
