//! What carries frames to the actuator and messages back: a serial port with a thread that listens.

use std::io::{self, ErrorKind, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TryRecvError};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use aecsad_link::{Decoder, Envelope, FromActuator, ToActuator};
use serialport::{ClearBuffer, SerialPort, TTYPort};

use super::FramedSettings;
use crate::reject::{Peer, RejectError};
use crate::serial::{self, SerialError, Terms};

/// The owner polls at least once a second, and an actuator sends some fifty messages a second.
const UNHEARD: usize = 256;
/// How long a write may wait for room in the port's buffer.
const WRITE_WAIT: Duration = Duration::from_millis(1);

#[derive(Clone, Copy, Debug)]
pub struct Heard {
    pub at: Instant,
    pub message: FromActuator,
}

/// One open connection.
pub trait Wire: Send {
    /// A wire without room loses the frame; only one that is gone is an error.
    fn write(&mut self, frame: &[u8]) -> io::Result<()>;

    /// The next message that has arrived by `now`.
    fn hear(&mut self, now: Instant) -> io::Result<Option<Heard>>;

    /// The next message, waited for.
    fn hear_within(&mut self, wait: Duration) -> io::Result<Option<Heard>>;

    /// Whatever arrived before this moment is to be heard. It lies behind `now` where whoever listens does not get to run:
    /// what has not been heard by then says nothing about the actuator.
    fn listened_until(&self, now: Instant) -> Instant;

    /// What came beside the actuator's messages.
    fn noise(&self) -> Noise {
        Noise::default()
    }
}

/// What a wire carries that is no message of the actuator's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Noise {
    /// The station's own messages come back.
    pub echoes: bool,
    /// Bytes that are no message at all.
    pub strange: bool,
}

/// Makes a connection anew, as often as it is lost.
pub trait Dial: Send {
    fn dial(&mut self, now: Instant) -> Result<Box<dyn Wire>, RejectError>;
}

/// A terminal by its path.
pub struct Terminal {
    pub device: PathBuf,
    pub terms: Terms,
}

impl Dial for Terminal {
    fn dial(&mut self, _now: Instant) -> Result<Box<dyn Wire>, RejectError> {
        let port = serial::open(&self.device, self.terms)?;
        let wire = SerialWire::new(port).map_err(|error| SerialError::Unusable {
            device: self.device.display().to_string(),
            reason: error.to_string(),
        })?;
        Ok(Box::new(wire))
    }
}

impl Noise {
    /// Why no answer comes, as far as what arrives tells.
    pub fn explain(self, settings: &FramedSettings) -> RejectError {
        let device = settings.device.display().to_string();
        let peer = Peer {
            name: format!("the actuator on {device}").into(),
            device: device.into(),
            terms: settings.terms.to_string().into(),
            keys: "`kind` and `baud`",
        };
        match self {
            Noise { strange: true, .. } => RejectError::NoAnswer {
                peer,
                what: "the bytes that arrive are no messages of the reject link".into(),
            },
            Noise { echoes: true, .. } => RejectError::EchoAlone { peer },
            _ => RejectError::Silent { peer },
        }
    }
}

struct SerialWire {
    port: TTYPort,
    /// Started by the owner's first look, so that it wakes the thread that really owns the connection.
    listener: Option<Listener>,
}

impl SerialWire {
    fn new(mut port: TTYPort) -> io::Result<Self> {
        // Answers to an earlier run must not be taken for answers to this one.
        port.clear(ClearBuffer::Input)?;
        port.set_timeout(WRITE_WAIT)?;
        Ok(SerialWire {
            port,
            listener: None,
        })
    }

    fn listener(&mut self) -> io::Result<&Listener> {
        let listener = match self.listener.take() {
            Some(listener) => listener,
            None => Listener::start(&self.port)?,
        };
        Ok(self.listener.insert(listener))
    }
}

impl Wire for SerialWire {
    fn write(&mut self, frame: &[u8]) -> io::Result<()> {
        match self.port.write(frame) {
            Err(error) if !is_passing(&error) => Err(error),
            _ => Ok(()),
        }
    }

    fn hear(&mut self, _now: Instant) -> io::Result<Option<Heard>> {
        match self.listener()?.inbox.try_recv() {
            Ok(heard) => heard.map(Some),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(ErrorKind::BrokenPipe.into()),
        }
    }

    fn hear_within(&mut self, wait: Duration) -> io::Result<Option<Heard>> {
        match self.listener()?.inbox.recv_timeout(wait) {
            Ok(heard) => heard.map(Some),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(ErrorKind::BrokenPipe.into()),
        }
    }

    fn listened_until(&self, now: Instant) -> Instant {
        let listener = self.listener.as_ref();
        listener.map_or(now, |listener| listener.listened.until())
    }

    fn noise(&self) -> Noise {
        let listener = self.listener.as_ref();
        listener.map_or(Noise::default(), |listener| Noise {
            echoes: listener.listened.echoes.load(Ordering::Relaxed),
            strange: listener.listened.strange.load(Ordering::Relaxed),
        })
    }
}

/// What one thread notes and another reads: until when it has listened, and what came beside messages.
struct Listened {
    start: Instant,
    after_us: AtomicU64,
    echoes: AtomicBool,
    strange: AtomicBool,
}

impl Listened {
    fn note(&self, moment: Instant) {
        let after = moment.saturating_duration_since(self.start);
        self.after_us
            .store(after.as_micros() as u64, Ordering::Release);
    }

    fn until(&self) -> Instant {
        self.start + Duration::from_micros(self.after_us.load(Ordering::Acquire))
    }
}

struct Listener {
    inbox: Receiver<io::Result<Heard>>,
    listened: Arc<Listened>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    fn start(port: &TTYPort) -> io::Result<Self> {
        let mut port = port.try_clone_native()?;
        port.set_timeout(serial::READ_WAIT)?;
        let (outbox, inbox) = mpsc::sync_channel(UNHEARD);
        let stop = Arc::new(AtomicBool::new(false));
        let listened = Arc::new(Listened {
            start: Instant::now(),
            after_us: AtomicU64::new(0),
            echoes: AtomicBool::new(false),
            strange: AtomicBool::new(false),
        });
        let (stopped, notes) = (Arc::clone(&stop), Arc::clone(&listened));
        let owner = thread::current();
        let thread = thread::Builder::new()
            .name("reject-listen".into())
            .spawn(move || listen(port, &outbox, &notes, &stopped, &owner))?;
        Ok(Listener {
            inbox,
            listened,
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn listen(
    mut port: TTYPort,
    outbox: &SyncSender<io::Result<Heard>>,
    listened: &Listened,
    stop: &AtomicBool,
    owner: &Thread,
) {
    let mut decoder = Decoder::new();
    // The same bytes as messages of the station's own, which only an adapter that echoes gives back.
    let mut echoes = Decoder::new();
    // Bytes came whose frame has not ended.
    let mut unfinished = false;
    let mut bytes = [0; 256];
    while !stop.load(Ordering::Relaxed) {
        let before = Instant::now();
        let read = match port.read(&mut bytes) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            other => other,
        };
        match read {
            Ok(length) => {
                let at = Instant::now();
                for &byte in &bytes[..length] {
                    unfinished = byte != 0;
                    let echo = echoes.push::<Envelope<ToActuator>>(byte);
                    match decoder.push::<Envelope<FromActuator>>(byte) {
                        None => {}
                        Some(Err(_)) if matches!(echo, Some(Ok(_))) => {
                            listened.echoes.store(true, Ordering::Relaxed);
                        }
                        Some(Err(error)) => {
                            listened.strange.store(true, Ordering::Relaxed);
                            log::debug!("{error}");
                        }
                        Some(Ok(Envelope { message, .. })) => {
                            let _ = outbox.try_send(Ok(Heard { at, message }));
                            owner.unpark();
                        }
                    }
                }
            }
            Err(error) if is_passing(&error) => {
                // No message pauses for so long.
                if unfinished {
                    listened.strange.store(true, Ordering::Relaxed);
                }
            }
            Err(error) => {
                let _ = outbox.try_send(Err(error));
                owner.unpark();
                return;
            }
        }
        listened.note(before);
    }
}

/// Whether the port is only not ready.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::TimedOut | ErrorKind::WouldBlock | ErrorKind::Interrupted
    )
}
