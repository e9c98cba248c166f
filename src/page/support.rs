//! Archives that a browser downloads: they are written while they are sent, so that none is held in memory.

use std::io::{self, Write};
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::access::Viewer;
use super::answer::Refusal;
use super::context::Context;
use super::shown::ShownPart;
use crate::journal::{self, Filter};
use crate::operator::now_ms;
use crate::pictures;

/// Chunks between the archive's writer and the connection.
const CHUNKS: usize = 8;
const CHUNK: usize = 64 << 10;
const RECORDS: u32 = 2_000;
const ACTIONS: u32 = 1_000;

pub type Archive = tar::Builder<io::BufWriter<Chunks>>;

/// Writes to a connection.
pub struct Chunks(mpsc::Sender<io::Result<Bytes>>);

impl Write for Chunks {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let chunk = Bytes::copy_from_slice(buffer);
        // The client has left.
        let left = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        self.0.blocking_send(Ok(chunk)).map_err(left)?;
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An answer whose tar archive `write` fills, on a thread of its own.
pub fn streamed(
    name: &str,
    write: impl FnOnce(&mut Archive) -> io::Result<()> + Send + 'static,
) -> Response {
    let (chunks, sent) = mpsc::channel(CHUNKS);
    tokio::task::spawn_blocking(move || {
        let end = chunks.clone();
        let output = io::BufWriter::with_capacity(CHUNK, Chunks(chunks));
        let mut archive = tar::Builder::new(output);
        let written = write(&mut archive)
            .and_then(|()| archive.into_inner())
            .and_then(|mut output| output.flush());
        if let Err(error) = written {
            // The connection is broken off, so that the client sees that the archive is not whole.
            let _ = end.blocking_send(Err(error));
        }
    });
    let headers = [
        ("content-type", "application/x-tar".to_owned()),
        (
            "content-disposition",
            format!("attachment; filename=\"{name}\""),
        ),
    ];
    (headers, Body::from_stream(ReceiverStream::new(sent))).into_response()
}

/// What a supporter needs to help from afar.
pub async fn download(
    State(context): State<Arc<Context>>,
    _viewer: Viewer,
) -> Result<Response, Refusal> {
    Ok(streamed("support.tar", move |archive| {
        let mut state = context.live.state();
        state["messages"] = json!(context.live.messages());
        append(archive, "state.json", &state)?;
        append(
            archive,
            "station.json",
            &json!({"path": context.station_file}),
        )?;
        if let Ok(text) = std::fs::read(&context.station_file) {
            append_bytes(archive, "station.toml", &text)?;
        }
        append_bytes(archive, "metrics.txt", context.metrics.text().as_bytes())?;
        let actions = context.read_operators(|records| Ok(records.actions(ACTIONS)?));
        append(archive, "actions.json", &actions.ok().flatten())?;
        let Ok(folder) = context.journal() else {
            return Ok(());
        };
        let filter = Filter {
            limit: Some(RECORDS),
            ..Filter::default()
        };
        let mut parts = Vec::new();
        let unread = journal::find(&folder, &filter, &mut |record| {
            let picture = pictures::find(&folder, record.run, record.part).is_some();
            parts.push(ShownPart::new(&record, picture, None));
            true
        });
        let unread = match unread {
            Ok(unread) => unread.iter().map(ToString::to_string).collect(),
            Err(error) => vec![error.to_string()],
        };
        append(
            archive,
            "parts.json",
            &json!({"parts": parts, "unread": unread}),
        )
    }))
}

fn append(archive: &mut Archive, name: &str, content: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_vec_pretty(content).map_err(io::Error::other)?;
    append_bytes(archive, name, &text)
}

fn append_bytes(archive: &mut Archive, name: &str, content: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_mtime((now_ms() / 1_000) as u64);
    header.set_cksum();
    archive.append_data(&mut header, name, content)
}
