//! Four registers of four lanes. With the dot product one instruction multiplies and adds four bytes in each; without
//! it, products are added in pairs, which can't overflow because neither factor is below -128 nor both are.

use std::arch::aarch64::*;
use std::arch::asm;

use super::dots::{Dots, DotsKernel, LANES};

/// # Safety
/// The CPU must have the instructions.
#[target_feature(enable = "neon,dotprod")]
pub(super) unsafe fn with_dot(kernel: &impl DotsKernel) {
    unsafe { kernel.run::<Neon<true>>() }
}

/// # Safety
/// The CPU must have the instructions.
#[target_feature(enable = "neon")]
pub(super) unsafe fn with(kernel: &impl DotsKernel) {
    unsafe { kernel.run::<Neon<false>>() }
}

#[derive(Clone, Copy)]
struct Neon<const DOT: bool>;

impl<const DOT: bool> Neon<DOT> {
    #[inline(always)]
    unsafe fn quarter_dot(
        mut accumulator: int32x4_t,
        value: int8x16_t,
        weight: int8x16_t,
    ) -> int32x4_t {
        unsafe {
            if DOT {
                // The standard library has no stable name for it yet.
                asm!(
                    ".arch_extension dotprod",
                    "sdot {accumulator:v}.4s, {value:v}.16b, {weight:v}.16b",
                    accumulator = inout(vreg) accumulator,
                    value = in(vreg) value,
                    weight = in(vreg) weight,
                    options(pure, nomem, nostack, preserves_flags),
                );
                return accumulator;
            }
            let low = vmull_s8(vget_low_s8(value), vget_low_s8(weight));
            let high = vmull_high_s8(value, weight);
            vpadalq_s16(accumulator, vpaddq_s16(low, high))
        }
    }
}

impl<const DOT: bool> Dots for Neon<DOT> {
    type Accumulators = [int32x4_t; 4];
    type Weights = [int8x16_t; 4];
    type Values = [int8x16_t; 4];
    type Floats = [float32x4_t; 4];

    const MANY: bool = false;

    #[inline(always)]
    unsafe fn accumulators(from: *const i32) -> [int32x4_t; 4] {
        unsafe { [0, 4, 8, 12].map(|at| vld1q_s32(from.add(at))) }
    }

    #[inline(always)]
    unsafe fn weights(from: *const i8) -> [int8x16_t; 4] {
        unsafe { [0, 16, 32, 48].map(|at| vld1q_s8(from.add(at))) }
    }

    #[inline(always)]
    unsafe fn spread(from: *const i8) -> [int8x16_t; 4] {
        unsafe { [vreinterpretq_s8_s32(vdupq_n_s32(from.cast::<i32>().read_unaligned())); 4] }
    }

    #[inline(always)]
    unsafe fn cells(from: *const i8, count: usize) -> [int8x16_t; 4] {
        unsafe {
            let cell = |at: usize| match at < count {
                true => vld1q_s8(from.add(at * LANES)),
                false => vdupq_n_s8(0),
            };
            let cells = [cell(0), cell(1), cell(2), cell(3)];
            let fours = |first: int8x16_t, second: int8x16_t| {
                let (first, second) = (vreinterpretq_s16_s8(first), vreinterpretq_s16_s8(second));
                [vzip1q_s16(first, second), vzip2q_s16(first, second)]
                    .map(|fours| vreinterpretq_s8_s16(fours))
            };
            let [a, b] = fours(vzip1q_s8(cells[0], cells[1]), vzip1q_s8(cells[2], cells[3]));
            let [c, d] = fours(vzip2q_s8(cells[0], cells[1]), vzip2q_s8(cells[2], cells[3]));
            [a, b, c, d]
        }
    }

    #[inline(always)]
    unsafe fn dot(
        accumulators: [int32x4_t; 4],
        values: [int8x16_t; 4],
        weights: [int8x16_t; 4],
    ) -> [int32x4_t; 4] {
        unsafe {
            [
                Self::quarter_dot(accumulators[0], values[0], weights[0]),
                Self::quarter_dot(accumulators[1], values[1], weights[1]),
                Self::quarter_dot(accumulators[2], values[2], weights[2]),
                Self::quarter_dot(accumulators[3], values[3], weights[3]),
            ]
        }
    }

    #[inline(always)]
    unsafe fn floats(accumulators: [int32x4_t; 4]) -> [float32x4_t; 4] {
        unsafe { accumulators.map(|accumulators| vcvtq_f32_s32(accumulators)) }
    }

    #[inline(always)]
    unsafe fn from_bytes(from: *const i8, zero: i32) -> [float32x4_t; 4] {
        unsafe {
            let bytes = vld1q_s8(from);
            let (low, high) = (vmovl_s8(vget_low_s8(bytes)), vmovl_high_s8(bytes));
            [
                vmovl_s16(vget_low_s16(low)),
                vmovl_high_s16(low),
                vmovl_s16(vget_low_s16(high)),
                vmovl_high_s16(high),
            ]
            .map(|whole| vcvtq_f32_s32(vsubq_s32(whole, vdupq_n_s32(zero))))
        }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> [float32x4_t; 4] {
        unsafe { [0, 4, 8, 12].map(|at| vld1q_f32(from.add(at))) }
    }

    #[inline(always)]
    unsafe fn load_halves(first: *const f32, second: Option<*const f32>) -> [float32x4_t; 4] {
        unsafe {
            let [c, d] = match second {
                Some(second) => [vld1q_f32(second), vld1q_f32(second.add(4))],
                None => [vdupq_n_f32(0.0); 2],
            };
            [vld1q_f32(first), vld1q_f32(first.add(4)), c, d]
        }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> [float32x4_t; 4] {
        unsafe { [vdupq_n_f32(value); 4] }
    }

    #[inline(always)]
    unsafe fn add(a: [float32x4_t; 4], b: [float32x4_t; 4]) -> [float32x4_t; 4] {
        unsafe { [0, 1, 2, 3].map(|at| vaddq_f32(a[at], b[at])) }
    }

    #[inline(always)]
    unsafe fn multiply(a: [float32x4_t; 4], b: [float32x4_t; 4]) -> [float32x4_t; 4] {
        unsafe { [0, 1, 2, 3].map(|at| vmulq_f32(a[at], b[at])) }
    }

    #[inline(always)]
    unsafe fn clamp(
        value: [float32x4_t; 4],
        least: [float32x4_t; 4],
        most: [float32x4_t; 4],
    ) -> [float32x4_t; 4] {
        unsafe { [0, 1, 2, 3].map(|at| vminq_f32(vmaxq_f32(value[at], least[at]), most[at])) }
    }

    #[inline(always)]
    unsafe fn store_bytes(value: [float32x4_t; 4], zero: i32, to: *mut i8) {
        unsafe {
            let above = |value| vaddq_s32(vcvtnq_s32_f32(value), vdupq_n_s32(zero));
            let [a, b, c, d] = value.map(|value| vqmovn_s32(above(value)));
            let (low, high) = (
                vqmovn_s16(vcombine_s16(a, b)),
                vqmovn_s16(vcombine_s16(c, d)),
            );
            vst1q_s8(to, vcombine_s8(low, high));
        }
    }

    #[inline(always)]
    unsafe fn store_halves(value: [float32x4_t; 4], first: *mut f32, second: Option<*mut f32>) {
        unsafe {
            vst1q_f32(first, value[0]);
            vst1q_f32(first.add(4), value[1]);
            if let Some(second) = second {
                vst1q_f32(second, value[2]);
                vst1q_f32(second.add(4), value[3]);
            }
        }
    }
}
