//! The metrics. One thread sets them and another reads them; neither waits.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

use aecsad_inspect::decision::trimmed_z::quantile;
use aecsad_inspect::inspector::Verdict;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::line::Cause;
use crate::station::Health;
use crate::station::ledger::{Row, Totals};

/// The number of good parts for quantiles and drift.
const WINDOW: usize = 1_000;
const QUANTILES: [f64; 3] = [0.5, 0.9, 0.99];

type MetricLabels = [(&'static str, String); 1];
type FloatGauge = Gauge<f64, AtomicU64>;

/// Figures that are set once a second, not part by part.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot {
    pub totals: Totals,
    pub health: Health,
    pub records_shed: u64,
    pub pictures_shed: u64,
    pub journal_failing: bool,
}

pub struct Metrics {
    registry: Registry,
    parts: Family<MetricLabels, Counter>,
    faults: Family<MetricLabels, Counter>,
    rejects: Family<MetricLabels, Counter>,
    latency_s: Histogram,
    scores: Family<MetricLabels, FloatGauge>,
    drift: FloatGauge,
    queued: Gauge,
    camera_up: Gauge,
    gate_up: Gauge,
    journal_up: Gauge,
    window: Mutex<VecDeque<(f32, f32)>>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("aecsad");
        let parts = Family::<MetricLabels, Counter>::default();
        let faults = Family::<MetricLabels, Counter>::default();
        let rejects = Family::<MetricLabels, Counter>::default();
        // 2 ms to 2 s.
        let latency_s = Histogram::new(exponential_buckets(0.002, 2.0, 11));
        let scores = Family::<MetricLabels, FloatGauge>::default();
        let (drift, queued) = (FloatGauge::default(), Gauge::default());
        let (camera_up, gate_up, journal_up) =
            (Gauge::default(), Gauge::default(), Gauge::default());
        registry.register("parts", "Parts by what was decided", parts.clone());
        registry.register("faults", "What went wrong, by kind", faults.clone());
        registry.register(
            "rejects",
            "Parts to be rejected, by what became of it",
            rejects.clone(),
        );
        registry.register(
            "latency_seconds",
            "From the frame in memory to its verdict",
            latency_s.clone(),
        );
        registry.register(
            "good_score",
            "Quantiles of the score over the latest good parts",
            scores.clone(),
        );
        registry.register(
            "good_score_drift",
            "Mean p-value of the latest good parts less what calibration expects: below 0, parts look more anomalous than then",
            drift.clone(),
        );
        registry.register(
            "queued_frames",
            "Frames that wait for the engine",
            queued.clone(),
        );
        registry.register("camera_up", "1 while the camera sees", camera_up.clone());
        registry.register(
            "gate_up",
            "1 while what is at the gate answers",
            gate_up.clone(),
        );
        registry.register(
            "journal_up",
            "1 while the journal's disk takes records",
            journal_up.clone(),
        );
        for cause in Cause::ALL {
            drop(parts.get_or_create(&[("cause", cause.name().into())]));
        }
        Metrics {
            registry,
            parts,
            faults,
            rejects,
            latency_s,
            scores,
            drift,
            queued,
            camera_up,
            gate_up,
            journal_up,
            window: Mutex::default(),
        }
    }

    /// Counts one finished part.
    pub fn note(&self, row: &Row) {
        self.parts
            .get_or_create(&[("cause", row.cause.name().into())])
            .inc();
        let Some(verdict) = &row.verdict else {
            return;
        };
        self.latency_s.observe(verdict.latency.as_secs_f64());
        if !verdict.reject {
            self.note_good(verdict);
        }
    }

    fn note_good(&self, verdict: &Verdict) {
        let Ok(mut window) = self.window.lock() else {
            return;
        };
        if window.len() == WINDOW {
            window.pop_front();
        }
        window.push_back((verdict.score, verdict.p_value));
    }

    pub fn set(&self, now: &Snapshot) {
        let Snapshot { totals, health, .. } = now;
        let camera = health.faults;
        for (kind, count) in [
            ("frame_dropped", camera.dropped),
            ("frame_corrupt", camera.corrupt),
            ("camera_stalled", camera.stalled),
            ("camera_unplugged", camera.unplugged),
            ("not_fallen", totals.not_fallen.into()),
            ("fell_unasked", totals.fell_unrequested.into()),
            ("taken_along", totals.taken_along.into()),
            ("strange_run", totals.anomalous_runs.into()),
            ("evened_out", totals.evened_out.into()),
            ("record_shed", now.records_shed),
            ("picture_shed", now.pictures_shed),
            ("alarm", totals.alarms.into()),
        ] {
            raise(&self.faults, ("kind", kind), count);
        }
        for (fate, count) in [
            ("pulsed", totals.pulsed),
            ("unconfirmed", totals.unconfirmed),
            ("impossible", totals.impossible),
        ] {
            raise(&self.rejects, ("fate", fate), count.into());
        }
        self.queued.set(health.queued as i64);
        self.camera_up.set(health.camera_sees.into());
        self.gate_up.set(health.gate_up.into());
        self.journal_up.set((!now.journal_failing).into());
    }

    /// All metrics in the OpenMetrics text format.
    pub fn text(&self) -> String {
        self.summarise();
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    fn summarise(&self) {
        let Ok(window) = self.window.lock() else {
            return;
        };
        if window.is_empty() {
            return;
        }
        let mut scores: Vec<f64> = window.iter().map(|(score, _)| f64::from(*score)).collect();
        scores.sort_by(f64::total_cmp);
        for q in QUANTILES {
            self.scores
                .get_or_create(&[("quantile", q.to_string())])
                .set(quantile(&scores, q));
        }
        let p_values = window.iter().map(|(_, p)| f64::from(*p));
        let mean = p_values.clone().sum::<f64>() / window.len() as f64;
        // The conformal p-values of good parts are uniform, from the smallest that still passes up to 1.
        let smallest = p_values.fold(1.0, f64::min);
        self.drift.set(mean - (1.0 + smallest) / 2.0);
    }
}

/// Raises a counter to a total that is counted elsewhere.
fn raise(family: &Family<MetricLabels, Counter>, label: (&'static str, &str), count: u64) {
    let counter = family.get_or_create(&[(label.0, label.1.to_owned())]);
    counter.inc_by(count.saturating_sub(counter.get()));
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::camera::Faults;
    use crate::station::ledger::PulseState;

    fn row(score: f32, p_value: f32, reject: bool) -> Row {
        Row {
            part: 1,
            cause: if reject { Cause::Bad } else { Cause::Good },
            captured: Instant::now(),
            verdict: Some(Verdict {
                reject,
                p_value,
                latency: Duration::from_millis(30),
                ..Verdict::passing(score, 0.0)
            }),
            bundle: None,
            pulse: PulseState::None,
            fallen: None,
        }
    }

    #[test]
    fn figures_stand_in_the_text() {
        let metrics = Metrics::new();
        for i in 1..=100 {
            metrics.note(&row(i as f32, i as f32 / 100.0, false));
        }
        metrics.note(&row(500.0, 0.001, true));
        let snapshot = Snapshot {
            totals: Totals {
                pulsed: 1,
                alarms: 4,
                ..Totals::default()
            },
            health: Health {
                stuck_for: Duration::ZERO,
                camera_sees: true,
                gate_up: false,
                queued: 2,
                faults: Faults {
                    dropped: 7,
                    ..Faults::default()
                },
            },
            records_shed: 3,
            pictures_shed: 0,
            journal_failing: true,
        };
        metrics.set(&snapshot);
        // Setting the same totals again counts nothing twice.
        metrics.set(&snapshot);
        let text = metrics.text();
        for line in [
            "aecsad_parts_total{cause=\"good\"} 100",
            "aecsad_parts_total{cause=\"bad\"} 1",
            "aecsad_parts_total{cause=\"late\"} 0",
            "aecsad_faults_total{kind=\"frame_dropped\"} 7",
            "aecsad_faults_total{kind=\"record_shed\"} 3",
            "aecsad_rejects_total{fate=\"pulsed\"} 1",
            "aecsad_latency_seconds_count 101",
            "aecsad_latency_seconds_bucket{le=\"0.032\"} 101",
            "aecsad_good_score{quantile=\"0.9\"} 90",
            "aecsad_queued_frames 2",
            "aecsad_camera_up 1",
            "aecsad_gate_up 0",
            "aecsad_journal_up 0",
        ] {
            assert!(
                text.lines().any(|l| l.starts_with(line)),
                "{line} is not in\n{text}"
            );
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn parts_with_higher_scores_than_calibration_drift_below_zero() {
        let drift = |p: fn(u32) -> f32| {
            let metrics = Metrics::new();
            for i in 0..1_000 {
                metrics.note(&row(1.0, p(i), false));
            }
            metrics.summarise();
            metrics.drift.get()
        };
        assert!(drift(|i| (i + 1) as f32 / 1_000.0).abs() < 0.01);
        assert!(drift(|i| ((i + 1) as f32 / 1_000.0).powi(3)) < -0.2);
    }
}
