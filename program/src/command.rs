//! What both programs do around a command: the log, an unexpected panic as a sentence, the error's sentence on standard
//! error and its exit code.

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::path::Path;
use std::process;

use clap::Parser;

use crate::failure::{ExitCode, Failure};
use crate::panics::is_expected;
use crate::printable::printable;
use crate::signals::leave_when_stopped;
use crate::standard_streams::{self, STANDARD_OUTPUT};

/// Reads the command line of the program `name`, and does with it what `command` says.
pub fn run<Arguments: Parser>(
    name: &'static str,
    command: impl FnOnce(Arguments) -> Result<(), Failure>,
) -> process::ExitCode {
    start_log();
    explain_panics(name);
    leave_when_stopped(name);
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(answer) if answer.use_stderr() => {
            refuse(&answer);
            return process::ExitCode::from(2);
        }
        Err(help) => {
            if std::io::stdout().is_terminal() {
                let _ = help.print();
            } else {
                standard_streams::print(help.render());
            }
            return leave(name, Ok(()));
        }
    };
    match catch_unwind(AssertUnwindSafe(|| command(arguments))) {
        Ok(done) => leave(name, done),
        // The hook has said it.
        Err(_) => process::ExitCode::from(ExitCode::Engine as u8),
    }
}

/// What the command line refuses is printed like any other message.
fn refuse(answer: &clap::Error) {
    let acts = |argument: OsString| {
        let argument = argument.to_string_lossy();
        matches!(printable(&argument), Cow::Owned(_))
    };
    if !std::env::args_os().any(acts) {
        let _ = answer.print();
        return;
    }
    let message = answer.render().to_string();
    message.lines().for_each(standard_streams::note);
}

/// Warnings go to standard error, one line each.
fn start_log() {
    let level = env_logger::Env::default().default_filter_or("warn");
    env_logger::Builder::from_env(level)
        .format(|out, record| {
            let message = record.args().to_string();
            writeln!(
                out,
                "[{} {:<5} {}] {}",
                out.timestamp(),
                record.level(),
                record.target(),
                printable(&message)
            )
        })
        .init();
}

fn leave(name: &str, done: Result<(), Failure>) -> process::ExitCode {
    let done = done.and_then(|()| match standard_streams::failure() {
        Some(error) => Err(Failure::unwritable(Path::new(STANDARD_OUTPUT), &error)),
        None => Ok(()),
    });
    match done {
        Ok(()) => process::ExitCode::SUCCESS,
        Err(failure) => {
            standard_streams::note(format_args!("{name}: {}", failure.message));
            process::ExitCode::from(failure.code as u8)
        }
    }
}

/// A panic is a fault of the program: one sentence says where it is. Its own words go to the log of `RUST_LOG=debug`.
fn explain_panics(name: &'static str) {
    set_hook(Box::new(move |panic| {
        log::debug!("{panic}");
        if is_expected() {
            return;
        }
        let place = match panic.location() {
            Some(place) => format!("{}:{}", place.file(), place.line()),
            None => "an unknown place".into(),
        };
        standard_streams::note(format_args!(
            "{name}: internal error at {place}, version {}: this is a fault of the program, please report this line and \
             the command",
            env!("CARGO_PKG_VERSION")
        ));
    }));
}
