//! The failure of a command: its sentence and its exit code.

use std::io;
use std::path::Path;

use crate::standard_streams::STANDARD_OUTPUT;

/// Exit codes of failed commands. 0 is success, 2 is an error in the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// An image or a folder of images that can't be used.
    Input = 3,
    /// A bundle that is refused: damaged, unsigned, not ours, or its golden scores differ here.
    Bundle = 4,
    /// A station file with an unknown or out-of-range key.
    Config = 5,
    /// A device that is missing, busy or not what it should be.
    Device = 6,
    /// A place that can't be written, or is full.
    Storage = 7,
    /// The inference engine failed.
    Engine = 8,
    /// Too few or unsuitable images to train on.
    Training = 9,
    /// `aecsad check` found something that keeps the station from working.
    Check = 10,
    /// Another program is changing the slots.
    Busy = 20,
    /// A version below the one that the station has already proven.
    Older = 21,
    /// A bundle of another product, or a product or slot that is not there.
    Product = 22,
    /// Stopped by Ctrl-C, SIGTERM or the loss of its terminal.
    Interrupted = 130,
}

/// The failure of a command: a sentence for the user, and the exit code for scripts.
pub struct Failure {
    pub message: String,
    pub code: ExitCode,
}

impl Failure {
    pub fn new(error: impl std::fmt::Display, code: ExitCode) -> Self {
        Failure {
            message: error.to_string(),
            code,
        }
    }

    /// The failure for an output that can't be written.
    pub fn unwritable(path: &Path, source: &io::Error) -> Self {
        Failure::new(
            format_args!(
                "{} can't be written ({source}): {}",
                place(path),
                advice(source)
            ),
            ExitCode::Storage,
        )
    }
}

/// An output's place as a message names it.
pub fn place(path: &Path) -> std::path::Display<'_> {
    let is_standard_output = path.as_os_str() == "-";
    let named = is_standard_output.then_some(Path::new(STANDARD_OUTPUT));
    named.unwrap_or(path).display()
}

/// What to do about an output that can't be written.
pub fn advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free space there or name another place"
        }
        io::ErrorKind::PermissionDenied => {
            "give this user write permission there or name another place"
        }
        io::ErrorKind::FileTooLarge => {
            "raise the limit on the size of files (ulimit -f, LimitFSIZE of the service)"
        }
        _ => "name another place",
    }
}
