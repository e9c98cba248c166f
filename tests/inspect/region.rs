//! Bundles that look at a part of each frame, and ignore a part of that.

use aecsad_inspect::frame::Size;
use aecsad_inspect::optics::{Ignored, Region, TrainedRegion};
use aecsad_program::ExitCode;

use crate::fixture::{Fixture, aecsad, assert_refused, stderr, stdout};
use crate::inspect::{read_npy, records};

/// Where the drawn parts' bundle looks, in frames of their size.
const AREA: [u32; 4] = [40, 15, 120, 120];

fn looking_at(area: [u32; 4], ignored: Option<[u32; 4]>) -> TrainedRegion {
    TrainedRegion {
        area: area.into(),
        frame: Size {
            width: 200,
            height: 150,
        },
        ignored: ignored.map(|area| Ignored {
            colour: [70, 200, 30],
            areas: vec![area.into()],
        }),
    }
}

/// Draws a part and paints over some of its pixels.
fn paint(fixture: &Fixture, name: &str, area: [u32; 4], colour: [u8; 3]) {
    let path = fixture.draw(name, 3);
    let mut picture = image::open(&path).unwrap().into_rgb8();
    let Region {
        left,
        top,
        width,
        height,
    } = area.into();
    for y in top..top + height {
        for x in left..left + width {
            picture.put_pixel(x, y, image::Rgb(colour));
        }
    }
    picture.save(&path).unwrap();
}

/// The score of each image of a folder, by name.
fn scores(fixture: &Fixture, folder: &str) -> Vec<String> {
    let (bundle, folder) = (fixture.bundle(), fixture.at(folder));
    let run = aecsad(&[&"inspect", &"--bundle", &bundle, &folder]);
    assert!(run.status.success(), "{}", stderr(&run));
    let rows = records(&stdout(&run));
    rows.iter().map(|row| row[1].to_owned()).collect()
}

#[test]
fn a_bundle_crops_frames_to_its_region_as_if_they_came_cropped() {
    let mut fixture = Fixture::new();
    for seed in [2, 3, 1000] {
        let picture = image::open(fixture.draw(&format!("whole/{seed}.png"), seed)).unwrap();
        let [left, top, width, height] = AREA;
        let cropped = picture.crop_imm(left, top, width, height);
        std::fs::create_dir_all(fixture.at("cropped")).unwrap();
        let path = fixture.at(&format!("cropped/{seed}.png"));
        cropped.save(path).unwrap();
    }
    let of_cropped = scores(&fixture, "cropped");
    fixture.manifest().input.region = Some(looking_at(AREA, None));
    assert_eq!(scores(&fixture, "whole"), of_cropped);

    // Its golden images are cropped already.
    let run = aecsad(&[&"verify", &fixture.bundle()]);
    assert!(run.status.success(), "{}", stderr(&run));
    let printed = stdout(&run);
    let looks = "looks at 120×120 pixels from 40, 15 in frames of 200×150\n";
    assert!(printed.contains(looks), "{printed}");
    let run = aecsad(&[&"bench", &"--bundle", &fixture.bundle(), &"--frames", &"2"]);
    assert!(run.status.success(), "{}", stderr(&run));

    // The map lies where the region does.
    let (bundle, bad, maps) = (
        fixture.bundle(),
        fixture.at("whole/1000.png"),
        fixture.at("maps"),
    );
    let run = aecsad(&[&"inspect", &"--bundle", &bundle, &bad, &"--maps", &maps]);
    assert!(run.status.success(), "{}", stderr(&run));
    let (shape, heat) = read_npy(&maps.join("1000.npy"));
    assert_eq!(shape, "150, 200");
    let (mut hot, mut outside) = (0.0f32, 0.0f32);
    for (pixel, heat) in heat.iter().enumerate() {
        let (x, y) = (pixel % 200, pixel / 200);
        if !(40..160).contains(&x) || !(15..135).contains(&y) {
            outside = outside.max(heat.abs());
        } else if (60..90).contains(&x) && (20..130).contains(&y) {
            hot = hot.max(*heat);
        }
    }
    assert!(outside == 0.0 && hot > 0.3, "{outside} {hot}");
}

#[test]
fn what_is_ignored_moves_no_score() {
    let mut fixture = Fixture::new();
    // In pixels of the frame; the region's own are 40 and 15 less.
    let date = [110, 100, 30, 20];
    fixture.manifest().input.region = Some(looking_at(AREA, Some([70, 85, 30, 20])));
    paint(&fixture, "parts/0.png", date, [255, 255, 255]);
    paint(&fixture, "parts/1.png", date, [3, 0, 90]);
    paint(&fixture, "parts/2.png", [60, 40, 30, 20], [3, 0, 90]);
    let found = scores(&fixture, "parts");
    assert_eq!(found[0], found[1]);
    assert_ne!(found[0], found[2]);
}

#[test]
fn a_frame_of_another_size_is_not_judged() {
    let mut fixture = Fixture::new();
    fixture.manifest().input.region = Some(looking_at(AREA, None));
    fixture.draw("parts/0.png", 2);
    let other = image::open(fixture.draw("parts/1.png", 2)).unwrap();
    // The same shape, so that the region could be scaled: but it may be another field of view.
    let other = other.resize_exact(400, 300, image::imageops::FilterType::Triangle);
    other.save(fixture.at("parts/1.png")).unwrap();
    let (bundle, folder) = (fixture.bundle(), fixture.at("parts"));
    let run = aecsad(&[&"inspect", &"--bundle", &bundle, &folder]);
    assert_refused(&run, ExitCode::Input, "1 of 2 images could not be read");
    let printed = stderr(&run);
    assert!(
        printed.contains("1.png: a frame of 400×300 pixels came") && printed.contains("200×150"),
        "{printed}"
    );
    let verdicts: Vec<_> = records(&stdout(&run))
        .iter()
        .map(|row| row[2].to_owned())
        .collect();
    assert!(
        verdicts[0] != "unreadable" && verdicts[1] == "unreadable",
        "{verdicts:?}"
    );
}
