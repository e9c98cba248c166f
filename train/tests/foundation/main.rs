//! The foundation models: the reference pipeline reproduced, the whole way with hand-made networks, and what is refused.
//!
//! None of these networks is RAM++, GroundingDINO or SAM: the reference's have their layers and random weights, the others
//! return what a test chose. ONNX Runtime is fetched by tests/foundation/fetch.sh; without it the tests say that they were
//! skipped.

#![cfg(feature = "foundation")]

mod graph;
mod knowing;
mod reference;
mod refusals;
mod whole_way;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// ONNX Runtime's library, where `tests/foundation/fetch.sh` puts it.
fn onnxruntime() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_BIN_EXE_aecsad-train"))
        .ancestors()
        .nth(2)?;
    let library = target.join("onnxruntime/libonnxruntime.so");
    if !library.exists() {
        eprintln!("skipped: there is no ONNX Runtime; tests/foundation/fetch.sh fetches it");
        return None;
    }
    Some(library)
}

/// Runs the program with a cache of the test's own.
fn train(cache: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_aecsad-train"))
        .args(arguments)
        .env("XDG_CACHE_HOME", cache)
        .env_remove("ORT_DYLIB_PATH")
        .output()
        .unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
