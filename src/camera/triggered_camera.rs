//! From a camera's frames to parts: which frames show a part, and which parts have no frame.

use std::time::{Duration, Instant};

use aecsad_inspect::frame::Frame;

use super::presence::Presence;
use super::sensor::Sensor;
use super::{CameraError, Faults, FrameSource, SourceEvent};

/// What a camera delivers, frame by frame.
#[derive(Debug)]
pub enum Capture {
    /// The frame is filled.
    Frame {
        /// Frames that the driver skipped since the last one.
        skipped: u32,
    },
    /// A frame came, but can't be used.
    Damaged(CameraError),
    /// No frame yet.
    Nothing,
    /// The camera is disconnected or delivers no frames. It is tried again and again.
    Lost(CameraError),
    /// The camera delivers frames again.
    Recovered,
}

pub trait Camera: Send {
    /// Waits for the next frame, at most [`super::LONGEST_WAIT`].
    fn capture(&mut self, frame: &mut Frame) -> Capture;

    fn faults(&self) -> Faults;
}

/// What tells a part from an empty belt.
pub enum Trigger {
    /// The camera's own trigger input takes one frame of each part.
    EachFrame,
    /// The camera is free-running; a part is found in its frames.
    Presence(Presence),
    /// The camera is free-running; a sensor signals when a part is in front of it.
    Sensor(Box<SensorTrigger>),
}

pub struct SensorTrigger {
    pub sensor: Box<dyn Sensor>,
    /// The time from the sensor's signal until the part is in front of the camera.
    pub delay: Duration,
    /// How long after that a frame may come and still show the part.
    pub patience: Duration,
    /// The signals whose frame has not come yet.
    expected: heapless::Deque<Instant, 16>,
}

impl SensorTrigger {
    pub fn new(sensor: Box<dyn Sensor>, delay: Duration, patience: Duration) -> Self {
        SensorTrigger {
            sensor,
            delay,
            patience,
            expected: heapless::Deque::new(),
        }
    }

    /// Takes the sensor's signals that came during the wait for the camera. An error is reported by the next call.
    fn read_sensor(&mut self) {
        while !self.expected.is_full()
            && let Ok(Some(at)) = self.sensor.signal()
        {
            let _ = self.expected.push_back(at + self.delay);
        }
    }

    /// The time at which the part that this frame shows was in front of the camera.
    fn shown(&mut self, captured: Instant) -> Option<Instant> {
        let at = *self.expected.front()?;
        let shown = captured >= at && captured <= at + self.patience;
        if shown {
            self.expected.pop_front()
        } else {
            None
        }
    }

    fn given_up(&mut self, now: Instant) -> Option<Instant> {
        let over = *self.expected.front()? + self.patience < now;
        if over {
            self.expected.pop_front()
        } else {
            None
        }
    }
}

/// A camera with its trigger.
pub struct TriggeredCamera {
    camera: Box<dyn Camera>,
    trigger: Trigger,
    /// Parts whose frame the driver skipped: how many are still to be reported, and the frame after them.
    skipped: Option<SkippedFrames>,
    last: Option<Instant>,
    /// A part without a frame is given up after this time, which a frame may take from the shutter to here.
    sensor_lag: Duration,
    sensor_failed: bool,
}

struct SkippedFrames {
    reported: u32,
    count: u32,
    from: Instant,
    after: Frame,
}

impl TriggeredCamera {
    pub fn new(camera: Box<dyn Camera>, trigger: Trigger) -> Self {
        TriggeredCamera {
            camera,
            trigger,
            skipped: None,
            last: None,
            sensor_lag: Duration::from_millis(200),
            sensor_failed: false,
        }
    }

    /// The next of the skipped parts, evenly between the frames before and after, then the frame after.
    fn next_skipped(&mut self, frame: &mut Frame) -> Option<SourceEvent> {
        let skipped = self.skipped.as_mut()?;
        if skipped.reported < skipped.count {
            skipped.reported += 1;
            let span = skipped
                .after
                .captured
                .saturating_duration_since(skipped.from);
            frame.captured = skipped.from + span * skipped.reported / (skipped.count + 1);
            return Some(SourceEvent::NoFrame(CameraError::Dropped));
        }
        let mut skipped = self.skipped.take()?;
        std::mem::swap(frame, &mut skipped.after);
        Some(SourceEvent::Part)
    }

    fn each_frame(&mut self, frame: &mut Frame, skipped: u32) -> SourceEvent {
        let from = self.last.replace(frame.captured);
        let (Some(from), true) = (from, skipped > 0) else {
            return SourceEvent::Part;
        };
        let after = std::mem::replace(frame, Frame::empty());
        self.skipped = Some(SkippedFrames {
            reported: 0,
            count: skipped.min(MOST_SKIPPED),
            from,
            after,
        });
        self.next_skipped(frame).unwrap_or(SourceEvent::Nothing)
    }

    /// Reads the sensor's signals and returns a part that no frame shows.
    fn poll_sensor(&mut self, frame: &mut Frame) -> Option<SourceEvent> {
        let Trigger::Sensor(trigger) = &mut self.trigger else {
            return None;
        };
        loop {
            match trigger.sensor.signal() {
                Ok(None) => break,
                Ok(Some(at)) => {
                    self.sensor_failed = false;
                    if trigger.expected.push_back(at + trigger.delay).is_err() {
                        frame.captured = at + trigger.delay;
                        return Some(SourceEvent::NoFrame(CameraError::NoFrameForSensor));
                    }
                }
                Err(error) => {
                    // Reported once: without its sensor a station sees no parts.
                    if !std::mem::replace(&mut self.sensor_failed, true) {
                        return Some(SourceEvent::Blind(error));
                    }
                    break;
                }
            }
        }
        let now = Instant::now();
        let lost = trigger.given_up(now.checked_sub(self.sensor_lag)?)?;
        frame.captured = lost;
        Some(SourceEvent::NoFrame(CameraError::NoFrameForSensor))
    }
}

/// A longer gap means that the driver started to count again, not that so many parts passed.
const MOST_SKIPPED: u32 = 64;

impl FrameSource for TriggeredCamera {
    fn next(&mut self, frame: &mut Frame) -> Option<SourceEvent> {
        if let Some(event) = self.next_skipped(frame) {
            return Some(event);
        }
        if let Some(event) = self.poll_sensor(frame) {
            return Some(event);
        }
        let capture = self.camera.capture(frame);
        Some(match (capture, &mut self.trigger) {
            (Capture::Nothing, _) => SourceEvent::Nothing,
            (Capture::Lost(error), _) => {
                self.last = None;
                SourceEvent::Blind(error)
            }
            // The camera recovered, but without its sensor the station still sees no parts.
            (Capture::Recovered, _) if self.sensor_failed => SourceEvent::Nothing,
            (Capture::Recovered, _) => SourceEvent::Sees,
            (Capture::Frame { skipped }, Trigger::EachFrame) => self.each_frame(frame, skipped),
            (Capture::Damaged(error), Trigger::EachFrame) => {
                self.last = Some(frame.captured);
                SourceEvent::NoFrame(error)
            }
            (Capture::Frame { .. }, Trigger::Presence(presence)) => {
                if presence.arrives(frame) {
                    SourceEvent::Part
                } else {
                    SourceEvent::Nothing
                }
            }
            // The next frame may still show the part.
            (Capture::Damaged(_), Trigger::Presence(_)) => SourceEvent::Nothing,
            (Capture::Frame { .. }, Trigger::Sensor(trigger)) => {
                trigger.read_sensor();
                match trigger.shown(frame.captured) {
                    Some(at) => {
                        // The sensor's time is more exact than the frame's.
                        frame.captured = at;
                        SourceEvent::Part
                    }
                    None => SourceEvent::Nothing,
                }
            }
            (Capture::Damaged(_), Trigger::Sensor(_)) => SourceEvent::Nothing,
        })
    }

    fn faults(&self) -> Faults {
        self.camera.faults()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Plays a list of captures; each picture is of one brightness.
    struct Script(VecDeque<(Instant, u8, Capture)>);

    impl Camera for Script {
        fn capture(&mut self, frame: &mut Frame) -> Capture {
            let Some((captured, level, capture)) = self.0.pop_front() else {
                return Capture::Nothing;
            };
            if matches!(capture, Capture::Frame { .. }) {
                (frame.width, frame.height) = (16, 16);
                frame.rgb = vec![level; 16 * 16 * 3];
            }
            frame.captured = captured;
            capture
        }

        fn faults(&self) -> Faults {
            Faults::default()
        }
    }

    /// What each poll returns.
    struct Signals(VecDeque<Option<Instant>>);

    impl Sensor for Signals {
        fn signal(&mut self) -> Result<Option<Instant>, CameraError> {
            Ok(self.0.pop_front().flatten())
        }
    }

    /// What is reported, with each part's time after `start` in ms.
    fn reported(
        parts: &mut TriggeredCamera,
        start: Instant,
        calls: usize,
    ) -> Vec<(&'static str, u128)> {
        let mut frame = Frame::empty();
        let mut reported = Vec::new();
        for _ in 0..calls {
            let name = match parts.next(&mut frame).unwrap() {
                SourceEvent::Part => "part",
                SourceEvent::NoFrame(_) => "no frame",
                SourceEvent::Nothing => continue,
                SourceEvent::Blind(_) => "blind",
                SourceEvent::Sees => "sees",
            };
            reported.push((
                name,
                frame.captured.saturating_duration_since(start).as_millis(),
            ));
        }
        reported
    }

    fn taken(skipped: u32) -> Capture {
        Capture::Frame { skipped }
    }

    #[test]
    fn a_triggered_part_whose_frame_was_skipped_or_damaged_is_reported_at_its_place() {
        let start = Instant::now();
        let script = Script(VecDeque::from([
            (start, 1, taken(0)),
            (start + 90 * MS, 2, taken(2)),
            (
                start + 120 * MS,
                0,
                Capture::Damaged(CameraError::Corrupt("".into())),
            ),
            (start + 150 * MS, 3, taken(0)),
        ]));
        let mut parts = TriggeredCamera::new(Box::new(script), Trigger::EachFrame);
        assert_eq!(
            reported(&mut parts, start, 8),
            [
                ("part", 0),
                ("no frame", 30),
                ("no frame", 60),
                ("part", 90),
                ("no frame", 120),
                ("part", 150)
            ]
        );
    }

    #[test]
    fn after_a_disconnection_no_skipped_part_is_made_up() {
        let start = Instant::now();
        let lost = CameraError::Missing("it".into());
        let script = Script(VecDeque::from([
            (start, 1, taken(0)),
            (start + 10 * MS, 0, Capture::Lost(lost)),
            (start + 20 * MS, 0, Capture::Recovered),
            (start + 30 * MS, 2, taken(7)),
        ]));
        let mut parts = TriggeredCamera::new(Box::new(script), Trigger::EachFrame);
        assert_eq!(
            reported(&mut parts, start, 4),
            [("part", 0), ("blind", 10), ("sees", 20), ("part", 30)]
        );
    }

    #[test]
    fn a_part_that_passes_is_one_part_however_many_frames_show_it() {
        let start = Instant::now();
        let levels = [20, 20, 200, 200, 200, 20, 21, 200, 20];
        let captures = levels
            .iter()
            .enumerate()
            .map(|(i, &level)| (start + MS * i as u32, level, taken(0)));
        let presence = Presence {
            belt_level: 20,
            contrast: 50,
            ..Presence::default()
        };
        let mut parts = TriggeredCamera::new(
            Box::new(Script(captures.collect())),
            Trigger::Presence(presence),
        );
        assert_eq!(reported(&mut parts, start, 12), [("part", 2), ("part", 7)]);
    }

    #[test]
    fn a_sensor_names_the_frame_and_a_part_without_one_is_reported() {
        let start = Instant::now().checked_sub(10_000 * MS).unwrap();
        let signals = Signals(VecDeque::from([5, 300].map(|ms| Some(start + ms * MS))));
        let captures = (0..12).map(|i| (start + 10 * MS * i, 1, taken(0)));
        let trigger = SensorTrigger::new(Box::new(signals), 20 * MS, 15 * MS);
        let mut parts = TriggeredCamera::new(
            Box::new(Script(captures.collect())),
            Trigger::Sensor(Box::new(trigger)),
        );
        parts.sensor_lag = Duration::from_secs(3_600);
        assert_eq!(reported(&mut parts, start, 12), [("part", 25)]);
        parts.sensor_lag = 100 * MS;
        assert_eq!(reported(&mut parts, start, 3), [("no frame", 320)]);
    }

    #[test]
    fn a_signal_that_comes_while_the_camera_is_waited_for_names_the_frame_that_comes_then() {
        let start = Instant::now();
        let signals = Signals(VecDeque::from([None, Some(start + 5 * MS)]));
        let captures = [10, 43].map(|ms| (start + ms * MS, 1, taken(0)));
        let trigger = SensorTrigger::new(Box::new(signals), Duration::ZERO, 20 * MS);
        let mut parts = TriggeredCamera::new(
            Box::new(Script(VecDeque::from(captures))),
            Trigger::Sensor(Box::new(trigger)),
        );
        assert_eq!(reported(&mut parts, start, 1), [("part", 5)]);
    }

    #[test]
    fn a_recovered_camera_does_not_hide_a_lost_sensor() {
        struct Disconnected;
        impl Sensor for Disconnected {
            fn signal(&mut self) -> Result<Option<Instant>, CameraError> {
                Err(CameraError::Missing("the sensor".into()))
            }
        }
        let start = Instant::now();
        let script = Script(VecDeque::from([
            (start, 0, Capture::Lost(CameraError::Missing("it".into()))),
            (start + 10 * MS, 0, Capture::Recovered),
        ]));
        let trigger = SensorTrigger::new(Box::new(Disconnected), Duration::ZERO, 20 * MS);
        let mut parts = TriggeredCamera::new(Box::new(script), Trigger::Sensor(Box::new(trigger)));
        let reported = reported(&mut parts, start, 4);
        assert!(
            reported.iter().all(|(name, _)| *name == "blind"),
            "{reported:?}"
        );
        assert_eq!(reported.len(), 2);
    }
}
