//! What `inspect` writes where.

use std::path::Path;

use aecsad_inspect::bundle::{Bundle, Trust};
use aecsad_inspect::golden::EXPECTED;

use crate::fixture::{Fixture, TOLERANCE, aecsad, stderr, stdout};

const HEADER: &str = "path,score,verdict,p_value,branch,latency_ms,\
                      histogram,layout,local,global,position,patch,pooled,context,lgst,inventory,fine_position,fine_patch,threshold";

pub fn records(text: &str) -> Vec<csv::StringRecord> {
    assert_eq!(text.lines().next(), Some(HEADER));
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    reader.records().collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_folder_becomes_one_row_an_image_named_relative_to_it() {
    let fixture = Fixture::new();
    fixture.draw("parts/good/000.png", 2);
    fixture.draw("parts/good/001.png", 3);
    fixture.draw("parts/bad, bar/000.png", 1000);
    let csv = fixture.at("scores.csv");
    let bundle = fixture.bundle();
    let folder = fixture.at("parts");
    let run = aecsad(&[&"inspect", &"--bundle", &bundle, &folder, &"--csv", &csv]);
    assert!(run.status.success(), "{}", stderr(&run));
    assert!(stdout(&run).is_empty(), "the file takes its place");
    assert!(stderr(&run).contains("3 images: 2 good, 1 bad, 0 unreadable"));
    let rows = records(&std::fs::read_to_string(&csv).unwrap());
    let column = |i: usize| rows.iter().map(|r| r[i].to_owned()).collect::<Vec<_>>();
    assert_eq!(
        column(0),
        ["bad, bar/000.png", "good/000.png", "good/001.png"]
    );
    assert_eq!(column(2), ["bad", "good", "good"]);
    assert_eq!(column(4), ["position"; 3]);
    // One branch of weight 1: its score is the score. The others are off.
    assert_eq!(column(1), column(10));
    assert!(rows.iter().all(|r| r[6].is_empty() && r[12].is_empty()));
    assert!(rows.iter().all(|r| r[5].parse::<f64>().unwrap() > 0.0));
    assert_eq!(rows[0][3].parse::<f32>().unwrap(), 1.0 / 9.0);
}

#[test]
fn off_a_terminal_standard_output_is_the_csv_whatever_the_threads() {
    let fixture = Fixture::new();
    for part in 0..5 {
        fixture.draw(&format!("parts/{part}.png"), part);
    }
    let (bundle, folder) = (fixture.bundle(), fixture.at("parts"));
    let run = |threads: &str| {
        let run = aecsad(&[
            &"inspect",
            &"--bundle",
            &bundle,
            &folder,
            &"--threads",
            &threads,
        ]);
        assert!(run.status.success(), "{}", stderr(&run));
        let rows = records(&stdout(&run));
        let timeless = rows.iter().map(|r| [&r[0], &r[1], &r[2]].join(","));
        timeless.collect::<Vec<_>>()
    };
    let alone = run("1");
    assert_eq!(alone.len(), 5);
    assert_eq!(alone, run("3"));
}

#[test]
fn scores_are_those_that_training_stored() {
    let fixture = Fixture::new();
    let path = fixture.bundle();
    let bundle = Bundle::read(&path, &Trust::Anyone).unwrap();
    for (name, content) in bundle.entries().filter(|(name, _)| name.ends_with(".png")) {
        fixture.put(name, content);
    }
    let run = aecsad(&[&"inspect", &"--bundle", &path, &fixture.at("golden")]);
    let rows = records(&stdout(&run));
    let arrays = bundle.arrays(EXPECTED).unwrap();
    let expected = arrays.get::<f32>("score").unwrap();
    assert_eq!(rows.len(), expected.len());
    for (row, expected) in rows.iter().zip(expected) {
        let found: f32 = row[1].parse().unwrap();
        assert!((found - expected).abs() <= TOLERANCE, "{row:?} {expected}");
    }
}

/// Shape and values of a float32 `.npy` file.
pub fn read_npy(path: &Path) -> (String, Vec<f32>) {
    let bytes = std::fs::read(path).unwrap();
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
    let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    assert_eq!(start % 64, 0);
    let header = String::from_utf8(bytes[10..start].to_vec()).unwrap();
    assert!(header.contains("'descr': '<f4'") && header.contains("'fortran_order': False"));
    let shape = header.split(['(', ')']).nth(1).unwrap().to_owned();
    let values = bytes[start..].as_chunks::<4>().0.iter();
    (shape, values.map(|b| f32::from_le_bytes(*b)).collect())
}

#[test]
fn maps_and_pictures_lie_as_the_images_do_and_are_as_large() {
    let fixture = Fixture::new();
    fixture.draw("parts/good/000.png", 2);
    fixture.draw("parts/bad/000.png", 1000);
    let (bundle, folder) = (fixture.bundle(), fixture.at("parts"));
    let (maps, pictures) = (fixture.at("maps"), fixture.at("out/pictures"));
    let run = aecsad(&[
        &"inspect",
        &"--bundle",
        &bundle,
        &folder,
        &"--maps",
        &maps,
        &"--heatmaps",
        &pictures,
    ]);
    assert!(run.status.success(), "{}", stderr(&run));
    assert_eq!(fixture.files("maps"), ["bad/000.npy", "good/000.npy"]);
    assert_eq!(
        fixture.files("out/pictures"),
        ["bad/000.png", "good/000.png"]
    );
    let mean = |values: &[f32], region: &dyn Fn(usize, usize) -> bool| {
        let inside = values.iter().enumerate();
        let inside: Vec<f32> = inside
            .filter(|(i, _)| region(i % 200, i / 200))
            .map(|(_, v)| *v)
            .collect();
        inside.iter().sum::<f32>() / inside.len() as f32
    };
    let (shape, bad) = read_npy(&maps.join("bad/000.npy"));
    assert_eq!((shape.as_str(), bad.len()), ("150, 200", 150 * 200));
    let bar = |x: usize, y: usize| (60..90).contains(&x) && (20..130).contains(&y);
    let far = |x: usize, _: usize| x > 150;
    let (hot, calm) = (mean(&bad, &bar), mean(&bad, &far));
    // 0.1 is what one place in two hundred reaches on good parts.
    assert!(hot > 0.3 && calm < 0.1, "{hot} {calm}");
    let (_, good) = read_npy(&maps.join("good/000.npy"));
    assert!(mean(&good, &bar) < 0.1);
    let picture = |name: &str| image::open(pictures.join(name)).unwrap().into_rgb8();
    let colourful = |picture: &image::RgbImage| {
        let spread = |p: &image::Rgb<u8>| p.0.iter().max().unwrap() - p.0.iter().min().unwrap();
        let bar = (55..95).map(|x| f32::from(spread(picture.get_pixel(x, 75))));
        bar.sum::<f32>() / 40.0
    };
    let (bad, good) = (picture("bad/000.png"), picture("good/000.png"));
    assert_eq!(bad.dimensions(), (200, 150));
    let (bad, good) = (colourful(&bad), colourful(&good));
    assert!(bad > 40.0 && good < 10.0, "{bad} {good}");
}

#[test]
fn json_has_one_object_a_line() {
    let fixture = Fixture::new();
    let image = fixture.draw("parts/000.png", 1000);
    let broken = fixture.put("parts/001.png", b"not an image");
    let bundle = fixture.bundle();
    let run = aecsad(&[&"inspect", &"--bundle", &bundle, &"--json", &image, &broken]);
    let lines: Vec<serde_json::Value> = stdout(&run)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(
        (&lines[0]["path"], &lines[0]["verdict"]),
        (&"000.png".into(), &"bad".into())
    );
    assert_eq!(lines[0]["branches"]["position"], lines[0]["score"]);
    assert!(lines[0].get("error").is_none() && lines[1].get("score").is_none());
    assert_eq!(lines[1]["verdict"], "unreadable");
    assert!(lines[1]["error"].as_str().unwrap().contains("001.png"));
}

#[test]
fn a_false_extension_is_said_and_the_image_judged_all_the_same() {
    let fixture = Fixture::new();
    let png = fixture.draw("parts/000.png", 2);
    std::fs::rename(&png, fixture.at("parts/000.jpg")).unwrap();
    let run = aecsad(&[
        &"inspect",
        &"--bundle",
        &fixture.bundle(),
        &fixture.at("parts"),
    ]);
    assert!(run.status.success());
    assert_eq!(&records(&stdout(&run))[0][2], "good");
    assert!(stderr(&run).contains("is named .jpg but holds a PNG image"));
}
