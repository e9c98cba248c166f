//! From a folder of good images to a bundle that the runtime accepts, through the real program; and what it refuses.

mod plain_folder;
mod refusals;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use aecsad_inspect::bundle::{Bundle, Trust};
use aecsad_inspect::image_files::read_image;
use aecsad_inspect::inspector::Inspector;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn train(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_aecsad-train"))
        .args(arguments)
        .output()
        .unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The one sentence of a refusal, and its exit code.
fn refusal(arguments: &[&str]) -> (String, i32) {
    let output = train(arguments);
    let stderr = String::from_utf8(output.stderr).unwrap();
    let last = stderr.lines().last().unwrap_or_default().to_owned();
    (last, output.status.code().unwrap())
}

#[test]
fn a_rendering_that_is_stopped_leaves_no_half_product() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let synth = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aecsad-train"));
        command.args(["synth", text(&data), "--products", "woven_cloth"]);
        command.args(more).stderr(std::process::Stdio::piped());
        command.spawn().unwrap()
    };
    let mut stopped = synth(&["--train", "50000"]);
    let unfinished = data.join(".woven_cloth-unfinished/train");
    let give_up = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !unfinished.is_dir() && std::time::Instant::now() < give_up {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let pid = stopped.id().to_string();
    let killed = Command::new("kill").args(["-TERM", &pid]).status();
    assert!(killed.unwrap().success());
    let code = stopped.wait().unwrap().code();
    let mut printed = String::new();
    std::io::Read::read_to_string(&mut stopped.stderr.take().unwrap(), &mut printed).unwrap();
    assert_eq!(code, Some(130), "{printed}");
    assert!(printed.contains("aecsad-train: stopped"), "{printed}");
    assert!(!data.join("woven_cloth").exists());

    let few = ["--train", "2", "--validation", "1", "--test", "1"];
    let again = synth(&few).wait_with_output().unwrap();
    assert!(again.status.success(), "{again:?}");
    assert!(data.join("woven_cloth/train/good/001.png").is_file());
    assert!(!data.join(".woven_cloth-unfinished").exists());
}

#[test]
fn images_of_twelve_bits_need_their_depth_stated() {
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("parts");
    std::fs::create_dir(&images).unwrap();
    for part in 0..30u16 {
        // One of them is dark, which changes nothing for its neighbours.
        let most = if part == 7 { 200 } else { 4095 };
        let image = image::ImageBuffer::from_fn(32, 32, |x, y| {
            image::Luma([((x * y) as u16 * 5 + part).min(most)])
        });
        image::DynamicImage::ImageLuma16(image)
            .save(images.join(format!("{part:02}.png")))
            .unwrap();
    }
    let out = folder.path().join("parts.aecsad");
    let (sentence, code) = refusal(&["fit", text(&images), "--out", text(&out)]);
    assert!(
        sentence.contains("30 of 30 images of 16 bits") && sentence.contains("--bit-depth 12"),
        "{sentence}"
    );
    assert_eq!(code, 9);
    let (sentence, code) = refusal(&[
        "fit",
        text(&images),
        "--out",
        text(&out),
        "--bit-depth",
        "10",
    ]);
    assert!(sentence.contains("bit depth of 10"), "{sentence}");
    assert_eq!(code, 9);

    // Two of three brought to all 16 bits: the others would be learnt as dark parts.
    for part in (0..30).filter(|part| part % 3 > 0) {
        let path = images.join(format!("{part:02}.png"));
        let mut image = image::open(&path).unwrap().to_luma16();
        image.pixels_mut().for_each(|pixel| pixel.0[0] *= 16);
        image::DynamicImage::ImageLuma16(image).save(&path).unwrap();
    }
    let (sentence, code) = refusal(&["fit", text(&images), "--out", text(&out)]);
    assert!(
        sentence.contains("of 30 images of 16 bits") && sentence.contains("fewer bits"),
        "{sentence}"
    );
    assert_eq!(code, 9);
    assert!(!out.exists());
}

/// A few training steps only: what is tested is the way, not how good the networks get. The position branch needs no
/// steps, and it must tell obvious planted test anomalies from good parts.
#[test]
fn good_images_become_a_bundle_that_the_runtime_proves_and_that_finds_bad_parts() {
    let folder = tempfile::tempdir().unwrap();
    let products = folder.path().join("products");
    let rendered = train(&[
        "synth",
        text(&products),
        "--products",
        "fuse_box",
        "--train",
        "16",
        "--validation",
        "6",
        "--test",
        "8",
        "--size",
        "320",
        "--seed",
        "3",
    ]);
    assert!(rendered.status.success(), "{rendered:?}");
    let category = products.join("fuse_box");
    let bundle = folder.path().join("fuse_box.aecsad");
    // A strip of each image is left out, and a corner of the rest is ignored.
    let ignore = folder.path().join("ignore.png");
    let corner = |x: u32, y: u32| (270..310).contains(&x) && (280..305).contains(&y);
    let drawn = image::RgbImage::from_fn(320, 320, |x, y| {
        image::Rgb([255 * u8::from(corner(x, y)); 3])
    });
    drawn.save(&ignore).unwrap();
    let fit = [
        "fit",
        text(&category),
        "--region",
        "0,8,320,304",
        "--ignore",
        text(&ignore),
        "--out",
        text(&bundle),
        "--students",
        "--effort",
        "1",
        "--false-reject-rate",
        "0.01",
        "--side",
        "320",
    ];
    let fitted = train(&fit);
    let stderr = String::from_utf8_lossy(&fitted.stderr);
    assert!(fitted.status.success(), "{stderr}");
    assert!(
        folder
            .path()
            .join("fuse_box.aecsad.work/labels/contact_sheet.png")
            .is_file()
    );

    let read = Bundle::read(&bundle, &Trust::Anyone).unwrap();
    assert_eq!(read.manifest.product, "fuse_box");
    // Six validation parts are too few for a rate of 1 %, so training parts count too.
    let cross_validated = read.manifest.provenance["cross_validated"].as_integer();
    let calibration_parts = read.manifest.threshold.calibration_parts;
    assert_eq!(i64::from(calibration_parts), 6 + cross_validated.unwrap());
    assert!(cross_validated > Some(10));
    let missing = 99 - calibration_parts;
    let needed = format!("{missing} more good validation images are needed");
    assert!(stderr.contains(&needed), "{stderr}");
    assert!(read.manifest.input.exposure.is_some());
    let trained_on = read.manifest.input.trained_on.clone().unwrap();
    assert_eq!((trained_on.width, trained_on.height), (320, 304));
    assert!(!trained_on.seen_as_jpeg && trained_on.other_shape((320, 160)).is_some());
    let fine = read.manifest.input.fine.unwrap();
    assert_eq!((fine.width, fine.height), (320, 288));
    let region = read.manifest.input.region.as_ref().unwrap().to_string();
    assert!(
        region.starts_with("320×304 pixels from 0, 8 in frames of 320×320, ")
            && stderr.contains(&region),
        "{stderr}"
    );
    let arrays = read.arrays("statistics.safetensors").unwrap();
    let on = read.manifest.branches.iter().filter(|branch| branch.on);
    let reads_fine = on
        .clone()
        .any(|branch| branch.name.name().starts_with("fine_"));
    assert_eq!(arrays.names().any(|name| name == "fine.matrix"), reads_fine);
    let out = String::from_utf8_lossy(&fitted.stdout);
    assert!(out.contains("narrowest damage"), "{out}");
    let mut inspector = Inspector::from_bundle(&read, None).unwrap();
    aecsad_inspect::golden::verify(&read, &mut inspector)
        .unwrap()
        .check()
        .unwrap();
    let mut frame = read_image(&category.join("test/good/000.png")).unwrap();
    let expected = inspector.raw_scores(&frame).unwrap();
    for (pixel, rgb) in frame.rgb.chunks_exact_mut(3).enumerate() {
        let (x, y) = (pixel as u32 % 320, pixel as u32 / 320);
        if corner(x, y) || y < 8 {
            rgb.copy_from_slice(&[(x * y) as u8, 255, x as u8]);
        }
    }
    assert_eq!(inspector.raw_scores(&frame).unwrap(), expected);

    let json = folder.path().join("report.json");
    let evaluated = train(&[
        "evaluate",
        "--bundle",
        text(&bundle),
        text(&category),
        "--json",
        text(&json),
    ]);
    assert!(evaluated.status.success(), "{evaluated:?}");
    let printed = String::from_utf8_lossy(&evaluated.stdout);
    assert!(
        printed.contains(&format!("looked at              {region}")),
        "{printed}"
    );
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    let logical = report["auroc"]["logical"].as_f64().unwrap();
    assert!(
        logical > 0.7,
        "AUROC {logical} on missing and exchanged fuses"
    );

    masks_are_read_in_any_layout(&category, &bundle);

    // A folder of bundles gives the tables over several categories; a category without a bundle is named at once.
    let page = folder.path().join("tables.html");
    let tables = train(&[
        "evaluate",
        "--bundle",
        text(folder.path()),
        text(&category),
        "--html",
        text(&page),
    ]);
    let stdout = String::from_utf8(tables.stdout).unwrap();
    assert!(
        stdout.contains("sPRO at 5 %") && stdout.contains("\nmean "),
        "{stdout}"
    );
    assert!(
        stdout.contains("checkpoint: the last of a fixed number of steps"),
        "{stdout}"
    );
    let mode = page.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o444, 0o444, "for others to look at");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("<h1>fuse_box</h1>") && page.contains("data:image/jpeg"));
    let (sentence, code) = refusal(&["evaluate", "--bundle", text(&products), text(&category)]);
    assert!(
        sentence.contains("fuse_box.aecsad is not there") && code == 3,
        "{sentence} ({code})"
    );

    // The same command again finds the trained networks in the work folder and comes to the same bundle.
    let first = read.entry("statistics.safetensors").unwrap().to_vec();
    // No one reads what it says.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut again = Command::new(env!("CARGO_BIN_EXE_aecsad-train"));
    again
        .args(fit)
        .stdout(writer.try_clone().unwrap())
        .stderr(writer);
    assert_eq!(again.status().unwrap().code(), Some(0));
    let second = Bundle::read(&bundle, &Trust::Anyone).unwrap();
    assert!(first == second.entry("statistics.safetensors").unwrap());
    // Two bundles of one version could not be distinguished.
    assert_eq!((read.manifest.version, second.manifest.version), (1, 2));
    let trained = second.manifest.trained().unwrap();
    assert!(
        trained.starts_with("20") && trained.ends_with('Z'),
        "{trained}"
    );
    let (sentence, code) = refusal(&[&fit[..], &["--bundle-version", "2"]].concat());
    assert!(
        sentence.contains("holds fuse_box version 2 already") && code == 21,
        "{sentence} ({code})"
    );
}

/// Half of the logical masks gone, a stray image and an unreadable one; the structural masks as MVTec AD names them,
/// and no PNG. What is measured over how many images is printed.
fn masks_are_read_in_any_layout(category: &Path, bundle: &Path) {
    let truth = category.join("ground_truth");
    for index in 0..8 {
        let name = format!("{index:03}");
        if index < 4 {
            std::fs::remove_dir_all(truth.join("logical_anomalies").join(&name)).unwrap();
        }
        let folder = truth.join("structural_anomalies");
        let loco = image::open(folder.join(&name).join("000.png")).unwrap();
        std::fs::remove_dir_all(folder.join(&name)).unwrap();
        loco.save(folder.join(name + "_mask.bmp")).unwrap();
    }
    let test = category.join("test");
    std::fs::rename(test.join("structural_anomalies"), test.join("scratch")).unwrap();
    std::fs::rename(truth.join("structural_anomalies"), truth.join("scratch")).unwrap();
    std::fs::copy(test.join("good/000.png"), test.join("stray.PNG")).unwrap();
    std::fs::write(test.join("good/torn.png"), "torn").unwrap();
    let evaluated = train(&[
        "evaluate",
        "--bundle",
        text(bundle),
        text(category),
        "--json",
        "-",
    ]);
    let stderr = String::from_utf8(evaluated.stderr).unwrap();
    assert!(evaluated.status.success(), "{stderr}");
    assert_eq!(
        stderr.matches("there is no mask for this image").count(),
        4,
        "{stderr}"
    );
    assert!(
        stderr.contains("stray.PNG: a test image belongs in test/good"),
        "{stderr}"
    );
    assert!(stderr.contains("torn.png: this is not a PNG"), "{stderr}");
    // The report makes room for the file.
    assert!(
        stderr.contains("4 of 8 logical, 8 of 8 structural"),
        "{stderr}"
    );
    assert!(stderr.contains("2 test images, in no figure"), "{stderr}");
    let report: serde_json::Value = serde_json::from_slice(&evaluated.stdout).unwrap();
    assert!(report["spro"]["structural"].as_f64().unwrap() > 0.0);
    assert_eq!(report["structural_located"]["count"], 8);
    assert_eq!(report["logical_located"]["count"], 4);
    assert_eq!(report["left_out"], 2);
}

/// A plate with two squares and a bar that lie elsewhere in each picture, and the masks that somebody drew of them.
fn plate(index: u64) -> (image::RgbImage, image::GrayImage) {
    let mut random = ChaCha8Rng::seed_from_u64(index);
    let mut picture = image::RgbImage::new(128, 128);
    let mut mask = image::GrayImage::new(128, 128);
    let mut part = |number: u8, [left, top, width, height]: [u32; 4], colour: [u8; 3]| {
        let (left, top) = (
            left + random.random_range(0..18),
            top + random.random_range(0..18),
        );
        let lamp = random.random_range(0..20);
        for y in top.min(128 - height)..(top + height).min(128) {
            for x in left.min(128 - width)..(left + width).min(128) {
                let shade = lamp + random.random_range(0..12);
                picture.put_pixel(x, y, image::Rgb(colour.map(|c| c - shade)));
                mask.put_pixel(x, y, image::Luma([number]));
            }
        }
    };
    part(0, [0, 0, 128, 128], [60, 80, 110]);
    part(1, [14, 18, 20, 20], [230, 230, 210]);
    part(2, [72, 20, 20, 20], [230, 230, 210]);
    part(3, [20, 80, 60, 12], [150, 40, 40]);
    (picture, mask)
}
