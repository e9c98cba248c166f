//! Bundle + frame → verdict: the one way in which any command judges a part.

use std::time::Duration;

use crate::score::Branch;

/// What is known of one part.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The fused score; larger is stranger.
    pub score: f32,
    pub reject: bool,
    /// Share of good calibration parts at least as strange as this one (conformal, in (0, 1]).
    pub p_value: f32,
    /// The branch that contributed most to the score.
    pub branch: Branch,
    /// Each active branch's normalised score, in the order of [`Branch::ALL`].
    pub branches: heapless::Vec<(Branch, f32), { Branch::ALL.len() }>,
    /// From the frame in memory to this verdict.
    pub latency: Duration,
}
