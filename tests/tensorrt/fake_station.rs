//! A station on the fake: a GPU that fails in the middle of a line, and a bundle that is compiled while the line runs.

use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aecsad_inspect::bundle::UNTRUSTED_COMMENT;
use aecsad_inspect::inspector::ENCODER;
use aecsad_program::ExitCode;
use minisign::KeyPair;

use crate::fixture::{assert_refused, stderr, stdout};
use crate::{AECSAD, Fake};

const PARTS: u64 = 12;

impl Fake {
    /// A station file for these bundles, and pictures of good parts.
    fn station(&self, bundle: &str, travel_ms: u32) {
        for part in 1..=PARTS {
            self.fixture
                .draw(&format!("frames/{part:02}.png"), part % 8);
        }
        let plans = self.plans();
        let text = format!(
            "[bundle]\n{bundle}[camera]\nkind = \"folder\"\npath = \"frames\"\nrate_per_min = 120\n\
             [conveyor]\ntravel_ms = {travel_ms}\n\
             [reject]\nkind = \"framed\"\ndevice = \"gate\"\npulse_ms = 20\nmargin_ms = 300\n\
             [monitor]\nlisten = \"off\"\n[system]\nengine = \"tensorrt\"\nplans = {plans:?}\n"
        );
        self.fixture.put("station.toml", text.as_bytes());
    }

    /// The station, up to its last part.
    fn line(&self, fault: &str) -> Command {
        let limit = PARTS.to_string();
        let mut command = self.aecsad(fault);
        command.args(["run", "--csv", "-", "--limit", &limit, "--config"]);
        command.arg(self.fixture.at("station.toml"));
        command
    }

    /// Runs the station to its last part; what it printed on standard output and on standard error.
    fn run_line(&self, fault: &str) -> (String, String) {
        let _actuator = self.actuator();
        let run = self.line(fault).output().unwrap();
        assert!(run.status.success(), "{}", stderr(&run));
        (stdout(&run), stderr(&run))
    }

    fn actuator(&self) -> Stopped {
        let gate = self.fixture.at("gate");
        let mut command = Command::new(AECSAD);
        command.args(["simulate-rejector", "--pty-link"]).arg(&gate);
        let actuator = Stopped(command.stdout(Stdio::null()).spawn().unwrap());
        until("the actuator", || gate.exists());
        actuator
    }
}

/// A process that ends with the test.
struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_gpu_that_fails_costs_one_verdict_and_the_cpu_goes_on() {
    let Some(fake) = Fake::new() else { return };
    fake.station("path = \"parts.aecsad\"\n", 10_000);
    fake.fixture.bundle();
    // Eight golden images come first.
    let (rows, said) = fake.run_line("run:12");
    assert!(
        said.contains("engine: TensorRT ") && said.contains("a fake GPU"),
        "{said}"
    );
    let why = "the GPU failed, so this part has no verdict";
    assert_eq!(said.matches(why).count(), 1, "{said}");
    assert!(
        said.contains("the CPU goes on with the next part"),
        "{said}"
    );
    let good = rows.lines().filter(|row| row.contains(",good,")).count();
    assert_eq!(good as u64, PARTS - 1, "{rows}");
}

#[test]
fn a_cpu_that_is_too_slow_is_reported_at_the_start_and_takes_nothing_over() {
    let Some(fake) = Fake::new() else { return };
    // A part has a millisecond more than the link needs.
    fake.station("path = \"parts.aecsad\"\n", 301);
    fake.fixture.bundle();
    let mut command = fake.aecsad("");
    command
        .args(["check", "--config"])
        .arg(fake.fixture.at("station.toml"));
    let checked = stdout(&command.output().unwrap());
    assert!(
        checked.contains("if the GPU fails, the CPU can't take over"),
        "{checked}"
    );
    assert!(checked.contains("TensorRT "), "{checked}");
}

#[test]
fn a_station_that_requests_what_is_not_there_does_not_start() {
    let Some(fake) = Fake::new() else { return };
    fake.station("path = \"parts.aecsad\"\n", 10_000);
    fake.fixture.bundle();
    let _actuator = fake.actuator();
    let mut command = fake.aecsad("no-gpu");
    command
        .args(["run", "--config"])
        .arg(fake.fixture.at("station.toml"));
    assert_refused(
        &command.output().unwrap(),
        ExitCode::Engine,
        "the driver reports no GPU",
    );
}

#[test]
fn a_flash_compiles_a_network_while_the_line_runs_and_the_line_only_loads_it() {
    let Some(mut fake) = Fake::new() else { return };
    fake.station(
        "slots = \"slots\"\nkeys = \"keys\"\ntrial_parts = 4\n",
        10_000,
    );
    let key = KeyPair::generate_unencrypted_keypair().unwrap();
    let public = key.pk.to_box().unwrap().into_string();
    fake.fixture.put("keys/line.pub", public.as_bytes());
    fake.flash(&key, 1);

    let _actuator = fake.actuator();
    let printed = fake.fixture.at("printed.txt");
    let mut command = fake.line("");
    command
        .stderr(File::create(&printed).unwrap())
        .stdout(Stdio::piped());
    let line = command.spawn().unwrap();
    let said = || std::fs::read_to_string(&printed).unwrap();
    until("the line runs", || said().contains("engine: TensorRT"));

    // The same network to ONNX, and another one to a cache: a remark at the end of the file.
    fake.fixture.entry(ENCODER).extend([0x32, 1, b'x']);
    let proof = fake.flash(&key, 2);
    assert!(proof.contains("compiles it"), "{proof}");
    assert!(proof.contains("networks   run on TensorRT"), "{proof}");

    let ended = line.wait_with_output().unwrap();
    let (rows, said) = (stdout(&ended), said());
    assert!(ended.status.success(), "{said}");
    assert!(
        said.contains("version 2 takes over from the next part on"),
        "{said}"
    );
    assert!(!said.contains("compiles it"), "{said}");
    let good = rows.lines().filter(|row| row.contains(",good,")).count();
    assert_eq!(good as u64, PARTS, "{rows}");
}

impl Fake {
    /// Flashes the fixture's bundle in this version, signed; gives what was printed.
    fn flash(&mut self, key: &KeyPair, version: u64) -> String {
        self.fixture.manifest().version = version;
        let signer = |manifest: &[u8]| {
            let comment = Some("file:manifest.toml");
            let signed = minisign::sign(None, &key.sk, manifest, comment, Some(UNTRUSTED_COMMENT));
            Ok(signed.unwrap().into_string())
        };
        let bundle = self.fixture.write_signed("flashed.aecsad", Some(&signer));
        let mut command = self.aecsad("");
        command.arg("flash").arg(bundle).arg("--config");
        let flashed = command
            .arg(self.fixture.at("station.toml"))
            .output()
            .unwrap();
        assert!(flashed.status.success(), "{}", stderr(&flashed));
        stderr(&flashed)
    }
}

#[track_caller]
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
