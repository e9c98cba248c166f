//! Opens a serial port, and explains in a sentence why it can't be opened. The port never blocks: a write without room
//! in the buffer fails, so that it does not hold the line up.

use std::fmt;
use std::fs::OpenOptions;
use std::io::IsTerminal;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use serde::Deserialize;
use serialport::{ErrorKind, StopBits, TTYPort};

/// Why a serial port can't be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SerialError {
    #[error(
        "there is no serial device {0}: plug the actuator in, or correct `device` in the station file"
    )]
    Missing(String),
    #[error(
        "the serial device {0} is in use by another program: close that program, then start again"
    )]
    Busy(String),
    #[error(
        "{0} is not a serial device: name the actuator's terminal as `device` in the station file"
    )]
    NotATerminal(String),
    #[error(
        "no permission to use the serial device {0}: add this user to the group that owns it (often `dialout`)"
    )]
    NoPermission(String),
    #[error(
        "the serial device {device} can't be opened ({reason}): check its cable and `baud` in the station file"
    )]
    Unusable { device: String, reason: String },
}

/// The longest wait of a read for its first byte. Closing a connection can take as long.
pub const READ_WAIT: Duration = Duration::from_millis(50);

/// The serial settings, with eight data bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SerialSettings {
    pub baud: u32,
    pub parity: Parity,
    pub two_stop_bits: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Parity {
    #[default]
    None,
    Even,
    Odd,
}

impl SerialSettings {
    /// No parity, one stop bit.
    pub fn plain(baud: u32) -> Self {
        SerialSettings {
            baud,
            parity: Parity::None,
            two_stop_bits: false,
        }
    }

    /// The time that this many bytes take on the wire.
    pub fn wire_time(&self, bytes: u32) -> Duration {
        let parity = u32::from(self.parity != Parity::None);
        let bits = bytes * (10 + parity + u32::from(self.two_stop_bits));
        Duration::from_secs_f64(f64::from(bits) / f64::from(self.baud.max(1)))
    }
}

impl fmt::Display for SerialSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parity = match self.parity {
            Parity::None => "no",
            Parity::Even => "even",
            Parity::Odd => "odd",
        };
        let stop = match self.two_stop_bits {
            false => "1 stop bit",
            true => "2 stop bits",
        };
        write!(f, "{} baud, {parity} parity, {stop}", self.baud)
    }
}

/// Opens `device` raw and exclusively.
pub fn open(device: &Path, serial: SerialSettings) -> Result<TTYPort, SerialError> {
    let name = device.display().to_string();
    let Ok(metadata) = device.metadata() else {
        return Err(SerialError::Missing(name));
    };
    // Opening a pipe would block, and a file would accept rejects without an error.
    if !metadata.file_type().is_char_device() {
        return Err(SerialError::NotATerminal(name));
    }
    let settings = serialport::new(&*name, serial.baud)
        .parity(match serial.parity {
            Parity::None => serialport::Parity::None,
            Parity::Even => serialport::Parity::Even,
            Parity::Odd => serialport::Parity::Odd,
        })
        .stop_bits(match serial.two_stop_bits {
            false => StopBits::One,
            true => StopBits::Two,
        })
        .timeout(READ_WAIT);
    let port = TTYPort::open(&settings).map_err(|error| explain(device, &name, &error))?;
    never_block(&port).map_err(|errno| SerialError::Unusable {
        device: name,
        reason: errno.to_string(),
    })?;
    Ok(port)
}

/// The time-out of `serialport` bounds the wait for room, not the write itself.
pub fn never_block(port: &TTYPort) -> nix::Result<()> {
    fcntl(port.as_raw_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map(drop)
}

fn explain(device: &Path, name: &str, error: &serialport::Error) -> SerialError {
    match error.kind() {
        // `serialport` reports a locked device as "no device".
        ErrorKind::NoDevice => SerialError::Busy(name.into()),
        ErrorKind::Io(std::io::ErrorKind::NotFound) => SerialError::Missing(name.into()),
        ErrorKind::Io(std::io::ErrorKind::PermissionDenied) => {
            SerialError::NoPermission(name.into())
        }
        _ if !is_terminal(device) => SerialError::NotATerminal(name.into()),
        _ => SerialError::Unusable {
            device: name.into(),
            reason: error.to_string(),
        },
    }
}

fn is_terminal(device: &Path) -> bool {
    OpenOptions::new()
        .read(true)
        .custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits())
        .open(device)
        .is_ok_and(|file| file.is_terminal())
}

/// Does something as somebody who may do nothing with `file`, root's rights or not.
#[cfg(test)]
pub(crate) fn without_rights_to<T: Send>(file: &Path, work: impl FnOnce() -> T + Send) -> T {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o0)).unwrap();
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            // SAFETY: a plain call; Linux keeps this identity for each thread, and this one ends at once.
            unsafe { nix::libc::setfsuid(65_534) };
            work()
        });
        other.join().unwrap()
    })
}

#[cfg(test)]
mod tests {
    use serialport::SerialPort;

    use super::*;

    #[test]
    fn each_reason_has_its_own_error() {
        let folder = tempfile::tempdir().unwrap();
        let absent = folder.path().join("ttyUSB0");
        let error = open(&absent, SerialSettings::plain(115_200)).unwrap_err();
        assert!(matches!(error, SerialError::Missing(_)), "{error}");

        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        for device in [file.as_path(), Path::new("/dev/null"), folder.path()] {
            let error = open(device, SerialSettings::plain(115_200)).unwrap_err();
            assert!(matches!(error, SerialError::NotATerminal(_)), "{error}");
        }

        let (_master, slave) = TTYPort::pair().unwrap();
        let name = slave.name().unwrap();
        let held = open(Path::new(&name), SerialSettings::plain(115_200)).unwrap();
        let error = open(Path::new(&name), SerialSettings::plain(115_200)).unwrap_err();
        assert!(matches!(error, SerialError::Busy(_)), "{error}");
        drop(held);
        open(Path::new(&name), SerialSettings::plain(115_200)).unwrap();
    }

    #[test]
    fn a_device_of_somebody_else_s_is_said_to_be_one() {
        let (_master, slave) = TTYPort::pair().unwrap();
        let name = slave.name().unwrap();
        let error = without_rights_to(Path::new(&name), || {
            open(Path::new(&name), SerialSettings::plain(115_200))
                .err()
                .unwrap()
        });
        assert!(matches!(error, SerialError::NoPermission(_)), "{error}");
    }

    #[test]
    fn a_write_to_a_peer_that_never_reads_fails_instead_of_blocking() {
        use std::io::Write;
        let (_master, slave) = TTYPort::pair().unwrap();
        let mut port = open(
            Path::new(&slave.name().unwrap()),
            SerialSettings::plain(115_200),
        )
        .unwrap();
        let full = (0..100_000).find_map(|_| port.write_all(&[1; 32]).err());
        assert!(full.is_some());
    }
}
