//! A coil of a Modbus RTU unit: function 05 switches it, 01 reads it, 02 reads the sensor behind the gate
//! (MODBUS Application Protocol 1.1b3).

use crc::{CRC_16_MODBUS, Crc};

use super::board::{Behaviour, Output};
use super::exchange::{BoardRequest, SerialLine, Timeout, hex};
use crate::reject::RejectError;

const CHECKSUM: Crc<u16> = Crc::<u16>::new(&CRC_16_MODBUS);
const READ_COILS: u8 = 1;
const READ_INPUTS: u8 = 2;
const WRITE_COIL: u8 = 5;
/// Set in the function code of a refusal.
const EXCEPTION: u8 = 0x80;
/// Unit, function, exception code or byte count, checksum.
const SHORTEST_FRAME: usize = 5;

pub struct Modbus {
    line: SerialLine,
    unit: u8,
    coil: u16,
    confirm_input: Option<u16>,
    /// The sensor's last state.
    input_was: bool,
}

#[derive(Clone, Copy, Debug)]
pub enum ModbusRequest {
    SetCoil { coil: u16, on: bool },
    Coil(u16),
    Input(u16),
}

/// One request, as it goes onto the wire.
#[derive(Clone, Copy, Debug)]
pub struct ModbusFrame([u8; 8]);

impl ModbusFrame {
    pub fn new(unit: u8, request: ModbusRequest) -> Self {
        let (function, address, value) = match request {
            ModbusRequest::SetCoil { coil, on } => (WRITE_COIL, coil, if on { 0xff00 } else { 0 }),
            ModbusRequest::Coil(coil) => (READ_COILS, coil, 1),
            ModbusRequest::Input(input) => (READ_INPUTS, input, 1),
        };
        let mut frame = [unit, function, 0, 0, 0, 0, 0, 0];
        frame[2..4].copy_from_slice(&u16::to_be_bytes(address));
        frame[4..6].copy_from_slice(&u16::to_be_bytes(value));
        let checksum = CHECKSUM.checksum(&frame[..6]).to_le_bytes();
        frame[6..].copy_from_slice(&checksum);
        ModbusFrame(frame)
    }

    fn unit(&self) -> u8 {
        self.0[0]
    }

    fn function(&self) -> u8 {
        self.0[1]
    }
}

/// The frame at the start of these bytes, without its valid checksum. The function code determines the frame's length:
/// with some units the start of a longer frame has a valid checksum too.
fn frame_at(bytes: &[u8]) -> Option<&[u8]> {
    let [_, function, count, ..] = *bytes else {
        return None;
    };
    let length = match function {
        // Reading coils, inputs and registers; writing one or several.
        1..=4 => SHORTEST_FRAME + usize::from(count),
        5 | 6 | 15 | 16 => 8,
        refused if refused & EXCEPTION != 0 => SHORTEST_FRAME,
        _ => return None,
    };
    let (content, checksum) = bytes.get(..length)?.split_at(length - 2);
    let right = CHECKSUM.checksum(content).to_le_bytes() == checksum;
    right.then_some(content)
}

/// All frames among these bytes, wherever they start.
fn frames(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    (0..bytes.len()).filter_map(|start| frame_at(&bytes[start..]))
}

impl BoardRequest for ModbusFrame {
    fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn may_equal_its_answer(&self) -> bool {
        self.function() == WRITE_COIL
    }

    /// The requested bit; for a written coil its new state.
    fn answer(&self, received: &[u8]) -> Option<Result<bool, String>> {
        frames(received).find_map(|frame| match *frame {
            [unit, ..] if unit != self.unit() => None,
            [_, function, code] if function == self.function() | EXCEPTION => {
                Some(Err(exception(code)))
            }
            [_, READ_COILS | READ_INPUTS, 1, bits] if frame[1] == self.function() => {
                Some(Ok(bits & 1 == 1))
            }
            [_, WRITE_COIL, _, _, high, _] if frame == &self.0[..6] => Some(Ok(high == 0xff)),
            _ => None,
        })
    }

    fn explain(&self, received: &[u8]) -> String {
        let other = frames(received).find(|frame| frame[0] != self.unit());
        if let Some(frame) = other {
            return format!("unit {} answers in place of unit {}", frame[0], self.unit());
        }
        if let Some(frame) = frames(received).next() {
            let bytes = hex(frame);
            return format!("its answer is to another request ({bytes})");
        }
        let bytes = hex(received);
        let begins = received.windows(2).any(|pair| pair == &self.0[..2]);
        match begins && received.len() >= SHORTEST_FRAME {
            true => format!("its answer has a wrong checksum ({bytes})"),
            false => format!("what arrives is no Modbus answer ({bytes})"),
        }
    }
}

/// The exceptions of chapter 7 as text.
fn exception(code: u8) -> String {
    let words = match code {
        1 => "it does not know this function",
        2 => "it has no such coil or input",
        3 => "it does not accept this value",
        4 => "it failed while it carried the request out",
        5 => "it needs more time for the request",
        6 => "it is busy",
        7 => "it can't carry the request out",
        8 => "its memory has a parity error",
        10 => "the gateway has no path to it",
        11 => "it does not answer the gateway",
        _ => return format!("it answers with exception {code}, which the standard does not know"),
    };
    format!("{words} (exception {code})")
}

impl Modbus {
    pub fn new(line: SerialLine, unit: u8, coil: u16, confirm_input: Option<u16>) -> Self {
        Modbus {
            line,
            unit,
            coil,
            confirm_input,
            // A sensor that is covered at the start has not seen a part fall.
            input_was: true,
        }
    }

    /// Repeats the request once if no valid answer comes, because a wire loses or damages a frame now and then.
    fn exchange(&mut self, request: ModbusRequest, first: Timeout) -> Result<bool, RejectError> {
        let frame = ModbusFrame::new(self.unit, request);
        match self.line.exchange(&frame, first) {
            Err(
                RejectError::Silent { .. }
                | RejectError::EchoAlone { .. }
                | RejectError::NoAnswer { .. },
            ) => self.line.exchange(&frame, Timeout::Late),
            answered => answered,
        }
    }
}

impl Output for Modbus {
    fn begin(&mut self) -> Result<(), RejectError> {
        let coil = self.coil;
        let off = ModbusRequest::SetCoil { coil, on: false };
        // The echo of this request would look like its answer, so the received bytes prove nothing yet.
        self.exchange(off, Timeout::Late)?;
        self.line.settle();
        self.exchange(ModbusRequest::Coil(coil), Timeout::Late)?;
        self.set(false)
    }

    fn set(&mut self, on: bool) -> Result<(), RejectError> {
        let coil = self.coil;
        // Switching can't wait for a late answer.
        self.exchange(ModbusRequest::SetCoil { coil, on }, Timeout::Prompt)
            .map(drop)
    }

    fn check(&mut self) -> Result<(), RejectError> {
        if !self.line.is_settled() {
            return Ok(());
        }
        if self.exchange(ModbusRequest::Coil(self.coil), Timeout::Late)? {
            // Another program has energised it.
            return self.set(false);
        }
        Ok(())
    }

    fn fell(&mut self) -> Result<bool, RejectError> {
        let Some(input) = self.confirm_input.filter(|_| self.line.is_settled()) else {
            return Ok(false);
        };
        let covered = self.exchange(ModbusRequest::Input(input), Timeout::Late)?;
        let was = std::mem::replace(&mut self.input_was, covered);
        Ok(covered && !was)
    }

    fn behaviour(&self) -> Behaviour {
        self.line.behaviour
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(content: &[u8]) -> Vec<u8> {
        let checksum = CHECKSUM.checksum(content).to_le_bytes();
        [content, &checksum].concat()
    }

    #[test]
    fn the_requests_are_the_standard_s() {
        let on = ModbusFrame::new(
            1,
            ModbusRequest::SetCoil {
                coil: 172,
                on: true,
            },
        );
        assert_eq!(on.0, [0x01, 0x05, 0x00, 0xac, 0xff, 0x00, 0x4c, 0x1b]);
        assert_eq!(
            ModbusFrame::new(17, ModbusRequest::Coil(19)).0[..6],
            [17, 1, 0, 19, 0, 1]
        );
    }

    #[test]
    fn an_answer_is_found_behind_stray_bytes_and_is_to_this_request_alone() {
        let on = ModbusFrame::new(1, ModbusRequest::SetCoil { coil: 0, on: true });
        let off = ModbusFrame::new(1, ModbusRequest::SetCoil { coil: 0, on: false });
        let read = ModbusFrame::new(1, ModbusRequest::Coil(0));
        for stray in [
            &[][..],
            &[0],
            &[0xff, 0x01],
            &[1, 5, 0],
            &off.0,
            &framed(&[2, 1, 1, 1]),
        ] {
            let received = |content: &[u8]| [stray, &framed(content)].concat();
            assert_eq!(
                on.answer(&received(&on.0[..6])),
                Some(Ok(true)),
                "{stray:?}"
            );
            assert_eq!(read.answer(&received(&[1, 1, 1, 1])), Some(Ok(true)));
            assert_eq!(read.answer(&received(&[1, 1, 1, 0])), Some(Ok(false)));
            // An earlier request's, another unit's, another function's, a damaged one.
            assert_eq!(on.answer(&received(&[1, 1, 1, 1])), None);
            assert_eq!(on.answer(&received(&[2, 5, 0, 0, 0xff, 0])), None);
            assert_eq!(on.answer(&received(&[1, 5, 0, 1, 0xff, 0])), None);
            assert_eq!(read.answer(&[stray, &[1, 1, 1, 1, 9, 9]].concat()), None);
        }
    }

    /// The start of unit 7's answer to "which state has the coil?" passes for a frame of its own.
    #[test]
    fn each_unit_and_state_is_read() {
        for unit in 1..=247 {
            for state in [0, 1] {
                for (request, function) in [
                    (ModbusRequest::Coil(5), READ_COILS),
                    (ModbusRequest::Input(5), READ_INPUTS),
                ] {
                    let answer = framed(&[unit, function, 1, state]);
                    let read = ModbusFrame::new(unit, request).answer(&answer);
                    assert_eq!(read, Some(Ok(state == 1)), "{answer:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_answer_is_named() {
        let read = ModbusFrame::new(1, ModbusRequest::Coil(0));
        for (received, words) in [
            (framed(&[3, 1, 1, 1]), "unit 3 answers in place of unit 1"),
            (framed(&[1, 5, 0, 0, 0, 0]), "to another request"),
            (vec![1, 1, 1, 1, 9, 9], "wrong checksum"),
            (vec![0xfe, 0x00, 0x80], "no Modbus answer (FE 00 80)"),
        ] {
            assert!(read.explain(&received).contains(words), "{received:?}");
        }
        for code in 0..=255 {
            let answer = read.answer(&framed(&[1, 0x81, code]));
            let Some(Err(words)) = answer else {
                panic!("{answer:?}");
            };
            assert!(words.contains(&format!("exception {code}")), "{words}");
        }
    }
}
