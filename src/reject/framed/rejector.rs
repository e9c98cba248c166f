//! The link as its owner sees it: what to reject, when to look again, and the end.

use std::time::Instant;

use aecsad_link::{Answer, FromActuator, ToActuator};

use super::connection::Purpose;
use super::wire::Heard;
use super::{CONFIRM_WITHIN, FramedSerial, REJECT_AGAIN, SILENT_AFTER, STOP_WITHIN, Waiting};
use crate::line::Moment;
use crate::reject::{RejectError, RejectEvent, Rejector};

impl Rejector for FramedSerial {
    fn schedule(&mut self, part: u32, fire: Moment, now: Instant) -> Result<(), RejectError> {
        let due = match fire {
            Moment::At(at) => Some(at),
            Moment::AtCount { .. } => None,
        };
        let waiting = Waiting {
            part,
            fire,
            sent: None,
            accepted: false,
            due,
        };
        if self.waiting.push(waiting).is_err() {
            return Err(RejectError::Overfull {
                device: self.device(),
                part,
                waiting: self.waiting.len(),
            });
        }
        self.send_waiting(now);
        Ok(())
    }

    fn poll(&mut self, now: Instant) -> Option<RejectEvent> {
        self.polled_at = now;
        if !std::mem::replace(&mut self.polled, true)
            && let Some(connection) = &mut self.connection
        {
            // Nobody listened while the bundle was loaded, which is not the actuator's silence.
            connection.heard_at = now;
        }
        while self.to_tell.is_empty()
            && let Some(connection) = &mut self.connection
        {
            match connection.hear(now) {
                Ok(None) => break,
                Ok(Some(Heard { at, message })) => self.heard(at, message),
                Err(error) => self.down(self.lost(&error), now),
            }
        }
        if self.to_tell.is_empty() {
            if self.connection.is_some() {
                self.keep_alive(now);
            } else {
                self.reconnect(now);
            }
            self.send_waiting(now);
            self.give_up(now);
        }
        self.to_tell.pop_front()
    }

    fn wake_at(&self) -> Instant {
        let mut wake_at = match &self.connection {
            Some(connection) => connection.beat_at.min(connection.heard_at + SILENT_AFTER),
            None => self.retry_at,
        };
        let greeted = self.is_greeted();
        for waiting in &self.waiting {
            if let (Some(sent), true, false) = (waiting.sent, greeted, waiting.accepted) {
                wake_at = wake_at.min(sent + REJECT_AGAIN);
            }
            // Past that, a message or the next heartbeat decides.
            if let Some(due) = waiting.due
                && (!greeted || self.polled_at < due + CONFIRM_WITHIN)
            {
                wake_at = wake_at.min(due + CONFIRM_WITHIN);
            }
        }
        wake_at
    }

    fn pending(&self) -> usize {
        self.waiting.len()
    }

    fn stop(&mut self) -> Result<(), RejectError> {
        self.waiting.clear();
        let Some(mut connection) = self.connection.take() else {
            return Err(RejectError::Silent(self.device()));
        };
        let until = Instant::now() + STOP_WITHIN;
        while Instant::now() < until {
            let now = Instant::now();
            connection
                .send(ToActuator::Cancel, Purpose::Cancel, now)
                .map_err(|error| self.lost(&error))?;
            while let Some(heard) = connection
                .hear_within(REJECT_AGAIN)
                .map_err(|error| self.lost(&error))?
            {
                let FromActuator::Ack { seq, answer, .. } = heard.message else {
                    continue;
                };
                let sent = connection.answered(seq);
                // Without a session there is nothing to cancel.
                if answer == Answer::NoSession || sent.is_some_and(|s| s.purpose == Purpose::Cancel)
                {
                    return Ok(());
                }
            }
        }
        Err(RejectError::Silent(self.device()))
    }
}
