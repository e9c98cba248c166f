//! Signals that end a program in good order.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// What asks a program to stop. The loss of the terminal does, unless the program was started so as to outlive it (nohup).
pub fn stop_signals() -> Vec<i32> {
    match is_ignored(SIGHUP) {
        true => vec![SIGINT, SIGTERM],
        false => vec![SIGINT, SIGTERM, SIGHUP],
    }
}

fn is_ignored(signal: i32) -> bool {
    let mut action = std::mem::MaybeUninit::<nix::libc::sigaction>::uninit();
    // SAFETY: without a new action the call only writes the present one to where `action` points.
    let asked = unsafe { nix::libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) };
    // SAFETY: the call succeeded, so it has written the action.
    asked == 0 && unsafe { action.assume_init() }.sa_sigaction == nix::libc::SIG_IGN
}
