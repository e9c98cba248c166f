//! Thresholds that persons set at this station, on their way to the engine's thread. That thread never waits for them:
//! it keeps a copy, and takes a new one between two parts.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use aecsad_inspect::inspector::Verdict;

use crate::operator::Basis;

/// The most bundles whose thresholds are held at once.
const MOST: usize = 64;

#[derive(Clone, Copy, Debug)]
struct Setting {
    /// A hash of product and version.
    bundle: u64,
    own: f32,
    value: f32,
}

type Settings = heapless::Vec<Setting, MOST>;

/// The thresholds in force, shared between threads.
#[derive(Clone, Default)]
pub struct OperatorThresholds(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// Counts the changes of `settings`.
    generation: AtomicU64,
    settings: Mutex<Settings>,
}

impl OperatorThresholds {
    /// Replaces all thresholds; those beyond the capacity are left out.
    pub fn replace(&self, thresholds: impl Iterator<Item = (Basis, f32)>) {
        let settings = thresholds.take(MOST).map(|(basis, value)| Setting {
            bundle: hash(&basis.bundle),
            own: basis.own,
            value,
        });
        let settings = settings.collect();
        *self.lock() = settings;
        self.0.generation.fetch_add(1, Ordering::Release);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Settings> {
        let settings = self.0.settings.lock();
        settings.unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn reader(&self) -> ThresholdReader {
        ThresholdReader {
            shared: self.clone(),
            generation: 0,
            settings: Settings::new(),
        }
    }
}

/// The engine's copy.
pub(super) struct ThresholdReader {
    shared: OperatorThresholds,
    generation: u64,
    settings: Settings,
}

impl ThresholdReader {
    /// Decides by the threshold that a person set for this bundle, if there is one.
    pub fn apply(&mut self, verdict: &mut Verdict, bundle: &str) {
        let generation = self.shared.0.generation.load(Ordering::Acquire);
        if generation != self.generation
            && let Ok(settings) = self.shared.0.settings.try_lock()
        {
            self.settings.clone_from(&settings);
            self.generation = generation;
        }
        if self.settings.is_empty() {
            return;
        }
        let (bundle, own) = (hash(bundle), verdict.limits.threshold);
        let here = |setting: &&Setting| setting.bundle == bundle && setting.own == own;
        if let Some(setting) = self.settings.iter().find(here) {
            verdict.decide_by(setting.value);
        }
    }
}

fn hash(bundle: &str) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(bundle)
}

#[cfg(test)]
mod tests {

    use super::*;

    fn verdict(score: f32) -> Verdict {
        Verdict::passing(score, 10.0)
    }

    #[test]
    fn a_threshold_decides_for_its_bundle_from_the_next_part_on() {
        let thresholds = OperatorThresholds::default();
        let mut reader = thresholds.reader();
        let mut judged = |score, bundle| {
            let mut verdict = verdict(score);
            reader.apply(&mut verdict, bundle);
            (verdict.reject, verdict.limits.threshold)
        };
        assert_eq!(judged(8.0, "bottle 3"), (false, 10.0));
        let basis = |own| Basis {
            bundle: "bottle 3".into(),
            own,
        };
        thresholds.replace([(basis(10.0), 7.5)].into_iter());
        assert_eq!(judged(8.0, "bottle 3"), (true, 7.5));
        assert_eq!(judged(7.0, "bottle 3"), (false, 7.5));
        assert_eq!(judged(8.0, "bottle 4"), (false, 10.0));
        assert_eq!(judged(f32::NAN, "bottle 3"), (true, 7.5));
        // Another calibration: the scores mean something else.
        thresholds.replace([(basis(11.0), 7.5)].into_iter());
        assert_eq!(judged(8.0, "bottle 3"), (false, 10.0));
        thresholds.replace(std::iter::empty());
        assert_eq!(judged(8.0, "bottle 3"), (false, 10.0));
    }
}
