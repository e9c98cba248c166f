//! The runtime with TensorRT. What runs on the fake of `fake/` is in modules named after it, and each engine's name in its
//! output ends with "a fake GPU".

mod fake;
mod fake_station;
// Each binary uses a part of it.
#[allow(dead_code)]
#[path = "../inspect/fixture.rs"]
mod fixture;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fixture::Fixture;

const AECSAD: &str = env!("CARGO_BIN_EXE_aecsad");

/// The folder that `tests/tensorrt/prepare.sh` fills.
fn prepared() -> PathBuf {
    let target = Path::new(AECSAD).ancestors().nth(2).unwrap();
    target.join("tensorrt")
}

/// The plugin with the fake libraries, and a small bundle.
struct Fake {
    fixture: Fixture,
    libraries: PathBuf,
    /// The CPU engine, which the fake libraries compute with.
    cpu: PathBuf,
}

impl Fake {
    /// None where TensorRT's headers could not be fetched.
    fn new() -> Option<Self> {
        let libraries = prepared().join("fake");
        if !libraries.join("libaecsad_tensorrt.so").exists() {
            eprintln!(
                "skipped: there are no headers of TensorRT; tests/tensorrt/prepare.sh fetches them"
            );
            return None;
        }
        let built = Path::new(AECSAD).parent().unwrap();
        Some(Fake {
            fixture: Fixture::new(),
            libraries,
            cpu: built.join("examples/libfake_tensorrt_cpu.so"),
        })
    }

    /// `aecsad` where the fake is installed and has this fault.
    fn aecsad(&self, fault: &str) -> Command {
        let mut command = Command::new(AECSAD);
        command
            .env("LD_LIBRARY_PATH", &self.libraries)
            .env("LD_PRELOAD", &self.cpu)
            .env("AECSAD_TENSORRT_PLUGIN", self.plugin())
            .env("FAKE_TENSORRT_FAULT", fault);
        command
    }

    fn plugin(&self) -> PathBuf {
        self.libraries.join("libaecsad_tensorrt.so")
    }

    fn plans(&self) -> PathBuf {
        self.fixture.at("plans")
    }

    /// `aecsad COMMAND` on the fixture's bundle and one good part.
    fn judge(&self, fault: &str, engine: &str) -> Output {
        let part = self.fixture.draw("part.png", 3);
        let mut command = self.aecsad(fault);
        command.args(["inspect", "--engine", engine, "--bundle"]);
        command.arg(self.fixture.bundle()).arg(part);
        self.with_plans(command)
    }

    fn verify(&self, fault: &str, engine: &str) -> Output {
        let mut command = self.aecsad(fault);
        command.args(["verify", "--engine", engine]);
        command.arg(self.fixture.bundle());
        self.with_plans(command)
    }

    fn with_plans(&self, mut command: Command) -> Output {
        command.arg("--plans").arg(self.plans()).output().unwrap()
    }
}
