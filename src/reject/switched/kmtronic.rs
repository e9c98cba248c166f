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
        match *self.line.answer(&mut answer, |bytes| bytes.len() == 3)? {
            [0xff, channel, state @ 0..=1] if channel == self.channel => Ok(state == 1),
            ref other => Err(self.line.refused(format!("it answers {other:02x?}"))),
        }
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
