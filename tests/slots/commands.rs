//! `flash`, `slots`, `rollback`, `select` and `verify` through the real program, on a small real bundle.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use aecsad::slots::Slots;
use aecsad::slots::storage::DiskFolder;
use aecsad_inspect::inspector::ENCODER;
use aecsad_program::ExitCode;
use minisign::KeyPair;

use super::fixture::{Fixture, aecsad, assert_refused, stderr, stdout};
use super::sign;

const AECSAD: &str = env!("CARGO_BIN_EXE_aecsad");

/// A folder with a station file, keys and signed bundles.
pub(super) struct Station {
    pub fixture: Fixture,
    key: KeyPair,
    pub config: PathBuf,
}

impl Station {
    pub fn new() -> Self {
        let fixture = Fixture::new();
        let key = KeyPair::generate_unencrypted_keypair().unwrap();
        let public = key.pk.to_box().unwrap().into_string();
        fixture.put("keys/line.pub", public.as_bytes());
        let config = fixture.put(
            "station.toml",
            b"[bundle]\nslots = \"slots\"\nkeys = \"keys\"\ntrial_parts = 20\n",
        );
        Station {
            fixture,
            key,
            config,
        }
    }

    /// A signed bundle of `drawn part` in this version.
    pub fn version(&mut self, version: u64) -> PathBuf {
        self.fixture.manifest().version = version;
        let name = format!("{version}.aecsad");
        let signer = |manifest: &[u8]| Ok(sign(&self.key, manifest));
        self.fixture.write_signed(&name, Some(&signer))
    }

    pub fn run(&self, arguments: &[&dyn AsRef<std::ffi::OsStr>]) -> Output {
        let mut all = arguments.to_vec();
        all.extend([&"--config" as &dyn AsRef<std::ffi::OsStr>, &self.config]);
        aecsad(&all)
    }

    pub fn flash(&self, bundle: &Path, flags: &[&str]) {
        let mut arguments: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![&"flash", &bundle];
        arguments.extend(flags.iter().map(|flag| flag as &dyn AsRef<std::ffi::OsStr>));
        let run = self.run(&arguments);
        assert!(run.status.success(), "{}", stderr(&run));
    }

    pub fn slots(&self) -> String {
        stdout(&self.run(&[&"slots"]))
    }

    fn confirm(&self) {
        let slots = Slots::lock(&self.fixture.at("slots")).unwrap();
        let state = slots.state().unwrap();
        let product = state.active_product().unwrap();
        let current = product.slot(product.current().unwrap()).unwrap();
        slots.confirm(&current.sha256).unwrap();
    }
}

#[test]
fn a_technician_s_day() {
    let mut station = Station::new();
    assert!(station.run(&[&"slots"]).status.code() == Some(ExitCode::Storage as i32));
    let first = station.version(1);
    let run = station.run(&[&"flash", &first]);
    assert!(run.status.success(), "{}", stderr(&run));
    for printed in ["signature", "content", "networks", "scores"] {
        assert!(
            stderr(&run).contains(&format!("ok    {printed}")),
            "{}",
            stderr(&run)
        );
    }
    assert!(stdout(&run).contains("drawn part version 1 is in slot A, on trial"));
    assert!(stdout(&run).contains("20 parts confirm it"));
    station.confirm();

    let second = station.version(2);
    // As a stream, the way `ssh station aecsad flash -` sends it.
    let mut child = Command::new(env!("CARGO_BIN_EXE_aecsad"))
        .args(["flash", "-", "--config"])
        .arg(&station.config)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let bytes = std::fs::read(&second).unwrap();
    child.stdin.take().unwrap().write_all(&bytes).unwrap();
    let run = child.wait_with_output().unwrap();
    assert!(run.status.success(), "{}", stderr(&run));
    assert!(
        stdout(&run).contains("version 1 comes back by itself"),
        "{}",
        stdout(&run)
    );
    let shown = station.slots();
    assert!(
        shown.contains("  A  version 1 ") && shown.contains("→ B  version 2 "),
        "{shown}"
    );
    station.confirm();

    let run = station.run(&[&"flash", &first]);
    assert_refused(&run, ExitCode::Older, "--allow-downgrade");
    let run = station.run(&[&"rollback"]);
    assert!(
        stdout(&run).contains("drawn part is back at version 1"),
        "{}",
        stderr(&run)
    );
    assert!(station.slots().contains("→ A  version 1 "));
    let run = station.run(&[&"select", &"nut"]);
    assert_refused(&run, ExitCode::Product, "there is: drawn part");
    let json = stdout(&station.run(&[&"slots", &"--json"]));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["product"][0]["floor"], 2);

    station.fixture.manifest().product = "another part".into();
    let other = station.version(1);
    let run = station.run(&[&"flash", &other]);
    assert_refused(&run, ExitCode::Product, "--add-product");
    let run = station.run(&[&"flash", &other, &"--add-product"]);
    assert!(
        stdout(&run).contains("aecsad select \"another part\""),
        "{}",
        stderr(&run)
    );
    let run = station.run(&[&"select", &"another part"]);
    assert!(run.status.success(), "{}", stderr(&run));
}

#[test]
fn two_flashes_can_t_meet() {
    let mut station = Station::new();
    let bundle = station.version(1);
    let held = DiskFolder::open_locked(&station.fixture.at("slots")).unwrap();
    let run = station.run(&[&"flash", &bundle]);
    assert_refused(
        &run,
        ExitCode::Busy,
        "another program is changing the slots",
    );
    drop(held);
    assert!(station.run(&[&"flash", &bundle]).status.success());
}

#[test]
fn a_bundle_that_scores_otherwise_here_is_refused() {
    let mut station = Station::new();
    // Smaller than any float can keep to: as if this machine computed something else.
    let entry = station.fixture.entry(aecsad_inspect::golden::EXPECTED);
    let last = entry.len() - 1;
    entry[last] ^= 0x40;
    let bundle = station.version(1);
    let run = station.run(&[&"flash", &bundle]);
    assert_refused(
        &run,
        ExitCode::Bundle,
        "on this machine golden/007.png has the score",
    );
    assert!(station.slots().contains("nothing is installed yet"));
}

#[test]
fn a_bundle_with_too_little_to_prove_is_refused() {
    let mut station = Station::new();
    station.fixture.remove_entries("golden/007.png");
    let bundle = station.version(1);
    let run = station.run(&[&"flash", &bundle]);
    assert_refused(
        &run,
        ExitCode::Bundle,
        "7 golden images where 8 to 16 are needed",
    );
}

#[test]
fn a_picture_that_unpacks_to_gigabytes_is_refused() {
    let mut station = Station::new();
    let bomb = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/images/huge.png"
    );
    *station.fixture.entry("golden/003.png") = std::fs::read(bomb).unwrap();
    let bundle = station.version(1);
    let run = station.run(&[&"flash", &bundle]);
    assert_refused(&run, ExitCode::Bundle, "golden/003.png");
}

#[test]
fn a_network_that_is_not_ours_is_refused() {
    let mut station = Station::new();
    // ModelProto.graph (7) { node (1) { op_type (4): "Loop" } }, which a decoder merges into the graph that is there.
    let hostile = [0x3a, 0x08, 0x0a, 0x06, 0x22, 0x04, b'L', b'o', b'o', b'p'];
    station.fixture.entry(ENCODER).extend(hostile);
    let bundle = station.version(1);
    let run = station.run(&[&"flash", &bundle]);
    assert_refused(&run, ExitCode::Bundle, "operator `Loop` is none of ours");
}

#[test]
fn a_disk_that_can_t_hold_it_leaves_nothing_behind() {
    let mut station = Station::new();
    let first = station.version(1);
    assert!(station.run(&[&"flash", &first]).status.success());
    let before = station.fixture.files("slots");
    let second = station.version(2);
    // A limit on file sizes fails writes just as a full disk does.
    let script = "ulimit -f 1000; exec \"$0\" flash \"$1\" --config \"$2\"";
    let run = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_aecsad")])
        .args([&second, &station.config])
        .output()
        .unwrap();
    assert_refused(&run, ExitCode::Storage, "the slots can't be written");
    assert_eq!(station.fixture.files("slots"), before);
}

#[test]
fn unsigned_damaged_and_missing_files_have_their_exit_codes() {
    let mut station = Station::new();
    let unsigned = station.fixture.bundle();
    assert_refused(
        &station.run(&[&"flash", &unsigned]),
        ExitCode::Bundle,
        "it isn't signed",
    );
    let missing = station.fixture.at("none.aecsad");
    assert_refused(
        &station.run(&[&"flash", &missing]),
        ExitCode::Bundle,
        "can't be opened",
    );
    let bytes = std::fs::read(station.version(1)).unwrap();
    let cut = station.fixture.put("cut.aecsad", &bytes[..bytes.len() / 2]);
    assert_refused(
        &station.run(&[&"flash", &cut]),
        ExitCode::Bundle,
        "copy the bundle again",
    );
    station
        .fixture
        .put("station.toml", b"[bundle]\npath = \"a.aecsad\"\n");
    assert_refused(
        &station.run(&[&"flash", &cut]),
        ExitCode::Config,
        "bundle.slots",
    );
    let run = aecsad(&[
        &"verify",
        &station.version(1),
        &"--keys",
        &station.fixture.at("keys"),
    ]);
    assert!(stdout(&run).contains("signed with key"), "{}", stderr(&run));
}

/// SIGKILL at any time of a flash, on a real file system. The page cache survives it, unlike a power cut's: what is not
/// synced is for the simulated disk to show.
#[test]
fn killed_at_any_time_the_station_has_the_old_or_the_new_bundle_whole() {
    let mut station = Station::new();
    let first = station.version(1);
    assert!(station.run(&[&"flash", &first]).status.success());
    station.confirm();
    let second = station.version(2);
    let flash = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aecsad"));
        command
            .arg("flash")
            .arg(&second)
            .arg("--config")
            .arg(&station.config);
        command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let began = std::time::Instant::now();
    assert!(flash().wait().unwrap().success());
    let whole = began.elapsed();
    assert!(station.run(&[&"rollback"]).status.success());
    let trust = aecsad_inspect::bundle::Trust::Anyone;
    let (mut old, mut new) = (0, 0);
    for round in 1..=20 {
        let mut child = flash();
        std::thread::sleep(whole * round / 18);
        let _ = child.kill();
        child.wait().unwrap();
        let slots = Slots::lock(&station.fixture.at("slots")).unwrap();
        assert!(
            slots
                .inspect(&trust)
                .unwrap()
                .iter()
                .all(|(_, _, whole)| whole.is_ok())
        );
        let started = slots.start(&trust).unwrap();
        assert_eq!(started.alarms, Vec::<String>::new());
        match started.bundle.manifest.version {
            1 => old += 1,
            2 => {
                new += 1;
                slots.roll_back().unwrap();
            }
            other => panic!("version {other}"),
        }
    }
    println!(
        "20 flashes killed: {old} times the old bundle, {new} times the new one, never half of one"
    );
}

/// Not a test of its own: makes the disk over which `tests/hil` cuts the power, with version 1 at work and proven, and
/// version 2 beside it to be flashed.
#[test]
#[ignore = "run by tests/hil/run.sh"]
fn slots_for_the_virtual_machine() {
    let Some(disk) = std::env::var_os("AECSAD_HIL_SLOTS").map(PathBuf::from) else {
        return;
    };
    let mut station = Station::new();
    let first = station.version(1);
    assert!(station.run(&[&"flash", &first]).status.success());
    station.confirm();
    let second = station.version(2);
    for folder in ["slots", "keys"] {
        std::fs::create_dir_all(disk.join(folder)).unwrap();
        for name in station.fixture.files(folder) {
            let from = station.fixture.at(folder).join(&name);
            std::fs::copy(from, disk.join(folder).join(name)).unwrap();
        }
    }
    std::fs::copy(second, disk.join("2.aecsad")).unwrap();
}

fn as_nobody(command: &mut Command) -> &mut Command {
    use std::os::unix::process::CommandExt;
    command.uid(65_534).gid(65_534)
}

/// Technicians flash as root, with whatever umask root has; the station's user must be able to start with it and
/// confirm it.
#[test]
fn what_root_flashes_belongs_to_the_station_s_user() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let mut station = Station::new();
    let bundle = station.version(1);
    let home = station.fixture.at("");
    for path in [home.as_path(), &station.config, &station.fixture.at("keys")] {
        std::os::unix::fs::chown(path, Some(65_534), Some(65_534)).unwrap();
    }
    let script = "umask 077; exec \"$0\" flash \"$1\" --config \"$2\"";
    let run = Command::new("sh")
        .args(["-c", script, AECSAD])
        .args([&bundle, &station.config])
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", stderr(&run));
    // A copy: the folder of the build may be closed to others.
    let program = station.fixture.at("aecsad");
    std::fs::copy(AECSAD, &program).unwrap();
    let of_station = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        command.args(arguments).arg("--config").arg(&station.config);
        as_nobody(&mut command).output().unwrap()
    };
    let shown = of_station(&["slots"]);
    assert!(
        stdout(&shown).contains("→ A  version 1"),
        "{}",
        stderr(&shown)
    );
    assert!(!stdout(&shown).contains("UNUSABLE"), "{}", stdout(&shown));
    // It changes what root has made.
    let selected = of_station(&["select", "drawn part"]);
    assert!(selected.status.success(), "{}", stderr(&selected));
    let names = station.fixture.files("slots");
    for name in names {
        use std::os::unix::fs::MetadataExt;
        let file = station.fixture.at("slots").join(&name).metadata().unwrap();
        assert_eq!((file.uid(), file.mode() & 0o777), (65_534, 0o644), "{name}");
    }

    // What may not be read may be whole.
    for copy in ["slots/state.toml", "slots/state.copy.toml"] {
        let closed = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(station.fixture.at(copy), closed).unwrap();
        std::os::unix::fs::chown(station.fixture.at(copy), Some(0), Some(0)).unwrap();
    }
    let shown = of_station(&["slots"]);
    assert_refused(&shown, ExitCode::Storage, "read permission");
    assert!(
        !stderr(&shown).contains("delete both"),
        "{}",
        stderr(&shown)
    );
}
