//! Images that don't belong among the good ones, through the real program: they are named, and no threshold rests on
//! them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use aecsad_inspect::bundle::{Bundle, Trust};
use aecsad_inspect::inspector::Inspector;
use aecsad_inspect::similarity::BlockMeans;
use aecsad_train::screening::first_of_each_part;
use image::{Rgb, RgbImage};

fn train(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_aecsad-train"))
        .args(arguments)
        .output()
        .unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Good images of two rendered products, sorted: (fuse boxes, juice bottles).
fn rendered(folder: &Path) -> [Vec<PathBuf>; 2] {
    let data = folder.join("data");
    let made = train(&[
        "synth",
        text(&data),
        "--products",
        "fuse_box,juice_bottle",
        "--train",
        "22",
        "--validation",
        "6",
        "--test",
        "1",
        "--size",
        "192",
        "--seed",
        "5",
    ]);
    assert!(made.status.success(), "{made:?}");
    ["fuse_box", "juice_bottle"].map(|product| {
        aecsad_inspect::image_files::list_images(&data.join(product).join("train/good")).unwrap()
    })
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn other_products_copies_and_blanks_are_named_and_no_threshold_rests_on_them() {
    let folder = tempfile::tempdir().unwrap();
    let [boxes, bottles] = rendered(folder.path());
    let good = folder.path().join("box");
    std::fs::create_dir(&good).unwrap();
    for path in &boxes {
        std::fs::copy(path, good.join(path.file_name().unwrap())).unwrap();
    }
    for (copied, path) in boxes[..4].iter().enumerate() {
        // Re-encoded and moved a little, so that only the part is the same.
        let picture = image::open(path).unwrap().to_rgb8();
        let (width, height) = picture.dimensions();
        let by = [0, 3, 1, 2][copied];
        let picture = RgbImage::from_fn(width, height, |x, y| {
            *picture.get_pixel(x.saturating_sub(by), (y + by).min(height - 1))
        });
        picture
            .save(good.join(format!("copy-{copied}.jpg")))
            .unwrap();
    }
    std::fs::copy(&bottles[0], good.join("bottle.png")).unwrap();
    RgbImage::from_pixel(192, 192, Rgb([3, 2, 4]))
        .save(good.join("dark.png"))
        .unwrap();

    let bundle = folder.path().join("box.aecsad");
    let fit = ["fit", text(&good), "--out", text(&bundle), "--effort", "1"];
    let fitted = train(&fit);
    let printed = stderr(&fitted);
    assert!(fitted.status.success(), "{printed}");
    for expected in [
        "only an even surface is seen: 1 image: ",
        "dark.png",
        "27 images show 23 different parts; repeats, which count once: 4 (",
        "left out as far off all others: 1 of 23 images: ",
        "bottle.png",
    ] {
        assert!(
            printed.contains(expected),
            "`{expected}` is not in:\n{printed}"
        );
    }
    assert!(
        folder
            .path()
            .join("box.aecsad.work/strangest_images.png")
            .is_file()
    );
    let printed = String::from_utf8_lossy(&fitted.stdout).into_owned();
    assert!(
        printed.contains("planted anomalies rejected at this threshold: "),
        "{printed}"
    );

    let read = Bundle::read(&bundle, &Trust::Anyone).unwrap();
    let trained_on = read.manifest.provenance["train_images"].as_integer();
    let set_on = i64::from(read.manifest.threshold.calibration_parts);
    let cross_validated = read.manifest.provenance["cross_validated"].as_integer();
    assert_eq!(
        trained_on.unwrap() + set_on - cross_validated.unwrap(),
        22,
        "each fuse box counts once"
    );
    let mut inspector = Inspector::from_bundle(&read, None).unwrap();
    let planted = inspector
        .planted()
        .expect("the bundle carries what planted anomalies score");
    let caught = planted.caught(inspector.decision(), inspector.decision());
    assert!(
        printed.contains(&format!("at this threshold: {caught}")),
        "{caught}: {printed}"
    );
    let bottle = aecsad_inspect::image_files::read_image(&bottles[1]).unwrap();
    assert!(
        inspector.inspect(&bottle).unwrap().reject,
        "another product passes"
    );

    // One image in ten is no accident any more.
    for (number, bottle) in bottles[..5].iter().enumerate() {
        std::fs::copy(bottle, good.join(format!("bottle-{number}.png"))).unwrap();
    }
    let mixed = folder.path().join("mixed.aecsad");
    let refused = train(&["fit", text(&good), "--out", text(&mixed)]);
    let printed = stderr(&refused);
    assert_eq!(refused.status.code(), Some(9), "{printed}");
    let last = printed.lines().last().unwrap_or_default();
    for expected in [
        "lie far off all others",
        "bottle",
        "strangest_images.png",
        "--keep-outliers",
    ] {
        assert!(last.contains(expected), "`{expected}` is not in: {last}");
    }
    assert!(!mixed.exists());
}

#[test]
fn a_set_without_pictures_or_without_enough_parts_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refusal = |name: &str, picture: &dyn Fn(u32) -> RgbImage| {
        let set = folder.path().join(name);
        std::fs::create_dir(&set).unwrap();
        for i in 0..40 {
            picture(i).save(set.join(format!("{i:02}.png"))).unwrap();
        }
        let out = folder.path().join(format!("{name}.aecsad"));
        let output = train(&["fit", text(&set), "--out", text(&out)]);
        assert!(!out.exists());
        let last = stderr(&output)
            .lines()
            .last()
            .unwrap_or_default()
            .to_owned();
        (output.status.code(), last)
    };
    let capped = refusal("cap", &|i| {
        RgbImage::from_fn(96, 96, |x, y| Rgb([((x * y + i) % 3) as u8; 3]))
    });
    let overexposed = refusal("white", &|_| RgbImage::from_pixel(96, 96, Rgb([255; 3])));
    for (code, last) in [capped, overexposed] {
        assert_eq!(code, Some(9), "{last}");
        assert!(last.contains("40 of 40 images show nothing"), "{last}");
        assert!(
            last.contains("cap on the lens") && last.contains("lamp"),
            "{last}"
        );
    }
    let square = |i: u32| {
        let place = 10 * (i % 5)..10 * (i % 5) + 30;
        RgbImage::from_fn(96, 96, |x, y| {
            match place.contains(&x) && place.contains(&y) {
                true => Rgb([200, 180, 40]),
                false => Rgb([50 + (x + 31 * i) as u8 % 4; 3]),
            }
        })
    };
    let (code, last) = refusal("burst", &square);
    assert_eq!(code, Some(9), "{last}");
    assert!(last.contains("5 usable good images"), "{last}");
}

#[test]
fn different_parts_of_one_product_are_no_repeats() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut synth = vec!["synth", text(&data), "--seed", "7", "--size", "256"];
    synth.extend(["--train", "10", "--validation", "1", "--test", "1"]);
    assert!(train(&synth).status.success());
    for product in std::fs::read_dir(&data).unwrap() {
        let good = product.unwrap().path().join("train/good");
        let images = aecsad_inspect::image_files::list_images(&good).unwrap();
        let read = |path: &PathBuf| aecsad_inspect::image_files::read_image(path).unwrap();
        let frames: Vec<_> = images.iter().map(read).collect();
        let views: Vec<BlockMeans> = frames.iter().map(BlockMeans::of).collect();
        let pictures: Vec<_> = views.iter().zip(&frames).collect();
        let firsts = first_of_each_part(&pictures);
        assert!(firsts.into_iter().eq(0..10), "{}", good.display());
    }
}
