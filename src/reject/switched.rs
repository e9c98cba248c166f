//! Outputs that this machine switches: a Modbus coil or a relay board. Such a board has no clock and no schedule, so a
//! thread runs the actuator firmware's state machine here and switches the board at its edges.

mod board;
pub mod exchange;
pub mod kmtronic;
mod lcus;
pub mod modbus;
mod switch;

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use aecsad_link::MAX_SCHEDULED;

use super::{RejectError, RejectEvent, Rejector, answers_after};
use crate::line::FirePoint;
use crate::serial::SerialSettings;
use board::Behaviour;
pub use board::Board;
use switch::{Switch, SwitchCommand};

const CHECK_EACH: Duration = Duration::from_secs(1);
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
        let idle = Some(Switch::new(&settings, output, command_queue, reports));
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

#[cfg(test)]
mod tests;
