//! The paper's reading of both students: each error map is brought to the scale of good parts, the two are added,
//! and the largest value is the score (CSAD, BMVC 2024; the paper keeps it).

use super::heat::Range;

/// How the maps of good calibration parts spread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LgstScale {
    pub local: Range,
    pub global: Range,
}

impl LgstScale {
    /// `local` is the mean over channels of (F_T − F_L)², `global` that of (F_G − F_LG)², both of one size. Writes
    /// their scaled sum into `sum` and gives its largest value.
    pub fn apply(&self, local: &[f32], global: &[f32], sum: &mut [f32]) -> f32 {
        let mut largest = f32::NEG_INFINITY;
        for ((local, global), sum) in local.iter().zip(global).zip(sum) {
            *sum = self.local.apply(*local) + self.global.apply(*global);
            largest = largest.max(*sum);
        }
        largest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_scaled_then_added() {
        let range = |q900, q995| Range { q900, q995 };
        let scale = LgstScale {
            local: range(1.0, 3.0),
            global: range(0.0, 1.0),
        };
        let mut sum = [0.0; 2];
        let score = scale.apply(&[1.0, 5.0], &[1.0, 0.0], &mut sum);
        // 0.1·(1−1)/2 + 0.1·1/1 and 0.1·(5−1)/2 + 0
        assert!((sum[0] - 0.1).abs() < 1e-6 && (sum[1] - 0.2).abs() < 1e-6);
        assert_eq!(score, sum[1]);
    }
}
