//! What can't be used is refused in one sentence, each with its exit code.

use std::path::{Path, PathBuf};

use image::{Rgb, RgbImage};

use super::knowing::{Known, SIDE, write};
use super::{onnxruntime, text, train};

/// Twenty-six plates, each with a disc at another place, and the networks for them: a box and a mask of the disc.
fn folder() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (images, models) = (folder.path().join("plates"), folder.path().join("models"));
    std::fs::create_dir(&images).unwrap();
    let disc = |part: u32, x: u32, y: u32| {
        let (cx, cy) = (30 + 11 * (part % 6), 30 + 12 * (part / 6));
        x.abs_diff(cx).pow(2) + y.abs_diff(cy).pow(2) < 300
    };
    let side = SIDE as u32;
    for part in 0..26 {
        let picture = RgbImage::from_fn(side, side, |x, y| {
            Rgb(match disc(part, x, y) {
                true => [200, 40, 30],
                false => [90 + (x % 7) as u8, 95, 100 + (y % 5) as u8],
            })
        });
        picture.save(images.join(format!("{part:02}.png"))).unwrap();
    }
    (folder, images, models)
}

fn of_models(models: &Path, boxes: &[([f32; 4], usize)], logits: &[f32]) {
    let known = Known {
        picture: RgbImage::from_pixel(SIDE as u32, SIDE as u32, Rgb([90; 3])),
        masks: vec![
            (0..SIDE * SIDE)
                .map(|p| p % SIDE < 40 && p / SIDE < 40)
                .collect(),
        ],
        boxes: boxes.to_vec(),
    };
    write(models, &[known], "part\nwhite\nbench\n", logits);
}

#[test]
fn each_thing_that_can_t_be_used_has_its_sentence() {
    let Some(library) = onnxruntime() else { return };
    let (folder, images, models) = folder();
    let out = folder.path().join("labels");
    let label = |more: &[&str]| {
        let label = ["label", text(&images), "--out", text(&out)];
        let output = train(folder.path(), &[&label[..], more].concat());
        let stderr = String::from_utf8(output.stderr).unwrap();
        let last = stderr.lines().last().unwrap_or_default().to_owned();
        (last, output.status.code().unwrap())
    };
    let foundation = |more: &[&str]| {
        let own = ["--proposals", "foundation", "--models", text(&models)];
        let runtime = ["--onnxruntime", text(&library)];
        label(&[&own[..], &runtime, more].concat())
    };
    let refused = |(sentence, code): (String, i32), parts: &[&str], expected: i32| {
        for part in parts {
            assert!(sentence.contains(part), "{part}: {sentence}");
        }
        assert_eq!(code, expected, "{sentence}");
    };

    refused(
        foundation(&[]),
        &["ram/model.onnx is missing", "models import"],
        3,
    );
    refused(
        label(&["--tags", "bolt"]),
        &[
            "--tags is for the foundation models",
            "--proposals foundation",
        ],
        3,
    );
    refused(
        label(&["--bandwidth", "2"]),
        &["--bandwidth is for MeanShift", "--clustering mean-shift"],
        3,
    );
    refused(
        foundation(&["--tags", "bolt:red"]),
        &["`red` is no kind of tag"],
        3,
    );

    of_models(&models, &[([0.16, 0.16, 0.3, 0.3], 1)], &[2.0, 2.0, 2.0]);
    let nowhere = folder.path().join("nowhere.so");
    let own = ["--proposals", "foundation", "--models", text(&models)];
    let with = |runtime: &Path| label(&[&own[..], &["--onnxruntime", text(runtime)]].concat());
    refused(
        with(&nowhere),
        &["ONNX Runtime can't be opened", "nowhere.so"],
        6,
    );
    let no_library = models.join("ram/tags.txt");
    refused(
        with(&no_library),
        &["ONNX Runtime can't be opened", "tags.txt"],
        6,
    );
    refused(
        foundation(&["--device", "cuda"]),
        &["the GPU can't be used", "onnxruntime-gpu", "--device cpu"],
        6,
    );

    let change = |file: &str, bytes: &[u8]| {
        let sums = models.join("SHA256SUMS");
        if sums.exists() {
            std::fs::remove_file(sums).unwrap();
        }
        std::fs::write(models.join(file), bytes).unwrap();
    };
    let kept = |file: &str| std::fs::read(models.join(file)).unwrap();
    let ram = kept("ram/model.onnx");
    change("ram/tags.txt", b"part\nwhite\n");
    refused(foundation(&[]), &["thresholds.txt: 3 lines", "2 tags"], 3);
    change("ram/thresholds.txt", b"0.5\n0.5\n");
    refused(foundation(&[]), &["tags.txt: 2 lines", "3 tags"], 3);
    change("ram/thresholds.txt", b"0.5\nhalf\n");
    refused(
        foundation(&[]),
        &["thresholds.txt, line 2: `half` is no threshold"],
        3,
    );
    change("ram/tags.txt", b"part\nwhite\nbench\n");
    change("ram/thresholds.txt", b"0.5\n0.5\n0.5\n");

    change("ram/model.onnx", &kept("sam/vision_encoder.onnx"));
    refused(
        foundation(&[]),
        &["ram/model.onnx: this is another layout", "pixel_values"],
        3,
    );
    change("ram/model.onnx", b"no network");
    refused(
        foundation(&[]),
        &["ram/model.onnx: the network can't be loaded"],
        3,
    );
    change("ram/model.onnx", &ram);

    // The digests are recorded when the models run for the first time.
    let (sentence, code) = foundation(&[]);
    assert_eq!(code, 0, "{sentence}");
    std::fs::write(models.join("ram/tags.txt"), "part\nwhite\ntable\n").unwrap();
    refused(
        foundation(&[]),
        &["ram/tags.txt: its SHA-256 is", "damaged or exchanged"],
        3,
    );

    of_models(&models, &[([0.16, 0.16, 0.3, 0.3], 1)], &[-2.0, 2.0, 2.0]);
    change("ram/thresholds.txt", b"0.5\n0.5\n0.5\n");
    refused(
        foundation(&[]),
        &["leaves none of the 2 tags", "built in", "--tags"],
        9,
    );
    of_models(&models, &[], &[2.0, 2.0, 2.0]);
    change("ram/thresholds.txt", b"0.5\n0.5\n0.5\n");
    refused(
        foundation(&[]),
        &["no part in any of the", "part", "--box-threshold"],
        9,
    );
}

#[test]
fn the_table_says_what_is_there_and_import_brings_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let (models, carried) = (folder.path().join("models"), folder.path().join("tags.txt"));
    let run = |arguments: &[&str]| {
        let own = ["models", "--models", text(&models)];
        let output = train(folder.path(), &[&own[..], arguments].concat());
        let printed = String::from_utf8(output.stdout).unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        (printed, stderr, output.status.code().unwrap())
    };
    let (table, _, code) = run(&[]);
    assert_eq!(code, 0);
    for part in [
        "ram/model.onnx",
        "missing",
        "MobileSAM",
        "Apache-2.0",
        "`models fetch`",
    ] {
        assert!(table.contains(part), "{part}: {table}");
    }
    std::fs::write(&carried, "part\n").unwrap();
    let (brought, _, code) = run(&["import", "ram", text(&carried)]);
    assert_eq!(code, 0);
    assert!(
        brought.contains("ram/tags.txt") && brought.contains("sha256"),
        "{brought}"
    );
    assert!(run(&[]).0.contains(brought.trim()));
    let (_, stderr, code) = run(&["import", "sam", text(&carried)]);
    assert!(stderr.contains("sam has no file of this name"), "{stderr}");
    assert_eq!(code, 3);
    let (_, stderr, code) = run(&["fetch", "--url", "http://127.0.0.1:9/"]);
    assert!(stderr.contains("could not be fetched"), "{stderr}");
    assert_eq!(code, 6);
    let (filter, _, _) = run(&["tag-filter"]);
    assert!(filter.contains("dropped = [") && filter.contains("background = ["));
}
