//! Why a request is refused, and with which status.

use std::io;
use std::path::Path;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::journal::JournalError;
use crate::operator::OperatorError;
use crate::slots::SlotsError;

#[derive(Debug)]
pub struct Refusal {
    pub status: StatusCode,
    /// One sentence: what, where, what to do.
    pub sentence: String,
    /// Seconds after which another try makes sense.
    pub retry_after: Option<u64>,
}

impl Refusal {
    pub fn new(status: StatusCode, sentence: impl ToString) -> Self {
        Refusal {
            status,
            sentence: sentence.to_string(),
            retry_after: None,
        }
    }

    pub fn not_found(sentence: impl ToString) -> Self {
        Self::new(StatusCode::NOT_FOUND, sentence)
    }

    pub fn bad_request(sentence: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, sentence)
    }

    pub fn forbidden(sentence: impl ToString) -> Self {
        Self::new(StatusCode::FORBIDDEN, sentence)
    }

    /// The station is in a state in which this can't be done.
    pub fn conflict(sentence: impl ToString) -> Self {
        Self::new(StatusCode::CONFLICT, sentence)
    }

    pub fn unwritable(path: &Path, error: &io::Error) -> Self {
        Self::internal(format!(
            "{} can't be written ({error}): look at the disk and the permissions of its folder",
            path.display()
        ))
    }

    /// Nothing that the client could do otherwise.
    pub fn internal(sentence: impl ToString) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, sentence)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = Json(json!({"error": self.sentence}));
        let mut response = (self.status, body).into_response();
        if let Some(seconds) = self.retry_after {
            let value = HeaderValue::from(seconds);
            response.headers_mut().insert(header::RETRY_AFTER, value);
        }
        response
    }
}

impl From<JournalError> for Refusal {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Missing(_) => Self::not_found(error),
            _ => Self::internal(error),
        }
    }
}

impl From<OperatorError> for Refusal {
    fn from(error: OperatorError) -> Self {
        match error {
            OperatorError::Database { .. }
            | OperatorError::Hash(_)
            | OperatorError::NoRandom(_) => Self::internal(error),
            OperatorError::NothingToUndo { .. } => Self::conflict(error),
            _ => Self::bad_request(error),
        }
    }
}

impl From<SlotsError> for Refusal {
    fn from(error: SlotsError) -> Self {
        match error {
            SlotsError::Open { .. } | SlotsError::Storage(_) => Self::internal(error),
            _ => Self::conflict(error),
        }
    }
}

/// Runs what reads or writes files on a thread of its own, so that other requests go on.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| {
        Err(Refusal::internal(
            "the request broke off: this is a fault of aecsad, please report it",
        ))
    })
}
