//! Calibrating while the line runs: good parts pass, the operator looks at the result and applies it or gives it up.

use std::sync::Arc;
use std::time::Instant;

use aecsad_inspect::decision::trimmed_z::TrimmedZ;
use aecsad_program::whole_file;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{Actor, Viewer};
use super::answer::{Refusal, blocking};
use super::context::{Context, Reason};
use crate::calibration::task::{CalibrationPlan, CalibrationTask, MOST_PARTS, RATES};
use crate::calibration::{Bundled, CalibrationStatus, FEWEST, Fit, picture_beside, warnings};
use crate::operator::{OperatorError, Origin, now_ms};
use crate::ownership::{create_folder, folder_of};
use crate::pictures::contact_sheet;
use crate::slots::Slots;
use crate::station::config::bundle::BundleSource;
use crate::station::line_calibration::{Calibrated, Renewal};

/// In the record of actions.
const ACTION: &str = "calibration";
/// Where the page shows the parts with the highest scores.
const SHOWN: &str = "the pictures of this calibration";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    parts: Option<usize>,
    false_reject_rate: Option<f64>,
    #[serde(default)]
    keep_outliers: bool,
    #[serde(default)]
    keep_duplicates: bool,
}

pub async fn show(
    State(context): State<Arc<Context>>,
    _viewer: Viewer,
) -> Result<Json<Value>, Refusal> {
    blocking(move || Ok(Json(state(&context)))).await
}

pub async fn start(
    State(context): State<Arc<Context>>,
    Actor(origin): Actor,
    Json(wanted): Json<Wanted>,
) -> Result<Json<Value>, Refusal> {
    blocking(move || {
        let plan = wanted.plan()?;
        refuse_trial(&context)?;
        let config = &context.config.bundle;
        let bundle = config
            .read()
            .map_err(Refusal::conflict)?;
        let place = config
            .calibration_place(&bundle.manifest.product)
            .map_err(Refusal::conflict)?
            .ok_or_else(|| {
                Refusal::conflict("the station file names no place for a calibration: set `bundle.calibration` in it, then restart the station")
            })?;
        let bundled = Bundled::of(&bundle).map_err(Refusal::internal)?;
        let at_work = context.live.bundle();
        if bundled.identity != at_work {
            return Err(Refusal::conflict(format!(
                "the line judges by {at_work}, but the station's bundle is {}: wait for the change-over, or restart the station",
                bundled.identity
            )));
        }
        if picture_beside(&place).is_none() {
            return Err(Refusal::conflict(format!(
                "{} can't hold a calibration, a picture of the parts goes there: name a .toml file as `bundle.calibration`",
                place.display()
            )));
        }
        if config.has_slots() {
            create_folder(folder_of(&place)).map_err(|error| Refusal::unwritable(&place, &error))?;
        }
        whole_file::check(&place).map_err(|error| Refusal::unwritable(&place, &error))?;
        let rate = bundle.manifest.threshold.false_reject_rate;
        let calibrated = Calibrated {
            task: CalibrationTask::new(bundled, rate, &plan),
            sha256: bundle.sha256().to_owned(),
            outcome: None,
            user: origin.user.clone(),
            since_ms: now_ms(),
            place,
        };
        let wanted = format!("{} good parts", calibrated.task.target());
        let before = context.live.calibration.described().unwrap_or_default();
        let (line, end) = (&context.live.calibration, Arc::clone(&context));
        let of = origin.clone();
        let ended = move |sentence: String| {
            // The page shows the outcome whether it can be recorded or not.
            let _ = end.write_operators(|records| {
                Ok(records.note(&of, ACTION, ("", &sentence), "")?)
            });
            end.say(format!("the calibration that {} started is {sentence}", of.user));
        };
        context.write_operators(|records| {
            records.in_one(|| {
                records.note(&origin, ACTION, (&before, &wanted), "")?;
                line.start(calibrated, ended).map_err(Refusal::conflict)
            })
        })?;
        context.say(format!(
            "{} calibrates {at_work} at the running line: only good parts may pass",
            origin.user
        ));
        Ok(Json(state(&context)))
    })
    .await
}

/// Writes the calibration that was collected, and judges by it from the next part on.
pub async fn apply(
    State(context): State<Arc<Context>>,
    Actor(origin): Actor,
    Json(Reason { reason }): Json<Reason>,
) -> Result<Json<Value>, Refusal> {
    blocking(move || {
        let reason = reason.trim();
        if reason.is_empty() {
            return Err(OperatorError::NoReason.into());
        }
        refuse_trial(&context)?;
        let line = &context.live.calibration;
        let ready = line.take_ready();
        let ready = ready.ok_or_else(|| {
            Refusal::conflict("there is no calibration to apply: let good parts pass first")
        })?;
        if let Err(refused) = put_in_force(&context, &origin, &ready, reason) {
            line.put_back(ready);
            return Err(refused);
        }
        Ok(Json(state(&context)))
    })
    .await
}

/// Scale and threshold change with their record or not at all. The record comes first, since it refuses most; the file that
/// the station reads comes last, and the line follows it at once.
fn put_in_force(
    context: &Context,
    origin: &Origin,
    ready: &Calibrated,
    reason: &str,
) -> Result<(), Refusal> {
    let (task, place) = (&ready.task, &ready.place);
    let Some(Ok(fit)) = &ready.outcome else {
        return Err(Refusal::internal("the calibration is not ready"));
    };
    let bundle = context.config.bundle.read();
    let bundle = bundle.map_err(Refusal::conflict)?;
    let (at_work, of) = (context.live.bundle(), &task.bundled.identity);
    if at_work != *of || bundle.sha256() != ready.sha256 {
        return Err(Refusal::conflict(format!(
            "this calibration is for the {of} that was installed when it began, and the line judges by another bundle ({at_work}): give it up and calibrate again"
        )));
    }
    let own = &task.bundled.decision;
    let calibration = &fit.calibration;
    let decision = calibration.apply(own);
    let decision = decision.ok_or_else(|| Refusal::internal("the calibration lacks a branch"))?;
    let status = CalibrationStatus::Calibrated(calibration.describe(place, own.threshold));
    let (before, after) = (
        context.live.calibration.described().unwrap_or_default(),
        status.to_string(),
    );
    context.write_operators(|records| {
        records.in_one(|| {
            records.note(origin, ACTION, (&before, &after), reason)?;
            if let Some(picture) = picture_beside(place) {
                let tiles = contact_sheet::scored(&task.parts, &fit.left_out);
                let saved = contact_sheet::save(tiles, &picture);
                saved.map_err(|error| Refusal::unwritable(&picture, &error))?;
            }
            let written = calibration.write(place);
            written.map_err(|error| Refusal::unwritable(place, &error))?;
            context.live.calibration.renew(Renewal {
                bundle: of.clone(),
                decision,
                status,
                at: Instant::now(),
            });
            Ok::<(), Refusal>(())
        })
    })?;
    context.say(format!("{} calibrated {at_work}: {after}", origin.user));
    Ok(())
}

pub async fn discard(
    State(context): State<Arc<Context>>,
    Actor(origin): Actor,
) -> Result<Json<Value>, Refusal> {
    blocking(move || {
        let calibration = &context.live.calibration;
        if calibration.read(|calibrated| calibrated.is_some()) {
            context.write_operators(|records| {
                records.in_one(|| {
                    records.note(&origin, ACTION, ("", "given up"), "")?;
                    calibration.discard();
                    Ok::<(), Refusal>(())
                })
            })?;
            context.say(format!("{} gave the calibration up", origin.user));
        }
        Ok(Json(state(&context)))
    })
    .await
}

/// The parts with the highest scores.
pub async fn parts(
    State(context): State<Arc<Context>>,
    _viewer: Viewer,
) -> Result<Response, Refusal> {
    blocking(move || {
        let tiles = context.live.calibration.read(|calibrated| {
            let task = &calibrated?.task;
            Some(contact_sheet::scored(&task.parts, &task.left_out()))
        });
        let tiles = tiles.filter(|tiles| !tiles.is_empty());
        let tiles =
            tiles.ok_or_else(|| Refusal::not_found("no part of a calibration has passed yet"))?;
        let png = contact_sheet::png(tiles).map_err(Refusal::internal)?;
        Ok(([("content-type", "image/png")], png).into_response())
    })
    .await
}

impl Wanted {
    fn plan(self) -> Result<CalibrationPlan, Refusal> {
        if self
            .parts
            .is_some_and(|parts| !(FEWEST..=MOST_PARTS).contains(&parts))
        {
            return Err(Refusal::bad_request(format!(
                "`parts` is out of range: give {FEWEST} to {MOST_PARTS}"
            )));
        }
        if self
            .false_reject_rate
            .is_some_and(|rate| !RATES.contains(&rate))
        {
            return Err(Refusal::bad_request(format!(
                "`false_reject_rate` is out of range: give {} to {}",
                RATES.start(),
                RATES.end()
            )));
        }
        Ok(CalibrationPlan {
            parts: self.parts,
            false_reject_rate: self.false_reject_rate,
            keep_outliers: self.keep_outliers,
            keep_duplicates: self.keep_duplicates,
        })
    }
}

/// A trial compares the scores with those of training, on one scale.
fn refuse_trial(context: &Context) -> Result<(), Refusal> {
    let BundleSource::Slots { folder, .. } = &context.config.bundle.source else {
        return Ok(());
    };
    let state = Slots::look(folder)?.state()?;
    match state
        .active_product()
        .is_some_and(|product| product.trial.is_some())
    {
        true => Err(Refusal::conflict(
            "the bundle is on trial: calibrate once the trial has passed",
        )),
        false => Ok(()),
    }
}

fn state(context: &Context) -> Value {
    let calibration = &context.live.calibration;
    let in_force = calibration.described();
    let mut state = calibration.read(|calibrated| match calibrated {
        None => json!({"state": "off"}),
        Some(calibrated) => attempt(calibrated),
    });
    state["in_force"] = in_force.into();
    state
}

fn attempt(calibrated: &Calibrated) -> Value {
    let task = &calibrated.task;
    let (name, error, result) = match &calibrated.outcome {
        None => ("collecting", None, None),
        Some(Err(error)) => ("refused", Some(error.to_string()), None),
        Some(Ok(fit)) => ("ready", None, Some(result(task, fit))),
    };
    json!({
        "state": name,
        "bundle": task.bundled.identity,
        "user": calibrated.user,
        "since_ms": calibrated.since_ms,
        "parts": task.parts.samples.len(),
        "wanted": task.target(),
        "repeats": task.parts.repeats,
        "blank": task.parts.blank,
        "false_reject_rate": task.false_reject_rate,
        "error": error,
        "result": result,
    })
}

fn result(task: &CalibrationTask, fit: &Fit) -> Value {
    let own = &task.bundled.decision;
    let scale = |z: TrimmedZ| json!({"mean": z.mean, "std": z.std});
    let branches = own.branches.iter().zip(&fit.calibration.branches);
    let branches = branches.map(|(weighted, here)| {
        let (mean, std) = (here.mean, here.std);
        json!({
            "name": weighted.branch.to_string(),
            "training": scale(weighted.z),
            "here": scale(TrimmedZ { mean, std }),
        })
    });
    let parts = task.parts.samples.len();
    let warnings = [
        warnings::left_out(fit, parts, SHOWN),
        warnings::weak(fit, own.threshold),
    ];
    json!({
        "threshold": fit.calibration.threshold,
        "own_threshold": own.threshold,
        "parts": fit.calibration.parts,
        "left_out": fit.left_out.len(),
        "planted": fit.planted.map(|(here, bundled)| {
            json!({"rejected": here.rejected, "by_bundle": bundled.rejected, "total": here.total})
        }),
        "branches": branches.collect::<Vec<_>>(),
        "warnings": warnings.into_iter().flatten().collect::<Vec<_>>(),
    })
}
