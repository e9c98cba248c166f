//! Two registers of eight lanes. With AVX-VNNI one instruction multiplies and adds four bytes in each; without it,
//! products are added in pairs, which can't overflow because neither factor is below -128 nor both are.

use std::arch::x86_64::*;

use super::dots::{Dots, DotsKernel, LANES};

/// # Safety
/// The CPU must have the instructions.
#[target_feature(enable = "avx2,avxvnni")]
pub(super) unsafe fn with_vnni(kernel: &impl DotsKernel) {
    unsafe { kernel.run::<Avx2<true>>() }
}

/// # Safety
/// The CPU must have the instructions.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn with(kernel: &impl DotsKernel) {
    unsafe { kernel.run::<Avx2<false>>() }
}

#[derive(Clone, Copy)]
struct Avx2<const VNNI: bool>;

impl<const VNNI: bool> Avx2<VNNI> {
    /// Eight lanes of four bytes, of the first two and of the last two.
    #[inline(always)]
    unsafe fn fours(first: __m128i, second: __m128i) -> __m256i {
        unsafe {
            let low = _mm_unpacklo_epi16(first, second);
            let high = _mm_unpackhi_epi16(first, second);
            _mm256_set_m128i(high, low)
        }
    }

    #[inline(always)]
    unsafe fn half_dot(accumulator: __m256i, value: __m256i, weight: __m256i) -> __m256i {
        unsafe {
            if VNNI {
                return _mm256_dpbusd_avx_epi32(accumulator, value, weight);
            }
            let weight = _mm256_sign_epi8(weight, value);
            let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(value), weight);
            _mm256_add_epi32(accumulator, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
        }
    }
}

impl<const VNNI: bool> Dots for Avx2<VNNI> {
    type Accumulators = [__m256i; 2];
    type Weights = [__m256i; 2];
    type Values = [__m256i; 2];
    type Floats = [__m256; 2];

    const MANY: bool = false;

    #[inline(always)]
    unsafe fn accumulators(from: *const i32) -> [__m256i; 2] {
        unsafe {
            [
                _mm256_loadu_si256(from.cast()),
                _mm256_loadu_si256(from.add(8).cast()),
            ]
        }
    }

    #[inline(always)]
    unsafe fn weights(from: *const i8) -> [__m256i; 2] {
        unsafe {
            [
                _mm256_loadu_si256(from.cast()),
                _mm256_loadu_si256(from.add(32).cast()),
            ]
        }
    }

    #[inline(always)]
    unsafe fn spread(from: *const i8) -> [__m256i; 2] {
        unsafe {
            let four = _mm256_set1_epi32(from.cast::<i32>().read_unaligned());
            [four; 2]
        }
    }

    #[inline(always)]
    unsafe fn cells(from: *const i8, count: usize) -> [__m256i; 2] {
        unsafe {
            let mut cells = [_mm_setzero_si128(); 4];
            for (at, cell) in cells.iter_mut().enumerate().take(count) {
                *cell = _mm_loadu_si128(from.add(at * LANES).cast());
            }
            let [a, b, c, d] = cells;
            [
                Self::fours(_mm_unpacklo_epi8(a, b), _mm_unpacklo_epi8(c, d)),
                Self::fours(_mm_unpackhi_epi8(a, b), _mm_unpackhi_epi8(c, d)),
            ]
        }
    }

    #[inline(always)]
    unsafe fn dot(
        accumulators: [__m256i; 2],
        values: [__m256i; 2],
        weights: [__m256i; 2],
    ) -> [__m256i; 2] {
        unsafe {
            [
                Self::half_dot(accumulators[0], values[0], weights[0]),
                Self::half_dot(accumulators[1], values[1], weights[1]),
            ]
        }
    }

    #[inline(always)]
    unsafe fn floats(accumulators: [__m256i; 2]) -> [__m256; 2] {
        unsafe {
            [
                _mm256_cvtepi32_ps(accumulators[0]),
                _mm256_cvtepi32_ps(accumulators[1]),
            ]
        }
    }

    #[inline(always)]
    unsafe fn from_bytes(from: *const i8, zero: i32) -> [__m256; 2] {
        unsafe {
            [0, 8].map(|half| {
                let bytes = _mm_loadl_epi64(from.add(half).cast());
                let whole = match VNNI {
                    true => _mm256_cvtepu8_epi32(bytes),
                    false => _mm256_cvtepi8_epi32(bytes),
                };
                _mm256_cvtepi32_ps(_mm256_sub_epi32(whole, _mm256_set1_epi32(zero)))
            })
        }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> [__m256; 2] {
        unsafe { [_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))] }
    }

    #[inline(always)]
    unsafe fn load_halves(first: *const f32, second: Option<*const f32>) -> [__m256; 2] {
        unsafe {
            let second = match second {
                Some(second) => _mm256_loadu_ps(second),
                None => _mm256_setzero_ps(),
            };
            [_mm256_loadu_ps(first), second]
        }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> [__m256; 2] {
        unsafe { [_mm256_set1_ps(value); 2] }
    }

    #[inline(always)]
    unsafe fn add(a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        unsafe { [_mm256_add_ps(a[0], b[0]), _mm256_add_ps(a[1], b[1])] }
    }

    #[inline(always)]
    unsafe fn multiply(a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        unsafe { [_mm256_mul_ps(a[0], b[0]), _mm256_mul_ps(a[1], b[1])] }
    }

    #[inline(always)]
    unsafe fn clamp(value: [__m256; 2], least: [__m256; 2], most: [__m256; 2]) -> [__m256; 2] {
        unsafe {
            [
                _mm256_min_ps(_mm256_max_ps(value[0], least[0]), most[0]),
                _mm256_min_ps(_mm256_max_ps(value[1], least[1]), most[1]),
            ]
        }
    }

    #[inline(always)]
    unsafe fn store_bytes(value: [__m256; 2], zero: i32, to: *mut i8) {
        unsafe {
            let zero = _mm256_set1_epi32(zero);
            let whole = value.map(|half| _mm256_add_epi32(_mm256_cvtps_epi32(half), zero));
            // Each half of a register is packed by itself; the permutation brings them back in order.
            let words = _mm256_packs_epi32(whole[0], whole[1]);
            let words = _mm256_permute4x64_epi64::<0b11_01_10_00>(words);
            let (low, high) = (
                _mm256_castsi256_si128(words),
                _mm256_extracti128_si256::<1>(words),
            );
            let bytes = match VNNI {
                true => _mm_packus_epi16(low, high),
                false => _mm_packs_epi16(low, high),
            };
            _mm_storeu_si128(to.cast(), bytes);
        }
    }

    #[inline(always)]
    unsafe fn store_halves(value: [__m256; 2], first: *mut f32, second: Option<*mut f32>) {
        unsafe {
            _mm256_storeu_ps(first, value[0]);
            if let Some(second) = second {
                _mm256_storeu_ps(second, value[1]);
            }
        }
    }
}
