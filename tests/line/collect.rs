//! Pictures of a new product, before there is a bundle.

use std::process::Output;

use super::*;

/// A picture of coloured fields, another one for each seed.
fn fields(path: &Path, seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let colours: Vec<[u8; 3]> = (0..12)
        .map(|_| [rng.u8(..), rng.u8(..), rng.u8(..)])
        .collect();
    let picture = image::RgbImage::from_fn(64, 48, |x, y| {
        image::Rgb(colours[(y / 16 * 4 + x / 16) as usize])
    });
    picture.save(path).unwrap();
}

/// Short pulses let parts come fast.
fn hurry(line: &Line) {
    line.change("rate_per_min = 600", "rate_per_min = 2400");
    line.change("pulse_ms = 20", "pulse_ms = 1");
}

fn collect(line: &Line, flags: &[&str]) -> Output {
    Command::new(AECSAD)
        .arg("collect")
        .arg(line.path("gear"))
        .args(flags)
        .arg("--config")
        .arg(line.path("station.toml"))
        .output()
        .unwrap()
}

fn kept(line: &Line) -> Vec<String> {
    let entries = line.path("gear").read_dir().unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn every_nth_part_is_kept_once_and_a_later_collection_goes_on() {
    let line = Line::new(0);
    hurry(&line);
    // Each part is seen twice, as when the belt stops for a moment.
    for part in 0..24 {
        fields(&line.path(&format!("frames/{part:03}.png")), part / 2);
    }
    let (code, text) = printed(&collect(&line, &["--parts", "4", "--every", "2"]));
    assert_eq!(code, 0, "{text}");
    let first: Vec<String> = (1..=4).map(|n| format!("part-{n:06}.png")).collect();
    assert_eq!(kept(&line), first);
    let all = collect(&line, &[]);
    let said = String::from_utf8_lossy(&all.stdout).into_owned();
    assert!(said.starts_with("12 pictures in "), "{said}");
    assert!(
        said.contains("12 pictures of a part that was there already left out"),
        "{said}"
    );
    assert_eq!(kept(&line).len(), 16);
}

#[test]
fn a_belt_that_stands_is_said_and_what_was_kept_stays() {
    let line = Line::new(0);
    hurry(&line);
    for part in 0..210 {
        fields(&line.path(&format!("frames/{part:03}.png")), 1);
    }
    let output = collect(&line, &[]);
    let (code, text) = printed(&output);
    assert!(
        code == 3 && text.contains("does the belt stand?"),
        "{code}: {text}"
    );
    assert_eq!(kept(&line), ["part-000001.png"]);
    std::fs::write(line.path("file"), "").unwrap();
    let into_a_file = Command::new(AECSAD)
        .arg("collect")
        .arg(line.path("file"))
        .arg("--config")
        .arg(line.path("station.toml"))
        .output()
        .unwrap();
    assert!(sentence(&into_a_file, 7).contains("can't be written"));
}
