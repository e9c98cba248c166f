//! A register holds all sixteen lanes, and one instruction multiplies and adds four bytes in each.

use std::arch::x86_64::*;

use super::dots::{DEPTH, Dots, DotsKernel, LANES};

/// # Safety
/// The CPU must have the instructions.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
pub(super) unsafe fn with(kernel: &impl DotsKernel) {
    unsafe { kernel.run::<Avx512>() }
}

#[derive(Clone, Copy)]
struct Avx512;

/// Byte `4 * lane + cell` of the result is byte `16 * cell + lane`.
static LANE_BY_LANE: [u8; LANES * DEPTH] = {
    let mut places = [0; LANES * DEPTH];
    let mut at = 0;
    while at < places.len() {
        places[at] = (at % DEPTH * LANES + at / DEPTH) as u8;
        at += 1;
    }
    places
};

impl Dots for Avx512 {
    type Accumulators = __m512i;
    type Weights = __m512i;
    type Values = __m512i;
    type Floats = __m512;

    const MANY: bool = true;

    #[inline(always)]
    unsafe fn accumulators(from: *const i32) -> __m512i {
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn weights(from: *const i8) -> __m512i {
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn spread(from: *const i8) -> __m512i {
        unsafe { _mm512_set1_epi32(from.cast::<i32>().read_unaligned()) }
    }

    #[inline(always)]
    unsafe fn cells(from: *const i8, count: usize) -> __m512i {
        unsafe {
            let there = u64::MAX >> (64 - LANES * count);
            let cells = _mm512_maskz_loadu_epi8(there, from);
            let places = _mm512_loadu_si512(LANE_BY_LANE.as_ptr().cast());
            _mm512_permutexvar_epi8(places, cells)
        }
    }

    #[inline(always)]
    unsafe fn dot(accumulators: __m512i, values: __m512i, weights: __m512i) -> __m512i {
        unsafe { _mm512_dpbusd_epi32(accumulators, values, weights) }
    }

    #[inline(always)]
    unsafe fn floats(accumulators: __m512i) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(accumulators) }
    }

    #[inline(always)]
    unsafe fn from_bytes(from: *const i8, zero: i32) -> __m512 {
        unsafe {
            let whole = _mm512_cvtepu8_epi32(_mm_loadu_si128(from.cast()));
            _mm512_cvtepi32_ps(_mm512_sub_epi32(whole, _mm512_set1_epi32(zero)))
        }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn load_halves(first: *const f32, second: Option<*const f32>) -> __m512 {
        unsafe {
            let low = _mm256_castps_si256(_mm256_loadu_ps(first));
            let high = match second {
                Some(second) => _mm256_castps_si256(_mm256_loadu_ps(second)),
                None => _mm256_setzero_si256(),
            };
            _mm512_castsi512_ps(_mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high))
        }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> __m512 {
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn multiply(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn clamp(value: __m512, least: __m512, most: __m512) -> __m512 {
        unsafe { _mm512_min_ps(_mm512_max_ps(value, least), most) }
    }

    #[inline(always)]
    unsafe fn store_bytes(value: __m512, zero: i32, to: *mut i8) {
        unsafe {
            let whole = _mm512_add_epi32(_mm512_cvtps_epi32(value), _mm512_set1_epi32(zero));
            _mm_storeu_si128(to.cast(), _mm512_cvtepi32_epi8(whole))
        }
    }

    #[inline(always)]
    unsafe fn store_halves(value: __m512, first: *mut f32, second: Option<*mut f32>) {
        unsafe {
            _mm256_storeu_ps(first, _mm512_castps512_ps256(value));
            if let Some(second) = second {
                let high = _mm512_extracti64x4_epi64::<1>(_mm512_castps_si512(value));
                _mm256_storeu_ps(second, _mm256_castsi256_ps(high));
            }
        }
    }
}
