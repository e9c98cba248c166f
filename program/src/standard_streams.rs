//! Standard output and standard error of both programs. No command ends or breaks because its reader has gone or the
//! disk of its log is full: a closed pipe is no failure, any other is remembered and becomes the exit code once the
//! command is done. `println!` and `eprintln!` panic there, so both crates deny them.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::printable::printable;

/// What messages call it.
pub const STANDARD_OUTPUT: &str = "standard output";

static FAILED: OnceLock<io::Error> = OnceLock::new();
static CARRIES_A_FILE: AtomicBool = AtomicBool::new(false);

/// Prints a line, or several, on standard output, without what a terminal would act on. False once no one reads it any
/// more: what would follow need not be computed.
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

/// Prints a line on standard error, without what a terminal would act on. Progress and remarks end nothing, whether
/// anyone can read them or not.
pub fn note(text: impl Display) {
    write_quietly(&format!("{}\n", printable(&text.to_string())));
}

/// Keeps standard output for a file that the command writes there; what it prints goes to standard error from now on.
pub fn carry_a_file() {
    CARRIES_A_FILE.store(true, Ordering::Relaxed);
}

/// The failure of standard output, if it had one.
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
