//! A gate whose belt is counted by this machine. Each reject waits here for its count and is handed to the actuator
//! just before it is due, however often the belt stops and starts.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use aecsad_program::inputs;

use super::{RejectError, RejectEvent, Rejector};
use crate::line::{BeltEncoder, BeltPosition, FirePoint};

/// The counter is read this often while a reject is pending, else less often.
const READ_EACH: Duration = Duration::from_millis(1);
const READ_IDLE: Duration = Duration::from_millis(10);
/// The most rejects between camera and gate.
const HELD: usize = 64;
/// A reject is handed over this long before it is due: enough for the wire, and too short for the belt to change its
/// speed.
const HAND_OVER: Duration = Duration::from_millis(20);
/// A pulse that is later than this would hit another part.
const LATE: Duration = Duration::from_millis(2);

/// Reads the belt's position.
pub trait Counter: Send {
    fn count(&mut self) -> io::Result<i64>;
}

/// A counter of the kernel's counter subsystem, `/sys/bus/counter/devices/counterN/countM/count`.
pub struct CounterFile {
    file: File,
}

impl CounterFile {
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = inputs::open(path)?;
        let mut counter = CounterFile { file };
        counter.count()?;
        Ok(counter)
    }
}

impl Counter for CounterFile {
    fn count(&mut self) -> io::Result<i64> {
        self.file.rewind()?;
        let mut text = [0; 32];
        let length = self.file.read(&mut text)?;
        let text = std::str::from_utf8(&text[..length]).unwrap_or_default();
        text.trim()
            .parse()
            .map_err(|_| io::Error::other("it holds no number"))
    }
}

struct HeldReject {
    part: u32,
    at: BeltPosition,
    lead: Duration,
}

pub struct CountedGate {
    gate: Box<dyn Rejector>,
    counter: Box<dyn Counter>,
    path: PathBuf,
    encoder: BeltEncoder,
    held: heapless::Vec<HeldReject, HELD>,
    read_at: Instant,
    counter_failed: bool,
    to_report: heapless::Deque<RejectEvent, { HELD + 4 }>,
}

impl CountedGate {
    pub fn new(
        gate: Box<dyn Rejector>,
        counter: Box<dyn Counter>,
        path: &Path,
        now: Instant,
    ) -> Self {
        CountedGate {
            gate,
            counter,
            path: path.into(),
            encoder: BeltEncoder::default(),
            held: heapless::Vec::new(),
            read_at: now,
            counter_failed: false,
            to_report: heapless::Deque::new(),
        }
    }

    fn read(&mut self, now: Instant) {
        if now < self.read_at {
            return;
        }
        let wait = if self.held.is_empty() {
            READ_IDLE
        } else {
            READ_EACH
        };
        self.read_at = now + wait;
        match self.counter.count() {
            Ok(count) => {
                self.counter_failed = false;
                self.encoder.read(now, count);
                self.report(RejectEvent::Count { at: now, count });
            }
            Err(error) => {
                if !std::mem::replace(&mut self.counter_failed, true) {
                    // The gate raises the alarm for the silence; the log gives the reason.
                    log::warn!(
                        "{}: the belt's counter can't be read ({error}); check its driver",
                        self.path.display()
                    );
                }
            }
        }
    }

    /// Hands over the rejects that are due, and gives up those that can no longer hit their part.
    fn fire(&mut self, now: Instant) {
        let mut index = 0;
        while let Some(held) = self.held.get(index) {
            let left = self
                .encoder
                .left(held.at.count, now)
                .unwrap_or(f64::INFINITY);
            let speed = self.encoder.speed().max(0.0);
            let lead = speed * held.lead.as_secs_f64();
            if left - lead > speed * HAND_OVER.as_secs_f64() {
                index += 1;
                continue;
            }
            let fire_in_s = if speed > 0.0 {
                (left - lead).max(0.0) / speed
            } else {
                0.0
            };
            let HeldReject { part, at, .. } = self.held.swap_remove(index);
            // On a standing belt a part can be hit only at its exact count.
            let late = lead - left > speed * LATE.as_secs_f64() + 1.0;
            let fire_at = now + Duration::from_secs_f64(fire_in_s);
            let lost = late || at.epoch != self.encoder.epoch();
            if lost
                || self
                    .gate
                    .schedule(part, FirePoint::At(fire_at), now)
                    .is_err()
            {
                self.report(RejectEvent::Unconfirmed { part });
            }
        }
    }

    fn report(&mut self, event: RejectEvent) {
        let _ = self.to_report.push_back(event);
    }
}

impl Rejector for CountedGate {
    fn schedule(&mut self, part: u32, fire: FirePoint, now: Instant) -> Result<(), RejectError> {
        let FirePoint::AtCount { at, lead } = fire else {
            return self.gate.schedule(part, fire, now);
        };
        let pending = self.held.len();
        let device = self.path.display().to_string();
        self.held
            .push(HeldReject { part, at, lead })
            .map_err(|_| RejectError::Overfull {
                device,
                part,
                pending,
            })?;
        self.read_at = self.read_at.min(now);
        Ok(())
    }

    fn poll(&mut self, now: Instant) -> Option<RejectEvent> {
        if self.to_report.is_empty() {
            self.read(now);
            self.fire(now);
        }
        if let Some(event) = self.to_report.pop_front() {
            return Some(event);
        }
        // Counts of the actuator's own encoder are dropped: the belt is counted by this machine.
        std::iter::from_fn(|| self.gate.poll(now)).find(|event| {
            !matches!(
                event,
                RejectEvent::Count { .. } | RejectEvent::CountRestarted
            )
        })
    }

    fn wake_at(&self) -> Instant {
        self.gate.wake_at().min(self.read_at)
    }

    fn pending(&self) -> usize {
        self.held.len() + self.gate.pending()
    }

    fn behaviour(&self, reached_after: Duration) -> String {
        self.gate.behaviour(reached_after)
    }

    fn stop(&mut self) -> Result<(), RejectError> {
        self.held.clear();
        self.gate.stop()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Records the times at which a pulse was requested.
    #[derive(Clone, Default)]
    struct Notes(Arc<Mutex<Vec<(u32, Instant)>>>);

    impl Rejector for Notes {
        fn schedule(
            &mut self,
            part: u32,
            fire: FirePoint,
            _now: Instant,
        ) -> Result<(), RejectError> {
            let FirePoint::At(at) = fire else {
                panic!("{fire:?}");
            };
            self.0.lock().unwrap().push((part, at));
            Ok(())
        }

        fn poll(&mut self, _now: Instant) -> Option<RejectEvent> {
            None
        }

        fn wake_at(&self) -> Instant {
            Instant::now() + Duration::from_secs(1)
        }

        fn pending(&self) -> usize {
            0
        }

        fn stop(&mut self) -> Result<(), RejectError> {
            Ok(())
        }
    }

    #[test]
    fn a_reject_waits_for_its_count_through_a_stop() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("count");
        std::fs::write(&path, "0\n").unwrap();
        let counter = CounterFile::open(&path).unwrap();
        let start = Instant::now();
        let notes = Notes::default();
        let mut gate = CountedGate::new(Box::new(notes.clone()), Box::new(counter), &path, start);
        let schedule = |gate: &mut CountedGate, part, count, now| {
            let at = BeltPosition { epoch: 0, count };
            gate.schedule(part, FirePoint::AtCount { at, lead: 10 * MS }, now)
                .unwrap();
        };
        schedule(&mut gate, 1, 200, start);
        let mut unconfirmed = Vec::new();
        for ms in 0..1_500u32 {
            // One count a millisecond, but for a stop from 100 to 1000.
            let count = if ms < 1_000 { ms.min(100) } else { ms - 900 };
            std::fs::write(&path, format!("{count}\n")).unwrap();
            let now = start + ms * MS;
            if ms == 1_200 {
                schedule(&mut gate, 2, 150, now);
            }
            while let Some(event) = gate.poll(now) {
                if let RejectEvent::Unconfirmed { part } = event {
                    unconfirmed.push(part);
                }
            }
        }
        let fired = notes.0.lock().unwrap();
        assert_eq!(fired.len(), 1);
        let at_ms = fired[0].1.duration_since(start).as_millis();
        assert!((1_088..=1_092).contains(&at_ms), "{at_ms}");
        assert_eq!(unconfirmed, [2], "its count was over");
    }

    #[test]
    fn what_is_no_counter_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("count");
        assert!(CounterFile::open(&path).is_err());
        std::fs::write(&path, "many").unwrap();
        assert!(CounterFile::open(&path).is_err());
    }
}
