//! Quantises and dequantises: converts between float maps in blocks of eight channels and int8 maps in blocks of sixteen.

use super::dots::{Dots, DotsKernel, LANES, run};
use super::scale::Scale;
use crate::kernels::common::lanes::LANES as FLOAT_LANES;
use crate::team;

/// The approximate cost of a value, in float multiplications.
const COST: usize = 16;

/// Quantises with `scale`: rounds and saturates.
///
/// *Shapes*: `[C / 8, area, 8]` to `[C / 16, area, 16]`.
///
/// # Panics
/// If the lengths don't fit each other.
pub(super) fn to_bytes(floats: &[f32], area: usize, scale: Scale, bytes: &mut [i8]) {
    let blocks = floats.len() / (area * FLOAT_LANES);
    assert_eq!(floats.len(), blocks * area * FLOAT_LANES);
    assert_eq!(bytes.len(), blocks.div_ceil(2) * area * LANES);
    let cost = floats.len() * COST;
    team::each_chunk(bytes, area * LANES, cost, |block, bytes| {
        let halves = 2.min(blocks - 2 * block);
        let floats = &floats[2 * block * area * FLOAT_LANES..][..halves * area * FLOAT_LANES];
        run(&ToBytes {
            floats: floats.as_ptr(),
            is_whole: halves == 2,
            area,
            scale,
            bytes: bytes.as_mut_ptr(),
        });
    });
}

/// Dequantises.
///
/// *Shapes*: `[C / 16, area, 16]` to `[C / 8, area, 8]`.
///
/// # Panics
/// If the lengths don't fit each other.
pub(super) fn to_floats(bytes: &[i8], area: usize, scale: Scale, floats: &mut [f32]) {
    let blocks = floats.len() / (area * FLOAT_LANES);
    assert_eq!(floats.len(), blocks * area * FLOAT_LANES);
    assert_eq!(bytes.len(), blocks.div_ceil(2) * area * LANES);
    let cost = floats.len() * COST;
    team::each_chunk(floats, 2 * area * FLOAT_LANES, cost, |block, floats| {
        run(&ToFloats {
            bytes: bytes[block * area * LANES..][..area * LANES].as_ptr(),
            is_whole: floats.len() == 2 * area * FLOAT_LANES,
            area,
            scale,
            floats: floats.as_mut_ptr(),
        });
    });
}

/// Converts one block of bytes, which two blocks of floats make, or one at the end of an odd number. The pointers are good
/// for that.
struct ToBytes {
    floats: *const f32,
    is_whole: bool,
    area: usize,
    scale: Scale,
    bytes: *mut i8,
}

impl DotsKernel for ToBytes {
    #[inline(always)]
    unsafe fn run<D: Dots>(&self) {
        // SAFETY: as the pointers say.
        unsafe {
            let steps = D::splat(self.scale.step.recip());
            let [least, most] = self.scale.bounds();
            let (least, most) = (D::splat(least), D::splat(most));
            for cell in 0..self.area {
                let first = self.floats.add(cell * FLOAT_LANES);
                let second = self.is_whole.then(|| first.add(self.area * FLOAT_LANES));
                let value = D::multiply(D::load_halves(first, second), steps);
                let value = D::clamp(value, least, most);
                D::store_bytes(value, self.scale.zero, self.bytes.add(cell * LANES));
            }
        }
    }
}

/// Converts one block of bytes to floats, as [`ToBytes`] does the other way.
struct ToFloats {
    bytes: *const i8,
    is_whole: bool,
    area: usize,
    scale: Scale,
    floats: *mut f32,
}

impl DotsKernel for ToFloats {
    #[inline(always)]
    unsafe fn run<D: Dots>(&self) {
        // SAFETY: as the pointers say.
        unsafe {
            let step = D::splat(self.scale.step);
            for cell in 0..self.area {
                let first = self.floats.add(cell * FLOAT_LANES);
                let second = self.is_whole.then(|| first.add(self.area * FLOAT_LANES));
                let value = D::from_bytes(self.bytes.add(cell * LANES), self.scale.zero);
                D::store_halves(D::multiply(value, step), first, second);
            }
        }
    }
}
