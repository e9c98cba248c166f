//! A plain folder of images becomes a bundle, with drawn masks, known bad parts and good ones that a line rejected.

use aecsad_inspect::bundle::{Bundle, Trust};
use aecsad_inspect::image_files::read_image;
use aecsad_inspect::inspector::Inspector;

use super::{plate, refusal, text, train};

#[test]
fn a_plain_folder_with_drawn_masks_is_fitted_for_a_grey_camera_without_students() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (pictures, masks) = (at("plate"), at("masks"));
    let (bad, more_good) = (at("seen/test/scratched"), at("rejected"));
    for folder in [&pictures, &masks, &bad, &more_good] {
        std::fs::create_dir_all(folder).unwrap();
    }
    for index in 0..24 {
        let (picture, mask) = plate(index);
        picture
            .save(pictures.join(format!("{index:02}.png")))
            .unwrap();
        mask.save(masks.join(format!("{index:02}.png"))).unwrap();
    }
    for index in 50..56 {
        let (mut picture, _) = plate(index);
        for (x, y) in (30..90).flat_map(|x| [(x, 60), (x, 61), (x, 62)]) {
            picture.put_pixel(x, y + index as u32 % 8, image::Rgb([250, 250, 250]));
        }
        picture.save(bad.join(format!("{index}.png"))).unwrap();
        // Named as one of the others, and still another part.
        let name = format!("{:02}.png", index - 50);
        plate(index + 10).0.save(more_good.join(name)).unwrap();
    }
    let bundle = folder.path().join("plate.aecsad");
    let mut fit = vec!["fit", text(&pictures), "--out", text(&bundle)];
    fit.extend(["--proposals", "masks", "--masks", text(&masks), "--mono"]);
    fit.extend(["--no-students", "--effort", "1", "--light-counts"]);
    fit.extend(["--bad", text(&bad), "--more-good", text(&more_good)]);
    let fitted = train(&fit);
    let stderr = String::from_utf8_lossy(&fitted.stderr);
    assert!(fitted.status.success(), "{stderr}");
    assert!(!stderr.contains("students:"), "{stderr}");

    let read = Bundle::read(&bundle, &Trust::Anyone).unwrap();
    assert_eq!(read.manifest.product, "plate");
    assert!(read.manifest.input.exposure.is_none());
    // Good parts that a line rejected are learnt from, known bad ones are not.
    let noted = |key: &str| read.manifest.provenance[key].as_integer().unwrap();
    let set_on = i64::from(read.manifest.threshold.calibration_parts);
    let cross_validated = noted("cross_validated");
    assert_eq!(noted("train_images") + set_on - cross_validated, 30);
    assert_eq!((noted("known_bad"), noted("more_good")), (6, 6));
    let passing = noted("known_bad_passing");
    let out = String::from_utf8_lossy(&fitted.stdout);
    for expected in [
        &format!("known bad parts rejected: {} of 6", 6 - passing),
        "more good parts: 4 to learn from and 2 for the threshold",
    ] {
        assert!(out.contains(expected), "`{expected}` is not in:\n{out}");
    }
    assert_eq!(out.matches("would pass: ").count() as i64, passing, "{out}");
    let sheet = folder
        .path()
        .join("plate.aecsad.work/passing_bad_parts.png");
    assert_eq!(sheet.is_file(), passing > 0);
    let classes = &read.manifest.classes;
    assert!(classes.len() >= 3, "background, squares, bar: {classes:?}");
    assert!(
        read.manifest
            .entries
            .iter()
            .all(|e| !e.path.contains("students"))
    );
    let mut inspector = Inspector::from_bundle(&read, None).unwrap();
    aecsad_inspect::golden::verify(&read, &mut inspector)
        .unwrap()
        .check()
        .unwrap();

    // The bundle rejects those known bad parts that `fit` says it does: its weights rest on none of them.
    assert!(
        out.contains("the weights rest on planted anomalies alone"),
        "{out}"
    );
    let is_rejected = |index: u64| {
        let part = read_image(&bad.join(format!("{index}.png"))).unwrap();
        inspector.inspect(&part).unwrap().reject
    };
    let rejected = (50..56).map(is_rejected).filter(|r| *r).count();
    assert_eq!(rejected as i64, 6 - passing, "{out}");

    // Seen by a grey camera, a part is what it is in colour.
    let (picture, _) = plate(41);
    let mut grey = picture.clone();
    for pixel in grey.pixels_mut() {
        // ITU-R BT.601 luma, as the optics take it
        let [r, g, b] = pixel.0.map(u32::from);
        pixel.0 = [((77 * r + 150 * g + 29 * b) >> 8) as u8; 3];
    }
    let score = |inspector: &mut Inspector, picture: image::RgbImage| {
        let frame = aecsad_inspect::frame::Frame {
            width: picture.width(),
            height: picture.height(),
            rgb: picture.into_raw(),
            captured: std::time::Instant::now(),
        };
        inspector.inspect(&frame).unwrap().score
    };
    let coloured = score(&mut inspector, picture);
    let grey = score(&mut inspector, grey);
    assert!((coloured - grey).abs() < 1.0, "{coloured} and {grey}");

    // Test images that were known are no test.
    let seen = at("seen");
    std::fs::create_dir(seen.join("test/good")).unwrap();
    std::fs::create_dir(seen.join("train")).unwrap();
    std::os::unix::fs::symlink(&pictures, seen.join("train/good")).unwrap();
    plate(42).0.save(seen.join("test/good/0.png")).unwrap();
    let evaluated = train(&["evaluate", "--bundle", text(&bundle), text(&seen)]);
    let report = String::from_utf8_lossy(&evaluated.stdout);
    assert!(
        report.contains("6 test images were known bad parts"),
        "{report}"
    );
    let mut export = vec!["export", text(&bundle), "--images", text(&pictures)];
    let int8 = at("int8.aecsad");
    export.extend(["--out", text(&int8)]);
    let (sentence, code) = refusal(&export);
    assert!(
        sentence.contains("name that with --more-good") && code == 3,
        "{sentence} ({code})"
    );

    // A mask more than there are images is named before anything is trained.
    plate(1).1.save(masks.join("99.png")).unwrap();
    let (sentence, code) = refusal(&fit);
    assert!(
        sentence.contains("99.png") && code == 3,
        "{sentence} ({code})"
    );
}
