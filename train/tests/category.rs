//! Data sets as people keep them: well ordered, half finished, and with files that shouldn't be there.

use std::fs;
use std::path::{Path, PathBuf};

use aecsad_train::dataset::{Category, DatasetError, Kind, load, mask_size, read_mask};
use image::{GrayImage, Luma, Rgb, RgbImage};
use tempfile::TempDir;

fn image(folder: &Path, name: &str) -> PathBuf {
    sized(folder, name, 24, 16)
}

fn sized(folder: &Path, name: &str, width: u32, height: u32) -> PathBuf {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    RgbImage::from_pixel(width, height, Rgb([9, 99, 199]))
        .save(&path)
        .unwrap();
    path
}

fn images(folder: &Path, prefix: &str, count: usize) {
    for i in 0..count {
        image(folder, &format!("{prefix}{i:03}.png"));
    }
}

fn mask(folder: &Path, name: &str, width: u32) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    GrayImage::from_pixel(width, 16, Luma([238]))
        .save(path)
        .unwrap();
}

/// 20 and 8 good images, one image of each kind to test on, with masks.
fn loco() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    images(folder, "train/good/", 20);
    images(folder, "validation/good/", 8);
    for kind in ["good", "logical_anomalies", "structural_anomalies"] {
        image(folder, &format!("test/{kind}/000.png"));
    }
    mask(folder, "ground_truth/logical_anomalies/000/000.png", 24);
    mask(folder, "ground_truth/logical_anomalies/000/001.png", 24);
    mask(folder, "ground_truth/structural_anomalies/000/000.png", 24);
    fs::write(
        folder.join("defects_config.json"),
        r#"[{"defect_name": "missing_gear", "pixel_value": 238, "saturation_threshold": 300,
             "relative_saturation": false, "note": "ours"}]"#,
    )
    .unwrap();
    root
}

fn frames(paths: &[PathBuf]) -> Vec<(u32, u32)> {
    load(paths, Some(16), None, |_, frame| {
        (frame.width, frame.height)
    })
    .items
}

#[test]
fn loco_s_layout_is_understood() {
    let root = loco();
    let category = Category::open(root.path(), 1).unwrap();
    assert_eq!(category.train.len(), 20);
    assert_eq!(category.validation.len(), 8);
    let kinds: Vec<_> = category
        .test
        .iter()
        .map(|t| (t.kind, t.masks.len()))
        .collect();
    assert_eq!(
        kinds,
        [(Kind::Good, 0), (Kind::Logical, 2), (Kind::Structural, 1)]
    );
    let defects = category.defects.unwrap();
    assert_eq!(defects[0].name, "missing_gear");
    assert_eq!(defects[0].pixel_value, 238);
    assert!(category.skipped.is_empty(), "{:?}", category.skipped);
    assert_eq!(
        category.name,
        root.path().file_name().unwrap().to_str().unwrap()
    );
    let again = Category::open(root.path(), 2).unwrap();
    assert_eq!(again.train, category.train);
}

#[test]
fn mvtec_ad_s_layout_is_understood() {
    let root = tempfile::tempdir().unwrap();
    images(root.path(), "train/good/", 20);
    image(root.path(), "test/good/000.png");
    image(root.path(), "test/broken_large/000.png");
    mask(root.path(), "ground_truth/broken_large/000_mask.png", 24);
    let category = Category::open(root.path(), 1).unwrap();
    assert_eq!((category.train.len(), category.validation.len()), (13, 7));
    let broken = &category.test[0];
    assert_eq!((broken.kind, broken.masks.len()), (Kind::Structural, 1));
    assert_eq!(category.test[1].kind, Kind::Good);
}

#[test]
fn a_plain_folder_is_split_by_seed() {
    let root = tempfile::tempdir().unwrap();
    images(root.path(), "", 40);
    let one = Category::open(root.path(), 1).unwrap();
    assert_eq!((one.train.len(), one.validation.len()), (26, 14));
    assert!(one.train.is_sorted() && one.validation.is_sorted());
    assert!(one.train.iter().all(|path| !one.validation.contains(path)));
    let same = Category::open(root.path(), 1).unwrap();
    assert_eq!(same.validation, one.validation);
    let other = Category::open(root.path(), 2).unwrap();
    assert_ne!(other.validation, one.validation);
    assert!(one.test.is_empty() && one.defects.is_none());
}

#[test]
fn the_kind_of_folder_is_said_when_it_can_t_be_used() {
    let root = tempfile::tempdir().unwrap();
    let open = || Category::open(root.path(), 1).unwrap_err();
    let missing = Category::open(&root.path().join("none"), 1).unwrap_err();
    assert!(matches!(missing, DatasetError::NotAFolder { .. }));
    assert!(matches!(open(), DatasetError::NoImages { .. }));
    images(root.path(), "good/", 20);
    assert!(matches!(open(), DatasetError::OnlySubfolders { .. }));
    fs::create_dir(root.path().join("train")).unwrap();
    assert!(matches!(open(), DatasetError::NoGoodFolder { .. }));
    fs::create_dir(root.path().join("train/good")).unwrap();
    assert!(matches!(open(), DatasetError::NoImages { .. }));
}

#[test]
fn nineteen_are_too_few_and_it_says_how_many_are_needed() {
    let root = tempfile::tempdir().unwrap();
    images(root.path(), "", 19);
    let error = Category::open(root.path(), 1).unwrap_err();
    let sentence = error.to_string();
    assert!(sentence.contains("19 usable good images"), "{sentence}");
    assert!(sentence.contains("at least 20 are needed"), "{sentence}");
    image(root.path(), "19.png");
    assert!(Category::open(root.path(), 1).is_ok());
}

#[test]
fn too_few_validation_images_are_refused() {
    let root = tempfile::tempdir().unwrap();
    images(root.path(), "train/good/", 30);
    images(root.path(), "validation/good/", 2);
    let error = Category::open(root.path(), 1).unwrap_err();
    assert!(matches!(
        error,
        DatasetError::TooFewValidation { found: 2, .. }
    ));
}

#[test]
fn a_few_bad_images_are_skipped_and_named() {
    let root = tempfile::tempdir().unwrap();
    images(root.path(), "", 39);
    fs::write(root.path().join("bad.png"), "not an image").unwrap();
    let category = Category::open(root.path(), 1).unwrap();
    let good = category
        .load_good(None, None, |_, frame| frame.width)
        .unwrap();
    assert_eq!(good.train.items.len() + good.validation.items.len(), 39);
    assert_eq!(good.train.items.len(), good.train.paths.len());
    let skipped = [good.train.skipped, good.validation.skipped].concat();
    assert_eq!(skipped.len(), 1);
    assert!(skipped[0].why.contains("bad.png: this is not a PNG"));
}

#[test]
fn more_than_one_bad_image_in_twenty_is_fatal() {
    let root = tempfile::tempdir().unwrap();
    images(root.path(), "", 38);
    fs::write(root.path().join("bad1.png"), "").unwrap();
    fs::write(root.path().join("bad2.png"), "GIF89a").unwrap();
    let open = || Category::open(root.path(), 1).unwrap();
    assert!(
        open().load_good(None, None, |_, _| ()).is_ok(),
        "2 of 40 is the limit"
    );
    fs::rename(root.path().join("000.png"), root.path().join("000.jpg")).unwrap();
    let error = open().load_good(None, None, |_, _| ()).unwrap_err();
    let DatasetError::TooManyBad { bad, total, .. } = error else {
        panic!("{error}")
    };
    assert_eq!((bad, total), (3, 40));
}

#[test]
fn a_bad_image_can_leave_too_few() {
    let root = tempfile::tempdir().unwrap();
    images(root.path(), "", 19);
    sized(root.path(), "19.png", 1, 1);
    let error = Category::open(root.path(), 1)
        .unwrap()
        .load_good(None, None, |_, _| ())
        .unwrap_err();
    assert!(matches!(error, DatasetError::TooFewGood { found: 19, .. }));
}

#[test]
fn more_good_parts_join_in_the_category_s_own_share() {
    let (root, more) = (loco(), tempfile::tempdir().unwrap());
    images(more.path(), "", 7);
    std::os::unix::fs::symlink(
        root.path().join("train/good/000.png"),
        more.path().join("again.png"),
    )
    .unwrap();
    let with = |seed| {
        let mut category = Category::open(root.path(), 1).unwrap();
        category.add_good(more.path(), seed).unwrap();
        category
    };
    let category = with(1);
    // 20 to 8, as without them; what is there already is not added again.
    assert_eq!((category.train.len(), category.validation.len()), (25, 10));
    assert!(category.train.is_sorted() && category.validation.is_sorted());
    assert_eq!(category.more_good.len(), 7);
    assert_eq!(category.train, with(1).train);
    assert!((2..9).any(|seed| with(seed).train != category.train));
    let own = Category::open(root.path(), 1).unwrap();
    assert!(own.train.iter().all(|path| category.train.contains(path)));

    let mut category = own;
    let error = category.add_good(&root.path().join("train/good"), 1);
    let sentence = error.unwrap_err().to_string();
    assert!(
        sentence.contains("good part that the category doesn't have"),
        "{sentence}"
    );
}

#[test]
fn masks_and_good_images_among_bad_parts_are_no_bad_parts() {
    let (root, bad) = (loco(), tempfile::tempdir().unwrap());
    let folder = bad.path();
    let expected = [
        "a.png",
        "b_mask.png",
        "logical_anomalies/000.png",
        "scratch/000.PNG",
    ];
    for name in expected {
        image(folder, name);
    }
    for name in [
        "a_mask.png",
        "scratch/000_mask.bmp",
        "ground_truth/scratch/001/000.png",
        "good/000.png",
    ] {
        image(folder, name);
    }
    let mut category = Category::open(root.path(), 1).unwrap();
    category.add_bad(folder).unwrap();
    let found = category.bad.iter().map(|path| path.strip_prefix(folder));
    let found: Vec<&Path> = found.map(Result::unwrap).collect();
    assert_eq!(found, expected.map(Path::new));
    assert_eq!((category.train.len(), category.validation.len()), (20, 8));

    let mut refused = |folder: &Path| category.add_bad(folder).unwrap_err().to_string();
    let sentence = refused(&folder.join("ground_truth/scratch/nowhere"));
    assert!(sentence.contains("nowhere: the folder can't be listed"));
    fs::create_dir(folder.join("empty")).unwrap();
    let sentence = refused(&folder.join("empty"));
    assert!(sentence.contains("empty: there is no image of a known bad part"));
}

#[test]
fn images_of_several_sizes_are_counted() {
    let root = tempfile::tempdir().unwrap();
    images(root.path(), "", 19);
    sized(root.path(), "large.png", 48, 32);
    let category = Category::open(root.path(), 1).unwrap();
    let good = category.load_good(None, None, |_, _| ()).unwrap();
    let mut sizes = good.train.sizes;
    sizes.extend(good.validation.sizes);
    assert_eq!(sizes.len(), 2);
}

#[test]
fn frames_come_in_the_order_of_their_paths() {
    let root = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = (16..32)
        .map(|width| sized(root.path(), &format!("{width}.png"), width, 16))
        .collect();
    let expected: Vec<(u32, u32)> = (16..32).map(|width| (width, 16)).collect();
    assert_eq!(frames(&paths), expected);
}

#[test]
fn masks_that_fit_no_image_are_named() {
    let root = loco();
    mask(
        root.path(),
        "ground_truth/logical_anomalies/999/000.png",
        24,
    );
    mask(root.path(), "ground_truth/stray.png", 24);
    image(root.path(), "test/stray.png");
    let category = Category::open(root.path(), 1).unwrap();
    assert_eq!(category.test.len(), 3);
    let mut why: Vec<String> = category.skipped.iter().map(|s| s.to_string()).collect();
    why.sort();
    assert_eq!(why.len(), 3);
    assert!(why[0].contains("999/000.png: the mask has no image"));
    assert!(why[1].contains("stray.png: the mask has no image"));
    assert!(why[2].contains("test/stray.png: a test image belongs"));
}

#[test]
fn an_image_whose_masks_don_t_fit_counts_without_them() {
    let root = loco();
    let truth = root.path().join("ground_truth");
    mask(&truth, "logical_anomalies/000/001.png", 30);
    fs::write(truth.join("structural_anomalies/000/000.png"), "x").unwrap();
    image(root.path(), "test/structural_anomalies/001.png");
    let category = Category::open(root.path(), 1).unwrap();
    assert_eq!(category.test.len(), 4);
    assert!(category.test.iter().all(|test| test.masks.is_empty()));
    let why: Vec<String> = category.skipped.iter().map(|s| s.to_string()).collect();
    assert_eq!(why.len(), 3);
    assert!(why[0].contains("the mask is 30×16 but its image is 24×16"));
    assert!(why[1].contains("the mask can't be read"));
    assert!(why[2].contains("001.png: there is no mask"));
}

#[test]
fn masks_are_found_in_either_layout_and_format() {
    let root = loco();
    let folder = root.path();
    for name in ["000.PNG", "001.bmp", "002_mask.png", "003.png", "004.png"] {
        image(folder, &format!("test/scratch/{name}"));
    }
    let paint = |name: &str| {
        let path = folder.join("ground_truth/scratch").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mask = GrayImage::from_pixel(24, 16, Luma([238]));
        mask.save(path).unwrap();
    };
    for name in [
        "000_mask.png",
        "001_mask.BMP",
        // An image may itself be named so.
        "002_mask.tiff",
        "003/a.png",
        "003/b.tif",
        "004_mask.jpg",
    ] {
        paint(name);
    }
    let category = Category::open(folder, 1).unwrap();
    let of_scratch = category
        .test
        .iter()
        .filter(|t| t.path.to_str().unwrap().contains("scratch"));
    let masks: Vec<usize> = of_scratch.map(|test| test.masks.len()).collect();
    assert_eq!(masks, [1, 1, 1, 2, 0]);
    let why: Vec<String> = category.skipped.iter().map(|s| s.to_string()).collect();
    assert_eq!(why.len(), 1, "{why:?}");
    assert!(
        why[0].contains("004_mask.jpg: the mask can't be read (a JPEG does not keep"),
        "{why:?}"
    );

    let bmp = read_mask(&folder.join("ground_truth/scratch/001_mask.BMP")).unwrap();
    assert_eq!(bmp.values, [238; 24 * 16]);
    fs::remove_dir_all(folder.join("ground_truth")).unwrap();
    let category = Category::open(folder, 1).unwrap();
    assert_eq!(category.skipped.len(), 1);
    assert!(
        category.skipped[0]
            .to_string()
            .contains("there are no masks")
    );
}

#[test]
fn a_defects_config_that_makes_no_sense_is_refused() {
    let root = loco();
    let entry = |value: u32, threshold: &str, relative: bool| {
        format!(
            r#"{{"defect_name": "d", "pixel_value": {value}, "saturation_threshold": {threshold},
                "relative_saturation": {relative}}}"#
        )
    };
    let one = entry(255, "0.5", true);
    let bad = [
        "{".to_owned(),
        "[{}]".to_owned(),
        format!("[{}]", entry(256, "1", false)),
        format!("[{}]", entry(0, "1", false)),
        format!("[{}]", entry(255, "0", false)),
        format!("[{}]", entry(255, "1.5", true)),
        format!("[{one}, {one}]"),
    ];
    let path = root.path().join("defects_config.json");
    for text in bad {
        fs::write(&path, &text).unwrap();
        let error = Category::open(root.path(), 1).unwrap_err();
        assert!(
            matches!(error, DatasetError::DefectsConfig { .. }),
            "{text}"
        );
    }
    fs::write(&path, format!("[{one}]")).unwrap();
    assert!(Category::open(root.path(), 1).is_ok());
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/fixtures/images")
        .join(name)
}

#[test]
fn masks_keep_their_values() {
    let root = tempfile::tempdir().unwrap();
    mask(root.path(), "mask.png", 24);
    let mask = read_mask(&root.path().join("mask.png")).unwrap();
    assert_eq!((mask.width, mask.height), (24, 16));
    assert_eq!(mask.values, vec![238; 24 * 16]);

    let indexed = read_mask(&fixture("indexed_mask.png")).unwrap();
    assert_eq!((indexed.width, indexed.height), (17, 16));
    let row = [[3u8; 8].as_slice(), &[1; 9]].concat();
    assert_eq!(indexed.values, row.repeat(16));

    let bilevel = read_mask(&fixture("bilevel.png")).unwrap();
    assert!(bilevel.values.iter().all(|v| [0, 255].contains(v)));
    assert_eq!(*bilevel.values.last().unwrap(), 255);
}

#[test]
fn masks_of_another_form_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let wide = root.path().join("wide.png");
    image::ImageBuffer::from_pixel(16, 16, Luma([1u16]))
        .save(&wide)
        .unwrap();
    let colours = image(root.path(), "colours.png");
    let none = root.path().join("none.png");
    for path in [
        wide,
        colours,
        none,
        fixture("huge.png"),
        fixture("grey.jpg"),
    ] {
        assert!(matches!(read_mask(&path), Err(DatasetError::Mask { .. })));
        assert!(mask_size(&path).is_err());
    }
    let whole = fs::read(fixture("indexed_mask.png")).unwrap();
    let cut = root.path().join("cut.png");
    // Up to the end of the pixels; the closing chunk alone may be missing.
    for length in 0..whole.len() - 16 {
        fs::write(&cut, &whole[..length]).unwrap();
        assert!(read_mask(&cut).is_err(), "{length}");
    }
}
