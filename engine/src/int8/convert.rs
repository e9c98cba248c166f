//! Between maps of floats in blocks of eight channels and maps of bytes in blocks of sixteen.

use super::dots::{Dots, Kernel, LANES, run};
use crate::blocked::LANES as FLOAT_LANES;
use crate::team;

/// What a value costs in multiplications of floats, about.
const COST: usize = 16;

/// `[C / 8, area, 8]` to `[C / 16, area, 16]`: times `steps`, rounded, and kept within a byte.
///
/// # Panics
/// If the lengths don't fit each other.
pub(super) fn to_bytes(floats: &[f32], area: usize, steps: f32, bytes: &mut [i8]) {
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
            steps,
            bytes: bytes.as_mut_ptr(),
        });
    });
}

/// `[C / 16, area, 16]` to `[C / 8, area, 8]`: times `step`.
///
/// # Panics
/// If the lengths don't fit each other.
pub(super) fn to_floats(bytes: &[i8], area: usize, step: f32, floats: &mut [f32]) {
    let blocks = floats.len() / (area * FLOAT_LANES);
    assert_eq!(floats.len(), blocks * area * FLOAT_LANES);
    assert_eq!(bytes.len(), blocks.div_ceil(2) * area * LANES);
    let cost = floats.len() * COST;
    team::each_chunk(floats, 2 * area * FLOAT_LANES, cost, |block, floats| {
        run(&ToFloats {
            bytes: bytes[block * area * LANES..][..area * LANES].as_ptr(),
            is_whole: floats.len() == 2 * area * FLOAT_LANES,
            area,
            step,
            floats: floats.as_mut_ptr(),
        });
    });
}

/// One block of bytes, and of floats two, or one at the end of an odd number; the pointers are good for that.
struct ToBytes {
    floats: *const f32,
    is_whole: bool,
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
            for cell in 0..self.area {
                let first = self.floats.add(cell * FLOAT_LANES);
                let second = self.is_whole.then(|| first.add(self.area * FLOAT_LANES));
                let value = D::multiply(D::load_halves(first, second), steps);
                D::store_bytes(D::clamp(value, least, most), self.bytes.add(cell * LANES));
            }
        }
    }
}

/// The same from bytes to floats.
struct ToFloats {
    bytes: *const i8,
    is_whole: bool,
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
            for cell in 0..self.area {
                let first = self.floats.add(cell * FLOAT_LANES);
                let second = self.is_whole.then(|| first.add(self.area * FLOAT_LANES));
                let value = D::from_bytes(self.bytes.add(cell * LANES));
                D::store_halves(D::multiply(value, step), first, second);
            }
        }
    }
}
