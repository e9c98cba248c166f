//! What a board must be able to do, and the exchange of bytes with it.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use serialport::{ClearBuffer, SerialPort, TTYPort};

use super::SwitchedSettings;
use super::{kmtronic::Kmtronic, lcus::Lcus, modbus::Modbus};
use crate::reject::{RejectError, serial};

/// Boards answer within a few milliseconds even at 9600 baud.
const ANSWER_WITHIN: Duration = Duration::from_millis(60);
const WRITE_WITHIN: Duration = Duration::from_millis(50);

/// Which board, and where on it the actuator is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Board {
    /// A coil of a Modbus RTU unit, and the discrete input of a sensor behind the gate.
    Modbus {
        unit: u8,
        coil: u16,
        confirm_input: Option<u16>,
    },
    /// A USB relay board of the LCUS family, which never answers.
    Lcus { channel: u8 },
    /// A KMTronic USB relay board.
    Kmtronic { channel: u8 },
}

impl Board {
    pub fn open(&self, settings: &SwitchedSettings) -> Result<Box<dyn Output>, RejectError> {
        let line = SerialLine::open(settings)?;
        Ok(match *self {
            Board::Modbus {
                unit,
                coil,
                confirm_input,
            } => Box::new(Modbus::new(line, unit, coil, confirm_input)),
            Board::Lcus { channel } => Box::new(Lcus { line, channel }),
            Board::Kmtronic { channel } => Box::new(Kmtronic { line, channel }),
        })
    }

    pub fn has_input(&self) -> bool {
        matches!(
            self,
            Board::Modbus {
                confirm_input: Some(_),
                ..
            }
        )
    }
}

/// An output that is on or off. Every call ends within a fraction of a second; after an error the board is opened anew.
pub trait Output: Send {
    fn set(&mut self, on: bool) -> Result<(), RejectError>;

    /// Whether the board is still there. Called while the output is off.
    fn check(&mut self) -> Result<(), RejectError>;

    /// Whether the sensor behind the gate has seen a part since it was last asked.
    fn fell(&mut self) -> Result<bool, RejectError> {
        Ok(false)
    }
}

/// Requests and answers on a terminal.
pub struct SerialLine {
    port: TTYPort,
    pub name: String,
}

impl SerialLine {
    fn open(settings: &SwitchedSettings) -> Result<Self, RejectError> {
        let port = serial::open(&settings.device, settings.baud)?;
        let name = settings.device.display().to_string();
        Ok(SerialLine { port, name })
    }

    pub fn refused(&self, reason: String) -> RejectError {
        RejectError::BoardRefuses {
            device: self.name.clone(),
            reason,
        }
    }

    pub fn send(&mut self, bytes: &[u8]) -> Result<(), RejectError> {
        // An answer that came too late belongs to nobody.
        self.port
            .clear(ClearBuffer::Input)
            .map_err(|e| self.lost(&e.to_string()))?;
        let until = Instant::now() + WRITE_WITHIN;
        let mut left = bytes;
        while !left.is_empty() {
            let wait = until.saturating_duration_since(Instant::now());
            if wait.is_zero() {
                return Err(RejectError::Silent(self.name.clone()));
            }
            let _ = self.port.set_timeout(wait);
            match self.port.write(left) {
                Ok(sent) => left = &left[sent..],
                Err(e) if is_passing(e.kind()) => {}
                Err(e) => return Err(self.lost(&e.to_string())),
            }
        }
        Ok(())
    }

    /// Fills `answer` from its start; `enough` says whether what is there is all.
    pub fn answer<'a>(
        &mut self,
        answer: &'a mut [u8],
        enough: impl Fn(&[u8]) -> bool,
    ) -> Result<&'a [u8], RejectError> {
        let until = Instant::now() + ANSWER_WITHIN;
        let mut length = 0;
        while !enough(&answer[..length]) {
            let wait = until.saturating_duration_since(Instant::now());
            if wait.is_zero() || length == answer.len() {
                return Err(RejectError::Silent(self.name.clone()));
            }
            let _ = self.port.set_timeout(wait);
            match self.port.read(&mut answer[length..]) {
                Ok(0) => return Err(self.lost("it was unplugged")),
                Ok(read) => length += read,
                Err(e) if is_passing(e.kind()) => {}
                Err(e) => return Err(self.lost(&e.to_string())),
            }
        }
        Ok(&answer[..length])
    }

    fn lost(&self, reason: &str) -> RejectError {
        RejectError::Lost {
            device: self.name.clone(),
            reason: reason.into(),
        }
    }
}

fn is_passing(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::TimedOut | ErrorKind::WouldBlock | ErrorKind::Interrupted
    )
}
