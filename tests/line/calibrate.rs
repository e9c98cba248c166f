//! `aecsad calibrate` on the demo's own parts: what doesn't belong among good parts must not set a threshold.

use std::path::Path;

use aecsad::calibration::Calibration;
use image::{Rgb, RgbImage};

use super::{Line, printed};

/// Parts of the demo that are bad.
const BAD: [usize; 14] = [4, 5, 9, 15, 18, 19, 23, 25, 31, 32, 37, 39, 42, 57];
const BUNDLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models/demo.aecsad");
/// The bundle's own threshold.
const OWN: f32 = 12.23;

/// A station with the demo's bundle whose camera shows these pictures, which are files.
fn station(pictures: impl IntoIterator<Item = String>) -> Line {
    let line = Line::new(0);
    line.change(
        "path = \"none.aecsad\"",
        &format!("path = {BUNDLE:?}\ndemo = true"),
    );
    for (at, picture) in pictures.into_iter().enumerate() {
        let to = line.path(&format!("frames/{at:02}.png"));
        std::fs::copy(picture, to).unwrap();
    }
    line
}

fn part(number: usize) -> String {
    let parts = concat!(env!("CARGO_MANIFEST_DIR"), "/models/demo-parts");
    format!("{parts}/part-{number:02}.png")
}

fn good_parts() -> impl Iterator<Item = String> {
    (1..=60).filter(|number| !BAD.contains(number)).map(part)
}

fn calibrate(line: &Line, flags: &[&str]) -> (i32, String, String) {
    let output = std::process::Command::new(super::AECSAD)
        .args(["calibrate", "--config", "station.toml"])
        .args(flags)
        .current_dir(line.path(""))
        .output()
        .unwrap();
    let (code, printed) = printed(&output);
    (
        code,
        printed,
        String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}

fn calibration(line: &Line) -> Calibration {
    let text = std::fs::read_to_string(line.path("calibration.toml")).unwrap();
    toml::from_str(&text).unwrap()
}

#[test]
fn a_bad_part_is_named_and_sets_no_threshold() {
    let line = station(std::iter::once(part(57)).chain(good_parts().take(25)));
    let (code, stderr, stdout) = calibrate(&line, &[]);
    assert_eq!(code, 0, "{stderr}");
    assert!(
        stdout.contains("part 1 of 21 lies far off all others"),
        "{stdout}"
    );
    assert!(stdout.contains("calibration.png"), "{stdout}");
    let found = calibration(&line);
    assert_eq!(found.parts, 20);
    assert!(found.threshold < OWN, "{}", found.threshold);
    let sheet = image::open(line.path("calibration.png")).unwrap().to_rgb8();
    let border = sheet.get_pixel(1, 1);
    assert!(
        border[0] > 2 * border[1],
        "the part with the highest score has a red frame: {border:?}"
    );

    let (code, stderr, stdout) = calibrate(&line, &["--keep-outliers"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(calibration(&line).threshold > 1.5 * OWN, "{stdout}");
}

#[test]
fn many_bad_parts_are_refused() {
    let line = station(
        [5, 18, 25, 57]
            .map(part)
            .into_iter()
            .chain(good_parts().take(20)),
    );
    let (code, stderr, _) = calibrate(&line, &[]);
    assert_eq!(code, 3, "{stderr}");
    assert!(
        stderr.contains("4 of 22 parts lie far off all others"),
        "{stderr}"
    );
    assert!(!line.path("calibration.toml").exists());
}

#[test]
fn a_belt_that_stands_is_refused() {
    let line = station(std::iter::repeat_n(part(3), 40));
    let (code, stderr, _) = calibrate(&line, &[]);
    assert_eq!(code, 3, "{stderr}");
    assert!(
        stderr.contains("show only 1 different part: let good parts pass"),
        "{stderr}"
    );
    assert!(!line.path("calibration.toml").exists());
}

#[test]
fn a_burst_of_each_part_counts_each_once() {
    let line = station(
        good_parts()
            .take(20)
            .flat_map(|picture| [picture.clone(), picture]),
    );
    let (code, stderr, stdout) = calibrate(&line, &[]);
    assert_eq!(code, 0, "{stderr}");
    assert!(
        stdout.contains("19 pictures showed a part that had been seen"),
        "{stdout}"
    );
    assert_eq!(calibration(&line).parts, 20);
}

#[test]
fn a_cap_on_the_lens_is_named() {
    let dark = |path: &Path| {
        RgbImage::from_pixel(320, 320, Rgb([2; 3]))
            .save(path)
            .unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("dark.png");
    dark(&picture);
    let line = station(std::iter::repeat_n(picture.display().to_string(), 30));
    let (code, stderr, _) = calibrate(&line, &[]);
    assert_eq!(code, 3, "{stderr}");
    assert!(
        stderr.contains("show nothing") && stderr.contains("cap on the lens"),
        "{stderr}"
    );
}

/// Copies of a picture, moved by so many pixels to the right and down; what enters at the border is drawn out.
fn moved(picture: &str, by: [i32; 2], to: &Path) {
    let picture = image::open(picture).unwrap().to_rgb8();
    let (width, height) = picture.dimensions();
    let from = |at: u32, by: i32, length: u32| (at as i32 - by).clamp(0, length as i32 - 1) as u32;
    let moved = RgbImage::from_fn(width, height, |x, y| {
        *picture.get_pixel(from(x, by[0], width), from(y, by[1], height))
    });
    moved.save(to).unwrap();
}

#[test]
fn a_burst_of_parts_that_tremble_counts_each_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut pictures = Vec::new();
    for (at, good) in good_parts().take(20).enumerate() {
        let to = folder.path().join(format!("{at}.png"));
        moved(&good, [[3, -3], [-2, 1], [0, 3]][at % 3], &to);
        pictures.extend([good, to.display().to_string()]);
    }
    let line = station(pictures);
    let (code, stderr, stdout) = calibrate(&line, &[]);
    assert_eq!(code, 0, "{stderr}");
    assert!(
        stdout.contains("19 pictures showed a part that had been seen"),
        "{stdout}"
    );
    assert_eq!(calibration(&line).parts, 20);
}

#[test]
fn what_calibrate_reads_or_draws_is_no_place_for_its_result() {
    let line = station(good_parts().take(20));
    let before = std::fs::read(line.path("station.toml")).unwrap();
    for (out, what) in [
        ("station.toml", "this command reads it"),
        ("c.png", "a picture of the parts goes there"),
        ("frames", "it is a folder"),
    ] {
        let (code, stderr, _) = calibrate(&line, &["--out", out]);
        assert!(code == 7 && stderr.contains(what), "{stderr}");
        assert!(!stderr.contains("free space"), "{stderr}");
    }
    assert!(std::fs::read(line.path("station.toml")).unwrap() == before);
}

#[test]
fn what_root_writes_with_a_narrow_umask_the_station_s_user_can_read() {
    use std::os::unix::fs::PermissionsExt;
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let line = station(std::iter::once(part(57)).chain(good_parts().take(20)));
    line.change("[conveyor]", "[journal]\npath = \"journal\"\n[conveyor]");
    line.change("travel_ms = 1000", "travel_ms = 9000");
    let _actuator = line.actuator("pulses.csv", &[]);
    let with_umask = |command: &str| {
        let shell = format!("umask 077; exec {} {command}", super::AECSAD);
        let mut shell_command = std::process::Command::new("sh");
        shell_command
            .args(["-c", &shell])
            .current_dir(line.path(""));
        let (code, text) = printed(&shell_command.output().unwrap());
        assert_eq!(code, 0, "{text}");
    };
    with_umask("calibrate");
    with_umask("run --limit 2 --csv rows.csv");
    for (name, mode) in [
        ("calibration.toml", 0o644),
        ("calibration.png", 0o644),
        ("rows.csv", 0o644),
        ("journal", 0o755),
        ("journal/parts.sqlite", 0o644),
        ("journal/pictures", 0o755),
        ("journal/pictures/000001-00000001.png", 0o644),
    ] {
        let found = line.path(name).metadata();
        let found = found.unwrap_or_else(|e| panic!("{name}: {e}"));
        let found = found.permissions().mode();
        assert_eq!(found & 0o777, mode, "{name}");
    }
}
