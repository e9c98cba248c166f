//! A simulated actuator on a pseudo-terminal: the firmware's state machine on its own clock, with a log as its output.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use aecsad_link::{
    Actuator, Envelope, FrameDecoder, MAX_FRAME, OutputEdge, ProductName, ToActuator, encode,
};
use serialport::{SerialPort, TTYPort};

use crate::serial::never_block;

/// The longest time until a request to stop is seen.
const LONGEST_WAIT: Duration = Duration::from_millis(20);
const COUNT_WAIT: Duration = Duration::from_millis(2);
const REPORT_US: u64 = 20_000;
const SELECT_EACH_US: u64 = 1_000_000;

/// The equipment and the faults of the simulated actuator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SimulatorSettings {
    /// After this many pulses it neither answers nor pulses, as without power.
    pub silent_after: Option<u32>,
    /// The speed of a belt with an encoder, in counts per second.
    pub counts_per_s: Option<f64>,
    /// The time from a pulse until a sensor behind the gate sees the part.
    pub confirm_after: Option<Duration>,
    /// After this many pulses the line's controller requests this product, again and again.
    pub select: Option<(u32, ProductName)>,
}

#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    #[error(
        "no pseudo-terminal could be opened ({0}): check that /dev/pts is mounted and not exhausted"
    )]
    NoTerminal(String),
    #[error(
        "the link {path} to the pseudo-terminal can't be made ({source}): remove what is there or name another path"
    )]
    Link {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the pseudo-terminal failed ({0}): start the simulator again")]
    Terminal(std::io::Error),
    #[error("the pulse can't be logged ({0}): check the disk and who reads the output")]
    Log(std::io::Error),
}

pub struct Simulator {
    port: TTYPort,
    /// Held open, so that the terminal stays when a station closes it.
    _station_side: TTYPort,
    device: PathBuf,
    link: Option<PathBuf>,
}

impl Simulator {
    /// Opens a pseudo-terminal, and a symbolic link to it if `link` is given, replacing an earlier link.
    pub fn open(link: Option<&Path>) -> Result<Self, SimulatorError> {
        let no_terminal = |e: serialport::Error| SimulatorError::NoTerminal(e.to_string());
        let (port, station_side) = TTYPort::pair().map_err(no_terminal)?;
        never_block(&port).map_err(|e| SimulatorError::NoTerminal(e.to_string()))?;
        let device = PathBuf::from(station_side.name().unwrap_or_default());
        if let Some(path) = link {
            if path.is_symlink() {
                let _ = std::fs::remove_file(path);
            }
            std::os::unix::fs::symlink(&device, path).map_err(|source| SimulatorError::Link {
                path: path.into(),
                source,
            })?;
        }
        Ok(Simulator {
            port,
            _station_side: station_side,
            device,
            link: link.map(Into::into),
        })
    }

    /// The device that a station opens.
    pub fn device(&self) -> &Path {
        &self.device
    }

    /// Plays the actuator until `stop`.
    pub fn run(
        &mut self,
        settings: SimulatorSettings,
        stop: &AtomicBool,
        mut on_edge: impl FnMut(OutputEdge) -> std::io::Result<()>,
    ) -> Result<(), SimulatorError> {
        let start = Instant::now();
        let clock_us = || start.elapsed().as_micros() as u64;
        let mut actuator = Actuator::new();
        let mut decoder = FrameDecoder::new();
        let mut bytes = [0; 256];
        let mut pulses = 0;
        let (mut report_us, mut select_us) = (0, 0);
        // When the sensor behind the gate will see each part that was pulsed.
        let mut falling: VecDeque<u64> = VecDeque::new();
        while !stop.load(Ordering::Relaxed) {
            let silent = settings.silent_after.is_some_and(|limit| pulses >= limit);
            let now_us = clock_us();
            if let Some(counts_per_s) = settings.counts_per_s {
                actuator.count(now_us, (counts_per_s * now_us as f64 / 1e6) as i64);
                if now_us >= report_us && !silent {
                    report_us = now_us + REPORT_US;
                    if let Some(report) = actuator.counted(now_us) {
                        self.send(&report)?;
                    }
                }
            }
            if let Some((after, product)) = settings.select
                && pulses >= after
                && now_us >= select_us
                && !silent
            {
                select_us = now_us + SELECT_EACH_US;
                let request = actuator.selects(product);
                self.send(&request)?;
            }
            while let Some(&at_us) = falling.front()
                && at_us <= now_us
            {
                falling.pop_front();
                let report = actuator.confirmed(at_us);
                self.send(&report)?;
            }
            while settings.silent_after.is_none_or(|limit| pulses < limit)
                && let Some(edge) = actuator.next_edge(clock_us())
            {
                on_edge(edge).map_err(SimulatorError::Log)?;
                if let OutputEdge::On { part, at_us, .. } = edge {
                    pulses += 1;
                    falling.extend(
                        settings
                            .confirm_after
                            .map(|after| at_us + after.as_micros() as u64),
                    );
                    self.send(&actuator.pulsed(part, at_us))?;
                }
            }
            let silent = settings.silent_after.is_some_and(|limit| pulses >= limit);
            if silent {
                actuator = Actuator::new();
            }
            let due = actuator
                .wake_us(clock_us())
                .map_or(LONGEST_WAIT, |wake_us| {
                    Duration::from_micros(wake_us.saturating_sub(clock_us())).min(LONGEST_WAIT)
                });
            // The belt's count is read every few milliseconds.
            let longest = if settings.counts_per_s.is_some() {
                COUNT_WAIT
            } else {
                LONGEST_WAIT
            };
            let _ = self.port.set_timeout(due.min(longest));
            let length = match self.port.read(&mut bytes) {
                Ok(length) => length,
                Err(error) if is_passing(&error) => continue,
                Err(error) => return Err(SimulatorError::Terminal(error)),
            };
            let now_us = clock_us();
            for &byte in &bytes[..length] {
                if let Some(Ok(message)) = decoder.push::<Envelope<ToActuator>>(byte)
                    && !silent
                {
                    let answer = actuator.receive(now_us, message);
                    self.send(&answer)?;
                }
            }
        }
        Ok(())
    }

    fn send(
        &mut self,
        message: &Envelope<aecsad_link::FromActuator>,
    ) -> Result<(), SimulatorError> {
        let mut frame = [0; MAX_FRAME];
        let frame = encode(message, &mut frame)
            .map_err(|e| SimulatorError::Terminal(std::io::Error::other(e)))?;
        match self.port.write(frame) {
            // Without a reader the bytes are lost, as on a wire.
            Err(error) if !is_passing(&error) => Err(SimulatorError::Terminal(error)),
            _ => Ok(()),
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        if let Some(link) = &self.link
            && std::fs::read_link(link).is_ok_and(|target| target == self.device)
        {
            let _ = std::fs::remove_file(link);
        }
    }
}

fn is_passing(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::TimedOut | ErrorKind::WouldBlock | ErrorKind::Interrupted
    )
}
