//! The line's state and events, its latest picture, its station file, and what persons did.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::{Stream, StreamExt};

use super::access::Viewer;
use super::answer::{Refusal, blocking};
use super::context::Context;
use super::live::LiveEvent;
use crate::pictures::LivePicture;
use crate::station::config::origin::key_values;

/// Browsers that listen at once.
const MOST_LISTENERS: usize = 64;
const MOST_ACTIONS: u32 = 1_000;
/// The content type of the format that the crate writes, according to Prometheus's documentation.
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub async fn metrics(State(context): State<Arc<Context>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, METRICS)], context.metrics.text())
}

pub async fn state(
    State(context): State<Arc<Context>>,
    _viewer: Viewer,
) -> Result<Json<Value>, Refusal> {
    blocking(move || {
        let mut recent = context.live.recent();
        context.read_operators(|records| {
            for part in &mut recent {
                part.review = records.mark_of(part.record.run, part.record.part)?;
            }
            Ok(())
        })?;
        let mut state = context.live.state();
        state["latest"] = json!(recent.last());
        state["recent"] = json!(recent);
        state["shifts"] = json!(context.config.shifts);
        state["messages"] = json!(context.live.messages());
        Ok(Json(state))
    })
    .await
}

pub async fn events(
    State(context): State<Arc<Context>>,
    _viewer: Viewer,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refusal> {
    let watcher = context.live.view.watch();
    if context.live.view.watchers() > MOST_LISTENERS {
        return Err(Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many browsers watch this station: close one",
        ));
    }
    let first = Event::default()
        .event("state")
        .data(context.live.state().to_string());
    let events = BroadcastStream::new(context.live.subscribe());
    // A browser that lags has lost events, and goes on with the next.
    let events = events.filter_map(Result::ok).map(move |event: LiveEvent| {
        // The watcher counts for as long as the stream lives.
        let _ = &watcher;
        Ok(Event::default().event(event.name).data(&*event.data))
    });
    let events = tokio_stream::once(Ok(first)).chain(events);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(5))))
}

pub async fn seen(
    State(context): State<Arc<Context>>,
    _viewer: Viewer,
) -> Result<Response, Refusal> {
    live_picture(&context, |picture| Some(picture.seen.clone()))
}

pub async fn heat(
    State(context): State<Arc<Context>>,
    _viewer: Viewer,
) -> Result<Response, Refusal> {
    live_picture(&context, |picture| picture.heat.clone())
}

fn live_picture(
    context: &Context,
    file: impl FnOnce(&LivePicture) -> Option<Vec<u8>>,
) -> Result<Response, Refusal> {
    let picture = context.live.view.latest();
    let found = picture.and_then(|picture| Some((file(&picture)?, picture)));
    let (file, picture) = found.ok_or_else(|| {
        Refusal::not_found("no part has passed since this page was opened: wait for the next")
    })?;
    let part = format!("{}-{}", picture.run, picture.part);
    let headers = [
        ("content-type", "image/jpeg".to_owned()),
        ("x-aecsad-part", part),
    ];
    Ok((headers, file).into_response())
}

pub async fn camera(
    State(context): State<Arc<Context>>,
    _viewer: Viewer,
) -> Result<Json<Value>, Refusal> {
    let picture = context.live.view.latest();
    let picture = picture.ok_or_else(|| {
        Refusal::not_found("no part has passed since this page was opened: wait for the next")
    })?;
    let region = picture.region;
    let region = region.map(|r| [r.left, r.top, r.width, r.height]);
    Ok(Json(json!({
        "width": picture.width,
        "height": picture.height,
        "region": region,
        "sharpness": picture.sharpness,
    })))
}

pub async fn station(
    State(context): State<Arc<Context>>,
    _viewer: Viewer,
) -> Result<Json<Value>, Refusal> {
    blocking(move || {
        let path = &context.station_file;
        let keys = key_values(path).map_err(Refusal::internal)?;
        Ok(Json(
            json!({"path": path.display().to_string(), "keys": keys}),
        ))
    })
    .await
}

#[derive(Deserialize)]
pub struct Latest {
    limit: Option<u32>,
}

pub async fn actions(
    State(context): State<Arc<Context>>,
    _viewer: Viewer,
    Query(latest): Query<Latest>,
) -> Result<Json<Value>, Refusal> {
    blocking(move || {
        let limit = latest.limit.unwrap_or(200).min(MOST_ACTIONS);
        let actions = context.read_operators(|records| Ok(records.actions(limit)?))?;
        Ok(Json(json!({"actions": actions.unwrap_or_default()})))
    })
    .await
}
