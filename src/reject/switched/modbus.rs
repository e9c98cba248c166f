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

#[derive(Clone, Copy, Debug)]
pub enum Ask {
    SetCoil { coil: u16, on: bool },
    Coil(u16),
    Input(u16),
}

/// One request and its answer, without the wire between them.
pub struct Exchange {
    ask: Ask,
    request: ModbusRequest,
    /// The request as it goes onto the wire.
    pub frame: Vec<u8>,
}

impl Exchange {
    /// An error, here and below, is why, as the end of a sentence.
    pub fn new(unit: u8, ask: Ask) -> Result<Self, String> {
        let mut request = ModbusRequest::new(unit, ModbusProto::Rtu);
        let mut frame = Vec::with_capacity(LONGEST);
        let made = match ask {
            Ask::SetCoil { coil, on } => request.generate_set_coil(coil, on, &mut frame),
            Ask::Coil(coil) => request.generate_get_coils(coil, 1, &mut frame),
            Ask::Input(input) => request.generate_get_discretes(input, 1, &mut frame),
        };
        made.map_err(|e| e.to_string())?;
        Ok(Exchange {
            ask,
            request,
            frame,
        })
    }

    /// Whether an answer that starts like this ends here.
    pub fn is_whole(bytes: &[u8]) -> bool {
        guess_response_frame_len(bytes, ModbusProto::Rtu)
            .is_ok_and(|length| bytes.len() >= length.into())
    }

    /// The bit that was asked for; for a written coil its new state.
    pub fn answer(&self, bytes: &[u8]) -> Result<bool, String> {
        let refused = |e: rmodbus::ErrorKind| match e {
            // The exceptions of chapter 7.
            rmodbus::ErrorKind::IllegalFunction => "it does not know this function".into(),
            rmodbus::ErrorKind::IllegalDataAddress => "it has no such coil or input".into(),
            other => other.to_string(),
        };
        if let Ask::SetCoil { on, .. } = self.ask {
            self.request.parse_ok(bytes).map_err(refused)?;
            return Ok(on);
        }
        let mut bits: Vec<bool> = Vec::with_capacity(1);
        self.request.parse_bool(bytes, &mut bits).map_err(refused)?;
        Ok(bits.first().copied().unwrap_or(false))
    }
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

    fn ask(&mut self, ask: Ask) -> Result<bool, RejectError> {
        let mut tried = 0;
        loop {
            tried += 1;
            match self.ask_once(ask) {
                Err(RejectError::Silent(_)) if tried < TRIES => {}
                answered => return answered,
            }
        }
    }

    fn ask_once(&mut self, ask: Ask) -> Result<bool, RejectError> {
        let exchange = Exchange::new(self.unit, ask).map_err(|why| self.line.refused(why))?;
        self.line.send(&exchange.frame)?;
        let mut bytes = [0; LONGEST];
        let answer = self.line.answer(&mut bytes, Exchange::is_whole)?;
        exchange
            .answer(answer)
            .map_err(|why| self.line.refused(why))
    }
}

impl Output for Modbus {
    fn set(&mut self, on: bool) -> Result<(), RejectError> {
        let coil = self.coil;
        self.ask(Ask::SetCoil { coil, on }).map(drop)
    }

    fn check(&mut self) -> Result<(), RejectError> {
        if self.ask(Ask::Coil(self.coil))? {
            // Somebody else has energised it.
            return self.set(false);
        }
        Ok(())
    }

    fn fell(&mut self) -> Result<bool, RejectError> {
        let Some(input) = self.confirm_input else {
            return Ok(false);
        };
        let covered = self.ask(Ask::Input(input))?;
        let was = std::mem::replace(&mut self.input_was, covered);
        Ok(covered && !was)
    }
}
