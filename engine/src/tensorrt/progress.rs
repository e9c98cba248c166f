//! What the library says while it works: its log, and how far a build is.

use std::ffi::{CStr, c_char};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use aecsad_program::standard_streams::note;

/// How often a build is reported.
const EVERY: Duration = Duration::from_secs(10);

static REPORTED: Mutex<Option<Instant>> = Mutex::new(None);

/// The library's log, from any of its threads.
pub(super) extern "C" fn log(severity: i32, sentence: *const c_char) {
    // A panic must not reach the library.
    let _ = std::panic::catch_unwind(|| {
        // SAFETY: the plugin hands over a sentence that ends with 0 and is valid during the call.
        let sentence = unsafe { CStr::from_ptr(sentence) }.to_string_lossy();
        match severity {
            ..=1 => log::warn!("TensorRT: {sentence}"),
            2 => log::info!("TensorRT: {sentence}"),
            _ => log::debug!("TensorRT: {sentence}"),
        }
    });
}

/// A build's progress, from the thread that builds.
pub(super) extern "C" fn report(phase: *const c_char, step: i32, steps: i32) {
    let _ = std::panic::catch_unwind(|| {
        let Ok(mut reported) = REPORTED.lock() else {
            return;
        };
        let due = reported.is_none_or(|at| at.elapsed() >= EVERY);
        if due && step > 0 {
            *reported = Some(Instant::now());
            // SAFETY: as above.
            let phase = unsafe { CStr::from_ptr(phase) }.to_string_lossy();
            note(format_args!("TensorRT: {phase}, step {step} of {steps}"));
        }
    });
}
