//! The quantisation of a map: its step and its zero point.

use super::dots::Int8Instructions;

/// Linear quantisation in steps of one size, signed (-128 to 127) or unsigned (0 to 255).
///
/// In memory a byte has the signedness that this CPU's instructions multiply by weights; a map of the other signedness is
/// shifted by 128.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    /// The value of one step.
    pub step: f32,
    pub signed: bool,
    /// The zero point in memory.
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
