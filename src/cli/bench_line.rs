//! The second half of `aecsad bench`: runs the whole station at full speed on a pseudo-terminal. Measures parts per
//! minute, and the time from a verdict to the reject message at the far end of the wire.

use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use aecsad_inspect::branches::shared::heat::HeatMap;
use aecsad_inspect::decision::trimmed_z::quantile;
use aecsad_inspect::frame::Frame;
use aecsad_inspect::inspector::{Inspector, Verdict};
use aecsad_link::{Actuator, Envelope, FrameDecoder, MAX_FRAME, ToActuator, encode};
use serialport::{SerialPort, TTYPort};

use crate::camera::{FrameSource, SourceEvent};
use crate::cli::error::Result;
use crate::line::{Conveyor, Policies, Travel};
use crate::reject::framed::{FramedSerial, FramedSettings};
use crate::reject::simulator::SimulatorError;
use crate::serial::SerialSettings;
use crate::serial::never_block;
use crate::station::{Judge, JudgeError, Station};

/// The most frames that wait for the engine: one is judged while the next waits.
const AHEAD: u32 = 2;
/// The travel to the gate in verdict times: enough for a slow verdict, and fewer rejects than an actuator can schedule.
const VERDICTS_AHEAD: u32 = 20;
const SHORTEST_TRAVEL: Duration = Duration::from_millis(200);
const MARGIN: Duration = Duration::from_millis(40);

#[derive(serde::Serialize)]
pub struct LineFigures {
    pub rejects: u32,
    pub parts_per_min: f64,
    /// From the engine's verdict to the reject message at the far end, ms.
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub p999_ms: f64,
    pub most_ms: f64,
}

/// Runs `parts` of these frames, each taken for bad, through a station whose engine takes about `verdict` for one with
/// so many threads.
pub fn measure(
    inspector: &mut Inspector,
    frames: Vec<Frame>,
    parts: u32,
    verdict: Duration,
    threads: usize,
) -> Result<LineFigures> {
    let no_terminal = |e: String| SimulatorError::NoTerminal(e);
    let (far_end, near_end) = TTYPort::pair().map_err(|e| no_terminal(e.to_string()))?;
    never_block(&far_end).map_err(|e| no_terminal(e.to_string()))?;
    let device = near_end.name().unwrap_or_default();
    let (stop, judged) = (AtomicBool::new(false), Arc::new(AtomicU32::new(0)));
    let greeted = Arc::new(AtomicBool::new(false));
    let verdicts = Arc::new(Mutex::new(Vec::with_capacity(parts as usize)));
    let mut source = UnpacedSource {
        frames,
        taken: 0,
        judged: Arc::clone(&judged),
        greeted: Arc::clone(&greeted),
    };
    let mut judge = TimedJudge {
        inspector,
        judged,
        verdicts: Arc::clone(&verdicts),
    };
    let mut rejector = FramedSerial::open(FramedSettings {
        device: Path::new(&device).into(),
        serial: SerialSettings::plain(115_200),
        pulse: Duration::from_millis(1),
    })?;
    let station = Station {
        source: &mut source,
        judge: &mut judge,
        rejector: &mut rejector,
        conveyor: Conveyor {
            travel: Travel::Time(SHORTEST_TRAVEL.max(verdict * VERDICTS_AHEAD)),
            lead: Duration::ZERO,
            margin: MARGIN,
            pulse: Duration::from_millis(1),
            reach: Duration::ZERO,
        },
        policies: Policies::default(),
        confirm_within: None,
        album: None,
        thresholds: Default::default(),
        calibration: Default::default(),
        limit: Some(parts),
        priority: 0,
        threads,
    };
    let arrived = thread::scope(|scope| {
        let listener = scope.spawn(|| listen(far_end, &stop, &greeted));
        let ended = station.run(&AtomicBool::new(false), |_| {});
        stop.store(true, Ordering::Relaxed);
        let arrived = listener.join().unwrap_or_default();
        ended.map(|_| arrived)
    })?;
    let verdicts = verdicts.lock().map(|v| v.clone()).unwrap_or_default();
    let mut latencies: Vec<f64> = arrived
        .iter()
        .filter_map(|(part, at)| {
            // A late part was rejected before its verdict.
            let took = at.checked_duration_since(*verdicts.get(*part as usize - 1)?)?;
            Some(took.as_secs_f64() * 1e3)
        })
        .collect();
    latencies.sort_by(f64::total_cmp);
    let span = match (verdicts.first(), verdicts.last()) {
        (Some(first), Some(last)) => (*last - *first).as_secs_f64(),
        _ => f64::NAN,
    };
    Ok(LineFigures {
        rejects: latencies.len() as u32,
        parts_per_min: (verdicts.len() as f64 - 1.0) / span * 60.0,
        p50_ms: quantile(&latencies, 0.5),
        p99_ms: quantile(&latencies, 0.99),
        p999_ms: quantile(&latencies, 0.999),
        most_ms: quantile(&latencies, 1.0),
    })
}

/// A source that delivers the next frame as soon as the engine has room for it.
struct UnpacedSource {
    frames: Vec<Frame>,
    taken: u32,
    judged: Arc<AtomicU32>,
    /// The link is up. The first frame waits for it, because rejects would.
    greeted: Arc<AtomicBool>,
}

impl FrameSource for UnpacedSource {
    fn next(&mut self, frame: &mut Frame) -> Option<SourceEvent> {
        if !self.greeted.load(Ordering::Relaxed)
            || self.taken >= self.judged.load(Ordering::Relaxed) + AHEAD
        {
            thread::sleep(Duration::from_micros(200));
            return Some(SourceEvent::Nothing);
        }
        let next = &self.frames[self.taken as usize % self.frames.len()];
        self.taken += 1;
        frame.width = next.width;
        frame.height = next.height;
        frame.rgb.clone_from(&next.rgb);
        frame.captured = Instant::now();
        Some(SourceEvent::Part)
    }
}

/// The inspector, with the time of each verdict; every part is bad.
struct TimedJudge<'i> {
    inspector: &'i mut Inspector,
    judged: Arc<AtomicU32>,
    verdicts: Arc<Mutex<Vec<Instant>>>,
}

impl Judge for TimedJudge<'_> {
    fn judge(&mut self, frame: &Frame) -> Result<Verdict, JudgeError> {
        let mut verdict = self.inspector.inspect(frame)?;
        verdict.reject = true;
        self.judged.fetch_add(1, Ordering::Relaxed);
        if let Ok(mut verdicts) = self.verdicts.lock() {
            verdicts.push(Instant::now());
        }
        Ok(verdict)
    }

    fn heat_map(&mut self) -> Option<&HeatMap> {
        None
    }
}

/// Plays the actuator and records when each part's reject first arrived.
fn listen(mut port: TTYPort, stop: &AtomicBool, greeted: &AtomicBool) -> Vec<(u32, Instant)> {
    let start = Instant::now();
    let (mut actuator, mut decoder) = (Actuator::new(), FrameDecoder::new());
    let mut arrived: Vec<(u32, Instant)> = Vec::new();
    let mut bytes = [0; 256];
    let clock_us = || start.elapsed().as_micros() as u64;
    while !stop.load(Ordering::Relaxed) {
        while let Some(edge) = actuator.next_edge(clock_us()) {
            if let aecsad_link::OutputEdge::On { part, at_us, .. } = edge {
                say(&mut port, &actuator.pulsed(part, at_us));
            }
        }
        let _ = port.set_timeout(Duration::from_millis(1));
        let Ok(length) = port.read(&mut bytes) else {
            continue;
        };
        let at = Instant::now();
        for byte in &bytes[..length] {
            let Some(Ok(message)) = decoder.push::<Envelope<ToActuator>>(*byte) else {
                continue;
            };
            if message.message == ToActuator::Heartbeat {
                greeted.store(true, Ordering::Relaxed);
            }
            if let ToActuator::Reject { part, .. } = message.message
                && arrived.last().is_none_or(|(last, _)| *last < part)
            {
                arrived.push((part, at));
            }
            say(&mut port, &actuator.receive(clock_us(), message));
        }
    }
    arrived
}

fn say(port: &mut TTYPort, message: &Envelope<aecsad_link::FromActuator>) {
    use std::io::Write;
    if let Ok(frame) = encode(message, &mut [0; MAX_FRAME]) {
        // A full buffer loses the frame, as a wire does.
        let _ = port.write(frame);
    }
}
