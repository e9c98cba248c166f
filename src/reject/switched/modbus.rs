//! A coil of a Modbus RTU unit: function 05 switches it, 01 reads it, 02 reads the sensor behind the gate
//! (MODBUS Application Protocol 1.1b3).

use rmodbus::ModbusProto;
use rmodbus::client::ModbusRequest;
use rmodbus::guess_response_frame_len;

use super::board::{Output, SerialLine};
use crate::reject::RejectError;

/// Once more than the wire loses anything.
const TRIES: u32 = 2;
/// The longest answer asked for here, and room for a stray byte.
const LONGEST: usize = 16;

pub struct Modbus {
    line: SerialLine,
    unit: u8,
    coil: u16,
    confirm_input: Option<u16>,
    /// The sensor's last state.
    input_was: bool,
}

enum Ask {
    SetCoil(bool),
    Coil,
    Input(u16),
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

    /// The bit asked for; for a written coil its new state.
    fn ask(&mut self, ask: &Ask) -> Result<bool, RejectError> {
        let mut tried = 0;
        loop {
            tried += 1;
            match self.ask_once(ask) {
                Err(RejectError::Silent(_)) if tried < TRIES => {}
                answered => return answered,
            }
        }
    }

    fn ask_once(&mut self, ask: &Ask) -> Result<bool, RejectError> {
        let mut request = ModbusRequest::new(self.unit, ModbusProto::Rtu);
        let mut frame: Vec<u8> = Vec::with_capacity(LONGEST);
        let made = match *ask {
            Ask::SetCoil(on) => request.generate_set_coil(self.coil, on, &mut frame),
            Ask::Coil => request.generate_get_coils(self.coil, 1, &mut frame),
            Ask::Input(input) => request.generate_get_discretes(input, 1, &mut frame),
        };
        made.map_err(|e| self.line.refused(format!("{e:?}")))?;
        self.line.send(&frame)?;
        let mut bytes = [0; LONGEST];
        let answer = self.line.answer(&mut bytes, |bytes| {
            guess_response_frame_len(bytes, ModbusProto::Rtu)
                .is_ok_and(|length| bytes.len() >= length.into())
        })?;
        let refused = |e: rmodbus::ErrorKind| {
            // The exceptions of chapter 7.
            let reason = match e {
                rmodbus::ErrorKind::IllegalFunction => "it does not know this function".into(),
                rmodbus::ErrorKind::IllegalDataAddress => "it has no such coil or input".into(),
                other => format!("{other:?}"),
            };
            self.line.refused(reason)
        };
        if let Ask::SetCoil(on) = *ask {
            request.parse_ok(answer).map_err(refused)?;
            return Ok(on);
        }
        let mut bits: Vec<bool> = Vec::with_capacity(1);
        request.parse_bool(answer, &mut bits).map_err(refused)?;
        Ok(bits.first().copied().unwrap_or(false))
    }
}

impl Output for Modbus {
    fn set(&mut self, on: bool) -> Result<(), RejectError> {
        self.ask(&Ask::SetCoil(on)).map(drop)
    }

    fn check(&mut self) -> Result<(), RejectError> {
        if self.ask(&Ask::Coil)? {
            // Somebody else has energised it.
            return self.set(false);
        }
        Ok(())
    }

    fn fell(&mut self) -> Result<bool, RejectError> {
        let Some(input) = self.confirm_input else {
            return Ok(false);
        };
        let covered = self.ask(&Ask::Input(input))?;
        let was = std::mem::replace(&mut self.input_was, covered);
        Ok(covered && !was)
    }
}
