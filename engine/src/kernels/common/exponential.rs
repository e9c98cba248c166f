//! Powers of two for softmax. The operations, and so the bits, are the same on every CPU with fused multiply-add.

use super::lanes::{Lanes, Portable};

/// What the power takes beside [`Lanes`]. Every function may only be called where the instructions exist.
#[allow(clippy::missing_safety_doc)]
pub(crate) trait Exponent: Copy {
    unsafe fn subtract(self, other: Self) -> Self;
    unsafe fn multiply(self, other: Self) -> Self;
    /// The lowest nine bits become sign and exponent; nothing else stays.
    unsafe fn low_bits_as_exponent(self) -> Self;
}

/// `2^f` for f between −½ and ½, lowest power first: the polynomial of fifth degree with the least relative error, 7.5e-8
/// (Remez' algorithm).
const POLYNOMIAL: [f32; 6] = [
    1.0,
    0.693_146_94,
    0.240_221_2,
    0.055_507_13,
    0.009_675_541,
    0.001_327_647_2,
];
/// From 2²³ on floats are whole numbers. Added to one, this rounds it and leaves it in the lowest bits, with the
/// exponent's bias of 127 on top.
const ROUNDING: f32 = 12_582_912.0 + 127.0;

/// 2 to the power of `power`, which is at most 0, with a relative error below 3e-7. Below -126 it is that of -126, which
/// nothing shows beside a weight of 1. NaN stays NaN.
///
/// # Safety
/// The CPU must have the instructions of `L`.
#[inline(always)]
pub(crate) unsafe fn two_to_the<L: Lanes>(power: L) -> L {
    // SAFETY: as the caller says.
    unsafe {
        let power = power.at_least(L::splat(-126.0));
        let rounded = power.add(L::splat(ROUNDING));
        let fraction = power.subtract(rounded.subtract(L::splat(ROUNDING)));
        let mut sum = L::splat(POLYNOMIAL[5]);
        for factor in [4, 3, 2, 1, 0] {
            sum = L::splat(POLYNOMIAL[factor]).add_product(sum, fraction);
        }
        sum.multiply(rounded.low_bits_as_exponent())
    }
}

#[cfg(target_arch = "x86_64")]
impl Exponent for std::arch::x86_64::__m256 {
    #[inline(always)]
    unsafe fn subtract(self, other: Self) -> Self {
        unsafe { std::arch::x86_64::_mm256_sub_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn multiply(self, other: Self) -> Self {
        unsafe { std::arch::x86_64::_mm256_mul_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn low_bits_as_exponent(self) -> Self {
        use std::arch::x86_64::*;
        unsafe { _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_castps_si256(self))) }
    }
}

#[cfg(target_arch = "x86_64")]
impl Exponent for std::arch::x86_64::__m512 {
    #[inline(always)]
    unsafe fn subtract(self, other: Self) -> Self {
        unsafe { std::arch::x86_64::_mm512_sub_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn multiply(self, other: Self) -> Self {
        unsafe { std::arch::x86_64::_mm512_mul_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn low_bits_as_exponent(self) -> Self {
        use std::arch::x86_64::*;
        unsafe { _mm512_castsi512_ps(_mm512_slli_epi32::<23>(_mm512_castps_si512(self))) }
    }
}

#[cfg(target_arch = "aarch64")]
impl Exponent for super::lanes::Neon {
    #[inline(always)]
    unsafe fn subtract(self, other: Self) -> Self {
        use std::arch::aarch64::vsubq_f32;
        unsafe { Self(vsubq_f32(self.0, other.0), vsubq_f32(self.1, other.1)) }
    }

    #[inline(always)]
    unsafe fn multiply(self, other: Self) -> Self {
        use std::arch::aarch64::vmulq_f32;
        unsafe { Self(vmulq_f32(self.0, other.0), vmulq_f32(self.1, other.1)) }
    }

    #[inline(always)]
    unsafe fn low_bits_as_exponent(self) -> Self {
        use std::arch::aarch64::*;
        unsafe {
            let shifted = [self.0, self.1]
                .map(|four| vreinterpretq_f32_u32(vshlq_n_u32::<23>(vreinterpretq_u32_f32(four))));
            Self(shifted[0], shifted[1])
        }
    }
}

impl Exponent for Portable {
    #[inline(always)]
    unsafe fn subtract(self, other: Self) -> Self {
        self.with(other, |a, b| a - b)
    }

    #[inline(always)]
    unsafe fn multiply(self, other: Self) -> Self {
        self.with(other, |a, b| a * b)
    }

    #[inline(always)]
    unsafe fn low_bits_as_exponent(self) -> Self {
        self.with(self, |value, _| f32::from_bits(value.to_bits() << 23))
    }
}

#[cfg(test)]
mod tests {
    use super::super::lanes::{CHOSEN, Instructions, Kernel, LANES, run_wide};
    use super::*;

    /// The pointers are good for twice [`LANES`] values.
    struct Powers {
        from: *const f32,
        to: *mut f32,
    }

    impl Kernel for Powers {
        #[inline(always)]
        unsafe fn run<L: Lanes>(&self) {
            // SAFETY: as the pointers say.
            unsafe { two_to_the(L::load(self.from)).store(self.to) }
        }
    }

    fn power(of: f32) -> f32 {
        let (from, mut to) = ([of; 2 * LANES], [0.0; 2 * LANES]);
        run_wide(&Powers {
            from: from.as_ptr(),
            to: to.as_mut_ptr(),
        });
        assert!(
            to[..LANES]
                .iter()
                .all(|lane| lane.to_bits() == to[0].to_bits())
        );
        to[0]
    }

    #[test]
    fn powers_of_two() {
        for instructions in Instructions::available() {
            CHOSEN.set(Some(instructions));
            assert_eq!(power(0.0), 1.0);
            assert_eq!(power(-3.0), 0.125);
            for step in 0..1_000_000 {
                let of = step as f32 * -126e-6;
                let expected = f64::from(of).exp2();
                let error = (f64::from(power(of)) / expected - 1.0).abs();
                assert!(error < 3e-7, "2^{of} is off by {error:e}");
            }
            for below in [-127.0, -1e30, f32::NEG_INFINITY] {
                assert_eq!(power(below), f32::MIN_POSITIVE);
            }
            for bits in [0x7fc0_0000, 0xffc0_0000, 0x7fc0_1234] {
                assert!(power(f32::from_bits(bits)).is_nan());
            }
        }
        CHOSEN.set(None);
    }
}
