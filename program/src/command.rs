//! Runs a command of either program: starts the log, reports a panic or an error in one sentence on standard error, and
//! returns the exit code.

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::path::Path;
use std::process;

use clap::Parser;
use nix::sys::stat::{Mode, umask};

use crate::failure::{ExitCode, Failure};
use crate::panics::is_expected;
use crate::printable::printable;
use crate::signals::{leave_when_stopped, outlive_file_limits};
use crate::standard_streams::{self, STANDARD_OUTPUT};

/// Parses the command line of the program `name` and runs `command` with it.
pub fn run<Arguments: Parser>(
    name: &'static str,
    command: impl FnOnce(Arguments) -> Result<(), Failure>,
) -> process::ExitCode {
    start_log();
    explain_panics(name);
    leave_when_stopped(name);
    outlive_file_limits();
    share_what_root_writes();
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
        // The panic hook has reported it.
        Err(_) => process::ExitCode::from(ExitCode::Engine as u8),
    }
}

/// A technician who is root writes for the station's user: whatever root's umask, others may read what a program makes,
/// but for what is secret and says so itself.
fn share_what_root_writes() {
    if nix::unistd::geteuid().is_root() {
        umask(Mode::S_IWGRP | Mode::S_IWOTH);
    }
}

/// Prints a command-line error like any other message.
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

/// Warnings go to standard error, one line each. Where a line comes from in the program is for its developers only.
fn start_log() {
    let level = env_logger::Env::default().default_filter_or("warn");
    env_logger::Builder::from_env(level)
        .format(|out, record| {
            let message = record.args().to_string();
            let (time, level) = (out.timestamp(), record.level());
            let target = match level > log::Level::Info {
                true => format!(" {}", record.target()),
                false => String::new(),
            };
            writeln!(out, "[{time} {level}{target}] {}", printable(&message))
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

/// Reports a panic in one sentence with its place in the source. Its message goes to the log with `RUST_LOG=debug`.
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
