//! The interface of a board, and the choice of one.

use std::time::Duration;

use super::SwitchedSettings;
use super::exchange::SerialLine;
use super::{kmtronic::Kmtronic, lcus::Lcus, modbus::Modbus};
use crate::reject::{Peer, RejectError};

/// The kind of board, and the actuator's output on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Board {
    /// A coil of a Modbus RTU unit, and the discrete input of a sensor behind the gate.
    Modbus {
        unit: u8,
        coil: u16,
        confirm_input: Option<u16>,
    },
    /// A USB relay board of the LCUS family. It never answers.
    Lcus { channel: u8 },
    /// A KMTronic USB relay board.
    Kmtronic { channel: u8 },
}

impl Board {
    /// Opens the board, switches its output off, and finds out whether it answers and whether its adapter echoes.
    pub fn open(&self, settings: &SwitchedSettings) -> Result<Box<dyn Output>, RejectError> {
        let line = SerialLine::open(settings, self.peer(settings))?;
        let mut output: Box<dyn Output> = match *self {
            Board::Modbus {
                unit,
                coil,
                confirm_input,
            } => Box::new(Modbus::new(line, unit, coil, confirm_input)),
            Board::Lcus { channel } => Box::new(Lcus { line, channel }),
            Board::Kmtronic { channel } => Box::new(Kmtronic { line, channel }),
        };
        output.begin()?;
        Ok(output)
    }

    pub fn peer(&self, settings: &SwitchedSettings) -> Peer {
        let device = settings.device.display().to_string();
        let (name, keys) = match self {
            Board::Modbus { unit, .. } => (
                format!("Modbus unit {unit} on {device}"),
                "`unit`, `coil`, `baud`, `parity` and `stop_bits`",
            ),
            Board::Lcus { .. } | Board::Kmtronic { .. } => (
                format!("the relay board on {device}"),
                "`kind`, `channel` and `baud`",
            ),
        };
        Peer {
            name: name.into(),
            device: device.into(),
            serial: settings.serial.to_string().into(),
            keys,
        }
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

/// An output that is on or off. Every call ends within a fraction of a second; after an error the board is opened
/// again.
pub trait Output: Send {
    /// Switches the output off, then finds out how the link behaves.
    fn begin(&mut self) -> Result<(), RejectError>;

    fn set(&mut self, on: bool) -> Result<(), RejectError>;

    /// Whether the board is still there. Called while the output is off.
    fn check(&mut self) -> Result<(), RejectError>;

    /// Whether the sensor behind the gate has seen a part since the last call.
    fn fell(&mut self) -> Result<bool, RejectError> {
        Ok(false)
    }

    fn behaviour(&self) -> Behaviour {
        Behaviour::default()
    }
}

/// How a board and its adapter behave.
#[derive(Clone, Copy, Debug, Default)]
pub struct Behaviour {
    /// The adapter echoes the bytes it sends before anything else.
    pub echoes: bool,
    /// The time until the latest answer; `None` for a board that never answers.
    pub answered_after: Option<Duration>,
}
