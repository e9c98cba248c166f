//! Eight f32 lanes, or two blocks of eight, on whatever the CPU has. A kernel is written once over [`Lanes`]; which
//! instructions it is compiled to is chosen where it is started, so one binary runs on old and new CPUs.

use std::sync::OnceLock;

use super::exponential::Exponent;

/// Channels that lie next to each other in memory, and values that one instruction works on.
pub(crate) const LANES: usize = 8;

/// Every function may only be called where the instructions exist, and pointers must be good for [`Lanes::BLOCKS`] times
/// [`LANES`] values.
#[allow(clippy::missing_safety_doc)]
pub(crate) trait Lanes: Exponent {
    /// Whether it holds two blocks of [`LANES`], otherwise one.
    const IS_WIDE: bool;
    const BLOCKS: usize = if Self::IS_WIDE { 2 } else { 1 };
    /// Holds one block.
    type One: Lanes;

    unsafe fn splat(value: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    /// The blocks lie `pitch` values apart.
    #[inline(always)]
    unsafe fn load_apart(from: *const f32, _pitch: usize) -> Self {
        unsafe { Self::load(from) }
    }
    /// The blocks lie `pitch` values apart.
    #[inline(always)]
    unsafe fn store_apart(self, to: *mut f32, _pitch: usize) {
        unsafe { self.store(to) }
    }
    unsafe fn add(self, other: Self) -> Self;
    /// `self + a · b`
    unsafe fn add_product(self, a: Self, b: Self) -> Self;
    /// NaN stays NaN.
    unsafe fn at_least(self, least: Self) -> Self;
    /// NaN stays NaN.
    unsafe fn at_most(self, most: Self) -> Self;
}

/// A computation on lanes of any kind.
pub(crate) trait Kernel {
    /// Must be `#[inline(always)]`, to be compiled with the instructions of its caller.
    ///
    /// # Safety
    /// The CPU must have the instructions of `L`.
    unsafe fn run<L: Lanes>(&self);
}

/// Runs `kernel` with the best instructions for one block that this CPU has.
pub(crate) fn run(kernel: &impl Kernel) {
    match Instructions::found() {
        // SAFETY: the CPU was checked for these instructions.
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx512 | Instructions::Avx2 => unsafe { with_avx2(kernel) },
        #[cfg(target_arch = "aarch64")]
        Instructions::Neon => unsafe { with_neon(kernel) },
        // SAFETY: needs no particular instructions.
        Instructions::Portable => unsafe { kernel.run::<Portable>() },
    }
}

/// Runs a kernel as [`run`] does, on two blocks at once where the CPU can.
pub(crate) fn run_wide(kernel: &impl Kernel) {
    match Instructions::found() {
        // SAFETY: the CPU was checked for these instructions.
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx512 => unsafe { with_avx512(kernel) },
        _ => run(kernel),
    }
}

/// Whether [`run_wide`] works on two blocks at once.
pub(crate) fn is_wide() -> bool {
    match Instructions::found() {
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx512 => true,
        _ => false,
    }
}

#[derive(Clone, Copy)]
pub(crate) enum Instructions {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "aarch64")]
    Neon,
    Portable,
}

impl Instructions {
    /// All instruction sets that this CPU has, the best first.
    pub(crate) fn available() -> Vec<Self> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            if is_x86_feature_detected!("avx512f") {
                all.push(Instructions::Avx512);
            }
            all.push(Instructions::Avx2);
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("neon") {
            all.push(Instructions::Neon);
        }
        all.push(Instructions::Portable);
        all
    }

    fn found() -> Self {
        #[cfg(test)]
        if let Some(chosen) = CHOSEN.get() {
            return chosen;
        }
        static FOUND: OnceLock<Instructions> = OnceLock::new();
        *FOUND.get_or_init(|| Instructions::available()[0])
    }
}

/// See [`crate::fuses`].
pub(crate) fn fuses() -> bool {
    !matches!(Instructions::found(), Instructions::Portable)
}

#[cfg(test)]
thread_local! {
    /// Set by tests to try every instruction set.
    pub(crate) static CHOSEN: std::cell::Cell<Option<Instructions>> = const { std::cell::Cell::new(None) };
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn with_avx2(kernel: &impl Kernel) {
    unsafe { kernel.run::<std::arch::x86_64::__m256>() }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avx512f")]
unsafe fn with_avx512(kernel: &impl Kernel) {
    unsafe { kernel.run::<std::arch::x86_64::__m512>() }
}

#[cfg(target_arch = "aarch64")]
#[target_feature(enable = "neon")]
unsafe fn with_neon(kernel: &impl Kernel) {
    unsafe { kernel.run::<Neon>() }
}

#[cfg(target_arch = "x86_64")]
impl Lanes for std::arch::x86_64::__m256 {
    const IS_WIDE: bool = false;
    type One = Self;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        unsafe { std::arch::x86_64::_mm256_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { std::arch::x86_64::_mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { std::arch::x86_64::_mm256_storeu_ps(to, self) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        unsafe { std::arch::x86_64::_mm256_add_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn add_product(self, a: Self, b: Self) -> Self {
        unsafe { std::arch::x86_64::_mm256_fmadd_ps(a, b, self) }
    }

    // Both return their second operand if one is NaN.
    #[inline(always)]
    unsafe fn at_least(self, least: Self) -> Self {
        unsafe { std::arch::x86_64::_mm256_max_ps(least, self) }
    }

    #[inline(always)]
    unsafe fn at_most(self, most: Self) -> Self {
        unsafe { std::arch::x86_64::_mm256_min_ps(most, self) }
    }
}

#[cfg(target_arch = "x86_64")]
impl Lanes for std::arch::x86_64::__m512 {
    const IS_WIDE: bool = true;
    type One = std::arch::x86_64::__m256;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        unsafe { std::arch::x86_64::_mm512_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { std::arch::x86_64::_mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { std::arch::x86_64::_mm512_storeu_ps(to, self) }
    }

    #[inline(always)]
    unsafe fn load_apart(from: *const f32, pitch: usize) -> Self {
        use std::arch::x86_64::*;
        unsafe {
            let first = _mm512_castpd256_pd512(_mm256_castps_pd(_mm256_loadu_ps(from)));
            let second = _mm256_castps_pd(_mm256_loadu_ps(from.add(pitch)));
            _mm512_castpd_ps(_mm512_insertf64x4::<1>(first, second))
        }
    }

    #[inline(always)]
    unsafe fn store_apart(self, to: *mut f32, pitch: usize) {
        use std::arch::x86_64::*;
        unsafe {
            _mm256_storeu_ps(to, _mm512_castps512_ps256(self));
            let second = _mm512_extractf64x4_pd::<1>(_mm512_castps_pd(self));
            _mm256_storeu_ps(to.add(pitch), _mm256_castpd_ps(second));
        }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        unsafe { std::arch::x86_64::_mm512_add_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn add_product(self, a: Self, b: Self) -> Self {
        unsafe { std::arch::x86_64::_mm512_fmadd_ps(a, b, self) }
    }

    // Both return their second operand if one is NaN.
    #[inline(always)]
    unsafe fn at_least(self, least: Self) -> Self {
        unsafe { std::arch::x86_64::_mm512_max_ps(least, self) }
    }

    #[inline(always)]
    unsafe fn at_most(self, most: Self) -> Self {
        unsafe { std::arch::x86_64::_mm512_min_ps(most, self) }
    }
}

/// Two registers of four.
#[cfg(target_arch = "aarch64")]
#[derive(Clone, Copy)]
pub(crate) struct Neon(
    pub(crate) std::arch::aarch64::float32x4_t,
    pub(crate) std::arch::aarch64::float32x4_t,
);

#[cfg(target_arch = "aarch64")]
impl Lanes for Neon {
    const IS_WIDE: bool = false;
    type One = Self;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        let four = unsafe { std::arch::aarch64::vdupq_n_f32(value) };
        Neon(four, four)
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        use std::arch::aarch64::vld1q_f32;
        unsafe { Neon(vld1q_f32(from), vld1q_f32(from.add(4))) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        use std::arch::aarch64::vst1q_f32;
        unsafe {
            vst1q_f32(to, self.0);
            vst1q_f32(to.add(4), self.1);
        }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        use std::arch::aarch64::vaddq_f32;
        unsafe { Neon(vaddq_f32(self.0, other.0), vaddq_f32(self.1, other.1)) }
    }

    #[inline(always)]
    unsafe fn add_product(self, a: Self, b: Self) -> Self {
        use std::arch::aarch64::vfmaq_f32;
        unsafe { Neon(vfmaq_f32(self.0, a.0, b.0), vfmaq_f32(self.1, a.1, b.1)) }
    }

    #[inline(always)]
    unsafe fn at_least(self, least: Self) -> Self {
        use std::arch::aarch64::vmaxq_f32;
        unsafe { Neon(vmaxq_f32(self.0, least.0), vmaxq_f32(self.1, least.1)) }
    }

    #[inline(always)]
    unsafe fn at_most(self, most: Self) -> Self {
        use std::arch::aarch64::vminq_f32;
        unsafe { Neon(vminq_f32(self.0, most.0), vminq_f32(self.1, most.1)) }
    }
}

/// Plain loops, vectorised by the compiler.
#[derive(Clone, Copy)]
pub(crate) struct Portable([f32; LANES]);

impl Portable {
    #[inline(always)]
    pub(crate) fn with(self, other: Self, of: impl Fn(f32, f32) -> f32) -> Self {
        Portable(std::array::from_fn(|lane| of(self.0[lane], other.0[lane])))
    }
}

impl Lanes for Portable {
    const IS_WIDE: bool = false;
    type One = Self;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Portable([value; LANES])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        Portable(unsafe { from.cast::<[f32; LANES]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { to.cast::<[f32; LANES]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        self.with(other, |a, b| a + b)
    }

    // Without the instruction, `f32::mul_add` is a call.
    #[inline(always)]
    unsafe fn add_product(self, a: Self, b: Self) -> Self {
        self.with(a.with(b, |a, b| a * b), |sum, product| sum + product)
    }

    #[inline(always)]
    unsafe fn at_least(self, least: Self) -> Self {
        self.with(
            least,
            |value, least| if value < least { least } else { value },
        )
    }

    #[inline(always)]
    unsafe fn at_most(self, most: Self) -> Self {
        self.with(most, |value, most| if value > most { most } else { value })
    }
}
