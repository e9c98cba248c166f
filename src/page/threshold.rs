//! The threshold in counts: the scores on both sides of it, and setting it at this station.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::Value;

use super::access::{Actor, Viewer};
use super::answer::{Refusal, blocking};
use super::context::{Context, Reason};
use super::threshold_view::ThresholdView;
use crate::operator::{Basis, Origin};

const USUAL_PARTS: u32 = 2_000;
const MOST_PARTS: u32 = 20_000;

#[derive(Deserialize)]
pub struct Wanted {
    last: Option<u32>,
}

#[derive(Deserialize)]
pub struct NewThreshold {
    value: f32,
    reason: String,
}

pub async fn show(
    State(context): State<Arc<Context>>,
    _viewer: Viewer,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Value>, Refusal> {
    let last = wanted.last.unwrap_or(USUAL_PARTS).clamp(1, MOST_PARTS);
    blocking(move || view(&context, last)).await
}

pub async fn set(
    State(context): State<Arc<Context>>,
    Actor(origin): Actor,
    Json(NewThreshold { value, reason }): Json<NewThreshold>,
) -> Result<Json<Value>, Refusal> {
    blocking(move || {
        let basis = basis(&context)?;
        context.write_operators(|records| {
            Ok(records.set_threshold(&basis, value, &reason, &origin)?)
        })?;
        said(&context, &origin, &basis, value, &reason);
        view(&context, USUAL_PARTS)
    })
    .await
}

pub async fn undo(
    State(context): State<Arc<Context>>,
    Actor(origin): Actor,
    Json(Reason { reason }): Json<Reason>,
) -> Result<Json<Value>, Refusal> {
    blocking(move || {
        let basis = basis(&context)?;
        let value = context
            .write_operators(|records| Ok(records.undo_threshold(&basis, &reason, &origin)?))?;
        said(&context, &origin, &basis, value, &reason);
        view(&context, USUAL_PARTS)
    })
    .await
}

fn said(context: &Context, origin: &Origin, basis: &Basis, value: f32, reason: &str) {
    let (user, bundle) = (&origin.user, &basis.bundle);
    context.say(format!(
        "{user} set the threshold of {bundle} to {value} at this station: {reason}"
    ));
}

fn basis(context: &Context) -> Result<Basis, Refusal> {
    let basis = ThresholdView::basis(&context.config);
    basis.map_err(Refusal::internal)
}

fn view(context: &Context, last: u32) -> Result<Json<Value>, Refusal> {
    let folder = context.journal()?;
    let records = context.own_operators()?;
    let view = ThresholdView::read(&context.config, &folder, records.as_ref(), last)
        .map_err(Refusal::internal)?;
    serde_json::to_value(view)
        .map(Json)
        .map_err(Refusal::internal)
}
