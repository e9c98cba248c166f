//! What goes wrong for a user of `inspect`: one sentence, its own exit code, nothing half-written.

use std::io::Read;
use std::process::{Command, Stdio};

use aecsad_inspect::arrays::Arrays;
use aecsad_inspect::branches::Branch;
use aecsad_inspect::frame::Size;
use aecsad_inspect::inspector::STATISTICS;
use aecsad_inspect::network::STACKED;
use aecsad_program::ExitCode;
use ndarray::{Array1, Array2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::fixture::{Fixture, aecsad, assert_refused, stderr, stdout};

#[test]
fn an_unreadable_image_among_good_ones_is_named_and_the_others_are_judged() {
    let fixture = Fixture::new();
    fixture.draw("parts/000.png", 2);
    let whole = std::fs::read(fixture.draw("parts/002.png", 3)).unwrap();
    fixture.put("parts/001.png", &whole[..whole.len() / 2]);
    fixture.put("parts/003.tif", b"");
    // Opening a pipe without a writer waits for ever.
    let pipe = fixture.at("parts/004.png");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let csv = fixture.at("scores.csv");
    let (bundle, folder) = (fixture.bundle(), fixture.at("parts"));
    let run = aecsad(&[&"inspect", &"--bundle", &bundle, &folder, &"--csv", &csv]);
    assert_refused(&run, ExitCode::Input, "3 of 5 images could not be read");
    let printed = stderr(&run);
    assert!(
        printed.contains("001.png: the image is cut short"),
        "{printed}"
    );
    assert!(
        printed.contains("003.tif: the image file is empty"),
        "{printed}"
    );
    assert!(printed.contains("004.png"), "{printed}");
    let rows = std::fs::read_to_string(&csv).unwrap();
    let verdicts: Vec<&str> = rows
        .lines()
        .skip(1)
        .filter_map(|row| row.split(',').nth(2))
        .collect();
    assert_eq!(
        verdicts,
        ["good", "unreadable", "good", "unreadable", "unreadable"]
    );
    assert!(
        rows.contains("\n001.png,,unreadable,,,,,,,,,,,,,,,,\n"),
        "{rows}"
    );
}

#[test]
fn without_images_there_is_nothing_to_judge() {
    let fixture = Fixture::new();
    fixture.put("empty/notes.txt", b"");
    let (bundle, empty) = (fixture.bundle(), fixture.at("empty"));
    let run = aecsad(&[&"inspect", &"--bundle", &bundle, &empty]);
    assert_refused(&run, ExitCode::Input, "there are no images in ");
    let run = aecsad(&[&"inspect", &"--bundle", &bundle, &fixture.at("nowhere")]);
    assert_refused(&run, ExitCode::Input, "check the path");
}

#[test]
fn a_bundle_that_is_missing_or_cut_short_is_refused() {
    let fixture = Fixture::new();
    let image = fixture.draw("000.png", 2);
    let run = aecsad(&[&"inspect", &"--bundle", &fixture.at("none.aecsad"), &image]);
    assert_refused(
        &run,
        ExitCode::Bundle,
        "none.aecsad: the bundle can't be opened",
    );
    let bytes = std::fs::read(fixture.bundle()).unwrap();
    let cut = fixture.put("cut.aecsad", &bytes[..bytes.len() / 3]);
    for command in ["inspect", "bench"] {
        let mut arguments: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![&command, &"--bundle", &cut];
        if command == "inspect" {
            arguments.push(&image);
        }
        assert_refused(
            &aecsad(&arguments),
            ExitCode::Bundle,
            "copy the bundle again",
        );
    }
}

/// As a bundle of an earlier version is, whose branch of that name kept other statistics.
#[test]
fn verdicts_that_count_on_a_branch_without_statistics_are_refused() {
    let mut fixture = Fixture::new();
    let image = fixture.draw("000.png", 2);
    fixture.manifest().branches[0].name = Branch::Patch;
    let run = aecsad(&[&"inspect", &"--bundle", &fixture.bundle(), &image]);
    assert_refused(
        &run,
        ExitCode::Bundle,
        "parts.aecsad: the bundle's verdicts count on `patch` and its statistics lack it",
    );
}

#[test]
fn a_place_that_can_t_be_written_is_found_before_the_first_image() {
    let fixture = Fixture::new();
    let image = fixture.draw("000.png", 2);
    let bundle = fixture.bundle();
    let file = fixture.put("a file", b"kept");
    let below = file.join("below");
    let missing = fixture.at("no folder/scores.csv");
    let folder = fixture.at(".");
    for (flag, place) in [
        ("--maps", &below),
        ("--heatmaps", &file),
        ("--csv", &missing),
        ("--csv", &folder),
    ] {
        let run = aecsad(&[&"inspect", &"--bundle", &bundle, &image, &flag, place]);
        assert_refused(&run, ExitCode::Storage, "can't be written");
        assert!(stdout(&run).is_empty());
    }
    assert_eq!(std::fs::read(&file).unwrap(), b"kept");
    // Read-only kernel files refuse everyone, root too.
    let proc = std::path::Path::new("/proc/maps");
    let run = aecsad(&[&"inspect", &"--bundle", &bundle, &image, &"--maps", &proc]);
    assert_refused(&run, ExitCode::Storage, "can't be written");
}

/// A limit on file sizes fails writes just as a full disk does, in the middle of a file.
#[test]
fn a_disk_that_fills_up_leaves_nothing_half_written() {
    let fixture = Fixture::new();
    fixture.draw("parts/000.png", 2);
    fixture.bundle();
    fixture.put("out/scores.csv", b"before");
    let limited = |arguments: &str| {
        let program = env!("CARGO_BIN_EXE_aecsad");
        let script =
            format!("ulimit -f 1; exec {program} inspect --bundle parts.aecsad {arguments}");
        Command::new("sh")
            .args(["-c", &script])
            .current_dir(fixture.at("."))
            .output()
            .unwrap()
    };
    let run = limited("parts --maps out/maps --csv out/scores.csv");
    assert_refused(&run, ExitCode::Storage, "000.npy can't be written");
    assert_eq!(fixture.files("out"), ["scores.csv"]);
    assert_eq!(
        std::fs::read(fixture.at("out/scores.csv")).unwrap(),
        b"before"
    );
    for part in 0..30 {
        fixture.put(&format!("many/{part}.png"), b"not an image, but a row");
    }
    let run = limited("many --csv out/scores.csv");
    assert_refused(&run, ExitCode::Storage, "scores.csv can't be written");
    assert_eq!(fixture.files("out"), ["scores.csv"]);
    assert_eq!(
        std::fs::read(fixture.at("out/scores.csv")).unwrap(),
        b"before"
    );
}

#[test]
fn a_full_standard_output_is_an_error_and_a_closed_one_is_not() {
    let fixture = Fixture::new();
    for part in 0..4 {
        fixture.draw(&format!("parts/{part}.png"), part);
    }
    let (bundle, folder) = (fixture.bundle(), fixture.at("parts"));
    let command = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aecsad"));
        command.args(["inspect", "--bundle"]).arg(&bundle);
        command.arg(&folder).stderr(Stdio::piped());
        command
    };
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
    let run = command().stdout(full.unwrap()).output().unwrap();
    assert_refused(&run, ExitCode::Storage, "standard output can't be written");

    let mut child = command().stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut printed = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut printed)
        .unwrap();
    assert!(child.wait().unwrap().success(), "{printed}");
    assert!(!printed.contains("panicked"), "{printed}");
}

#[test]
fn images_are_never_overwritten_by_their_pictures() {
    let fixture = Fixture::new();
    let image = fixture.draw("parts/000.png", 2);
    let before = std::fs::read(&image).unwrap();
    let (bundle, folder) = (fixture.bundle(), fixture.at("parts"));
    let run = aecsad(&[
        &"inspect",
        &"--bundle",
        &bundle,
        &folder,
        &"--heatmaps",
        &folder,
    ]);
    assert_refused(&run, ExitCode::Input, "name another folder");
    assert_eq!(std::fs::read(&image).unwrap(), before);
    fixture.put("parts/000.jpg", b"");
    let maps = fixture.at("maps");
    let run = aecsad(&[&"inspect", &"--bundle", &bundle, &folder, &"--maps", &maps]);
    assert_refused(&run, ExitCode::Input, "would share one map file");
}

#[test]
fn ctrl_c_leaves_whole_maps_and_no_table() {
    let fixture = Fixture::new();
    for part in 0..300 {
        std::fs::create_dir_all(fixture.at("parts")).unwrap();
        match part {
            0 => drop(fixture.draw("parts/000.png", 2)),
            _ => {
                let copy = fixture.at(&format!("parts/{part:03}.png"));
                std::fs::hard_link(fixture.at("parts/000.png"), copy).unwrap();
            }
        }
    }
    let out = fixture.at("out");
    std::fs::create_dir(&out).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_aecsad"))
        .args(["inspect", "--bundle"])
        .arg(fixture.bundle())
        .arg(fixture.at("parts"))
        .args(["--json", "--csv"])
        .arg(out.join("scores.csv"))
        .arg("--maps")
        .arg(out.join("maps"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The first line says that it is at work.
    let mut byte = [0];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut byte)
        .unwrap();
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    let run = child.wait_with_output().unwrap();
    assert_refused(&run, ExitCode::Interrupted, "of 300 images");
    let files = fixture.files("out");
    assert!(!files.is_empty() && files.len() < 300, "{}", files.len());
    for file in files {
        assert!(
            file.ends_with(".npy") && !file.contains(".aecsad-"),
            "{file}"
        );
        let bytes = std::fs::metadata(out.join(file)).unwrap().len();
        assert_eq!(bytes, 128 + 4 * 150 * 200);
    }
}

#[test]
fn a_fine_view_that_contradicts_itself_is_refused() {
    let mut fixture = Fixture::new();
    let entry = fixture.entry(STATISTICS);
    let mut arrays = Arrays::from_bytes(entry, STATISTICS).unwrap();
    arrays.insert("fine.matrix", Array2::<f32>::zeros((STACKED, 3)));
    arrays.insert("fine.offset", Array1::<f32>::zeros(3));
    let refused = |fixture: &mut Fixture, arrays: &Arrays, what: &str| {
        *fixture.entry(STATISTICS) = arrays.to_bytes().unwrap();
        let run = aecsad(&[&"verify", &fixture.write("fine.aecsad")]);
        assert_refused(&run, ExitCode::Bundle, what);
    };
    refused(&mut fixture, &arrays, "`fine.cells`");
    for cells in [[0.0f32, 8.0], [8.0, 1e9]] {
        arrays.insert("fine.cells", Array1::from(cells.to_vec()));
        refused(&mut fixture, &arrays, "1 to 512 rows and columns");
    }
    arrays.insert("fine.cells", Array1::from(vec![8.0f32, 8.0]));
    refused(&mut fixture, &arrays, "contradict each other");
    fixture.manifest().input.fine = Some(Size {
        width: 128,
        height: 128,
    });
    refused(&mut fixture, &arrays, "contradict each other");
}
