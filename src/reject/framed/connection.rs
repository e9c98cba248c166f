//! One open port: a thread that listens, and the messages sent whose answers are still to come.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TryRecvError};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use aecsad_link::{Decoder, Envelope, FromActuator, MAX_FRAME, ToActuator, encode};
use heapless::Deque;
use serialport::{ClearBuffer, SerialPort, TTYPort};

use crate::reject::clock::PeerClock;

/// Answers come within a few messages; what is older will not be answered any more.
const UNANSWERED: usize = 64;
/// The owner polls at least once a second, and an actuator sends a handful of messages a second.
const UNHEARD: usize = 256;
/// How long a write may wait for room in the port's buffer.
const WRITE_WAIT: Duration = Duration::from_millis(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Hello,
    Heartbeat,
    Reject(u32),
    Cancel,
}

#[derive(Clone, Copy)]
pub struct Sent {
    seq: u16,
    pub at: Instant,
    pub purpose: Purpose,
}

#[derive(Clone, Copy)]
pub struct Heard {
    pub at: Instant,
    pub message: FromActuator,
}

struct Listener {
    inbox: Receiver<io::Result<Heard>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

pub struct Connection {
    port: TTYPort,
    /// Started by the owner's first look, so that it wakes the thread that really owns the connection.
    listener: Option<Listener>,
    unanswered: Deque<Sent, UNANSWERED>,
    seq: u16,
    pub clock: PeerClock,
    /// The actuator has answered our greeting.
    pub greeted: bool,
    pub heard_at: Instant,
    /// When the next greeting or heartbeat is due.
    pub beat_at: Instant,
}

impl Connection {
    pub fn new(mut port: TTYPort, now: Instant) -> io::Result<Self> {
        // Answers to an earlier run must not be taken for answers to this one.
        port.clear(ClearBuffer::Input)?;
        port.set_timeout(WRITE_WAIT)?;
        Ok(Connection {
            port,
            listener: None,
            unanswered: Deque::new(),
            seq: 0,
            clock: PeerClock::default(),
            greeted: false,
            heard_at: now,
            beat_at: now,
        })
    }

    /// Sends one message. A port without room loses it, as a wire would; only a port that is gone is an error.
    pub fn send(&mut self, message: ToActuator, purpose: Purpose, now: Instant) -> io::Result<()> {
        self.seq = self.seq.wrapping_add(1);
        let seq = self.seq;
        let mut frame = [0; MAX_FRAME];
        let frame = encode(&Envelope { seq, message }, &mut frame).map_err(io::Error::other)?;
        match self.port.write(frame) {
            Ok(_) => {}
            Err(error) if is_passing(&error) => {}
            Err(error) => return Err(error),
        }
        if self.unanswered.is_full() {
            self.unanswered.pop_front();
        }
        let at = now;
        let _ = self.unanswered.push_back(Sent { seq, at, purpose });
        Ok(())
    }

    /// The message that `seq` answers, once.
    pub fn answered(&mut self, seq: u16) -> Option<Sent> {
        let sent = self.unanswered.iter_mut().find(|s| s.seq == seq)?;
        let answered = *sent;
        // Numbers start at 1 and 0 returns only after all others, so this entry is spent.
        sent.seq = 0;
        Some(answered)
    }

    /// The next message that has arrived.
    pub fn hear(&mut self) -> io::Result<Option<Heard>> {
        match self.listener()?.inbox.try_recv() {
            Ok(heard) => heard.map(Some),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(ErrorKind::BrokenPipe.into()),
        }
    }

    /// The next message, waited for.
    pub fn hear_within(&mut self, wait: Duration) -> io::Result<Option<Heard>> {
        match self.listener()?.inbox.recv_timeout(wait) {
            Ok(heard) => heard.map(Some),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(ErrorKind::BrokenPipe.into()),
        }
    }

    fn listener(&mut self) -> io::Result<&Listener> {
        let listener = match self.listener.take() {
            Some(listener) => listener,
            None => Listener::start(&self.port)?,
        };
        Ok(self.listener.insert(listener))
    }
}

impl Listener {
    fn start(port: &TTYPort) -> io::Result<Self> {
        let mut port = port.try_clone_native()?;
        port.set_timeout(crate::reject::serial::READ_WAIT)?;
        let (outbox, inbox) = mpsc::sync_channel(UNHEARD);
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, owner) = (Arc::clone(&stop), thread::current());
        let thread = thread::Builder::new()
            .name("reject-listen".into())
            .spawn(move || listen(port, &outbox, &stopped, &owner))?;
        Ok(Listener {
            inbox,
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
    stop: &AtomicBool,
    owner: &Thread,
) {
    let mut decoder = Decoder::new();
    let mut bytes = [0; 256];
    while !stop.load(Ordering::Relaxed) {
        let read = match port.read(&mut bytes) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            other => other,
        };
        match read {
            Ok(length) => {
                let at = Instant::now();
                for &byte in &bytes[..length] {
                    match decoder.push::<Envelope<FromActuator>>(byte) {
                        None => {}
                        Some(Err(error)) => log::debug!("{error}"),
                        Some(Ok(Envelope { message, .. })) => {
                            let _ = outbox.try_send(Ok(Heard { at, message }));
                            owner.unpark();
                        }
                    }
                }
            }
            Err(error) if is_passing(&error) => {}
            Err(error) => {
                let _ = outbox.try_send(Err(error));
                owner.unpark();
                return;
            }
        }
    }
}

/// Whether the port is only not ready.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::TimedOut | ErrorKind::WouldBlock | ErrorKind::Interrupted
    )
}
