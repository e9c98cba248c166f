//! Hours of the last days: how good parts scored, how many were rejected, and whether p-values are still uniform.

use std::collections::BTreeMap;
use std::sync::Arc;

use aecsad_inspect::decision::trimmed_z::quantile;
use axum::Json;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::access::Viewer;
use super::answer::{Refusal, blocking};
use super::context::Context;
use crate::journal::{self, Filter, JournalError, Record};
use crate::operator::now_ms;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const USUAL_DAYS: u32 = 7;
const MOST_DAYS: u32 = 31;
/// Scores of an hour that its quantiles rest on; every second one is left out when there are more.
const MOST_SCORES: usize = 4_096;

#[derive(Deserialize)]
pub struct Wanted {
    days: Option<u32>,
}

#[derive(Debug, Default, Serialize)]
struct Hour {
    from_ms: i64,
    parts: u32,
    bad: u32,
    /// Neither good nor bad.
    other: u32,
    q50: Option<f64>,
    q90: Option<f64>,
    q99: Option<f64>,
    mean_p: Option<f64>,
    p_tenths: [u32; 10],
    threshold: Option<f64>,
    bundle: String,
    #[serde(skip)]
    scores: Sample,
    #[serde(skip)]
    p_sum: f64,
    #[serde(skip)]
    p_count: u32,
}

/// Scores at equal distances in time, however many there are.
#[derive(Debug)]
struct Sample {
    scores: Vec<f64>,
    /// One score of so many is taken.
    stride: usize,
    seen: usize,
}

impl Default for Sample {
    fn default() -> Self {
        Sample {
            scores: Vec::new(),
            stride: 1,
            seen: 0,
        }
    }
}

impl Sample {
    fn note(&mut self, score: f64) {
        if self.seen.is_multiple_of(self.stride) {
            self.scores.push(score);
        }
        self.seen += 1;
        if self.scores.len() == MOST_SCORES {
            let mut at = 0;
            self.scores.retain(|_| {
                at += 1;
                at % 2 == 1
            });
            self.stride *= 2;
        }
    }
}

impl Hour {
    fn note(&mut self, record: &Record) {
        self.parts += 1;
        match record.cause.as_str() {
            "good" => {}
            "bad" => self.bad += 1,
            _ => self.other += 1,
        }
        self.threshold = record.threshold.or(self.threshold);
        self.bundle.clone_from(&record.bundle);
        let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
        if record.cause != "good" {
            return;
        }
        if let Some(score) = finite(record.score) {
            self.scores.note(score);
        }
        if let Some(p) = finite(record.p_value) {
            self.p_sum += p;
            self.p_count += 1;
            self.p_tenths[((p * 10.0) as usize).min(9)] += 1;
        }
    }

    fn summarise(&mut self) {
        let scores = &mut self.scores.scores;
        scores.sort_by(f64::total_cmp);
        if !scores.is_empty() {
            let at = |q| Some(quantile(scores, q));
            (self.q50, self.q90, self.q99) = (at(0.5), at(0.9), at(0.99));
        }
        if self.p_count > 0 {
            self.mean_p = Some(self.p_sum / f64::from(self.p_count));
        }
    }
}

pub async fn show(
    State(context): State<Arc<Context>>,
    _viewer: Viewer,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Value>, Refusal> {
    let days = wanted.days.unwrap_or(USUAL_DAYS).clamp(1, MOST_DAYS);
    blocking(move || {
        let folder = context.journal()?;
        let since = now_ms() - i64::from(days) * DAY_MS;
        let filter = Filter {
            since_ms: Some(since),
            ..Filter::default()
        };
        let mut hours = BTreeMap::<i64, Hour>::new();
        let mut changes = Vec::new();
        let mut latest: Option<(String, Option<f64>)> = None;
        // A wrong clock may have put parts anywhere in time.
        let end = now_ms() + DAY_MS;
        let found = journal::find(&folder, &filter, &mut |record| {
            if record.captured_ms >= end {
                return true;
            }
            let from_ms = record.captured_ms.div_euclid(HOUR_MS) * HOUR_MS;
            let hour = hours.entry(from_ms).or_insert_with(|| Hour {
                from_ms,
                ..Hour::default()
            });
            hour.note(&record);
            if record.threshold.is_some() {
                let now = (record.bundle.clone(), record.threshold);
                if let Some(before) = latest.replace(now.clone()).filter(|before| *before != now) {
                    changes.push(changed(&record, &before));
                }
            }
            true
        });
        match found {
            Ok(_) | Err(JournalError::Missing(_)) => {}
            Err(error) => return Err(error.into()),
        }
        hours.values_mut().for_each(Hour::summarise);
        let hours: Vec<_> = hours.into_values().collect();
        // The latest, if a fault changed the bundle for each part.
        let changes = &changes[changes.len().saturating_sub(1_000)..];
        Ok(Json(json!({"hours": hours, "changes": changes})))
    })
    .await
}

fn changed(record: &Record, (bundle, threshold): &(String, Option<f64>)) -> Value {
    let what = match *bundle == record.bundle {
        false => format!("bundle {bundle} → {}", record.bundle),
        true => format!(
            "threshold {:.3} → {:.3}",
            threshold.unwrap_or(f64::NAN),
            record.threshold.unwrap_or(f64::NAN)
        ),
    };
    json!({"at_ms": record.captured_ms, "what": what})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_of_any_number_is_bounded_and_keeps_the_quantiles() {
        let mut sample = Sample::default();
        for at in 0..1_000_000 {
            sample.note(f64::from(at % 1_000));
        }
        assert!(sample.scores.len() < MOST_SCORES);
        sample.scores.sort_by(f64::total_cmp);
        let median = quantile(&sample.scores, 0.5);
        assert!((median - 500.0).abs() < 30.0, "{median}");
    }
}
