//! KMTronic relay boards: `FF channel 01|00` switches, `FF channel 03` asks and is answered with `FF channel state`.

use super::board::{Output, SerialLine};
use crate::reject::RejectError;

pub struct Kmtronic {
    pub line: SerialLine,
    pub channel: u8,
}

const ASK: u8 = 3;

impl Kmtronic {
    fn state(&mut self) -> Result<bool, RejectError> {
        self.line.send(&[0xff, self.channel, ASK])?;
        let mut answer = [0; 3];
        let answer = self.line.answer(&mut answer, |bytes| bytes.len() == 3)?;
        relay_state(self.channel, answer).map_err(|why| self.line.refused(why))
    }
}

/// Whether a board's answer says that this channel's relay is on; an error is why it says nothing, as the end of a sentence.
pub fn relay_state(channel: u8, answer: &[u8]) -> Result<bool, String> {
    match *answer {
        [0xff, of, state @ 0..=1] if of == channel => Ok(state == 1),
        _ => Err(format!("it answers {answer:02x?}")),
    }
}

impl Output for Kmtronic {
    fn set(&mut self, on: bool) -> Result<(), RejectError> {
        self.line.send(&[0xff, self.channel, u8::from(on)])?;
        if self.state()? == on {
            return Ok(());
        }
        Err(self.line.refused("its relay does not switch".into()))
    }

    fn check(&mut self) -> Result<(), RejectError> {
        if self.state()? {
            // Somebody else has energised it.
            return self.set(false);
        }
        Ok(())
    }
}
