//! Slots and their bundles: what is installed, and flash, rollback and change-over from the page.

use std::io::{Seek, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aecsad_inspect::bundle::Trust;
use axum::Json;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_stream::StreamExt;

use super::access::{Actor, Viewer};
use super::answer::{Refusal, blocking};
use super::context::{Context, Reason};
use crate::engines::Engines;
use crate::operator::Origin;
use crate::slots::{FlashRequest, ProofStep, Slots, SlotsError, prove};
use crate::station::config::bundle::{BundleConfig, BundleSource};
use crate::station::installed::InstalledBundles;

/// No bundle is larger.
const MAX_BUNDLE: u64 = 1 << 30;
/// How long an upload may make no progress.
const CHUNK_WITHIN: Duration = Duration::from_secs(30);

fn place(context: &Context) -> Result<(PathBuf, u32), Refusal> {
    match &context.config.bundle.source {
        BundleSource::Slots {
            folder,
            trial_parts,
        } => Ok((folder.clone(), *trial_parts)),
        BundleSource::File(_) => Err(Refusal::not_found(
            "this station has one bundle file and no slots: set `bundle.slots` in the station file",
        )),
    }
}

pub async fn show(
    State(context): State<Arc<Context>>,
    _viewer: Viewer,
) -> Result<Json<Value>, Refusal> {
    blocking(move || {
        let (folder, _) = place(&context)?;
        let config = &context.config.bundle;
        let trust = trust(config)?;
        let thresholds = context.read_operators(|records| Ok(records.thresholds_in_force()?))?;
        let thresholds = thresholds.unwrap_or_default();
        let installed = InstalledBundles::read(&folder, &trust, Some(config), thresholds)?;
        Ok(Json(installed.json()?))
    })
    .await
}

#[derive(Deserialize)]
pub struct Product {
    product: String,
}

/// What a flash may do besides, as the flags of `aecsad flash`.
#[derive(Deserialize)]
pub struct Allowed {
    #[serde(default)]
    add_product: bool,
    #[serde(default)]
    allow_downgrade: bool,
}

pub async fn rollback(
    State(context): State<Arc<Context>>,
    Actor(origin): Actor,
    Json(Reason { reason }): Json<Reason>,
) -> Result<Json<Value>, Refusal> {
    blocking(move || {
        let (folder, _) = place(&context)?;
        let (product, version) = Slots::lock(&folder)?.roll_back()?;
        let after = format!("{product} {version}");
        let done = noted(&context, &origin, "rollback", &after, &reason)?;
        Ok(Json(json!({"done": done})))
    })
    .await
}

pub async fn select(
    State(context): State<Arc<Context>>,
    Actor(origin): Actor,
    Json(Product { product }): Json<Product>,
) -> Result<Json<Value>, Refusal> {
    blocking(move || {
        let (folder, _) = place(&context)?;
        Slots::lock(&folder)?.select(&product)?;
        let done = noted(&context, &origin, "change-over", &product, "")?;
        Ok(Json(json!({"done": done})))
    })
    .await
}

/// Records the action. Returns it as a sentence.
fn noted(
    context: &Context,
    origin: &Origin,
    action: &str,
    after: &str,
    reason: &str,
) -> Result<String, Refusal> {
    let before = context.live.bundle();
    context
        .write_operators(|records| Ok(records.note(origin, action, (&before, after), reason)?))?;
    let sentence = format!("{}: {action} from {before} to {after}", origin.user);
    context.say(sentence.clone());
    Ok(sentence)
}

/// The upload goes to a nameless file first, so that the slots are locked only while a whole bundle is checked.
pub async fn flash(
    State(context): State<Arc<Context>>,
    Actor(origin): Actor,
    Query(allowed): Query<Allowed>,
    body: Body,
) -> Result<Json<Value>, Refusal> {
    let (folder, trial_parts) = place(&context)?;
    let unwritten = |error: std::io::Error| {
        Refusal::internal(format!(
            "the upload can't be stored in the folder of slots ({error}): free space there"
        ))
    };
    let mut file = tempfile::tempfile_in(&folder).map_err(unwritten)?;
    let mut received = 0;
    let mut chunks = body.into_data_stream();
    loop {
        let chunk = tokio::time::timeout(CHUNK_WITHIN, chunks.next()).await;
        let chunk = match chunk {
            Err(_) => return Err(broken_off()),
            Ok(None) => break,
            Ok(Some(chunk)) => chunk.map_err(|_| broken_off())?,
        };
        received += chunk.len() as u64;
        if received > MAX_BUNDLE {
            return Err(Refusal::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!(
                    "no bundle is larger than {} MB: choose a file that `aecsad-train` wrote",
                    MAX_BUNDLE >> 20
                ),
            ));
        }
        file = blocking(move || {
            file.write_all(&chunk).map_err(unwritten)?;
            Ok(file)
        })
        .await?;
    }
    blocking(move || {
        file.rewind().map_err(unwritten)?;
        let trust = trust(&context.config.bundle)?;
        let request = FlashRequest {
            trust: &trust,
            allow_downgrade: allowed.allow_downgrade,
            add_product: allowed.add_product,
        };
        let slots = Slots::lock(&folder)?;
        let mut steps = Vec::new();
        let mut report = |step: ProofStep| steps.push(step.to_string());
        let flashed = slots.flash(file, "the upload", &request, &mut |bundle| {
            let engines = Engines::open(&context.config.engine).map_err(SlotsError::from)?;
            prove(bundle, &engines, &mut report)
        })?;
        drop(slots);
        let after = format!("{} {}", flashed.product, flashed.version);
        noted(&context, &origin, "flash", &after, "")?;
        let described = flashed.describe(trial_parts);
        Ok(Json(json!({"done": described.trim_end(), "steps": steps})))
    })
    .await
}

fn trust(config: &BundleConfig) -> Result<Trust, Refusal> {
    let trust = config.trust();
    trust.map_err(Refusal::conflict)
}

fn broken_off() -> Refusal {
    Refusal::bad_request("the upload broke off: nothing was changed, try again")
}
