//! Outputs that this machine switches: a Modbus coil or a relay board. Such a board has no clock and no schedule, so a
//! thread runs the actuator firmware's state machine here and switches the board at its edges.

mod board;
pub mod exchange;
pub mod kmtronic;
mod lcus;
pub mod modbus;

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use aecsad_link::{
    Actuator, Answer, Envelope, FromActuator, MAX_SCHEDULED, OutputEdge, PROTOCOL, ToActuator, When,
};

use super::{RejectError, RejectEvent, Rejector, answers_after};
use crate::line::FirePoint;
use crate::serial::SerialSettings;
pub use board::Board;
use board::{Behaviour, Output};

const CHECK_EACH: Duration = Duration::from_secs(1);
/// How often the input of the sensor behind the gate is read.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_secs(5);
/// The schedule's clock starts this long ago, so that times before its opening can be represented.
const PAST: Duration = Duration::from_secs(60);
/// The most events between two polls of the owner.
const UNREPORTED: usize = 512;

#[derive(Clone, Debug)]
pub struct SwitchedSettings {
    pub device: PathBuf,
    pub serial: SerialSettings,
    /// How long the output stays energised.
    pub pulse: Duration,
    pub board: Board,
}

enum SwitchCommand {
    Pulse { part: u32, at: Instant },
    End,
}

pub struct Switched {
    settings: SwitchedSettings,
    /// Present until the owner's first call starts the thread, so that the thread wakes its owner.
    idle: Option<Switch>,
    commands: SyncSender<SwitchCommand>,
    events: Receiver<RejectEvent>,
    thread: Option<JoinHandle<Result<(), RejectError>>>,
    pending: usize,
    /// When the board was opened.
    seen: Behaviour,
}

impl SwitchedSettings {
    fn silent(&self) -> RejectError {
        let peer = self.board.peer(self);
        RejectError::Silent { peer }
    }
}

impl Switched {
    /// Opens the board and switches its output off.
    pub fn open(settings: SwitchedSettings) -> Result<Self, RejectError> {
        let output = settings.board.open(&settings)?;
        let seen = output.behaviour();
        let (commands, command_queue) = sync_channel(MAX_SCHEDULED);
        let (reports, events) = sync_channel(UNREPORTED);
        let idle = Some(Switch {
            settings: settings.clone(),
            output: Some(output),
            commands: command_queue,
            reports,
            owner: thread::current(),
            start: Instant::now()
                .checked_sub(PAST)
                .unwrap_or_else(Instant::now),
            schedule: Actuator::new(),
            up: None,
            retry_at: Instant::now(),
            back_off: FIRST_RETRY,
        });
        Ok(Switched {
            settings,
            idle,
            commands,
            events,
            thread: None,
            pending: 0,
            seen,
        })
    }

    fn start(&mut self) {
        let Some(mut switch) = self.idle.take() else {
            return;
        };
        switch.owner = thread::current();
        let started = thread::Builder::new()
            .name("reject-switch".into())
            .spawn(move || switch.run());
        self.thread = started
            .map_err(|error| log::error!("no thread for the gate: {error}"))
            .ok();
    }
}

impl Rejector for Switched {
    fn schedule(&mut self, part: u32, fire: FirePoint, _now: Instant) -> Result<(), RejectError> {
        let full = RejectError::Overfull {
            device: self.settings.device.display().to_string(),
            part,
            pending: self.pending,
        };
        // Counts are converted to times before they come here.
        let FirePoint::At(at) = fire else {
            return Err(full);
        };
        self.commands
            .try_send(SwitchCommand::Pulse { part, at })
            .map_err(|_| full)?;
        self.pending += 1;
        Ok(())
    }

    fn poll(&mut self, _now: Instant) -> Option<RejectEvent> {
        self.start();
        let event = self.events.try_recv().ok()?;
        if matches!(
            event,
            RejectEvent::Pulsed { .. }
                | RejectEvent::Unconfirmed { .. }
                | RejectEvent::Refused { .. }
        ) {
            self.pending = self.pending.saturating_sub(1);
        }
        Some(event)
    }

    fn wake_at(&self) -> Instant {
        // The thread wakes its owner.
        Instant::now() + CHECK_EACH
    }

    fn pending(&self) -> usize {
        self.pending
    }

    fn behaviour(&self, _reached_after: Duration) -> String {
        let Some(delay) = self.seen.answered_after else {
            return "takes bytes; a board of this kind never answers, so watch its relay".into();
        };
        let echo = match self.seen.echoes {
            true => "; its adapter echoes what it sends, and the echoes are dropped",
            false => "",
        };
        answers_after(delay) + echo
    }

    fn stop(&mut self) -> Result<(), RejectError> {
        self.pending = 0;
        if let Some(mut switch) = self.idle.take() {
            return switch.release();
        }
        // The thread empties a full queue, or it has ended.
        let _ = self.commands.send(SwitchCommand::End);
        let lost = self.settings.silent();
        self.thread.take().map_or(Err(lost.clone()), |thread| {
            thread.join().unwrap_or(Err(lost))
        })
    }
}

impl Drop for Switched {
    fn drop(&mut self) {
        if self.idle.is_some() || self.thread.is_some() {
            let _ = self.stop();
        }
    }
}

/// The thread's side.
struct Switch {
    settings: SwitchedSettings,
    output: Option<Box<dyn Output>>,
    commands: Receiver<SwitchCommand>,
    reports: SyncSender<RejectEvent>,
    owner: Thread,
    start: Instant,
    schedule: Actuator,
    up: Option<bool>,
    retry_at: Instant,
    back_off: Duration,
}

impl Switch {
    fn run(mut self) -> Result<(), RejectError> {
        let hello = ToActuator::Hello {
            session: 0,
            protocol: PROTOCOL,
        };
        let message = Envelope {
            seq: 0,
            message: hello,
        };
        self.schedule.receive(0, message);
        let mut check_at = Instant::now();
        let mut poll_at = check_at;
        loop {
            let now = Instant::now();
            self.switch_due();
            if self.output.is_none() && now >= self.retry_at {
                self.reconnect(now);
            }
            if now >= check_at && !self.schedule.energised() {
                check_at = now + CHECK_EACH;
                self.with_output(|output| output.check());
                self.tell_up();
            }
            if now >= poll_at {
                poll_at = now + POLL_INTERVAL;
                if let Some(true) = self.with_output(|output| output.fell()) {
                    self.report(RejectEvent::Fell { at: Instant::now() });
                }
            }
            let mut wake_at = check_at;
            if self.settings.board.has_input() {
                wake_at = wake_at.min(poll_at);
            }
            if self.output.is_none() {
                wake_at = wake_at.min(self.retry_at);
            }
            if let Some(edge_us) = self.schedule.wake_us(self.micros(now)) {
                wake_at = wake_at.min(self.start + Duration::from_micros(edge_us));
            }
            match self
                .commands
                .recv_timeout(wake_at.saturating_duration_since(Instant::now()))
            {
                Ok(command) => {
                    if self.execute(command) {
                        return self.release();
                    }
                    // All pending commands are executed before the next edge.
                    while let Ok(command) = self.commands.try_recv() {
                        if self.execute(command) {
                            return self.release();
                        }
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.release(),
            }
        }
    }

    /// Executes a command. Returns whether it was the command to end.
    fn execute(&mut self, command: SwitchCommand) -> bool {
        let SwitchCommand::Pulse { part, at } = command else {
            return true;
        };
        let message = ToActuator::Reject {
            part,
            when: When::At {
                at_us: self.micros(at),
            },
            pulse_us: u32::try_from(self.settings.pulse.as_micros()).unwrap_or(u32::MAX),
        };
        let now_us = self.micros(Instant::now());
        let answer = self
            .schedule
            .receive(now_us, Envelope { seq: 0, message })
            .message;
        if let FromActuator::Ack { answer, .. } = answer
            && answer != Answer::Done
        {
            self.report(RejectEvent::Refused { part, answer });
        }
        false
    }

    fn switch_due(&mut self) {
        loop {
            let now_us = self.micros(Instant::now());
            let due_us = self.schedule.wake_us(now_us);
            let Some(edge) = self.schedule.next_edge(now_us) else {
                return;
            };
            match edge {
                OutputEdge::On { part, .. } => {
                    let done = self.with_output(|output| output.set(true)).is_some();
                    let at = Instant::now();
                    self.report(if done {
                        let error_us = self.micros(at) as i64 - due_us.unwrap_or(now_us) as i64;
                        RejectEvent::Pulsed { part, at, error_us }
                    } else {
                        RejectEvent::Unconfirmed { part }
                    });
                }
                OutputEdge::Off { .. } => {
                    self.with_output(|output| output.set(false));
                }
            }
        }
    }

    /// Runs an action on the board if it is open, and closes it if the action fails.
    fn with_output<T>(
        &mut self,
        work: impl FnOnce(&mut dyn Output) -> Result<T, RejectError>,
    ) -> Option<T> {
        match work(self.output.as_mut()?.as_mut()) {
            Ok(done) => Some(done),
            Err(error) => {
                self.down(error);
                None
            }
        }
    }

    fn down(&mut self, error: RejectError) {
        self.output = None;
        self.retry_at = Instant::now() + self.back_off;
        self.back_off = (self.back_off * 2).min(LONGEST_RETRY);
        if self.up.replace(false) != Some(false) {
            self.report(RejectEvent::Down(error));
        }
    }

    fn reconnect(&mut self, now: Instant) {
        let opened = self
            .settings
            .board
            .open(&self.settings)
            .and_then(|mut output| {
                // The board was opened with its output off, but a pulse may be active now.
                if self.schedule.energised() {
                    output.set(true)?;
                }
                Ok(output)
            });
        match opened {
            Ok(output) => {
                self.output = Some(output);
                self.back_off = FIRST_RETRY;
                self.tell_up();
            }
            Err(error) => {
                log::debug!("{error}");
                self.retry_at = now + self.back_off;
                self.back_off = (self.back_off * 2).min(LONGEST_RETRY);
            }
        }
    }

    fn tell_up(&mut self) {
        if self.output.is_some() && self.up.replace(true) != Some(true) {
            self.report(RejectEvent::Up);
        }
    }

    fn release(&mut self) -> Result<(), RejectError> {
        let silent = || self.settings.silent();
        self.output.as_mut().ok_or_else(silent)?.set(false)
    }

    fn report(&self, event: RejectEvent) {
        let _ = self.reports.try_send(event);
        self.owner.unpark();
    }

    fn micros(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.start).as_micros() as u64
    }
}

#[cfg(test)]
mod tests;
