//! The thread that switches a board at the edges of the schedule. It opens the board again when it is lost.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::thread::Thread;
use std::time::{Duration, Instant};

use aecsad_link::{
    Actuator, Answer, Envelope, FromActuator, OutputEdge, PROTOCOL, ToActuator, When,
};

use super::board::Output;
use super::{CHECK_EACH, SwitchedSettings};
use crate::reject::{RejectError, RejectEvent};

/// How often the input of the sensor behind the gate is read.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_secs(5);
/// The schedule's clock starts this long ago, so that times before its opening can be represented.
const PAST: Duration = Duration::from_secs(60);

pub(super) enum SwitchCommand {
    Pulse { part: u32, at: Instant },
    End,
}

pub(super) struct Switch {
    settings: SwitchedSettings,
    output: Option<Box<dyn Output>>,
    commands: Receiver<SwitchCommand>,
    reports: SyncSender<RejectEvent>,
    pub owner: Thread,
    start: Instant,
    schedule: Actuator,
    up: Option<bool>,
    retry_at: Instant,
    back_off: Duration,
}

impl Switch {
    pub fn new(
        settings: &SwitchedSettings,
        output: Box<dyn Output>,
        commands: Receiver<SwitchCommand>,
        reports: SyncSender<RejectEvent>,
    ) -> Self {
        let now = Instant::now();
        Switch {
            settings: settings.clone(),
            output: Some(output),
            commands,
            reports,
            owner: std::thread::current(),
            start: now.checked_sub(PAST).unwrap_or(now),
            schedule: Actuator::new(),
            up: None,
            retry_at: now,
            back_off: FIRST_RETRY,
        }
    }

    pub fn run(mut self) -> Result<(), RejectError> {
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
                self.report_up();
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
                self.report_up();
            }
            Err(error) => {
                log::debug!("{error}");
                self.retry_at = now + self.back_off;
                self.back_off = (self.back_off * 2).min(LONGEST_RETRY);
            }
        }
    }

    fn report_up(&mut self) {
        if self.output.is_some() && self.up.replace(true) != Some(true) {
            self.report(RejectEvent::Up);
        }
    }

    pub fn release(&mut self) -> Result<(), RejectError> {
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
