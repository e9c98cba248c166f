//! Everything around the gatekeeper, millisecond by millisecond.

use std::collections::{BinaryHeap, VecDeque};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use aecsad::camera::CameraError;
use aecsad::line::{Action, Cause, Conveyor, Part, Policies, Travel};
use aecsad::reject::counted::{CountedGate, Counter};
use aecsad::reject::framed::{FramedSerial, FramedSettings};
use aecsad::reject::{RejectEvent, Rejector};
use aecsad::serial::SerialSettings;
use aecsad::station::gatekeeper::Gatekeeper;
use aecsad::station::{Inspection, JudgeError, LineEvent};
use aecsad_inspect::inspector::Verdict;
use aecsad_link::{
    Actuator, Envelope, FrameDecoder, LATE_US, MAX_FRAME, OutputEdge, ToActuator, encode,
};

use super::belt::{SimulatedBelt, TOP_SPEED};
use super::link::SharedCable;

const STEP_US: u64 = 1_000;
const COUNTS_PER_MM: f64 = 10.0;
/// Camera to gate, mm.
const DISTANCE: f64 = 500.0;
const LEAD_US: u64 = 12_000;
const PULSE: Duration = Duration::from_millis(15);
/// Half a part's length along the belt, mm: within this of the gate it is hit.
const REACH: f64 = 8.0;
/// After so long everything has been printed about a part that has passed.
const SETTLED_US: u64 = 40_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counting {
    Time,
    /// The actuator has the encoder.
    Actuators,
    /// This machine has a counter.
    Stations,
}

#[derive(Debug, Default)]
pub struct Outcome {
    pub parts: u32,
    pub rejected: u32,
    pub late: u32,
    pub alarmed: u32,
    pub taken_along: u32,
    pub belt_stops: u32,
    pub link_faults: u32,
    pub power_losses: u32,
    pub wrongly_hit: Vec<u32>,
    pub passed_silently: Vec<u32>,
}

/// What an observer beside the line knows of a part.
struct Watched {
    id: u32,
    /// Where the belt must be for it to be at the gate, mm.
    gate: f64,
    hit: bool,
    /// Its fate was not to pass.
    rejected: Option<bool>,
    alarmed: bool,
    taken_along: bool,
    passed_us: Option<u64>,
}

/// What the camera and the engine deliver later, earliest first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at_us: std::cmp::Reverse<u64>,
    id: u32,
    captured_us: u64,
    what: Delivery,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Delivery {
    Announced,
    Judged { bad: bool },
}

struct SharedCount(Arc<AtomicI64>);

impl Counter for SharedCount {
    fn count(&mut self) -> io::Result<i64> {
        Ok(self.0.load(Ordering::Relaxed))
    }
}

pub struct World {
    counting: Counting,
    start: Instant,
    now_us: u64,
    rng: fastrand::Rng,
    belt: SimulatedBelt,
    cable: SharedCable,
    count: Arc<AtomicI64>,
    /// The actuator, and when it was powered up at which count.
    actuator: Actuator,
    decoder: FrameDecoder,
    booted: (u64, i64),
    dark_until_us: u64,
    report_us: u64,
    /// When the rejector acts on the belt.
    acts: VecDeque<(u64, u64)>,
    watched: VecDeque<Watched>,
    /// How many of them have passed the gate.
    passed: usize,
    due: BinaryHeap<Due>,
    outcome: Outcome,
}

impl World {
    pub fn new(counting: Counting, seed: u64) -> Self {
        let start = Instant::now();
        World {
            counting,
            start,
            now_us: 0,
            rng: fastrand::Rng::with_seed(seed),
            belt: SimulatedBelt::new(counting == Counting::Time),
            cable: SharedCable::new(start, seed + 100),
            count: Arc::default(),
            actuator: Actuator::new(),
            decoder: FrameDecoder::new(),
            booted: (0, 0),
            dark_until_us: 0,
            report_us: 0,
            acts: VecDeque::new(),
            watched: VecDeque::new(),
            passed: 0,
            due: BinaryHeap::new(),
            outcome: Outcome::default(),
        }
    }

    fn at(&self, us: u64) -> Instant {
        self.start + Duration::from_micros(us)
    }

    fn conveyor(&self) -> Conveyor {
        let travel = match self.counting {
            Counting::Time => Travel::Time(Duration::from_secs_f64(DISTANCE / TOP_SPEED)),
            _ => Travel::Counts {
                counts: (DISTANCE * COUNTS_PER_MM) as i64,
                top_speed: (TOP_SPEED * COUNTS_PER_MM) as u32,
            },
        };
        Conveyor {
            travel,
            lead: Duration::from_micros(LEAD_US),
            margin: Duration::from_millis(80),
            pulse: PULSE,
            // What a station file gives for parts of this length.
            reach: Duration::from_secs_f64(REACH / TOP_SPEED)
                + Duration::from_micros(LATE_US.into()),
        }
    }

    fn rejector(&self) -> Box<dyn Rejector> {
        let settings = FramedSettings {
            device: "simulated".into(),
            serial: SerialSettings::plain(115_200),
            pulse: PULSE,
        };
        let connect = Box::new(self.cable.clone());
        let framed = Box::new(FramedSerial::connect(settings, connect, 7, self.start).unwrap());
        if self.counting != Counting::Stations {
            return framed;
        }
        let counter = Box::new(SharedCount(Arc::clone(&self.count)));
        Box::new(CountedGate::new(
            framed,
            counter,
            Path::new("counter"),
            self.start,
        ))
    }

    pub fn run(mut self, parts: u32) -> Outcome {
        let mut rejector = self.rejector();
        let mut keeper = Gatekeeper::new(
            self.conveyor(),
            Policies::default(),
            None,
            rejector.as_mut(),
        );
        let mut next_place = 2_000.0;
        let mut entered = 0;
        let mut gate_busy_until = 0;
        let mut wake_us = 0;
        let mut events = Vec::new();
        while entered < parts || !self.watched.is_empty() {
            self.now_us += STEP_US;
            let before = self.belt.place;
            self.belt.advance(self.now_us, STEP_US, &mut self.rng);
            self.count
                .store((self.belt.place * COUNTS_PER_MM) as i64, Ordering::Relaxed);
            while entered < parts && next_place <= self.belt.place {
                entered += 1;
                self.capture(entered, next_place, before);
                next_place += match self.rng.u8(..100) {
                    0 => 3.0 + 9.0 * self.rng.f64(),
                    _ => 40.0 + 40.0 * self.rng.f64(),
                };
            }
            let spoke = self.play_link_and_actuator();
            self.hit(before);
            // The gate's thread: woken when there is an event for it, sometimes late.
            let reported = self
                .due
                .peek()
                .is_some_and(|due| due.at_us.0 <= self.now_us);
            if self.now_us >= gate_busy_until && (reported || spoke || self.now_us >= wake_us) {
                let now = self.at(self.now_us);
                let mut report = |event| events.push(event);
                while self
                    .due
                    .peek()
                    .is_some_and(|due| due.at_us.0 <= self.now_us)
                {
                    let Some(due) = self.due.pop() else { break };
                    deliver(
                        &mut keeper,
                        due,
                        self.start,
                        now,
                        &mut self.rng,
                        &mut report,
                    );
                }
                keeper.turn(now, &mut report);
                let wake = keeper.wake_at(now).saturating_duration_since(self.start);
                wake_us = (wake.as_micros() as u64).clamp(self.now_us + 1, self.now_us + 50_000);
                gate_busy_until = self.now_us
                    + match self.rng.u32(..100_000) {
                        0 => self.rng.u64(100_000..700_000),
                        1..40 => self.rng.u64(5_000..40_000),
                        _ => 0,
                    };
                for event in events.drain(..) {
                    self.note(event);
                }
            }
            self.settle();
        }
        self.outcome.belt_stops = self.belt.stops;
        self.outcome.link_faults = self.cable.lock().faults;
        self.outcome
    }

    /// A part is in front of the camera: its place and its time are exact.
    fn capture(&mut self, id: u32, place: f64, before: f64) {
        let share = (place - before) / (self.belt.place - before).max(1e-9);
        let captured_us = self.now_us - STEP_US + (share.clamp(0.0, 1.0) * STEP_US as f64) as u64;
        let rng = &mut self.rng;
        let announced_us = self.now_us + rng.u64(1_000..15_000);
        let engine_us = match rng.u16(..1_000) {
            0..5 => rng.u64(300_000..2_000_000),
            5..8 => u64::MAX / 2,
            _ => rng.u64(8_000..70_000),
        };
        let bad = rng.u8(..5) == 0;
        for (at_us, what) in [
            (announced_us, Delivery::Announced),
            (announced_us + engine_us, Delivery::Judged { bad }),
        ] {
            if at_us < u64::MAX / 4 {
                self.due.push(Due {
                    at_us: std::cmp::Reverse(at_us),
                    id,
                    captured_us,
                    what,
                });
            }
        }
        self.watched.push_back(Watched {
            id,
            gate: place + DISTANCE,
            hit: false,
            rejected: None,
            alarmed: false,
            taken_along: false,
            passed_us: None,
        });
        self.outcome.parts += 1;
    }

    /// Whether the station has something to hear.
    fn play_link_and_actuator(&mut self) -> bool {
        let now_us = self.now_us;
        let mut cable = self.cable.lock();
        cable.now_us = now_us;
        let dice = self.rng.u32(..400_000);
        if dice == 0 && cable.plugged {
            cable.unplug();
        } else if !cable.plugged && self.rng.u16(..4_000) == 0 {
            cable.plugged = true;
        } else if dice == 1 {
            // Its power fails briefly: output off, schedule, clock and count lost.
            self.outcome.power_losses += 1;
            self.actuator = Actuator::new();
            self.decoder = FrameDecoder::new();
            self.dark_until_us = now_us + self.rng.u64(100_000..3_000_000);
            self.booted = (self.dark_until_us, (self.belt.place * COUNTS_PER_MM) as i64);
            if let Some(last) = self.acts.back_mut() {
                last.1 = last.1.min(now_us + LEAD_US);
            }
        }
        if now_us < self.dark_until_us {
            cable.to_actuator.clear();
            return true;
        }
        // Its crystal is 80 ppm fast.
        let clock_us = (now_us - self.booted.0) + (now_us - self.booted.0) / 12_500;
        let count = (self.belt.place * COUNTS_PER_MM) as i64 - self.booted.1;
        let counts = self.counting == Counting::Actuators;
        if counts {
            self.actuator.count(clock_us, count);
        }
        while let Some((_, bytes)) = cable.arrived(true) {
            for byte in bytes {
                if let Some(Ok(message)) = self.decoder.push::<Envelope<ToActuator>>(byte) {
                    let answer = self.actuator.receive(clock_us, message);
                    cable.send(false, encode(&answer, &mut [0; MAX_FRAME]).unwrap());
                }
            }
        }
        while let Some(edge) = self.actuator.next_edge(clock_us) {
            if let OutputEdge::On {
                part,
                at_us,
                pulse_us,
            } = edge
            {
                self.acts
                    .push_back((now_us + LEAD_US, now_us + LEAD_US + u64::from(pulse_us)));
                let report = self.actuator.pulsed(part, at_us);
                cable.send(false, encode(&report, &mut [0; MAX_FRAME]).unwrap());
            }
        }
        if counts && now_us >= self.report_us {
            self.report_us = now_us + 20_000;
            if let Some(report) = self.actuator.counted(clock_us) {
                cable.send(false, encode(&report, &mut [0; MAX_FRAME]).unwrap());
            }
        }
        cable
            .to_station
            .front()
            .is_some_and(|(at_us, _)| *at_us <= now_us)
    }

    /// What the rejector throws off the belt in this step.
    fn hit(&mut self, before: f64) {
        while self.acts.front().is_some_and(|(_, to)| *to < self.now_us) {
            self.acts.pop_front();
        }
        let acting = self
            .acts
            .iter()
            .any(|(from, to)| (*from..=*to).contains(&self.now_us));
        for part in self.watched.range_mut(self.passed..) {
            if part.gate - REACH > self.belt.place {
                break;
            }
            if acting && part.gate + REACH >= before {
                part.hit = true;
            }
            if self.belt.place > part.gate + REACH + 30.0 {
                part.passed_us = Some(self.now_us);
                self.passed += 1;
            }
        }
    }

    fn note(&mut self, event: LineEvent) {
        let alarmed = match event {
            LineEvent::Decided { fate, .. } => {
                let rejected = fate.action != Action::Pass;
                self.outcome.rejected += u32::from(rejected);
                self.outcome.late += u32::from(fate.cause == Cause::Late);
                let part = self.part(fate.part.id);
                assert_eq!(
                    part.rejected.replace(rejected),
                    None,
                    "part {} has two fates",
                    part.id
                );
                matches!(fate.action, Action::Missed { .. } | Action::Astray)
                    .then_some(fate.part.id)
            }
            LineEvent::NotScheduled { part, .. }
            | LineEvent::Gate(
                RejectEvent::Unconfirmed { part } | RejectEvent::Refused { part, .. },
            ) => Some(part),
            LineEvent::TakenAlong(taken) => {
                self.part(taken.part).taken_along = true;
                self.outcome.taken_along += 1;
                None
            }
            _ => None,
        };
        if let Some(id) = alarmed {
            self.part(id).alarmed = true;
            self.outcome.alarmed += 1;
        }
    }

    fn part(&mut self, id: u32) -> &mut Watched {
        let first = self.watched.front().map_or(0, |part| part.id);
        self.watched
            .get_mut((id - first) as usize)
            .expect("an event of a part that was settled long ago")
    }

    fn settle(&mut self) {
        while let Some(part) = self.watched.front()
            && part
                .passed_us
                .is_some_and(|us| self.now_us > us + SETTLED_US)
        {
            let Some(part) = self.watched.pop_front() else {
                return;
            };
            self.passed -= 1;
            match part.rejected {
                Some(true) if !part.hit && !part.alarmed => {
                    self.outcome.passed_silently.push(part.id)
                }
                Some(false) if part.hit && !part.taken_along => {
                    self.outcome.wrongly_hit.push(part.id)
                }
                None => self.outcome.passed_silently.push(part.id),
                Some(_) => {}
            }
        }
    }
}

fn deliver(
    keeper: &mut Gatekeeper<'_>,
    due: Due,
    start: Instant,
    now: Instant,
    rng: &mut fastrand::Rng,
    report: &mut dyn FnMut(LineEvent),
) {
    let Due {
        id,
        captured_us,
        what,
        ..
    } = due;
    match what {
        Delivery::Announced => {
            let part = Part {
                id,
                captured: start + Duration::from_micros(captured_us),
            };
            let inspection = match rng.u16(..2_000) {
                0 => Some(Inspection::QueueFull),
                1 => Some(Inspection::NoFrame(CameraError::Dropped)),
                _ => None,
            };
            keeper.announce(part, inspection, now, report);
        }
        Delivery::Judged { .. } if rng.u16(..2_000) == 0 => {
            let broke_off = Inspection::EngineError(JudgeError::EngineBrokeOff);
            keeper.inspected(id, broke_off, now, report);
        }
        Delivery::Judged { bad } => {
            let verdict = Verdict {
                reject: bad,
                ..Verdict::passing(0.0, 0.0)
            };
            let inspection = Inspection::Verdict(verdict, Arc::default());
            keeper.inspected(id, inspection, now, report);
        }
    }
}
