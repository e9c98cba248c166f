//! Signals that stop a program in good order.

use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::failure::ExitCode;

/// Whether the command handles a stop signal itself.
static ENDS_BY_ITSELF: AtomicBool = AtomicBool::new(false);

/// The signals that stop a program. The loss of the terminal is one, unless the program was started with nohup. A command
/// that calls this handles them itself from here on.
pub fn stop_signals() -> Vec<i32> {
    ENDS_BY_ITSELF.store(true, Ordering::SeqCst);
    signals()
}

/// Makes stop signals end the program at once, with a sentence and the exit code 130, unless the command handles them.
pub(crate) fn leave_when_stopped(name: &'static str) {
    let sentence = format!("{name}: stopped\n");
    for signal in signals() {
        let sentence = sentence.clone();
        let leave = move || {
            if !ENDS_BY_ITSELF.load(Ordering::SeqCst) {
                // SAFETY: both calls may be made in a signal handler, and the bytes outlive the handler.
                unsafe {
                    nix::libc::write(2, sentence.as_ptr().cast(), sentence.len());
                    nix::libc::_exit(ExitCode::Interrupted as i32);
                }
            }
        };
        // SAFETY: the handler reads an atomic, writes and leaves; it takes no lock and allocates nothing.
        let registered = unsafe { signal_hook::low_level::register(signal, leave) };
        if let Err(error) = registered {
            log::debug!("signal {signal} is not handled: {error}");
        }
    }
}

/// A file that reaches the limit on its size (`LimitFSIZE` of a service, `ulimit -f`) is an error of that write, as on a full
/// disk. Without a handler the signal would end the program, and with it the line.
pub(crate) fn outlive_file_limits() {
    // SAFETY: the handler does nothing.
    let registered = unsafe { signal_hook::low_level::register(nix::libc::SIGXFSZ, || {}) };
    if let Err(error) = registered {
        log::debug!("SIGXFSZ is not handled: {error}");
    }
}

fn signals() -> Vec<i32> {
    match is_ignored(SIGHUP) {
        true => vec![SIGINT, SIGTERM],
        false => vec![SIGINT, SIGTERM, SIGHUP],
    }
}

fn is_ignored(signal: i32) -> bool {
    let mut action = std::mem::MaybeUninit::<nix::libc::sigaction>::uninit();
    // SAFETY: without a new action the call only writes the present one to where `action` points.
    let status = unsafe { nix::libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) };
    // SAFETY: the call succeeded, so it has written the action.
    status == 0 && unsafe { action.assume_init() }.sa_sigaction == nix::libc::SIG_IGN
}
