//! Parts from the journal: lists, one with its neighbours, pictures, and what persons say of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aecsad_inspect::image_files::read_image_by_content;
use axum::Json;
use axum::extract::{Path as UrlPath, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{Actor, Viewer};
use super::answer::{Refusal, blocking};
use super::context::Context;
use super::reviewed;
use super::shown::ShownPart;
use crate::journal::{self, Filter, JournalError, Record};
use crate::line::Cause;
use crate::operator::{Mark, Review};
use crate::pictures::{self, heat_path, jpeg_within};

const USUAL_PARTS: u32 = 60;
const MOST_PARTS: u32 = 500;
/// Records that are read to find parts with pictures.
const MOST_SEARCHED: u32 = 20_000;
/// Parts shown before and after one.
const NEIGHBOURS: u32 = 5;
const THUMBNAIL_WIDTH: u32 = 320;
/// No picture of the journal is larger.
const MAX_PICTURE: u64 = 256 << 20;

#[derive(Deserialize)]
pub struct Wanted {
    since_ms: Option<i64>,
    until_ms: Option<i64>,
    cause: Option<String>,
    branch: Option<String>,
    min_score: Option<f64>,
    #[serde(default)]
    pictures: bool,
    limit: Option<u32>,
}

pub async fn list(
    State(context): State<Arc<Context>>,
    _viewer: Viewer,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Value>, Refusal> {
    let causes: Vec<String> = wanted
        .cause
        .iter()
        .flat_map(|c| c.split(','))
        .map(str::to_owned)
        .collect();
    let known = |cause: &&String| Cause::ALL.iter().all(|known| known.name() != **cause);
    if let Some(unknown) = causes.iter().find(known) {
        let known = Cause::ALL.map(Cause::name).join(", ");
        let unknown = unknown.escape_debug();
        return Err(Refusal::bad_request(format!(
            "`cause` is {unknown}: choose from {known}"
        )));
    }
    let most = wanted.limit.unwrap_or(USUAL_PARTS).min(MOST_PARTS);
    let filter = Filter {
        since_ms: wanted.since_ms,
        // Both ends belong to the range.
        until_ms: wanted.until_ms.map(|until| until.saturating_add(1)),
        causes,
        branch: wanted.branch,
        min_score: wanted.min_score,
        limit: Some(if wanted.pictures { MOST_SEARCHED } else { most }),
        ..Filter::default()
    };
    blocking(move || {
        let folder = context.journal()?;
        let mut latest = std::collections::VecDeque::new();
        let unread = found(&folder, &filter, &mut |record| {
            if !wanted.pictures || pictures::find(&folder, record.run, record.part).is_some() {
                latest.push_back(record);
            }
            if latest.len() > most as usize {
                latest.pop_front();
            }
        })?;
        let parts = latest.iter().rev();
        let parts: Result<Vec<_>, _> = parts
            .map(|record| shown(&context, &folder, record))
            .collect();
        Ok(Json(json!({"parts": parts?, "unread": unread})))
    })
    .await
}

/// Hands each selected record over, the oldest first. Returns a sentence for each part of the journal that can't be read.
fn found(
    folder: &Path,
    filter: &Filter,
    take: &mut dyn FnMut(Record),
) -> Result<Vec<String>, Refusal> {
    let found = journal::find(folder, filter, &mut |record| {
        take(record);
        true
    });
    match found {
        Ok(unread) => Ok(unread.iter().map(ToString::to_string).collect()),
        // No part has been recorded yet.
        Err(JournalError::Missing(_)) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

fn shown(context: &Context, folder: &Path, record: &Record) -> Result<ShownPart, Refusal> {
    let mark = context.read_operators(|records| Ok(records.mark_of(record.run, record.part)?))?;
    let picture = pictures::find(folder, record.run, record.part).is_some();
    Ok(ShownPart::new(record, picture, mark.flatten()))
}

fn record(folder: &Path, run: i64, part: u32) -> Result<Record, Refusal> {
    let filter = Filter {
        run: Some(run),
        parts: Some((part, part)),
        limit: Some(1),
        ..Filter::default()
    };
    let mut latest = None;
    found(folder, &filter, &mut |record| latest = Some(record))?;
    latest.ok_or_else(|| Refusal::not_found(format!("the journal has no part {part} of run {run}")))
}

#[derive(Deserialize)]
pub struct Since {
    since_ms: i64,
}

/// How many parts there were since a time, and how many of them were rejected.
pub async fn counts(
    State(context): State<Arc<Context>>,
    _viewer: Viewer,
    Query(Since { since_ms }): Query<Since>,
) -> Result<Json<Value>, Refusal> {
    blocking(move || {
        let causes = journal::count(&context.journal()?, since_ms)?;
        let of = |wanted: &dyn Fn(&str) -> bool| -> i64 {
            let counts = causes.iter().filter(|(cause, _)| wanted(cause));
            counts.map(|(_, count)| count).sum()
        };
        let [good, bad] = [Cause::Good, Cause::Bad].map(|cause| of(&|name| name == cause.name()));
        let parts = of(&|_| true);
        Ok(Json(json!({
            "since_ms": since_ms,
            "parts": parts,
            "good": good,
            "bad": bad,
            "no_verdict": parts - good - bad,
        })))
    })
    .await
}

pub async fn one(
    State(context): State<Arc<Context>>,
    _viewer: Viewer,
    UrlPath((run, part)): UrlPath<(i64, u32)>,
) -> Result<Json<Value>, Refusal> {
    blocking(move || {
        let folder = context.journal()?;
        let this = record(&folder, run, part)?;
        let filter = Filter {
            run: Some(run),
            parts: Some((
                part.saturating_sub(NEIGHBOURS),
                part.saturating_add(NEIGHBOURS),
            )),
            limit: Some(2 * NEIGHBOURS + 1),
            ..Filter::default()
        };
        let mut neighbours = Vec::new();
        found(&folder, &filter, &mut |record| neighbours.push(record))?;
        let neighbours = neighbours
            .iter()
            .map(|record| shown(&context, &folder, record));
        let neighbours: Vec<_> = neighbours.collect::<Result<_, _>>()?;
        let part = shown(&context, &folder, &this)?;
        Ok(Json(json!({"part": part, "neighbours": neighbours})))
    })
    .await
}

pub async fn picture(
    State(context): State<Arc<Context>>,
    _viewer: Viewer,
    UrlPath((run, part, file)): UrlPath<(i64, u32, String)>,
) -> Result<Response, Refusal> {
    blocking(move || {
        let folder = context.journal()?;
        let not_kept = || {
            Refusal::not_found(format!(
                "no picture of part {part} of run {run} is kept any more"
            ))
        };
        // Numbers make the name of the file, so that it can't lie elsewhere.
        let place =
            pictures::find(&folder, run, part).or_else(|| reviewed::find(&folder, run, part));
        let place = place.ok_or_else(not_kept)?;
        let read = |path: PathBuf| std::fs::read(path).map_err(|_| not_kept());
        let (kind, content) = match file.as_str() {
            "picture.png" => ("image/png", read(place)?),
            "heat.png" => ("image/png", read(heat_path(&place))?),
            "thumbnail.jpg" => ("image/jpeg", thumbnail(&place).map_err(|_| not_kept())?),
            _ => {
                return Err(Refusal::not_found(
                    "there is picture.png, heat.png and thumbnail.jpg",
                ));
            }
        };
        // A kept picture never changes.
        let cached = (header::CACHE_CONTROL, "private, max-age=3600");
        Ok(([(header::CONTENT_TYPE, kind), cached], content).into_response())
    })
    .await
}

fn thumbnail(path: &Path) -> std::io::Result<Vec<u8>> {
    if path.metadata()?.len() > MAX_PICTURE {
        return Err(std::io::Error::other("it is too large"));
    }
    let frame = read_image_by_content(path, None).map_err(std::io::Error::other)?;
    jpeg_within(&frame, THUMBNAIL_WIDTH)
}

#[derive(Deserialize)]
pub struct Marked {
    mark: Option<Mark>,
}

pub async fn review(
    State(context): State<Arc<Context>>,
    Actor(origin): Actor,
    UrlPath((run, part)): UrlPath<(i64, u32)>,
    Json(Marked { mark }): Json<Marked>,
) -> Result<Json<Value>, Refusal> {
    blocking(move || {
        let folder = context.journal()?;
        let record = record(&folder, run, part)?;
        let room = context
            .config
            .journal
            .as_ref()
            .map_or(0, |journal| journal.images_bytes);
        reviewed::place(&folder, run, part, mark, room)?;
        context.write_operators(|records| {
            records.in_one(|| {
                let before = records.mark_of(run, part)?.map_or("none", Mark::name);
                match mark {
                    None => records.unmark(run, part)?,
                    Some(mark) => {
                        let review = Review {
                            run,
                            part,
                            mark,
                            bundle: record.bundle.clone(),
                            score: record.score,
                        };
                        records.mark(&review, &origin.user)?;
                    }
                }
                let after = mark.map_or("none", Mark::name);
                let what = format!("review of part {part} of run {run}");
                Ok(records.note(&origin, &what, (before, after), "")?)
            })
        })?;
        Ok(Json(json!(shown(&context, &folder, &record)?)))
    })
    .await
}
