//! LCUS relay boards: `A0 channel state checksum`, 9600 baud, without answers. Only a failing write shows that such a
//! board was disconnected.

use super::board::Output;
use super::exchange::SerialLine;
use crate::reject::RejectError;

pub struct Lcus {
    pub line: SerialLine,
    pub channel: u8,
}

fn command(channel: u8, on: bool) -> [u8; 4] {
    let state = u8::from(on);
    [
        0xa0,
        channel,
        state,
        0xa0u8.wrapping_add(channel).wrapping_add(state),
    ]
}

impl Output for Lcus {
    fn begin(&mut self) -> Result<(), RejectError> {
        self.set(false)
    }

    fn set(&mut self, on: bool) -> Result<(), RejectError> {
        self.line.send(&command(self.channel, on))
    }

    fn check(&mut self) -> Result<(), RejectError> {
        self.set(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_the_maker_s() {
        assert_eq!(command(1, true), [0xa0, 0x01, 0x01, 0xa2]);
        assert_eq!(command(1, false), [0xa0, 0x01, 0x00, 0xa1]);
        assert_eq!(command(8, true), [0xa0, 0x08, 0x01, 0xa9]);
    }
}
