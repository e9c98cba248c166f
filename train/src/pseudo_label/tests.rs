//! From drawn pictures through the real encoder to classes.

use std::f32::consts::TAU;
use std::path::Path;
use std::time::Instant;

use aecsad_inspect::network::Encoder;
use aecsad_inspect::optics::{InputGeometry, Optics};
use image::{Rgb, RgbImage};
use ndarray::Array3;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tiny_skia::{Color, FillRule, Paint, PathBuilder, Pixmap, Rect, Transform};

use super::*;

const IMAGES: u64 = 24;

/// Draws one picture from its own random numbers.
type Draw = fn(&mut ChaCha8Rng) -> RgbImage;

fn frames(draw: Draw) -> Vec<Frame> {
    (0..IMAGES)
        .map(|i| {
            let picture = draw(&mut ChaCha8Rng::seed_from_u64(i));
            Frame {
                width: picture.width(),
                height: picture.height(),
                rgb: picture.into_raw(),
                captured: Instant::now(),
            }
        })
        .collect()
}

fn features(frames: &[Frame]) -> Vec<Features> {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/efficientnet-lite0/encoder.onnx");
    let mut encoder = Encoder::load(&std::fs::read(file).unwrap()).unwrap();
    let mut optics = Optics::new(InputGeometry::lite0(false), None);
    frames
        .iter()
        .map(|frame| {
            let mut features = Features::empty();
            encoder
                .encode(optics.tensor(frame).unwrap(), &mut features)
                .unwrap();
            features
        })
        .collect()
}

/// Adds sensor noise and a lamp that is never twice the same.
fn photograph(square: &Pixmap, rng: &mut ChaCha8Rng) -> RgbImage {
    let lamp = rng.random_range(0.9..1.1f32);
    RgbImage::from_fn(SIDE as u32, SIDE as u32, |x, y| {
        let pixel = &square.data()[(y as usize * SIDE + x as usize) * 4..];
        Rgb([0, 1, 2].map(|c| {
            let noise = rng.random_range(-4.0..4.0f32);
            (f32::from(pixel[c]) * lamp + noise).clamp(0.0, 255.0) as u8
        }))
    })
}

fn paint(r: u8, g: u8, b: u8) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color_rgba8(r, g, b, 255);
    paint
}

/// A grey table with two blue discs and one long red bar, at any place and angle.
fn loose_parts(rng: &mut ChaCha8Rng) -> RgbImage {
    let mut square = Pixmap::new(SIDE as u32, SIDE as u32).unwrap();
    square.fill(Color::from_rgba8(190, 190, 185, 255));
    for quarter in [0, 1, 2] {
        let x = 70.0 + 116.0 * (quarter % 2) as f32 + rng.random_range(-12.0..12.0);
        let y = 70.0 + 116.0 * (quarter / 2) as f32 + rng.random_range(-12.0..12.0);
        if quarter < 2 {
            let disc = PathBuilder::from_circle(x, y, 24.0).unwrap();
            let blue = paint(40, 70, 190);
            square.fill_path(&disc, &blue, FillRule::Winding, Transform::identity(), None);
        } else {
            let bar = Rect::from_xywh(x - 40.0, y - 13.0, 80.0, 26.0).unwrap();
            let turn = Transform::from_rotate_at(rng.random_range(0.0..360.0), x, y);
            square.fill_rect(bar, &paint(200, 40, 40), turn, None);
        }
    }
    photograph(&square, rng)
}

/// Random ripples that fill the picture.
fn ripples(rng: &mut ChaCha8Rng) -> RgbImage {
    let waves: Vec<[f32; 4]> = (0..24)
        .map(|_| {
            let angle = rng.random_range(0.0..TAU);
            let cycles = rng.random_range(8.0..24.0) * TAU / SIDE as f32;
            [
                cycles * angle.cos(),
                cycles * angle.sin(),
                rng.random_range(0.0..TAU),
                rng.random_range(4.0..9.0),
            ]
        })
        .collect();
    RgbImage::from_fn(SIDE as u32, SIDE as u32, |x, y| {
        let level: f32 = waves
            .iter()
            .map(|[kx, ky, phase, height]| height * (kx * x as f32 + ky * y as f32 + phase).sin())
            .sum();
        Rgb([130.0, 120.0, 100.0].map(|base: f32| (base + level).clamp(0.0, 255.0) as u8))
    })
}

#[test]
fn loose_parts_get_the_same_class_wherever_they_lie() {
    let frames = frames(loose_parts);
    let features = features(&frames);
    let labels = label(&frames, &features, &Config::default()).unwrap();
    assert_eq!(labels.usable, Usable::Yes);
    assert_eq!(labels.classes.len(), 3, "table, discs, bar");
    let expected = |pixel: [u8; 3]| match pixel.map(i32::from) {
        [r, _, b] if b > r + 60 => 0,
        [r, _, b] if r > b + 60 => 1,
        _ => 2,
    };
    let mut hits = Array2::<u32>::zeros((3, 3));
    for (i, frame) in frames.iter().enumerate() {
        let square = SquareImage::from_frame(i, frame).unwrap();
        for ((y, x), &class) in labels.maps[i].indexed_iter() {
            let middle = (4 * y + 2) * SIDE + 4 * x + 2;
            hits[[expected(square.pixel(middle)), class.into()]] += 1;
        }
    }
    for row in hits.rows() {
        let most = f64::from(row.iter().copied().max().unwrap_or(0));
        assert!(most > 0.9 * f64::from(row.sum()), "{hits}");
    }
    let classes: Vec<usize> = hits
        .rows()
        .into_iter()
        .filter_map(|row| (0..3).max_by_key(|&c| row[c]))
        .collect();
    assert_eq!(classes[2], 0, "the table is background");
    assert_ne!(classes[0], classes[1]);

    let again = label(&frames, &features, &Config::default()).unwrap();
    assert_eq!(again.maps, labels.maps);
    assert_eq!(again.reliability, labels.reliability);

    let folder = tempfile::tempdir().unwrap();
    let names: Vec<std::ffi::OsString> = (0..frames.len())
        .map(|i| format!("part{i}").into())
        .collect();
    overlay::write(folder.path(), &names, &frames, &labels, None).unwrap();
    assert!(folder.path().join("overlays/part23.png").exists());
    let list = std::fs::read_to_string(folder.path().join("labelled.csv")).unwrap();
    assert!(list.starts_with("image,labelled,reason\npart0,") && list.lines().count() == 25);
    let sheet = image::open(folder.path().join("contact_sheet.png"))
        .unwrap()
        .to_rgb8();
    for class in &labels.classes[1..] {
        assert!(sheet.pixels().any(|p| p.0 == class.colour));
    }
}

#[test]
fn a_texture_has_no_components() {
    let frames = frames(ripples);
    let labels = label(&frames, &features(&frames), &Config::default()).unwrap();
    assert!(
        matches!(labels.usable, Usable::No(_)),
        "{:?}",
        labels.classes
    );
}

#[test]
fn drawn_masks_become_classes_and_images_without_stay_unlabelled() {
    let frames = frames(loose_parts);
    let parts = |frame: &Frame| {
        let is_part = |p: &usize| {
            let (r, b) = (i32::from(frame.rgb[p * 3]), i32::from(frame.rgb[p * 3 + 2]));
            (r - b).abs() > 60
        };
        let part: Vec<u32> = (0..SIDE * SIDE).filter(is_part).map(|p| p as u32).collect();
        filter::without_overlap(vec![part])
    };
    let mut masks: Vec<Option<Regions>> = frames.iter().map(|f| Some(parts(f))).collect();
    masks[5] = None;
    let config = Config {
        proposals: Proposals::Masks(masks),
        ..Config::default()
    };
    let labels = label(&frames, &features(&frames), &config).unwrap();
    assert_eq!(labels.usable, Usable::Yes);
    assert!(!labels.reliability[5].labelled);
    assert!(labels.maps[5].iter().all(|&class| class == 0));
    // Few masks may give a part two classes, but never two parts one.
    let mut red = vec![[0u32; 2]; labels.classes.len()];
    for (frame, map) in frames.iter().zip(&labels.maps) {
        for ((y, x), &class) in map.indexed_iter() {
            let middle = ((4 * y + 2) * SIDE + 4 * x + 2) * 3;
            let is_red = frame.rgb[middle] > frame.rgb[middle + 2];
            red[class as usize][usize::from(is_red)] += 1;
        }
    }
    assert!(red.len() >= 3);
    for [blue, red] in &red[1..] {
        assert!(
            blue.min(red) * 10 < *blue.max(red),
            "{blue} cells against {red}"
        );
    }
}

#[test]
fn malformed_input_is_named() {
    let good = frames(ripples).swap_remove(0);
    let features = features(std::slice::from_ref(&good));
    let short = Frame {
        rgb: vec![0; 10],
        ..good.clone()
    };
    let message = label(&[short], &features, &Config::default()).unwrap_err();
    assert!(message.to_string().contains("10 bytes"));
    let message = label(std::slice::from_ref(&good), &[], &Config::default()).unwrap_err();
    assert!(matches!(
        message,
        LabelError::CountMismatch { features: 0, .. }
    ));
    let mut wrong = features;
    wrong[0].stride8 = Array3::zeros((40, 16, 16));
    let message = label(&[good], &wrong, &Config::default()).unwrap_err();
    assert!(message.to_string().contains("[40, 16, 16]"));
}
