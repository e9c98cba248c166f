//! The real program on a wire with manners of its own: adapters that echo, units that answer late, wrongly or not at
//! all, and stray bytes. What is printed must be what is the matter, and no reject may count as seen that no unit has
//! acknowledged.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crc::{CRC_16_MODBUS, Crc};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use serialport::{SerialPort, TTYPort};

use super::{Line, printed, sentence};

const CHECKSUM: Crc<u16> = Crc::<u16>::new(&CRC_16_MODBUS);

/// What is at the other end of the wire.
#[derive(Clone, Copy, Default)]
struct Manners {
    /// The adapter gives back what it is sent.
    echo: bool,
    /// A unit answers.
    there: bool,
    late_ms: u64,
    /// Comes before each answer.
    stray: &'static [u8],
    /// The unit's number, if it is not the requested one.
    number: Option<u8>,
    exception: Option<u8>,
    damaged: bool,
    /// Comes in place of each answer.
    garbage: &'static [u8],
}

struct Unit {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    _station_side: TTYPort,
}

fn framed(content: &[u8]) -> Vec<u8> {
    [content, &CHECKSUM.checksum(content).to_le_bytes()].concat()
}

impl Manners {
    fn answer(&self, request: &[u8], coil: &mut bool) -> Vec<u8> {
        let unit = self.number.unwrap_or(request[0]);
        let content = match (self.exception, request[1]) {
            (Some(code), function) => vec![unit, function | 0x80, code],
            (None, 5) => {
                *coil = request[4] == 0xff;
                [&[unit], &request[1..6]].concat()
            }
            (None, function) => vec![unit, function, 1, u8::from(*coil)],
        };
        let mut answer = framed(&content);
        if self.damaged {
            answer[2] ^= 0x10;
        }
        if !self.garbage.is_empty() {
            answer = self.garbage.into();
        }
        [self.stray, &answer].concat()
    }

    /// A Modbus unit with these manners at the line's `gate`.
    fn start(self, line: &Line) -> Unit {
        self.play(line, |manners, bytes, coil| {
            let whole = bytes.len() >= 8;
            whole.then(|| manners.answer(&bytes.drain(..8).collect::<Vec<u8>>(), coil))
        })
    }

    fn play(
        self,
        line: &Line,
        answer: impl Fn(&Manners, &mut Vec<u8>, &mut bool) -> Option<Vec<u8>> + Send + 'static,
    ) -> Unit {
        let (mut port, station_side) = TTYPort::pair().unwrap();
        fcntl(port.as_raw_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        let gate = line.path("gate");
        let _ = std::fs::remove_file(&gate);
        std::os::unix::fs::symlink(station_side.name().unwrap(), gate).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let _ = port.set_timeout(Duration::from_millis(5));
            let (mut bytes, mut read, mut coil) = (Vec::new(), [0; 64], false);
            while !stopped.load(Ordering::Relaxed) {
                let Ok(length) = port.read(&mut read) else {
                    continue;
                };
                if self.echo {
                    let _ = port.write_all(&read[..length]);
                }
                bytes.extend(&read[..length]);
                while let Some(answer) = answer(&self, &mut bytes, &mut coil) {
                    if self.there {
                        std::thread::sleep(Duration::from_millis(4 + self.late_ms));
                        let _ = port.write_all(&answer);
                    }
                }
            }
        });
        Unit {
            stop,
            thread: Some(thread),
            _station_side: station_side,
        }
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

const THERE: Manners = Manners {
    echo: false,
    there: true,
    late_ms: 0,
    stray: &[],
    number: None,
    exception: None,
    damaged: false,
    garbage: &[],
};

fn modbus_line(parts: u32) -> Line {
    let line = Line::new(parts);
    line.change("\"framed\"", "\"modbus\"");
    line
}

/// The line of `aecsad check` about the gate.
fn checked(line: &Line) -> String {
    let output = line.station("check", &[]).wait_with_output().unwrap();
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    let found = report.lines().find(|l| l.contains("rejector")).unwrap();
    found.into()
}

#[test]
fn what_a_modbus_wire_carries_in_place_of_an_answer_is_named() {
    let line = modbus_line(1);
    for (manners, words) in [
        (Manners::default(), "Modbus unit 1 on "),
        (
            Manners::default(),
            "(now 115200 baud, no parity, 1 stop bit)",
        ),
        (
            Manners {
                echo: true,
                ..Manners::default()
            },
            "echoes what it sends",
        ),
        (
            Manners {
                late_ms: 116,
                ..THERE
            },
            "ms, 60 are allowed",
        ),
        (
            Manners {
                echo: true,
                late_ms: 116,
                ..THERE
            },
            "ms, 60 are allowed",
        ),
        (
            Manners {
                number: Some(3),
                ..THERE
            },
            "unit 3 answers in place of unit 1",
        ),
        (
            Manners {
                damaged: true,
                ..THERE
            },
            "wrong checksum",
        ),
        (
            Manners {
                garbage: b"\xfe\x1b[31m",
                ..THERE
            },
            "no Modbus answer (FE 1B 5B 33 31 6D)",
        ),
        (
            Manners {
                exception: Some(2),
                ..THERE
            },
            "no such coil or input (exception 2)",
        ),
        (
            Manners {
                exception: Some(6),
                ..THERE
            },
            "it is busy (exception 6)",
        ),
    ] {
        let _unit = manners.start(&line);
        let found = checked(&line);
        assert!(
            found.starts_with("FAIL") && found.contains(words),
            "{words}: {found}"
        );
        assert!(
            !found.contains("Frame") && !found.contains("reconnect"),
            "{found}"
        );
    }
    // At the start of a run nothing is tried again, and no one says so.
    let _unit = Manners::default().start(&line);
    let text = sentence(&line.aecsad("run"), 6);
    assert!(!text.contains("keeps trying"), "{text}");
}

#[test]
fn a_unit_behind_an_adapter_that_echoes_or_stray_bytes_is_used() {
    for (manners, remark) in [
        (THERE, false),
        (
            Manners {
                echo: true,
                ..THERE
            },
            true,
        ),
        (
            Manners {
                stray: &[0],
                ..THERE
            },
            false,
        ),
        (
            Manners {
                echo: true,
                stray: &[0xff, 1, 5],
                ..THERE
            },
            true,
        ),
    ] {
        let line = modbus_line(10);
        let _unit = manners.start(&line);
        let found = checked(&line);
        assert!(
            found.starts_with("ok") && found.contains("answers after"),
            "{found}"
        );
        assert_eq!(found.contains("its adapter echoes"), remark, "{found}");
        let output = line.station("run", &[]).wait_with_output().unwrap();
        let (code, text) = printed(&output);
        assert!(code == 0 && !text.contains("ALARM"), "{text}");
        let table = String::from_utf8_lossy(&output.stdout);
        assert!(
            table.contains("2 pulses seen by the actuator, 0 not reported"),
            "{table}"
        );
    }
}

#[test]
fn a_relay_board_s_echo_is_no_state_of_its_relay() {
    let line = Line::new(1);
    line.change("\"framed\"", "\"kmtronic\"");
    let board = |echo, there| {
        let manners = Manners {
            echo,
            there,
            ..THERE
        };
        manners.play(&line, |_, bytes, on| {
            while bytes.len() >= 3 {
                let command: Vec<u8> = bytes.drain(..3).collect();
                match command[2] {
                    3 => return Some(vec![0xff, command[1], u8::from(*on)]),
                    state => *on = state == 1,
                }
            }
            None
        })
    };
    for (echo, there, words) in [
        (true, false, "nothing but the echo comes back"),
        (false, false, "the relay board on "),
        (true, true, "ok    rejector"),
        (false, true, "ok    rejector"),
    ] {
        let _board = board(echo, there);
        let found = checked(&line);
        assert!(found.contains(words), "{words}: {found}");
    }
}

#[test]
fn a_framed_link_that_echoes_or_babbles_is_named() {
    let line = Line::new(1);
    for (echo, garbage, words) in [
        (true, &b""[..], "nothing but the echo comes back"),
        (false, b"\x07\x0e\x38", "no messages of the reject link"),
        (
            false,
            b"",
            "is silent: check its power and its cable, and `kind` and `baud`",
        ),
    ] {
        let manners = Manners {
            echo,
            garbage,
            there: !garbage.is_empty(),
            ..THERE
        };
        let _actuator = manners.play(&line, |manners, bytes, _| {
            let requested = !bytes.is_empty();
            bytes.clear();
            requested.then(|| manners.garbage.to_vec())
        });
        let found = checked(&line);
        assert!(
            found.starts_with("FAIL") && found.contains(words),
            "{words}: {found}"
        );
    }
}
