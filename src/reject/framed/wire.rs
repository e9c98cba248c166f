//! Carries frames to the actuator and messages back: a serial port with a thread that reads it.

use std::io::{self, ErrorKind, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TryRecvError};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use aecsad_link::{Envelope, FrameDecoder, FromActuator, ToActuator};
use serialport::{ClearBuffer, SerialPort, TTYPort};

use super::FramedSettings;
use crate::reject::{Peer, RejectError};
use crate::serial::{self, SerialError, SerialSettings};

/// The owner polls at least once a second, and an actuator sends some fifty messages a second.
const UNREAD: usize = 256;
/// How long a write may wait for room in the port's buffer.
const WRITE_WAIT: Duration = Duration::from_millis(1);

#[derive(Clone, Copy, Debug)]
pub struct ReceivedMessage {
    pub at: Instant,
    pub message: FromActuator,
}

/// One open connection.
pub trait Wire: Send {
    /// A full buffer loses the frame; only a lost connection is an error.
    fn write(&mut self, frame: &[u8]) -> io::Result<()>;

    /// The next message that has arrived by `now`.
    fn receive(&mut self, now: Instant) -> io::Result<Option<ReceivedMessage>>;

    /// Waits for the next message.
    fn receive_within(&mut self, wait: Duration) -> io::Result<Option<ReceivedMessage>>;

    /// All bytes that arrived before this time were read. It is earlier than `now` where the reading thread did not get
    /// to run: then a missing answer says nothing about the actuator.
    fn read_until(&self, now: Instant) -> Instant;

    /// What the connection carried apart from the actuator's messages.
    fn noise(&self) -> Noise {
        Noise::default()
    }
}

/// What a connection carried apart from the actuator's messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Noise {
    /// The station's own messages come back.
    pub echoes: bool,
    /// Bytes arrived that are no messages of the link.
    pub foreign: bool,
}

/// Opens a connection, again after each loss.
pub trait Connect: Send {
    fn connect(&mut self, now: Instant) -> Result<Box<dyn Wire>, RejectError>;
}

/// A terminal by its path.
pub struct Terminal {
    pub device: PathBuf,
    pub serial: SerialSettings,
}

impl Connect for Terminal {
    fn connect(&mut self, _now: Instant) -> Result<Box<dyn Wire>, RejectError> {
        let port = serial::open(&self.device, self.serial)?;
        let wire = SerialWire::new(port).map_err(|error| SerialError::Unusable {
            device: self.device.display().to_string(),
            reason: error.to_string(),
        })?;
        Ok(Box::new(wire))
    }
}

impl Noise {
    /// Why no answer comes, as far as the received bytes show.
    pub fn explain(self, settings: &FramedSettings) -> RejectError {
        let device = settings.device.display().to_string();
        let peer = Peer {
            name: format!("the actuator on {device}").into(),
            device: device.into(),
            serial: settings.serial.to_string().into(),
            keys: "`kind` and `baud`",
        };
        match self {
            Noise { foreign: true, .. } => RejectError::NoAnswer {
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
    /// Started by the owner's first call, so that it wakes the thread that owns the connection.
    reader: Option<ReaderThread>,
}

impl SerialWire {
    fn new(mut port: TTYPort) -> io::Result<Self> {
        // Answers to an earlier run must not be taken for answers to this one.
        port.clear(ClearBuffer::Input)?;
        port.set_timeout(WRITE_WAIT)?;
        Ok(SerialWire { port, reader: None })
    }

    fn reader(&mut self) -> io::Result<&ReaderThread> {
        let reader = match self.reader.take() {
            Some(reader) => reader,
            None => ReaderThread::start(&self.port)?,
        };
        Ok(self.reader.insert(reader))
    }
}

impl Wire for SerialWire {
    fn write(&mut self, frame: &[u8]) -> io::Result<()> {
        match self.port.write(frame) {
            Err(error) if !is_passing(&error) => Err(error),
            _ => Ok(()),
        }
    }

    fn receive(&mut self, _now: Instant) -> io::Result<Option<ReceivedMessage>> {
        match self.reader()?.inbox.try_recv() {
            Ok(received) => received.map(Some),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(ErrorKind::BrokenPipe.into()),
        }
    }

    fn receive_within(&mut self, wait: Duration) -> io::Result<Option<ReceivedMessage>> {
        match self.reader()?.inbox.recv_timeout(wait) {
            Ok(received) => received.map(Some),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(ErrorKind::BrokenPipe.into()),
        }
    }

    fn read_until(&self, now: Instant) -> Instant {
        let reader = self.reader.as_ref();
        reader.map_or(now, |reader| reader.state.until())
    }

    fn noise(&self) -> Noise {
        let reader = self.reader.as_ref();
        reader.map_or(Noise::default(), |reader| Noise {
            echoes: reader.state.echoes.load(Ordering::Relaxed),
            foreign: reader.state.foreign.load(Ordering::Relaxed),
        })
    }
}

/// Shared by the reading thread and the owner: the time until which the port was read, and the noise.
struct ReaderState {
    start: Instant,
    after_us: AtomicU64,
    echoes: AtomicBool,
    foreign: AtomicBool,
}

impl ReaderState {
    fn note(&self, time: Instant) {
        let after = time.saturating_duration_since(self.start);
        self.after_us
            .store(after.as_micros() as u64, Ordering::Release);
    }

    fn until(&self) -> Instant {
        self.start + Duration::from_micros(self.after_us.load(Ordering::Acquire))
    }
}

struct ReaderThread {
    inbox: Receiver<io::Result<ReceivedMessage>>,
    state: Arc<ReaderState>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl ReaderThread {
    fn start(port: &TTYPort) -> io::Result<Self> {
        let mut port = port.try_clone_native()?;
        port.set_timeout(serial::READ_WAIT)?;
        let (outbox, inbox) = mpsc::sync_channel(UNREAD);
        let stop = Arc::new(AtomicBool::new(false));
        let state = Arc::new(ReaderState {
            start: Instant::now(),
            after_us: AtomicU64::new(0),
            echoes: AtomicBool::new(false),
            foreign: AtomicBool::new(false),
        });
        let (stopped, notes) = (Arc::clone(&stop), Arc::clone(&state));
        let owner = thread::current();
        let thread = thread::Builder::new()
            .name("reject-listen".into())
            .spawn(move || read_messages(port, &outbox, &notes, &stopped, &owner))?;
        Ok(ReaderThread {
            inbox,
            state,
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for ReaderThread {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn read_messages(
    mut port: TTYPort,
    outbox: &SyncSender<io::Result<ReceivedMessage>>,
    state: &ReaderState,
    stop: &AtomicBool,
    owner: &Thread,
) {
    let mut decoder = FrameDecoder::new();
    // Decodes the same bytes as the station's own messages, which only an echoing adapter sends back.
    let mut echoes = FrameDecoder::new();
    // Bytes arrived whose frame has not ended.
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
                            state.echoes.store(true, Ordering::Relaxed);
                        }
                        Some(Err(error)) => {
                            state.foreign.store(true, Ordering::Relaxed);
                            log::debug!("{error}");
                        }
                        Some(Ok(Envelope { message, .. })) => {
                            let _ = outbox.try_send(Ok(ReceivedMessage { at, message }));
                            owner.unpark();
                        }
                    }
                }
            }
            Err(error) if is_passing(&error) => {
                // No message pauses for so long.
                if unfinished {
                    state.foreign.store(true, Ordering::Relaxed);
                }
            }
            Err(error) => {
                let _ = outbox.try_send(Err(error));
                owner.unpark();
                return;
            }
        }
        state.note(before);
    }
}

/// Whether the port is only not ready.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::TimedOut | ErrorKind::WouldBlock | ErrorKind::Interrupted
    )
}
