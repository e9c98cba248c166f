//! Dot products of bytes for sixteen channels at once, with the instructions that CPUs have for them. The accumulators
//! are exact and the epilogue rounds alike everywhere: an int8 network gives the same bits on every machine.

use std::sync::OnceLock;

/// Channels that are computed at once: one block of a map.
pub(crate) const LANES: usize = 16;
/// Products of bytes that each lane accumulates in one step.
pub(crate) const DEPTH: usize = 4;

/// Instructions of one kind. Sixteen lanes everywhere; each multiplies four bytes of values with four of weights.
///
/// # Safety
/// Of all of it: the CPU must have the instructions, and pointers must be good for what is read or written.
pub(crate) trait Dots: Copy {
    /// `[16]` of i32.
    type Accumulators: Copy;
    /// `[16][4]` weights, -127 to 127.
    type Weights: Copy;
    /// `[16][4]` values as they lie in memory.
    type Values: Copy;
    /// `[16]` of f32.
    type Floats: Copy;

    /// Whether there are registers for 24 accumulators at once; for 6 otherwise.
    const MANY: bool;

    unsafe fn accumulators(from: *const i32) -> Self::Accumulators;
    unsafe fn weights(from: *const i8) -> Self::Weights;
    /// Loads four values, the same for all lanes.
    unsafe fn spread(from: *const i8) -> Self::Values;
    /// Of each lane its value in up to four cells, which lie side by side; nothing behind them is read.
    unsafe fn cells(from: *const i8, count: usize) -> Self::Values;
    unsafe fn dot(
        accumulators: Self::Accumulators,
        values: Self::Values,
        weights: Self::Weights,
    ) -> Self::Accumulators;

    unsafe fn floats(accumulators: Self::Accumulators) -> Self::Floats;
    /// Loads bytes as floats relative to the zero point `zero`.
    unsafe fn from_bytes(from: *const i8, zero: i32) -> Self::Floats;
    unsafe fn load(from: *const f32) -> Self::Floats;
    /// The first eight from one place, the others from another or zero.
    unsafe fn load_halves(first: *const f32, second: Option<*const f32>) -> Self::Floats;
    unsafe fn splat(value: f32) -> Self::Floats;
    unsafe fn add(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    unsafe fn multiply(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    unsafe fn clamp(value: Self::Floats, least: Self::Floats, most: Self::Floats) -> Self::Floats;
    /// Rounds to nearest even, adds the zero point and saturates to a byte.
    unsafe fn store_bytes(value: Self::Floats, zero: i32, to: *mut i8);
    /// The first eight to one place, the others to another or nowhere.
    unsafe fn store_halves(value: Self::Floats, first: *mut f32, second: Option<*mut f32>);
}

/// A computation with instructions of any kind.
pub(crate) trait DotsKernel {
    /// Must be `#[inline(always)]`, to be compiled with the instructions of its caller.
    ///
    /// # Safety
    /// The CPU must have the instructions of `D`.
    unsafe fn run<D: Dots>(&self);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Int8Instructions {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    AvxVnni,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "aarch64")]
    NeonDot,
    #[cfg(target_arch = "aarch64")]
    Neon,
    PortableDots,
}

impl Int8Instructions {
    /// All instruction sets that this CPU has, the best first.
    pub(crate) fn available() -> Vec<Int8Instructions> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            if has!("avx512f")
                && has!("avx512bw")
                && has!("avx512vl")
                && has!("avx512vnni")
                && has!("avx512vbmi")
            {
                all.push(Int8Instructions::Avx512);
            }
            if has!("avx2") && has!("avxvnni") {
                all.push(Int8Instructions::AvxVnni);
            }
            if has!("avx2") {
                all.push(Int8Instructions::Avx2);
            }
        }
        #[cfg(target_arch = "aarch64")]
        {
            use std::arch::is_aarch64_feature_detected as has;
            if has!("neon") && has!("dotprod") {
                all.push(Int8Instructions::NeonDot);
            }
            if has!("neon") {
                all.push(Int8Instructions::Neon);
            }
        }
        all.push(Int8Instructions::PortableDots);
        all
    }

    /// Whether they multiply values from 0 to 255 by weights, and not from -128 to 127.
    pub(crate) fn unsigned_values(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Int8Instructions::Avx512 | Int8Instructions::AvxVnni => true,
            _ => false,
        }
    }

    pub(crate) fn best() -> Int8Instructions {
        #[cfg(test)]
        if let Some(chosen) = CHOSEN.get() {
            return chosen;
        }
        static BEST: OnceLock<Int8Instructions> = OnceLock::new();
        *BEST.get_or_init(|| Int8Instructions::available()[0])
    }
}

#[cfg(test)]
thread_local! {
    /// Set by tests to try every instruction set.
    pub(crate) static CHOSEN: std::cell::Cell<Option<Int8Instructions>> = const { std::cell::Cell::new(None) };
}

/// Runs `kernel` with the best instructions that this CPU has.
pub(crate) fn run(kernel: &impl DotsKernel) {
    // SAFETY: the CPU was checked for these instructions.
    unsafe {
        match Int8Instructions::best() {
            #[cfg(target_arch = "x86_64")]
            Int8Instructions::Avx512 => super::avx512::with(kernel),
            #[cfg(target_arch = "x86_64")]
            Int8Instructions::AvxVnni => super::avx2::with_vnni(kernel),
            #[cfg(target_arch = "x86_64")]
            Int8Instructions::Avx2 => super::avx2::with(kernel),
            #[cfg(target_arch = "aarch64")]
            Int8Instructions::NeonDot => super::neon::with_dot(kernel),
            #[cfg(target_arch = "aarch64")]
            Int8Instructions::Neon => super::neon::with(kernel),
            Int8Instructions::PortableDots => kernel.run::<super::portable::PortableDots>(),
        }
    }
}
