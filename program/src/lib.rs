//! Code that both programs of aecsad share: files that are written whole or not at all, text files that people write,
//! names and messages for a terminal, standard streams, exit codes.

#![deny(clippy::print_stdout, clippy::print_stderr)]

#[cfg(feature = "command")]
pub mod command;
mod counted;
mod failure;
pub mod inputs;
mod panics;
pub mod printable;
pub mod sealed_text;
pub mod sha256;
#[cfg(feature = "command")]
mod signals;
pub mod standard_streams;
pub mod text_file;
pub mod times;
pub mod timestamp;
pub mod whole_file;
pub mod written_name;

pub use counted::counted;
pub use failure::{ExitCode, Failure, advice, place};
pub use panics::unless_it_panics;
#[cfg(feature = "command")]
pub use signals::stop_signals;
