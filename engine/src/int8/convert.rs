//! Between maps of floats in blocks of eight channels and maps of bytes in blocks of sixteen.

use super::dots::{Dots, Kernel, LANES, run};
use crate::blocked::LANES as FLOAT_LANES;

/// `[C / 8, area, 8]` to `[C / 16, area, 16]`: times `steps`, rounded, and kept within a byte.
///
/// # Panics
/// If the lengths don't fit each other.
pub(super) fn to_bytes(floats: &[f32], area: usize, steps: f32, bytes: &mut [i8]) {
    let blocks = floats.len() / (area * FLOAT_LANES);
    assert_eq!(floats.len(), blocks * area * FLOAT_LANES);
    assert_eq!(bytes.len(), blocks.div_ceil(2) * area * LANES);
    run(&ToBytes {
        floats: floats.as_ptr(),
        blocks,
        area,
        steps,
        bytes: bytes.as_mut_ptr(),
    })
}

/// `[C / 16, area, 16]` to `[C / 8, area, 8]`: times `step`.
///
/// # Panics
/// If the lengths don't fit each other.
pub(super) fn to_floats(bytes: &[i8], area: usize, step: f32, floats: &mut [f32]) {
    let blocks = floats.len() / (area * FLOAT_LANES);
    assert_eq!(floats.len(), blocks * area * FLOAT_LANES);
    assert_eq!(bytes.len(), blocks.div_ceil(2) * area * LANES);
    run(&ToFloats {
        bytes: bytes.as_ptr(),
        blocks,
        area,
        step,
        floats: floats.as_mut_ptr(),
    })
}

/// The pointers are good for what `blocks` and `area` say.
struct ToBytes {
    floats: *const f32,
    /// Of floats.
    blocks: usize,
    area: usize,
    steps: f32,
    bytes: *mut i8,
}

impl Kernel for ToBytes {
    #[inline(always)]
    unsafe fn run<D: Dots>(&self) {
        // SAFETY: as the pointers say.
        unsafe {
            let steps = D::splat(self.steps);
            let (least, most) = (D::splat(i8::MIN.into()), D::splat(i8::MAX.into()));
            for block in (0..self.blocks).step_by(2) {
                let is_whole = block + 1 < self.blocks;
                for cell in 0..self.area {
                    let first = self.floats.add((block * self.area + cell) * FLOAT_LANES);
                    let second = is_whole.then(|| first.add(self.area * FLOAT_LANES));
                    let value = D::multiply(D::load_halves(first, second), steps);
                    let to = self.bytes.add((block / 2 * self.area + cell) * LANES);
                    D::store_bytes(D::clamp(value, least, most), to);
                }
            }
        }
    }
}

/// The pointers are good for what `blocks` and `area` say.
struct ToFloats {
    bytes: *const i8,
    /// Of floats.
    blocks: usize,
    area: usize,
    step: f32,
    floats: *mut f32,
}

impl Kernel for ToFloats {
    #[inline(always)]
    unsafe fn run<D: Dots>(&self) {
        // SAFETY: as the pointers say.
        unsafe {
            let step = D::splat(self.step);
            for block in (0..self.blocks).step_by(2) {
                let is_whole = block + 1 < self.blocks;
                for cell in 0..self.area {
                    let from = self.bytes.add((block / 2 * self.area + cell) * LANES);
                    let first = self.floats.add((block * self.area + cell) * FLOAT_LANES);
                    let second = is_whole.then(|| first.add(self.area * FLOAT_LANES));
                    D::store_halves(D::multiply(D::from_bytes(from), step), first, second);
                }
            }
        }
    }
}
