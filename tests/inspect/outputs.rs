//! Where outputs go: devices, pipes, links, readers that have closed, full disks, and images under any name.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use aecsad_program::ExitCode;

use crate::fixture::{Fixture, aecsad, assert_refused, stderr, stdout};

/// A device that swallows everything, in a scratch folder; None where only root may make one.
fn device(fixture: &Fixture) -> Option<PathBuf> {
    let device = fixture.at("null");
    let made = Command::new("mknod")
        .arg(&device)
        .args(["c", "1", "3"])
        .output();
    let made = made.unwrap().status.success();
    if !made {
        eprintln!("not root: that devices stay devices is not tested");
    }
    made.then_some(device)
}

fn inspect(bundle: &Path, images: &Path, more: &[&dyn AsRef<OsStr>]) -> Output {
    let start: [&dyn AsRef<OsStr>; 4] = [&"inspect", &"--bundle", &bundle, &images];
    aecsad(&[&start[..], more].concat())
}

#[test]
fn a_table_goes_to_a_device_a_pipe_or_where_a_link_leads() {
    let fixture = Fixture::new();
    let bundle = fixture.bundle();
    let images = fixture
        .draw("parts/000.png", 2)
        .parent()
        .unwrap()
        .to_owned();
    if let Some(device) = device(&fixture) {
        let run = inspect(&bundle, &images, &[&"--csv", &device]);
        assert!(run.status.success(), "{}", stderr(&run));
        let kind = device.symlink_metadata().unwrap().file_type();
        assert!(kind.is_char_device(), "the device was replaced");
    }
    let pipe = fixture.at("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::read_to_string(pipe).unwrap()
    });
    let run = inspect(&bundle, &images, &[&"--csv", &pipe]);
    assert!(run.status.success(), "{}", stderr(&run));
    let table = reader.join().unwrap();
    assert!(table.starts_with("path,score") && table.lines().count() == 2);
    assert!(pipe.metadata().unwrap().file_type().is_fifo());

    // A file keeps its permissions, a link stays a link.
    let file = fixture.put("real.csv", b"old");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    let (link, dangling) = (fixture.at("link.csv"), fixture.at("dangling.csv"));
    symlink("real.csv", &link).unwrap();
    symlink("new.csv", &dangling).unwrap();
    for (link, target) in [(&link, "real.csv"), (&dangling, "new.csv")] {
        let run = inspect(&bundle, &images, &[&"--csv", link]);
        assert!(run.status.success(), "{}", stderr(&run));
        assert!(link.is_symlink());
        let written = std::fs::read_to_string(fixture.at(target)).unwrap();
        assert!(written.starts_with("path,score"), "{target}");
    }
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    let run = inspect(&bundle, &images, &[&"--csv", &"-"]);
    assert!(stdout(&run).starts_with("path,score"), "{}", stdout(&run));

    symlink("loop.csv", fixture.at("loop.csv")).unwrap();
    for (path, what) in [
        (fixture.at("loop.csv"), "links lead back to themselves"),
        (images.clone(), "it is a folder"),
        (fixture.at("none/x.csv"), "its folder is not there"),
    ] {
        let run = inspect(&bundle, &images, &[&"--csv", &path]);
        assert_refused(&run, ExitCode::Storage, what);
        let run = inspect(&bundle, &images, &[&"--heatmaps", &file]);
        assert_refused(
            &run,
            ExitCode::Storage,
            "it is a file, and a folder is needed",
        );
    }
}

#[test]
fn a_reader_that_has_exited_is_no_failure_and_a_full_disk_is_one() {
    let fixture = Fixture::new();
    let bundle = fixture.bundle();
    let images = fixture
        .draw("parts/000.png", 2)
        .parent()
        .unwrap()
        .to_owned();
    let commands: [&[&dyn AsRef<OsStr>]; 6] = [
        &[&"inspect", &"--bundle", &bundle, &images],
        &[&"inspect", &"--bundle", &bundle, &images, &"--csv", &"-"],
        &[&"inspect", &"--bundle", &bundle, &images, &"--json"],
        &[&"verify", &bundle],
        &[&"--help"],
        &[&"--version"],
    ];
    for arguments in commands {
        let named: Vec<_> = arguments.iter().map(|a| a.as_ref()).collect();
        let run = |out: Stdio, err: Stdio| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_aecsad"));
            command.args(&named).stdout(out).stderr(err);
            command.output().unwrap()
        };
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let closed = run(writer.try_clone().unwrap().into(), Stdio::piped());
        assert_eq!(
            closed.status.code(),
            Some(0),
            "{named:?} {}",
            stderr(&closed)
        );
        let unheard = run(Stdio::piped(), writer.into());
        assert_eq!(unheard.status.code(), Some(0), "{named:?}");
        let full = || File::options().write(true).open("/dev/full").unwrap();
        let unheard = run(Stdio::piped(), full().into());
        assert_eq!(unheard.status.code(), Some(0), "{named:?}");
        let refused = run(full().into(), Stdio::piped());
        assert_refused(
            &refused,
            ExitCode::Storage,
            "standard output can't be written",
        );
    }
}

#[test]
fn an_image_is_judged_under_any_name() {
    let fixture = Fixture::new();
    let bundle = fixture.bundle();
    let drawn = fixture.draw("drawn.png", 2);
    let content = std::fs::read(drawn).unwrap();
    let elsewhere = fixture.put("elsewhere/E.PNG", &content);
    fixture.put("parts/A.PNG", &content);
    fixture.put("parts/a, \"b\"\nc.png", &content);
    let parts = fixture.at("parts");
    std::fs::write(parts.join(OsStr::from_bytes(b"\xff.png")), &content).unwrap();
    symlink(elsewhere.parent().unwrap(), parts.join("link")).unwrap();
    symlink(&parts, parts.join("round")).unwrap();
    symlink("itself.png", parts.join("itself.png")).unwrap();
    let (maps, pictures) = (fixture.at("maps"), fixture.at("pictures"));
    let run = inspect(
        &bundle,
        &parts,
        &[&"--csv", &"-", &"--maps", &maps, &"--heatmaps", &pictures],
    );
    assert_refused(&run, ExitCode::Input, "1 of 5 images could not be read");
    let table = stdout(&run);
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    let named: Vec<(&str, &str)> = rows.iter().map(|row| (&row[0], &row[2])).collect();
    assert_eq!(
        named,
        [
            ("A.PNG", "good"),
            ("a, \"b\"\nc.png", "good"),
            ("itself.png", "unreadable"),
            ("link/E.PNG", "good"),
            (r"\xff.png", "good"),
        ]
    );
    for (folder, extension) in [(&maps, "npy"), (&pictures, "png")] {
        for name in [&b"A."[..], b"a, \"b\"\nc.", b"link/E.", b"\xff."] {
            let mut name = OsStr::from_bytes(name).to_owned();
            name.push(extension);
            assert!(folder.join(&name).is_file(), "{name:?}");
        }
    }
}

#[test]
fn no_output_takes_the_place_of_what_is_read() {
    let fixture = Fixture::new();
    let bundle = fixture.bundle();
    let image = fixture.draw("parts/000.png", 2);
    for input in [&bundle, &image] {
        let before = std::fs::read(input).unwrap();
        let run = inspect(&bundle, &image, &[&"--csv", input]);
        assert_refused(&run, ExitCode::Storage, "this command reads it");
        assert!(std::fs::read(input).unwrap() == before);
    }
}
