//! Detects long runs of parts that are far from every good part. The cause is then seldom the parts, but another product,
//! changed light, a changed region or a moved camera.

use aecsad_inspect::inspector::Verdict;

use super::alarm::Alarm;

/// Parts in a row far beyond every good part that raise the alarm.
const FAR_OFF: u32 = 10;
/// Rejects in a row, also near the threshold, that raise the alarm.
const REJECTED: u32 = 30;

#[derive(Debug, Default)]
pub struct AnomalousRun {
    far_off: u32,
    rejected: u32,
    alarmed: bool,
}

impl AnomalousRun {
    /// Counts one verdict and returns the alarm once for each run. A good part ends the run.
    pub fn note(&mut self, part: u32, verdict: &Verdict) -> Option<String> {
        if !verdict.reject {
            *self = AnomalousRun::default();
            return None;
        }
        self.rejected = self.rejected.saturating_add(1);
        self.far_off = match verdict.far_off {
            true => self.far_off.saturating_add(1),
            false => 0,
        };
        if self.alarmed || self.far_off < FAR_OFF && self.rejected < REJECTED {
            return None;
        }
        self.alarmed = true;
        let alarm = Alarm::AnomalousRun {
            rejected: self.rejected,
            part,
            score: verdict.score,
        };
        Some(alarm.to_string())
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    fn verdict(reject: bool, far_off: bool) -> Verdict {
        Verdict {
            reject,
            far_off,
            ..Verdict::passing(500.0, 0.0)
        }
    }

    fn alarms(run: &mut AnomalousRun, parts: u32, reject: bool, far_off: bool) -> usize {
        let verdict = verdict(reject, far_off);
        (0..parts)
            .filter_map(|part| run.note(part, &verdict))
            .count()
    }

    #[test]
    fn a_run_alarms_once_and_again_after_a_good_part() {
        let mut run = AnomalousRun::default();
        assert_eq!(alarms(&mut run, 9, true, true), 0);
        assert_eq!(alarms(&mut run, 500, true, true), 1);
        assert_eq!(alarms(&mut run, 1, false, false), 0);
        assert_eq!(alarms(&mut run, 10, true, true), 1);
    }

    #[test]
    fn near_the_threshold_it_takes_more_parts() {
        let mut run = AnomalousRun::default();
        assert_eq!(alarms(&mut run, 29, true, false), 0);
        assert_eq!(alarms(&mut run, 1, true, false), 1);
    }

    #[test]
    fn bad_parts_among_good_ones_do_not_alarm() {
        let mut run = AnomalousRun::default();
        for _ in 0..100 {
            assert_eq!(
                alarms(&mut run, 9, true, true) + alarms(&mut run, 1, false, false),
                0
            );
        }
    }
}
