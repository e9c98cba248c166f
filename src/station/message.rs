//! One sentence for the operator.

use std::fmt;

#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// Information that needs no action.
    Notice(String),
    /// Something that the operator has to look at.
    Alarm(String),
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Message::Notice(sentence) => f.write_str(sentence),
            Message::Alarm(sentence) => write!(f, "ALARM: {sentence}"),
        }
    }
}
