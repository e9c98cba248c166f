//! The whole way from images to components and a bundle, with hand-made networks that return a rendered product's true parts,
//! whole or damaged.

use std::path::{Path, PathBuf};

use image::{RgbImage, imageops};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::knowing::{Known, SIDE, write};
use super::{onnxruntime, text, train};

const TRAIN: usize = 24;

/// RAM++'s words here: colours go, the bench is background.
const WORDS: &str = "part\nwhite\nbench\n";

fn render(folder: &Path) -> PathBuf {
    let products = folder.join("products");
    let arguments = format!(
        "synth {} --products fuse_box --train {TRAIN} --validation 8 --test 16 --size 256 --seed 3 --parts",
        text(&products)
    );
    let rendered = train(folder, &arguments.split(' ').collect::<Vec<_>>());
    assert!(rendered.status.success(), "{rendered:?}");
    products.join("fuse_box")
}

/// The training pictures, each with the masks of its true parts; the first part is what the others lie on.
fn true_parts(category: &Path) -> Vec<(RgbImage, Vec<Vec<bool>>)> {
    let picture = |index: usize| {
        let name = format!("{index:03}");
        let picture = category.join("train/good").join(format!("{name}.png"));
        let folder = category.join("parts").join(&name);
        let masks = (0..).map(|part| folder.join(format!("{part:03}.png")));
        let masks = masks.take_while(|path| path.is_file());
        let masks = masks.map(|path| {
            let mask = image::open(path).unwrap().to_luma8();
            let side = SIDE as u32;
            let small = imageops::resize(&mask, side, side, imageops::FilterType::Nearest);
            small.pixels().map(|pixel| pixel.0[0] > 0).collect()
        });
        (image::open(picture).unwrap().to_rgb8(), masks.collect())
    };
    (0..TRAIN).map(picture).collect()
}

/// Centre and size of a mask as shares of the picture.
fn bounds(mask: &[bool]) -> [f32; 4] {
    let span = |of: fn(usize) -> usize| {
        let places = || (0..mask.len()).filter(|&p| mask[p]).map(of);
        let (first, last) = (places().min().unwrap(), places().max().unwrap() + 1);
        (
            (first + last) as f32 / 2.0 / SIDE as f32,
            (last - first) as f32 / SIDE as f32,
        )
    };
    let ((cx, w), (cy, h)) = (span(|p| p % SIDE), span(|p| p / SIDE));
    [cx, cy, w, h]
}

/// What the networks return for a picture: a box and a mask for each part, after `damage` to the masks.
fn known(
    (picture, masks): (RgbImage, Vec<Vec<bool>>),
    mut damage: impl FnMut(&mut Vec<Vec<bool>>),
) -> Known {
    let tag = |part: usize| usize::from(part != 0);
    let boxes = masks.iter().enumerate();
    let boxes = boxes
        .map(|(part, mask)| (bounds(mask), tag(part)))
        .collect();
    let mut masks = masks;
    damage(&mut masks);
    Known {
        picture,
        masks,
        boxes,
    }
}

/// A quarter of the masks loses a half, is gone, has grown into its neighbour, or is there twice.
fn a_quarter(rng: &mut ChaCha8Rng) -> impl FnMut(&mut Vec<Vec<bool>>) + '_ {
    move |masks| {
        let mut more = Vec::new();
        for part in (1..masks.len()).rev() {
            if !rng.random_bool(0.25) {
                continue;
            }
            match rng.random_range(0..4) {
                0 => {
                    let middle = (bounds(&masks[part])[0] * SIDE as f32) as usize;
                    let right = |p: usize| p % SIDE > middle;
                    (0..SIDE * SIDE)
                        .filter(|&p| right(p))
                        .for_each(|p| masks[part][p] = false);
                }
                1 => {
                    masks.remove(part);
                }
                2 if part > 1 => {
                    let other = masks.remove(part);
                    let into = &mut masks[part - 1];
                    into.iter_mut().zip(other).for_each(|(a, b)| *a |= b);
                }
                _ => {
                    let mut shifted = masks[part].clone();
                    shifted.rotate_right(1);
                    more.push(shifted);
                }
            }
        }
        masks.extend(more);
    }
}

/// Kinds of component and labelled images that `label` prints.
fn found(stdout: &str) -> (usize, usize) {
    let kinds = stdout
        .lines()
        .filter(|line| line.starts_with("component "))
        .count();
    let labelled = stdout.split(' ').next().unwrap().parse().unwrap();
    (kinds, labelled)
}

#[test]
fn true_parts_become_components_and_a_bundle_that_knows_wrong_arrangements() {
    let Some(library) = onnxruntime() else { return };
    let folder = tempfile::tempdir().unwrap();
    let category = render(folder.path());
    let models = folder.path().join("models");
    let pictures: Vec<Known> = true_parts(&category)
        .into_iter()
        .map(|one| known(one, |_| {}))
        .collect();
    write(&models, &pictures, WORDS, &[2.0, 2.0, 2.0]);
    let labels = folder.path().join("labels");
    let of_models = [
        "--proposals",
        "foundation",
        "--models",
        text(&models),
        "--onnxruntime",
        text(&library),
    ];
    let label = ["label", text(&category), "--out", text(&labels)];
    let run = || {
        let output = train(folder.path(), &[&label[..], &of_models].concat());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{stderr}");
        (String::from_utf8(output.stdout).unwrap(), stderr)
    };
    let (stdout, stderr) = run();
    assert!(stderr.contains("tags: bench:background, part"), "{stderr}");
    assert!(stderr.contains("SAM takes about"), "{stderr}");
    let (kinds, labelled) = found(&stdout);
    assert!(kinds >= 4 && labelled >= TRAIN / 2, "{stdout}");
    for picture in ["stages_sheet.png", "stages/000.png", "contact_sheet.png"] {
        assert!(labels.join(picture).is_file(), "{picture}");
    }
    let list = std::fs::read_to_string(labels.join("stages/candidates.csv")).unwrap();
    assert!(
        list.contains(",true,kept") && list.contains(",false,background"),
        "{list}"
    );
    let sheet = std::fs::read(labels.join("stages_sheet.png")).unwrap();

    // What was computed is not computed again, and gives the same.
    let (again, stderr) = run();
    assert!(!stderr.contains("SAM takes about"), "{stderr}");
    assert_eq!(again, stdout);
    assert_eq!(
        std::fs::read(labels.join("stages_sheet.png")).unwrap(),
        sheet
    );

    let logical = |name: &str, more: &[&str]| {
        let bundle = folder.path().join(name);
        let fit = [
            "fit",
            text(&category),
            "--out",
            text(&bundle),
            "--effort",
            "10",
        ];
        let cheap = ["--side", "256", "--moved-copies", "1", "--seed", "1"];
        let fitted = train(folder.path(), &[&fit[..], &cheap, more].concat());
        assert!(fitted.status.success(), "{fitted:?}");
        let json = folder.path().join("report.json");
        let evaluate = ["evaluate", "--bundle", text(&bundle), text(&category)];
        let measured = train(
            folder.path(),
            &[&evaluate[..], &["--json", text(&json)]].concat(),
        );
        assert!(measured.status.success(), "{measured:?}");
        let report = std::fs::read(&json).unwrap();
        let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
        report["auroc"]["logical"].as_f64().unwrap()
    };
    let (own, builtin) = (
        logical("models.aecsad", &of_models),
        logical("builtin.aecsad", &[]),
    );
    println!("logical AUROC: foundation {own:.3}, built in {builtin:.3}");
    assert!(own >= builtin, "{own} against {builtin}");
}

#[test]
fn a_quarter_of_the_masks_may_be_wrong() {
    let Some(library) = onnxruntime() else { return };
    let folder = tempfile::tempdir().unwrap();
    let category = render(folder.path());
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let pictures: Vec<Known> = true_parts(&category)
        .into_iter()
        .map(|one| known(one, a_quarter(&mut rng)))
        .collect();
    let models = folder.path().join("models");
    write(&models, &pictures, WORDS, &[2.0, 2.0, 2.0]);
    let labels = folder.path().join("labels");
    let arguments = [
        "label",
        text(&category),
        "--out",
        text(&labels),
        "--proposals",
        "foundation",
        "--models",
        text(&models),
        "--onnxruntime",
        text(&library),
        // In place of RAM++, which then needn't be there.
        "--tags",
        "bench:background, part",
    ];
    std::fs::remove_dir_all(models.join("ram")).unwrap();
    let output = train(folder.path(), &arguments);
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{:?}",
        String::from_utf8(output.stderr)
    );
    let (kinds, labelled) = found(&stdout);
    println!("{kinds} kinds, {labelled} of {TRAIN} labelled");
    assert!(kinds >= 3 && labelled >= TRAIN / 3, "{stdout}");
    assert!(!stdout.contains("not used for training"), "{stdout}");
    assert!(
        stdout.contains("\ngrouped by Ward: ")
            && stdout.contains("\ncompared with MeanShift, bandwidth "),
        "{stdout}"
    );

    let mean_shift = ["--clustering", "mean-shift", "--bandwidth", "1.5"];
    let output = train(folder.path(), &[&arguments[..], &mean_shift].concat());
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(
        stdout.contains("\ngrouped by MeanShift, bandwidth 1.500: ")
            && stdout.contains("\ncompared with Ward: "),
        "{stdout}"
    );
}
