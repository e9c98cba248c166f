//! Parts and messages as JSON: what the page, `aecsad run --json` and other programs read. `docs/http-api.md` describes
//! each field.

use serde::Serialize;

use crate::journal::Record;
use crate::operator::{Mark, now_ms};
use crate::station::Message;

/// A part's record with what the journal does not hold.
#[derive(Clone, Debug, Serialize)]
pub struct ShownPart {
    #[serde(flatten)]
    pub record: Record,
    pub p_in_words: String,
    /// Whether a picture is kept.
    pub picture: bool,
    pub review: Option<Mark>,
}

impl ShownPart {
    pub fn new(record: &Record, picture: bool, review: Option<Mark>) -> Self {
        ShownPart {
            record: record.clone(),
            p_in_words: record.p_in_words(),
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
