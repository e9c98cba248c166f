//! A station that no one watches: what it requires of the system, what it reports to the service manager, and when it
//! stops by itself.

use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::libc;

use super::{Line, STALLING, picture, printed, sentence};

/// The program without the rights that root would have to real-time priority and locked memory.
fn unprivileged(command: &mut Command) -> &mut Command {
    let lower = || {
        const CAP_IPC_LOCK: libc::c_ulong = 14;
        const CAP_SYS_NICE: libc::c_ulong = 23;
        let none = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: plain system calls, each with values that outlive it.
        unsafe {
            // Fails where there is nothing to take away.
            libc::prctl(libc::PR_CAPBSET_DROP, CAP_IPC_LOCK);
            libc::prctl(libc::PR_CAPBSET_DROP, CAP_SYS_NICE);
            libc::setrlimit(libc::RLIMIT_RTPRIO, &raw const none);
            libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const none);
        }
        Ok(())
    };
    // SAFETY: nothing but those calls happens between fork and exec.
    unsafe { command.pre_exec(lower) }
}

#[test]
fn what_the_system_does_not_permit_is_said_by_check_and_run() {
    let line = Line::new(2);
    line.change(
        "[conveyor]",
        "[system]\npriority = 50\nlock_memory = true\n[conveyor]",
    );
    let _actuator = line.actuator("pulses.csv", &[]);
    let checked = unprivileged(&mut line.program("check", &[]))
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&checked.stdout).into_owned();
    for sentence in [
        "FAIL  system    no real-time priority 50 (",
        "set LimitRTPRIO=50 in the service",
        "FAIL  system    memory can't be locked (",
        "set LimitMEMLOCK=infinity in the service",
    ] {
        assert!(report.contains(sentence), "{report}");
    }
    assert_eq!(checked.status.code(), Some(10));

    let ran = unprivileged(&mut line.program("run", &[]))
        .output()
        .unwrap();
    let (code, text) = printed(&ran);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("ALARM: no real-time priority 50"), "{text}");
    assert!(text.contains("ALARM: memory can't be locked"), "{text}");
    let table = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(table.contains("2 alarms"), "{table}");
}

#[test]
fn too_many_rejects_in_a_row_stop_the_station_with_its_sentence() {
    let line = Line::new(60);
    // Part 3 is bad, and now so is part 4.
    picture(&line.path("frames/004.png"), 220);
    line.change("[conveyor]", "[policy]\nrejects_in_a_row = 2\n[conveyor]");
    let _actuator = line.actuator("pulses.csv", &[]);
    let output = line.station("run", &[]).wait_with_output().unwrap();
    let (code, text) = printed(&output);
    assert_eq!(code, 8, "{text}");
    assert!(
        text.contains("2 parts in a row were to be rejected, part 4 last"),
        "{text}"
    );
    let pulsed = line.pulsed("pulses.csv");
    assert!(pulsed.starts_with(&[3, 4]), "{pulsed:?}");
}

/// What the station reports to its service manager.
fn reported(socket: &UnixDatagram) -> Vec<String> {
    let mut messages = Vec::new();
    let mut bytes = [0; 1024];
    while let Ok(length) = socket.recv(&mut bytes) {
        messages.push(String::from_utf8_lossy(&bytes[..length]).into_owned());
    }
    messages
}

#[test]
fn the_service_manager_s_watchdog_is_petted_until_the_engine_stalls() {
    let line = Line::new(60);
    picture(&line.path("frames/020.png"), STALLING);
    line.change("[conveyor]", "[watchdog]\npatience_s = 5\n[conveyor]");
    let place = line.path("notify");
    let socket = UnixDatagram::bind(&place).unwrap();
    socket.set_nonblocking(true).unwrap();
    let _actuator = line.actuator("pulses.csv", &[]);
    let mut station = line
        .program("run", &[])
        .env("NOTIFY_SOCKET", &place)
        .env("WATCHDOG_USEC", "60000000")
        .env_remove("WATCHDOG_PID")
        .spawn()
        .unwrap();
    // Part 20 comes after 2 s, and the patience ends 5 s later.
    let give_up = Instant::now() + Duration::from_secs(60);
    let mut all = Vec::new();
    let mut since_petted = Instant::now();
    while since_petted.elapsed() < Duration::from_secs(4) {
        assert!(Instant::now() < give_up, "it is petted for ever: {all:?}");
        let messages = reported(&socket);
        if messages
            .iter()
            .any(|message| message.contains("WATCHDOG=1"))
        {
            since_petted = Instant::now();
        }
        all.extend(messages);
        std::thread::sleep(Duration::from_millis(100));
    }
    let _ = station.kill();
    let (_, text) = said_by(station);
    assert!(
        all.first().is_some_and(|m| m.contains("READY=1")),
        "{all:?}"
    );
    let petted = all.iter().filter(|m| m.contains("WATCHDOG=1")).count();
    assert!(petted >= 5, "{all:?}");
    assert!(
        all.iter()
            .any(|m| m.starts_with("STATUS=") && m.contains(" parts, ")),
        "{all:?}"
    );
    assert!(text.contains("ALARM: a thread is stuck for"), "{text}");
    let late = "part 20 is rejected: its verdict did not come in time";
    assert!(text.contains(late), "{text}");
}

/// What a station printed that was killed.
fn said_by(station: std::process::Child) -> (Option<i32>, String) {
    let output = station.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), text)
}

#[test]
fn under_systemd_each_line_has_names_and_an_urgency() {
    let line = Line::new(3);
    let log = std::fs::File::create(line.path("journald")).unwrap();
    let stream = log.metadata().unwrap();
    let _actuator = line.actuator("pulses.csv", &[]);
    let output = line
        .program("run", &[])
        .env(
            "JOURNAL_STREAM",
            format!("{}:{}", stream.dev(), stream.ino()),
        )
        .stdout(log)
        .output()
        .unwrap();
    let (code, text) = printed(&output);
    assert_eq!(code, 0, "{text}");
    assert!(text.starts_with("<5>the actuator answers\n"), "{text}");
    // Where the machine is too busy for the actuator there are alarms as well.
    let urgent = |line: &str| line.starts_with("<5>") || line.starts_with("<4>ALARM: ");
    assert!(text.lines().all(urgent), "{text}");
    let table = std::fs::read_to_string(line.path("journald")).unwrap();
    let rows: Vec<&str> = table.lines().filter(|l| l.starts_with("part=")).collect();
    assert!(
        rows[0].starts_with(
            "part=1 cause=good score=30 threshold=0 p_value=0.5 branch=pooled latency_ms="
        ) && rows[0].ends_with(" pulse=none"),
        "{table}"
    );
    assert!(
        rows[2].starts_with("part=3 cause=bad score=220 ") && rows[2].contains(" pulse="),
        "{table}"
    );
    assert!(
        !table.contains('\u{1b}') && !table.contains("latency "),
        "{table}"
    );
}

/// Where a station has no other address it listens where the next test's would.
const OFF: &str = "[monitor]\nlisten = \"off\"\n";

#[test]
fn a_watchdog_or_an_address_that_can_t_be_had_is_said_before_the_line_starts() {
    let line = Line::new(1);
    let _actuator = line.actuator("pulses.csv", &[]);
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap();
    for (section, device) in [
        ("watchdog]\ndevice = \"/dev/null\"".to_owned(), "/dev/null"),
        (
            "watchdog]\ndevice = \"/dev/watchdog99\"".to_owned(),
            "/dev/watchdog99",
        ),
        (format!("monitor]\nlisten = \"{address}\""), "127.0.0.1"),
    ] {
        line.change(OFF, &format!("[{section}\n"));
        let output = line.station("run", &[]).wait_with_output().unwrap();
        let text = sentence(&output, 6);
        assert!(text.contains(device), "{text}");
        line.change(&format!("[{section}\n"), OFF);
    }
}

#[test]
fn a_station_that_did_not_ask_for_metrics_runs_without_them_where_the_usual_port_is_taken() {
    // It is taken by this test or by another program.
    let _held = std::net::TcpListener::bind("127.0.0.1:9464");
    let line = Line::new(2);
    line.change(OFF, "");
    let _actuator = line.actuator("pulses.csv", &[]);
    let output = line.station("run", &[]).wait_with_output().unwrap();
    let (code, text) = printed(&output);
    assert_eq!(code, 0, "{text}");
    assert!(
        text.contains("metrics can't be served on 127.0.0.1:9464"),
        "{text}"
    );
}

#[test]
fn the_service_that_is_deployed_is_one_that_systemd_takes() {
    let Ok(found) = Command::new("systemd-analyze").arg("--version").output() else {
        eprintln!("skipped: there is no systemd-analyze");
        return;
    };
    assert!(found.status.success());
    let unit = include_str!("../../deploy/aecsad.service");
    let program = "/usr/local/bin/aecsad";
    assert!(unit.contains(program));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("aecsad.service");
    std::fs::write(&path, unit.replace(program, super::AECSAD)).unwrap();
    let verified = Command::new("systemd-analyze")
        .arg("verify")
        .arg(&path)
        .output()
        .unwrap();
    assert_eq!(printed(&verified), (0, String::new()));
}
