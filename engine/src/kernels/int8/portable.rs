//! The int8 kernels as plain loops, for CPUs without the instructions of the other files.

use super::dots::{DEPTH, Dots, LANES};

#[derive(Clone, Copy)]
pub(crate) struct PortableDots;

impl Dots for PortableDots {
    type Accumulators = [i32; LANES];
    type Weights = [[i8; DEPTH]; LANES];
    type Values = [[i8; DEPTH]; LANES];
    type Floats = [f32; LANES];

    const MANY: bool = false;

    #[inline(always)]
    unsafe fn accumulators(from: *const i32) -> Self::Accumulators {
        unsafe { from.cast::<Self::Accumulators>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn weights(from: *const i8) -> Self::Weights {
        unsafe { from.cast::<Self::Weights>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn spread(from: *const i8) -> Self::Values {
        [unsafe { from.cast::<[i8; DEPTH]>().read_unaligned() }; LANES]
    }

    #[inline(never)]
    unsafe fn cells(from: *const i8, count: usize) -> Self::Values {
        let mut values = [[0; DEPTH]; LANES];
        for cell in 0..count {
            for (lane, values) in values.iter_mut().enumerate() {
                values[cell] = unsafe { *from.add(cell * LANES + lane) };
            }
        }
        values
    }

    // Unrolled into a tile, its loops would take the compiler minutes.
    #[inline(never)]
    unsafe fn dot(
        accumulators: Self::Accumulators,
        values: Self::Values,
        weights: Self::Weights,
    ) -> Self::Accumulators {
        std::array::from_fn(|lane| {
            let pairs = values[lane].iter().zip(weights[lane]);
            let products = pairs.map(|(value, weight)| i32::from(*value) * i32::from(weight));
            accumulators[lane] + products.sum::<i32>()
        })
    }

    #[inline(always)]
    unsafe fn floats(accumulators: Self::Accumulators) -> Self::Floats {
        accumulators.map(|sum| sum as f32)
    }

    #[inline(always)]
    unsafe fn from_bytes(from: *const i8, zero: i32) -> Self::Floats {
        unsafe { from.cast::<[i8; LANES]>().read_unaligned() }
            .map(|byte| (i32::from(byte) - zero) as f32)
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::Floats {
        unsafe { from.cast::<Self::Floats>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn load_halves(first: *const f32, second: Option<*const f32>) -> Self::Floats {
        std::array::from_fn(|lane| match (lane < LANES / 2, second) {
            (true, _) => unsafe { *first.add(lane) },
            (false, Some(second)) => unsafe { *second.add(lane - LANES / 2) },
            (false, None) => 0.0,
        })
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::Floats {
        [value; LANES]
    }

    #[inline(always)]
    unsafe fn add(a: Self::Floats, b: Self::Floats) -> Self::Floats {
        std::array::from_fn(|lane| a[lane] + b[lane])
    }

    #[inline(always)]
    unsafe fn multiply(a: Self::Floats, b: Self::Floats) -> Self::Floats {
        std::array::from_fn(|lane| a[lane] * b[lane])
    }

    #[inline(always)]
    unsafe fn clamp(value: Self::Floats, least: Self::Floats, most: Self::Floats) -> Self::Floats {
        std::array::from_fn(|lane| value[lane].max(least[lane]).min(most[lane]))
    }

    #[inline(always)]
    unsafe fn store_bytes(value: Self::Floats, zero: i32, to: *mut i8) {
        let bytes = value.map(|value| (value.round_ties_even() as i32 + zero) as i8);
        unsafe { to.cast::<[i8; LANES]>().write_unaligned(bytes) }
    }

    #[inline(always)]
    unsafe fn store_halves(value: Self::Floats, first: *mut f32, second: Option<*mut f32>) {
        let (low, high) = value.split_at(LANES / 2);
        unsafe {
            first.copy_from_nonoverlapping(low.as_ptr(), low.len());
            if let Some(second) = second {
                second.copy_from_nonoverlapping(high.as_ptr(), high.len());
            }
        }
    }
}
