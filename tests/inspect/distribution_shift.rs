//! Images that are most likely not of the bundle's product: which warnings they cause, and which are not judged at all.

use aecsad_inspect::optics::{Encoding, TrainingImages};
use aecsad_program::ExitCode;

use crate::fixture::{Fixture, aecsad, assert_refused, stderr};

fn trained_on(width: u32, height: u32) -> Option<TrainingImages> {
    TrainingImages::of(&[((width, height), 8)].into(), Encoding::Lossless)
}

#[test]
fn another_shape_and_another_product_are_named_at_the_end() {
    let mut fixture = Fixture::new();
    fixture.manifest().input.trained_on = trained_on(640, 480);
    let unlike = image::RgbImage::from_fn(200, 200, |x, y| {
        image::Rgb([(x * y % 256) as u8, (x * 3) as u8, 255 - y as u8])
    });
    std::fs::create_dir(fixture.at("parts")).unwrap();
    for part in 0..6 {
        unlike
            .save(fixture.at(&format!("parts/{part}.png")))
            .unwrap();
    }
    let (bundle, folder) = (fixture.bundle(), fixture.at("parts"));
    let run = aecsad(&[&"inspect", &"--bundle", &bundle, &folder]);
    assert!(run.status.success(), "{}", stderr(&run));
    let printed = stderr(&run);
    assert!(
        printed.contains("6 of 6 images: the part is seen in 200×200 pixels"),
        "{printed}"
    );
    assert!(
        printed.contains("the training images had 640×480"),
        "{printed}"
    );
    assert!(
        printed.contains("6 of 6 images look like no good part at all"),
        "{printed}"
    );
}

#[test]
fn ordinary_images_are_not_commented_on() {
    let mut fixture = Fixture::new();
    let part = image::open(fixture.draw("parts/0.png", 0)).unwrap();
    fixture.manifest().input.trained_on = trained_on(part.width(), part.height());
    for seed in 1..6 {
        fixture.draw(&format!("parts/{seed}.png"), seed);
    }
    let (bundle, folder) = (fixture.bundle(), fixture.at("parts"));
    let run = aecsad(&[&"inspect", &"--bundle", &bundle, &folder]);
    assert!(
        run.status.success() && !stderr(&run).contains("warning"),
        "{}",
        stderr(&run)
    );
}

#[test]
fn half_a_jpeg_is_unreadable_although_its_end_marker_is_there() {
    let fixture = Fixture::new();
    let part = image::open(fixture.draw("part.png", 0)).unwrap();
    let mut whole = std::io::Cursor::new(Vec::new());
    part.write_to(&mut whole, image::ImageFormat::Jpeg).unwrap();
    let whole = whole.into_inner();
    let bundle = fixture.bundle();
    let good = fixture.put("good.jpg", &whole);
    assert!(
        aecsad(&[&"inspect", &"--bundle", &bundle, &good])
            .status
            .success()
    );
    let half = [&whole[..whole.len() / 2], &[0xff, 0xd9]].concat();
    let half = fixture.put("half.jpg", &half);
    let run = aecsad(&[&"inspect", &"--bundle", &bundle, &half]);
    assert_refused(&run, ExitCode::Input, "1 of 1 images could not be read");
    assert!(
        stderr(&run).contains("half.jpg: the image is cut short"),
        "{}",
        stderr(&run)
    );
}

#[test]
fn twelve_bits_need_a_bundle_that_states_them() {
    let mut fixture = Fixture::new();
    let dark =
        image::ImageBuffer::from_fn(64, 64, |x, y| image::Luma([((x * y) as u16).min(4095)]));
    let file = fixture.at("part.png");
    image::DynamicImage::ImageLuma16(dark).save(&file).unwrap();
    let bundle = fixture.bundle();
    let run = aecsad(&[&"inspect", &"--bundle", &bundle, &file]);
    assert_refused(&run, ExitCode::Input, "1 of 1 images could not be read");
    assert!(stderr(&run).contains("--bit-depth 12"), "{}", stderr(&run));
    fixture.manifest().input.bit_depth = Some(12);
    let bundle = fixture.write("twelve.aecsad");
    let run = aecsad(&[&"inspect", &"--bundle", &bundle, &file]);
    assert!(run.status.success(), "{}", stderr(&run));
}
