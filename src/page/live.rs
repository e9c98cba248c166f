//! What the page shows of the running line: its state, the latest parts and messages, and the events in between. The
//! thread that observes the line writes it; browsers read it. All of it is bounded, and a browser that reads too slowly
//! loses events.

use std::collections::VecDeque;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::broadcast;

use super::shown::{ShownMessage, ShownPart};
use crate::journal::Record;
use crate::monitor::Snapshot;
use crate::operator::now_ms;
use crate::pictures::{LivePicture, LiveView};
use crate::station::Message;
use crate::station::line_calibration::LineCalibration;

const RECENT_PARTS: usize = 60;
const RECENT_MESSAGES: usize = 100;
/// Events that a browser may lag behind.
const EVENTS: usize = 256;
/// Parts whose times are held for the rates.
const RATED: usize = 4_096;
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// One event, serialised once for all browsers.
#[derive(Clone, Debug)]
pub struct LiveEvent {
    pub name: &'static str,
    pub data: Arc<str>,
}

pub struct Live {
    inner: Mutex<Inner>,
    events: broadcast::Sender<LiveEvent>,
    pub view: Arc<LiveView>,
    pub calibration: LineCalibration,
}

/// What does not change while the line runs.
pub struct LiveStart {
    pub run: Arc<AtomicI64>,
    /// Product and version of the first bundle.
    pub bundle: Arc<str>,
    pub has_slots: bool,
    pub has_journal: bool,
}

struct Inner {
    start: LiveStart,
    started_ms: i64,
    bundle: String,
    threshold: Option<f64>,
    snapshot: Option<Snapshot>,
    recent: VecDeque<ShownPart>,
    messages: VecDeque<ShownMessage>,
    parts_at: VecDeque<Instant>,
    rejects_at: VecDeque<Instant>,
}

impl Live {
    pub fn new(start: LiveStart) -> Self {
        let (events, _) = broadcast::channel(EVENTS);
        let pictures = events.clone();
        let notify = move |picture: &LivePicture| {
            let _ = pictures.send(event("picture", &described(picture)));
        };
        let inner = Inner {
            bundle: start.bundle.to_string(),
            start,
            started_ms: now_ms(),
            threshold: None,
            snapshot: None,
            recent: VecDeque::with_capacity(RECENT_PARTS),
            messages: VecDeque::with_capacity(RECENT_MESSAGES),
            parts_at: VecDeque::new(),
            rejects_at: VecDeque::new(),
        };
        Live {
            inner: Mutex::new(inner),
            events,
            view: Arc::new(LiveView::new(notify)),
            calibration: LineCalibration::default(),
        }
    }

    pub fn subscribe(&self) -> broadcast::Receiver<LiveEvent> {
        self.events.subscribe()
    }

    /// A finished part. Its picture is kept if it was not good, and perhaps otherwise.
    pub fn part(&self, record: &Record) {
        let shown = ShownPart::new(record, record.cause != "good", None);
        let now = Instant::now();
        let mut inner = self.lock();
        inner.bundle.clone_from(&record.bundle);
        inner.threshold = record.threshold.or(inner.threshold);
        keep(&mut inner.parts_at, now, MINUTE);
        if record.cause != "good" {
            keep(&mut inner.rejects_at, now, HOUR);
        }
        push(&mut inner.recent, shown.clone(), RECENT_PARTS);
        drop(inner);
        self.send(|| event("part", &shown));
    }

    pub fn message(&self, message: &Message) {
        let shown = ShownMessage::from(message);
        push(&mut self.lock().messages, shown.clone(), RECENT_MESSAGES);
        self.send(|| event("message", &shown));
    }

    /// Once a second.
    pub fn turn(&self, snapshot: &Snapshot) {
        self.lock().snapshot = Some(*snapshot);
        self.send(|| event("state", &self.state()));
    }

    /// Nothing is serialised while no browser listens.
    fn send(&self, event: impl FnOnce() -> LiveEvent) {
        if self.events.receiver_count() > 0 {
            let _ = self.events.send(event());
        }
    }

    /// The state without parts and messages.
    pub fn state(&self) -> Value {
        let inner = self.lock();
        let run = inner.start.run.load(std::sync::atomic::Ordering::Relaxed);
        let product = inner.bundle.rsplit_once(' ').map(|(product, _)| product);
        let now = Instant::now();
        let within = |times: &VecDeque<Instant>, time| {
            times.iter().filter(|at| now - **at < time).count() as f64
        };
        let mut state = json!({
            "at_ms": now_ms(),
            "version": env!("CARGO_PKG_VERSION"),
            "started_ms": inner.started_ms,
            "run": run,
            "bundle": inner.bundle,
            "product": product,
            "threshold": inner.threshold,
            "calibration": self.calibration.described(),
            "parts_a_minute": within(&inner.parts_at, MINUTE),
            "rejects_an_hour": within(&inner.rejects_at, HOUR),
            "slots": inner.start.has_slots,
            "journal": inner.start.has_journal,
            "devices": [],
            "totals": null,
        });
        let Some(snapshot) = &inner.snapshot else {
            return state;
        };
        let device = |name: &str, up: bool| json!({"name": name, "up": up});
        let mut devices = vec![
            device("camera", snapshot.health.camera_sees),
            device("gate", snapshot.health.gate_up),
        ];
        if inner.start.has_journal {
            devices.push(device("journal", !snapshot.journal_failing));
        }
        state["devices"] = devices.into();
        let totals = &snapshot.totals;
        state["totals"] = json!({
            "parts": totals.parts,
            "good": totals.good,
            "bad": totals.bad,
            "late": totals.late,
            "queue_full": totals.queue_full,
            "engine_error": totals.engine_error,
            "no_frame": totals.no_frame,
            "pulsed": totals.pulsed,
            "unconfirmed": totals.unconfirmed,
            "impossible": totals.impossible,
            "taken_along": totals.taken_along,
            "not_fallen": totals.not_fallen,
            "alarms": totals.alarms,
        });
        state
    }

    /// The latest parts, the latest last.
    pub fn recent(&self) -> Vec<ShownPart> {
        self.lock().recent.iter().cloned().collect()
    }

    /// The latest messages, the latest last.
    pub fn messages(&self) -> Vec<ShownMessage> {
        self.lock().messages.iter().cloned().collect()
    }

    /// Product and version of the bundle at work.
    pub fn bundle(&self) -> String {
        self.lock().bundle.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn event(name: &'static str, content: &impl Serialize) -> LiveEvent {
    // Numbers, strings and lists always serialise.
    let data = serde_json::to_string(content).unwrap_or_default();
    LiveEvent {
        name,
        data: data.into(),
    }
}

fn described(picture: &LivePicture) -> Value {
    let verdict = picture.verdict.as_ref();
    json!({
        "run": picture.run,
        "part": picture.part,
        "cause": picture.cause.name(),
        "score": verdict.map(|v| v.score),
        "threshold": verdict.map(|v| v.limits.threshold),
        "p_in_words": verdict.map(|v| v.p_in_words()),
        "branch": verdict.map(|v| v.branch.to_string()),
        "counts": verdict.and_then(|v| v.counted()).unwrap_or_default(),
        "sharpness": picture.sharpness,
    })
}

fn push<T>(ring: &mut VecDeque<T>, item: T, most: usize) {
    if ring.len() == most {
        ring.pop_front();
    }
    ring.push_back(item);
}

/// Keeps the times of the latest `span`, and no more than [`RATED`].
fn keep(times: &mut VecDeque<Instant>, now: Instant, span: Duration) {
    while times.front().is_some_and(|at| now - *at >= span) {
        times.pop_front();
    }
    push(times, now, RATED);
}
