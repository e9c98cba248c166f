//! Standard output and standard error of both programs. No command stops because its reader has exited or the disk of
//! its log is full. A closed pipe is no failure; any other error becomes the exit code when the command has finished.
//! `println!` and `eprintln!` panic there, so both crates deny them.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::printable::printable;

/// Its name in messages.
pub const STANDARD_OUTPUT: &str = "standard output";

static FAILED: OnceLock<io::Error> = OnceLock::new();
static CARRIES_A_FILE: AtomicBool = AtomicBool::new(false);

/// Prints a line, or several, on standard output, with control characters escaped. Returns false once its reader has
/// exited: further lines need not be computed.
pub fn print_line(text: impl Display) -> bool {
    let text = text.to_string();
    let lines: Vec<_> = text.split('\n').map(printable).collect();
    print(format_args!("{}\n", lines.join("\n")))
}

/// Prints `text` on standard output, or on standard error while a file goes to standard output.
pub fn print(text: impl Display) -> bool {
    if CARRIES_A_FILE.load(Ordering::Relaxed) {
        write_quietly(&text.to_string());
        return true;
    }
    match write_all(text.to_string().as_bytes()) {
        Ok(()) => true,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => false,
        Err(error) => {
            // Only the first failure counts; the next line may find room again.
            let _ = FAILED.set(error);
            false
        }
    }
}

/// Prints a line on standard error, with control characters escaped. An error here is ignored.
pub fn note(text: impl Display) {
    write_quietly(&format!("{}\n", printable(&text.to_string())));
}

/// Reserves standard output for a file that the command writes there; everything printed goes to standard error from
/// now on.
pub fn carry_a_file() {
    CARRIES_A_FILE.store(true, Ordering::Relaxed);
}

/// The first error of standard output, if there was one.
pub fn failure() -> Option<io::Error> {
    let error = FAILED.get()?;
    Some(match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => error.kind().into(),
    })
}

/// Writes to standard output without a buffer that could fail later.
pub(crate) fn write_all(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}

fn write_quietly(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
