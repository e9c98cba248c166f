//! A serial line that loses, damages and delays what is sent, and can be unplugged.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use aecsad::reject::RejectError;
use aecsad::reject::framed::wire::{Connect, ReceivedMessage, Wire};
use aecsad_link::{Envelope, FrameDecoder, FromActuator};

/// Bytes with the time at which they arrive.
type Pipe = VecDeque<(u64, Vec<u8>)>;

pub struct Cable {
    pub now_us: u64,
    /// It is plugged in.
    pub plugged: bool,
    /// Each time it was, anew.
    plug: u32,
    pub to_actuator: Pipe,
    pub to_station: Pipe,
    pub faults: u32,
    rng: fastrand::Rng,
}

impl Cable {
    pub fn unplug(&mut self) {
        self.plugged = false;
        self.plug += 1;
        self.faults += 1;
        self.to_actuator.clear();
        self.to_station.clear();
    }

    pub fn send(&mut self, towards_actuator: bool, bytes: &[u8]) {
        let rng = &mut self.rng;
        let mut bytes = bytes.to_vec();
        match rng.u8(..) {
            0..4 => return,
            4..7 => {
                let at = rng.usize(..bytes.len());
                bytes[at] ^= 1 << rng.u8(..8);
            }
            _ => {}
        }
        let delay_us = match rng.u16(..) {
            0..30 => rng.u64(20_000..400_000),
            _ => rng.u64(150..3_000),
        };
        let pipe = if towards_actuator {
            &mut self.to_actuator
        } else {
            &mut self.to_station
        };
        // Bytes don't overtake each other.
        let earliest = pipe.back().map_or(0, |(at, _)| *at);
        pipe.push_back(((self.now_us + delay_us).max(earliest), bytes));
    }

    pub fn arrived(&mut self, at_actuator: bool) -> Option<(u64, Vec<u8>)> {
        let pipe = if at_actuator {
            &mut self.to_actuator
        } else {
            &mut self.to_station
        };
        let due = pipe.front()?.0 <= self.now_us;
        if due { pipe.pop_front() } else { None }
    }
}

#[derive(Clone)]
pub struct SharedCable {
    cable: Arc<Mutex<Cable>>,
    start: Instant,
}

impl SharedCable {
    pub fn new(start: Instant, seed: u64) -> Self {
        let cable = Cable {
            now_us: 0,
            plugged: true,
            plug: 0,
            to_actuator: VecDeque::new(),
            to_station: VecDeque::new(),
            faults: 0,
            rng: fastrand::Rng::with_seed(seed),
        };
        SharedCable {
            cable: Arc::new(Mutex::new(cable)),
            start,
        }
    }

    pub fn lock(&self) -> MutexGuard<'_, Cable> {
        self.cable.lock().unwrap()
    }
}

impl Connect for SharedCable {
    fn connect(&mut self, _now: Instant) -> Result<Box<dyn Wire>, RejectError> {
        let cable = self.lock();
        if !cable.plugged {
            return Err(aecsad::serial::SerialError::Missing("the simulated line".into()).into());
        }
        Ok(Box::new(SimulatedWire {
            plug: cable.plug,
            shared: self.clone(),
            decoder: FrameDecoder::new(),
            received: VecDeque::new(),
        }))
    }
}

struct SimulatedWire {
    shared: SharedCable,
    plug: u32,
    decoder: FrameDecoder,
    received: VecDeque<ReceivedMessage>,
}

impl Wire for SimulatedWire {
    fn write(&mut self, frame: &[u8]) -> io::Result<()> {
        let mut cable = self.shared.lock();
        if !cable.plugged || cable.plug != self.plug {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        cable.send(true, frame);
        Ok(())
    }

    fn receive(&mut self, _now: Instant) -> io::Result<Option<ReceivedMessage>> {
        let mut cable = self.shared.lock();
        if !cable.plugged || cable.plug != self.plug {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        while let Some((at_us, bytes)) = cable.arrived(false) {
            let at = self.shared.start + Duration::from_micros(at_us);
            for byte in bytes {
                if let Some(Ok(Envelope { message, .. })) =
                    self.decoder.push::<Envelope<FromActuator>>(byte)
                {
                    self.received.push_back(ReceivedMessage { at, message });
                }
            }
        }
        Ok(self.received.pop_front())
    }

    fn receive_within(&mut self, _wait: Duration) -> io::Result<Option<ReceivedMessage>> {
        Ok(None)
    }

    fn read_until(&self, now: Instant) -> Instant {
        now
    }
}
