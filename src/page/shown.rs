//! Parts and messages as JSON: what the page, `aecsad run --json` and other programs read. `docs/http-api.md` describes
//! each field.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::journal::Record;
use crate::operator::{Mark, now_ms};
use crate::station::Message;

#[derive(Clone, Debug, Serialize)]
pub struct ShownPart {
    pub run: i64,
    pub part: u32,
    pub captured_ms: i64,
    pub cause: String,
    /// A score that is not finite is null.
    pub score: Option<f64>,
    pub threshold: Option<f64>,
    pub p_value: Option<f64>,
    pub p_in_words: String,
    pub branch: Option<String>,
    pub branches: BTreeMap<String, f64>,
    pub counts: String,
    pub pulse: String,
    pub pulse_error_ms: Option<f64>,
    pub fallen: Option<bool>,
    pub latency_ms: Option<f64>,
    pub bundle: String,
    /// Whether a picture is kept.
    pub picture: bool,
    pub review: Option<Mark>,
}

impl ShownPart {
    pub fn new(record: &Record, picture: bool, review: Option<Mark>) -> Self {
        let branches = record.branches.split(' ').filter_map(|pair| {
            let (branch, score) = pair.split_once('=')?;
            Some((branch.to_owned(), score.parse().ok()?))
        });
        ShownPart {
            run: record.run,
            part: record.part,
            captured_ms: record.captured_ms,
            cause: record.cause.clone(),
            score: record.score,
            threshold: record.threshold,
            p_value: record.p_value,
            p_in_words: record.p_in_words(),
            branch: record.branch.clone(),
            branches: branches.collect(),
            counts: record.counts.clone(),
            pulse: record.pulse.clone(),
            pulse_error_ms: record.pulse_error_ms,
            fallen: record.fallen,
            latency_ms: record.latency_ms,
            bundle: record.bundle.clone(),
            picture,
            review,
        }
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct ShownMessage {
    pub at_ms: i64,
    pub alarm: bool,
    pub sentence: String,
}

impl From<&Message> for ShownMessage {
    /// Said now.
    fn from(message: &Message) -> Self {
        let (alarm, sentence) = match message {
            Message::Notice(sentence) => (false, sentence),
            Message::Alarm(sentence) => (true, sentence),
        };
        ShownMessage {
            at_ms: now_ms(),
            alarm,
            sentence: sentence.clone(),
        }
    }
}
