//! The committed outputs of the reference pipeline, which is Python with the authors' own processors, reproduced.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use aecsad_train::foundation::pipeline::automatic;
use aecsad_train::foundation::pipeline::boxes::PixelBox;
use aecsad_train::foundation::pipeline::grounding::{Detection, GroundingDino};
use aecsad_train::foundation::pipeline::mask::{Mask, Runs};
use aecsad_train::foundation::pipeline::prompt::WordPieces;
use aecsad_train::foundation::pipeline::ram::Ram;
use aecsad_train::foundation::pipeline::runtime::Runtime;
use aecsad_train::foundation::pipeline::sam::Sam;
use aecsad_train::foundation::pipeline::two_stage::{Prompted, judge, parts};
use aecsad_train::foundation::settings::{AutomaticSettings, BoxSettings, FilterSettings};
use aecsad_train::foundation::tags::{Tag, TagFilter};
use aecsad_train::paper::Device;
use image::RgbImage;
use serde_json::Value;

/// Of two masks that are the same.
const SAME: f32 = 0.99;

struct Reference {
    folder: PathBuf,
    all: Value,
    runtime: Runtime,
}

/// None where there is no ONNX Runtime.
fn reference() -> Option<Reference> {
    let library = super::onnxruntime()?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/foundation/reference");
    let text = std::fs::read_to_string(folder.join("reference.json")).unwrap();
    Some(Reference {
        folder,
        all: serde_json::from_str(&text).unwrap(),
        runtime: Runtime::open(Some(&library), Device::Cpu).unwrap(),
    })
}

impl Reference {
    fn runs(&self) -> &[Value] {
        let runs = self.all["runs"].as_array().unwrap();
        assert!(runs.len() >= 2);
        runs
    }

    fn models(&self, run: &Value) -> PathBuf {
        self.folder.join(run["models"].as_str().unwrap())
    }

    fn picture(&self, run: &Value) -> RgbImage {
        let path = self.folder.join(run["picture"].as_str().unwrap());
        image::open(path).unwrap().to_rgb8()
    }

    /// A run's own setting goes before that of all runs.
    fn setting(&self, run: &Value, name: &str) -> f32 {
        let own = run["settings"][name].as_f64();
        let all = &self.all["settings"][name];
        own.unwrap_or_else(|| all.as_f64().unwrap()) as f32
    }

    /// The runs whose models have one of a role.
    fn runs_with(&self, role: &str) -> Vec<&Value> {
        let runs = self.runs().iter();
        let runs: Vec<&Value> = runs
            .filter(|run| self.models(run).join(role).is_dir())
            .collect();
        assert!(runs.len() >= 2);
        runs
    }

    fn boxes(&self, run: &Value) -> BoxSettings {
        BoxSettings {
            threshold: self.setting(run, "box_threshold"),
            text_threshold: self.setting(run, "text_threshold"),
            overlap: self.setting(run, "box_nms_iou"),
        }
    }

    fn automatic(&self, run: &Value) -> AutomaticSettings {
        AutomaticSettings {
            points: self.setting(run, "points_per_side") as usize,
            // What is left over by a batch is a smaller one.
            batch: 24,
            least_quality: self.setting(run, "predicted_iou"),
            least_stability: self.setting(run, "stability"),
            stability_offset: self.setting(run, "stability_offset"),
            overlap: self.setting(run, "mask_nms_iou"),
            least_region: self.setting(run, "smallest_region") as usize,
        }
    }

    fn filter(&self, run: &Value) -> FilterSettings {
        FilterSettings {
            background: self.setting(run, "background_overlap"),
            object: self.setting(run, "object_overlap"),
            covered: self.setting(run, "covered"),
            least_share: self.setting(run, "smallest_share"),
            least_piece: self.setting(run, "smallest_piece") as usize,
        }
    }
}

fn items(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn words(value: &Value) -> Vec<&str> {
    items(value).iter().map(|v| v.as_str().unwrap()).collect()
}

fn numbers(value: &Value) -> Vec<f32> {
    items(value)
        .iter()
        .map(|v| v.as_f64().unwrap() as f32)
        .collect()
}

fn tags(run: &Value) -> Vec<Tag> {
    let prompted = items(&run["tags"]["prompted"]).iter();
    prompted
        .map(|entry| Tag {
            name: entry["tag"].as_str().unwrap().to_owned(),
            background: entry["kind"] == "background",
        })
        .collect()
}

fn mask(value: &Value) -> Mask {
    let size = numbers(&value["size"]);
    let runs = numbers(&value["runs"]).into_iter().map(|run| run as u32);
    let runs = Runs {
        width: size[1] as usize,
        height: size[0] as usize,
        runs: runs.collect(),
    };
    Mask::from_runs(&runs).unwrap()
}

fn assert_same(found: &Mask, expected: &Mask, what: &str) {
    let shared = found.shared(expected) as f32;
    let union = (found.area() + expected.area()) as f32 - shared;
    let iou = if union == 0.0 { 1.0 } else { shared / union };
    assert!(iou >= SAME, "{what}: intersection over union {iou}");
}

/// The boxes that the reference keeps: bounds, tag and score, by query.
fn kept_boxes(run: &Value) -> Vec<([f32; 4], &str, f32)> {
    let boxes = items(&run["boxes"]).iter();
    let kept = boxes.filter(|record| record["dropped"].is_null());
    kept.map(|record| {
        let bounds = numbers(&record["box"]).try_into().unwrap();
        let score = record["score"].as_f64().unwrap() as f32;
        (bounds, record["tag"].as_str().unwrap(), score)
    })
    .collect()
}

#[test]
fn the_same_tags_are_found_and_left_by_the_filter() {
    let Some(reference) = reference() else { return };
    let folder = tempfile::tempdir().unwrap();
    let filter = |list: &str| format!("{list} = {:?}\n", words(&reference.all["words"][list]));
    let path = folder.path().join("filter.toml");
    std::fs::write(&path, filter("dropped") + &filter("background")).unwrap();
    let filter = TagFilter::load(Some(&path), folder.path()).unwrap();
    for run in reference.runs_with("ram") {
        let ram = reference.models(run).join("ram");
        let mut ram = Ram::load(&reference.runtime, &ram).unwrap();
        let found = ram.words(&reference.picture(run)).unwrap();
        assert_eq!(found, words(&run["tags"]["kept"]));
        let left: Vec<Tag> = found
            .into_iter()
            .filter_map(|word| filter.tag(word))
            .collect();
        assert_eq!(left, tags(run));
    }
}

#[test]
fn tags_become_the_same_word_pieces_positions_and_masks() {
    let Some(reference) = reference() else { return };
    for run in reference.runs_with("grounding_dino") {
        let pieces = WordPieces::load(&reference.models(run).join("grounding_dino")).unwrap();
        let prompts = pieces.prompts(&tags(run), 256).unwrap();
        assert_eq!(prompts.len(), 1);
        let prompt = &run["prompt"];
        let whole = |value: &Value| -> Vec<i64> {
            items(value).iter().map(|v| v.as_i64().unwrap()).collect()
        };
        assert_eq!(prompts[0].pieces, whole(&prompt["input_ids"]));
        let spans: Vec<Vec<i64>> = items(&prompt["spans"]).iter().map(whole).collect();
        let own = prompts[0].tags.iter();
        let own: Vec<Vec<i64>> = own
            .map(|(_, pieces)| vec![pieces.start as i64, pieces.end as i64])
            .collect();
        assert_eq!(own, spans);
        let [positions, sees] = prompts[0].positions_and_attention(None);
        assert_eq!(positions.as_floats(), numbers(&prompt["position_ids"]));
        let rows = words(&prompt["text_token_mask"]).concat();
        let rows: Vec<f32> = rows.bytes().map(|bit| f32::from(bit - b'0')).collect();
        assert_eq!(sees.as_floats(), rows);
    }
}

#[test]
fn the_same_boxes_are_found_to_a_pixel() {
    let Some(reference) = reference() else { return };
    for run in reference.runs_with("grounding_dino") {
        let folder = reference.models(run).join("grounding_dino");
        let mut dino = GroundingDino::load(&reference.runtime, &folder).unwrap();
        let (picture, tags) = (reference.picture(run), tags(run));
        let found = dino.detect(&picture, &tags, &reference.boxes(run)).unwrap();
        let expected = kept_boxes(run);
        assert!(expected.len() >= 3);
        assert_eq!(found.len(), expected.len(), "{}", run["models"]);
        for (bounds, tag, score) in expected {
            let near = |detection: &&Detection| {
                let own = detection.bounds.0.into_iter().zip(bounds);
                own.into_iter().all(|(a, b)| (a - b).abs() <= 1.0)
            };
            let own = found.iter().find(near).unwrap();
            assert_eq!(tags[own.tag].name, tag);
            assert!((own.score - score).abs() < 1e-3, "{} {score}", own.score);
        }
    }
}

#[test]
fn the_same_masks_are_cut_out_and_judged() {
    let Some(reference) = reference() else { return };
    for run in reference.runs() {
        let mut sam = Sam::load(&reference.runtime, &reference.models(run).join("sam")).unwrap();
        let encoded = sam.encode(&reference.picture(run)).unwrap();
        let boxes = kept_boxes(run);
        let bounds: Vec<PixelBox> = boxes.iter().map(|b| PixelBox(b.0)).collect();
        let masks = sam.of_boxes(&encoded, &bounds, 3).unwrap();
        let expected = items(&run["prompted_masks"]);
        assert_eq!(masks.len(), expected.len());
        let (width, height) = encoded.picture();
        let union = |kind: &str| {
            let mut union = Mask::empty(width, height);
            let all = masks.iter().zip(expected);
            let mine = all.filter(|(_, record)| record["kind"] == kind);
            mine.for_each(|(mask, _)| union.add(mask));
            union
        };
        for (own, record) in masks.iter().zip(expected) {
            assert_same(
                own,
                &mask(&record["mask"]),
                &format!("a box's mask of {}", run["models"]),
            );
        }
        let prompted = Prompted {
            objects: union("object"),
            background: union("background"),
        };
        assert_same(&prompted.objects, &mask(&run["objects"]), "M_G");
        assert_same(
            &prompted.background,
            &mask(&run["background"]),
            "background",
        );

        let automatic = reference.automatic(run);
        let candidates = automatic::candidates(&mut sam, &encoded, &automatic, || false).unwrap();
        let expected = items(&run["candidates"]);
        assert_eq!(candidates.len(), expected.len());
        for (own, record) in candidates.iter().zip(expected) {
            assert_same(own, &mask(&record["mask"]), "a candidate");
        }
        let settings = reference.filter(run);
        assert_judged(&candidates, &prompted, &settings, run);
    }
}

/// Drawn masks that meet every reason to be dropped.
#[test]
fn every_reason_to_drop_a_mask_is_found() {
    let Some(reference) = reference() else { return };
    let shapes = &reference.all["shapes"];
    let prompted = Prompted {
        objects: mask(&shapes["objects"]),
        background: mask(&shapes["background"]),
    };
    let candidates = items(&shapes["candidates"]).iter();
    let candidates: Vec<Mask> = candidates.map(|record| mask(&record["mask"])).collect();
    let settings = reference.filter(shapes);
    let words = assert_judged(&candidates, &prompted, &settings, shapes);
    assert_eq!(words.len(), 5, "{words:?}");
}

/// The filter decides as the reference does, and leaves the same parts. The decisions that were met.
fn assert_judged(
    candidates: &[Mask],
    prompted: &Prompted,
    settings: &FilterSettings,
    reference: &Value,
) -> BTreeSet<&'static str> {
    let verdicts = judge(candidates, prompted, settings);
    let mut met = BTreeSet::new();
    for (verdict, record) in verdicts.iter().zip(items(&reference["candidates"])) {
        let word = match record["dropped"].as_str() {
            None => "kept",
            Some("too small") => "small",
            Some("background") => "background",
            Some("outside the objects") => "no object",
            Some("covered by smaller masks") => "covered",
            Some(other) => panic!("{other} is not known here"),
        };
        assert_eq!(verdict.word(), word);
        met.insert(word);
    }
    let regions = items(&reference["regions"]).iter();
    let regions: Vec<&Value> = regions.filter(|region| region["kept"] == true).collect();
    let parts = parts(candidates, &verdicts, settings);
    assert_eq!(parts.len(), regions.len());
    for ((candidate, part), region) in parts.iter().zip(regions) {
        assert_eq!(*candidate as u64, region["candidate"].as_u64().unwrap());
        let part = Mask::of_pixels(prompted.objects.size(), part);
        assert_same(&part, &mask(&region["mask"]), "a part");
    }
    met
}
