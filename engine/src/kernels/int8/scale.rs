//! What the bytes of a map stand for, and how they lie in memory.

use super::dots::Int8Instructions;

/// Steps of one size, with a sign or without: -128 to 127 of them, or 0 to 255.
///
/// In memory a byte is a number of the kind that this CPU's instructions multiply by weights; a map of the other kind lies
/// 128 higher or lower.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    /// What one step is worth.
    pub step: f32,
    pub signed: bool,
    /// What stands in memory for no steps at all.
    pub zero: i32,
}

impl Scale {
    pub(crate) fn new(step: f32, signed: bool) -> Self {
        let zero = match (signed, Int8Instructions::best().unsigned_values()) {
            (true, true) => 128,
            (false, false) => -128,
            (true, false) | (false, true) => 0,
        };
        Self { step, signed, zero }
    }

    /// The fewest and the most steps.
    pub(super) fn bounds(self) -> [f32; 2] {
        match self.signed {
            true => [-128.0, 127.0],
            false => [0.0, 255.0],
        }
    }
}
