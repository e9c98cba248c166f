//! KMTronic relay boards: `FF channel 01|00` switches, `FF channel 03` is answered with `FF channel state`.

use super::board::{Behaviour, Output};
use super::exchange::{BoardRequest, SerialLine, Timeout, hex};
use crate::reject::RejectError;

pub struct Kmtronic {
    pub line: SerialLine,
    pub channel: u8,
}

const STATE: u8 = 3;

/// Requests the relay's state. Its last byte is never a state, so an echo can't be mistaken for an answer.
struct StateRequest([u8; 3]);

impl BoardRequest for StateRequest {
    fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn may_equal_its_answer(&self) -> bool {
        false
    }

    fn answer(&self, received: &[u8]) -> Option<Result<bool, String>> {
        let [_, channel, _] = self.0;
        let mut windows = received.windows(3);
        windows.find_map(|window| relay_state(channel, window).map(Ok))
    }

    fn explain(&self, received: &[u8]) -> String {
        format!("{} arrives, which is no relay's state", hex(received))
    }
}

/// Whether these bytes say that this channel's relay is on.
pub fn relay_state(channel: u8, answer: &[u8]) -> Option<bool> {
    match *answer {
        [0xff, of, state @ 0..=1] if of == channel => Some(state == 1),
        _ => None,
    }
}

impl Kmtronic {
    fn switch(&mut self, on: bool) -> Result<(), RejectError> {
        self.line.send(&[0xff, self.channel, u8::from(on)])
    }

    fn state(&mut self) -> Result<bool, RejectError> {
        let request = StateRequest([0xff, self.channel, STATE]);
        self.line.exchange(&request, Timeout::Late)
    }
}

impl Output for Kmtronic {
    fn begin(&mut self) -> Result<(), RejectError> {
        self.switch(false)?;
        // Its echo would look like a relay's state.
        self.line.settle();
        self.state()?;
        self.set(false)
    }

    fn set(&mut self, on: bool) -> Result<(), RejectError> {
        self.switch(on)?;
        if self.state()? == on {
            return Ok(());
        }
        Err(self.line.refused("its relay does not switch"))
    }

    fn check(&mut self) -> Result<(), RejectError> {
        if self.state()? {
            // Another program has energised it.
            return self.set(false);
        }
        Ok(())
    }

    fn behaviour(&self) -> Behaviour {
        self.line.behaviour
    }
}
