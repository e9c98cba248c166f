//! The models one after another over all images: tags, boxes, masks, descriptors. Only one of them is in memory at a time,
//! and of an image only what the next stage needs.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use image::RgbImage;
use indicatif::HumanDuration;
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::boxes::PixelBox;
use super::cache::Key;
use super::catalogue::Role;
use super::grounding::{Detection, GroundingDino};
use super::mask::{Mask, Runs};
use super::network::Network;
use super::pictures::{Strip, Strips};
use super::proposals::{Image, Run};
use super::ram::Ram;
use super::rotations::{BATCH, Backbone, CROP};
use super::sam::Sam;
use super::tags::{Tag, TagFilter};
use super::two_stage::{Prompted, judge, parts};
use super::{FoundationError, automatic};
use crate::engine::Cpu;
use crate::paper::backbone::WideResNetConfig;
use crate::paper::weights;
use crate::progress::{Progress, stage};
use crate::pseudo_label::Regions;

/// A tag that fewer of the images show is a mistake of RAM++, or means what few parts have.
const LEAST_PRESENCE: f32 = 0.25;

/// The masks of one image as they are cached.
#[derive(Serialize, Deserialize)]
struct Found {
    objects: Vec<Runs>,
    behind: Vec<Runs>,
    candidates: Vec<Runs>,
}

/// The parts of a picture of a width and height.
pub(super) struct Parts {
    pub size: (usize, usize),
    pub pixels: Vec<Vec<u32>>,
}

/// What the images are of: the user's tags, or those that RAM++ finds in enough of them and the filter leaves.
pub(super) fn tags(run: &Run<'_>, images: &[Image<'_>]) -> Result<Vec<Tag>, FoundationError> {
    if let Some(tags) = &run.options.tags {
        return Ok(tags.clone());
    }
    let filter = TagFilter::load(run.options.tag_filter.as_deref(), &run.models.path)?;
    let model = run.models.check(Role::Tags)?;
    let mut ram = None;
    let mut progress = Progress::start("tags", 0, images.len());
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (index, image) in images.iter().enumerate() {
        run.stopped()?;
        let key = Key::new("tags", &[&image.identity, &model]);
        let words: Vec<String> = match run.cache.get(&key) {
            Some(words) => words,
            None => {
                let ram = loaded(&mut ram, || {
                    Ram::load(run.runtime, &run.models.of(Role::Tags))
                })?;
                let words = ram.words(&image.picture(run)?)?;
                let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
                run.cache.put(&key, &words)?;
                words
            }
        };
        progress.image_done(index, &format!("{} tags", words.len()));
        words
            .into_iter()
            .for_each(|word| *counts.entry(word).or_default() += 1);
    }
    let found = counts.len();
    let least = (LEAST_PRESENCE * images.len() as f32).ceil() as usize;
    let common = counts.into_iter().filter(|(_, count)| *count >= least);
    let mut tags: Vec<Tag> = common.filter_map(|(word, _)| filter.tag(&word)).collect();
    tags.dedup_by(|a, b| a.name == b.name);
    match tags.iter().any(|tag| !tag.background) {
        true => Ok(tags),
        false => Err(FoundationError::NoTag {
            filter: filter.place,
            found,
        }),
    }
}

/// The boxes of each image.
pub(super) fn boxes(
    run: &Run<'_>,
    images: &[Image<'_>],
    tags: &[Tag],
) -> Result<Vec<Vec<Detection>>, FoundationError> {
    let model = run.models.check(Role::Boxes)?;
    let settings = &run.options.settings.boxes;
    let asked = format!("{settings:?} {tags:?}");
    let mut dino = None;
    let mut progress = Progress::start("boxes", 0, images.len());
    let mut all = Vec::with_capacity(images.len());
    for (index, image) in images.iter().enumerate() {
        run.stopped()?;
        let key = Key::new("boxes", &[&image.identity, &model, &asked]);
        let boxes: Vec<Detection> = match run.cache.get(&key) {
            Some(boxes) => boxes,
            None => {
                let folder = run.models.of(Role::Boxes);
                let dino = loaded(&mut dino, || GroundingDino::load(run.runtime, &folder))?;
                let boxes = dino.detect(&image.picture(run)?, tags, settings)?;
                run.cache.put(&key, &boxes)?;
                boxes
            }
        };
        progress.image_done(index, &format!("{} boxes", boxes.len()));
        all.push(boxes);
    }
    let is_part = |detection: &Detection| tags.get(detection.tag).is_some_and(|t| !t.background);
    match all.iter().flatten().any(is_part) {
        true => Ok(all),
        false => Err(FoundationError::NoBox {
            images: images.len(),
            tags: names(tags),
        }),
    }
}

/// The parts of each image, and a picture of the way to them.
pub(super) fn masks(
    run: &Run<'_>,
    images: &[Image<'_>],
    tags: &[Tag],
    boxes: &[Vec<Detection>],
) -> Result<Vec<Parts>, FoundationError> {
    let model = run.models.check(Role::Masks)?;
    let settings = &run.options.settings;
    let mut sam = None;
    let mut progress = Progress::start("masks", 0, images.len());
    let mut strips = Strips::new(run.folder, tags);
    let mut all = Vec::with_capacity(images.len());
    for (index, (image, boxes)) in images.iter().zip(boxes).enumerate() {
        run.stopped()?;
        let picture = image.picture(run)?;
        let size = (picture.width() as usize, picture.height() as usize);
        let asked = format!("{:?} {boxes:?} {tags:?}", settings.automatic);
        let key = Key::new("masks", &[&image.identity, &model, &asked]);
        let cached = run
            .cache
            .get::<Found>(&key)
            .and_then(|f| masks_of(&f, size));
        let (objects, behind, candidates) = match cached {
            Some(found) => found,
            None => {
                let first = sam.is_none();
                let folder = run.models.of(Role::Masks);
                let sam = loaded(&mut sam, || Sam::load(run.runtime, &folder))?;
                if first {
                    let each = time_of_one(sam, &picture, run)?;
                    announce(each, images.len() - index);
                }
                let found = segment(sam, run, &picture, tags, boxes)?;
                run.cache.put(&key, &found)?;
                masks_of(&found, size).unwrap_or_default()
            }
        };
        let prompted = Prompted::new(size, &objects, &behind);
        let verdicts = judge(&candidates, &prompted, &settings.filter);
        strips.write(
            index,
            &image.name,
            &Strip {
                picture: &picture,
                boxes,
                objects: &objects,
                background: &prompted.background,
                candidates: &candidates,
                verdicts: &verdicts,
            },
        )?;
        let parts = parts(&candidates, &verdicts, &settings.filter);
        progress.image_done(index, &format!("{} parts", parts.len()));
        all.push(Parts {
            size,
            pixels: parts.into_iter().map(|(_, part)| part).collect(),
        });
    }
    strips.finish()?;
    Ok(all)
}

/// A row for each region of each image.
pub(super) fn descriptors(
    run: &Run<'_>,
    images: &[Image<'_>],
    regions: &[Regions],
) -> Result<Vec<Array2<f32>>, FoundationError> {
    let (name, mut backbone) = backbone(run)?;
    let mut progress = Progress::start("features", 0, images.len());
    let mut all = Vec::with_capacity(images.len());
    for (index, (image, regions)) in images.iter().zip(regions).enumerate() {
        run.stopped()?;
        let places = serde_json::to_string(regions).unwrap_or_default();
        let key = Key::new(
            "features",
            &[&image.identity, &name, &run.seed.to_string(), &places],
        );
        let shape = (regions.len(), backbone.width());
        let cached: Option<Vec<f32>> = run.cache.get(&key);
        let rows = match cached.and_then(|rows| Array2::from_shape_vec(shape, rows).ok()) {
            Some(rows) => rows,
            None => {
                let rows = backbone.describe(&image.picture(run)?, regions)?;
                run.cache.put(&key, &rows.iter().collect::<Vec<_>>())?;
                rows
            }
        };
        progress.image_done(index, &format!("{} regions", regions.len()));
        all.push(rows);
    }
    Ok(all)
}

fn segment(
    sam: &mut Sam,
    run: &Run<'_>,
    picture: &RgbImage,
    tags: &[Tag],
    boxes: &[Detection],
) -> Result<Found, FoundationError> {
    let settings = &run.options.settings.automatic;
    let of = |background: bool| -> Vec<PixelBox> {
        let mine = boxes.iter().filter(|b| {
            tags.get(b.tag)
                .is_some_and(|tag| tag.background == background)
        });
        mine.map(|detection| detection.bounds).collect()
    };
    let (objects, behind) = (of(false), of(true));
    let runs = |masks: Vec<Mask>| masks.iter().map(Mask::to_runs).collect();
    // Without an object no candidate would be kept.
    if objects.is_empty() {
        return Ok(Found {
            objects: Vec::new(),
            behind: Vec::new(),
            candidates: Vec::new(),
        });
    }
    let encoded = sam.encode(picture)?;
    let objects = sam.of_boxes(&encoded, &objects, settings.batch)?;
    let behind = sam.of_boxes(&encoded, &behind, settings.batch)?;
    let stopped = || run.stopped().is_err();
    let candidates = automatic::candidates(sam, &encoded, settings, stopped)?;
    Ok(Found {
        objects: runs(objects),
        behind: runs(behind),
        candidates: runs(candidates),
    })
}

/// Objects, backgrounds and candidates. None where the masks are not of a picture of this size.
fn masks_of(found: &Found, size: (usize, usize)) -> Option<(Vec<Mask>, Vec<Mask>, Vec<Mask>)> {
    let masks = |runs: &[Runs]| {
        let masks = runs.iter().map(|runs| {
            let mask = Mask::from_runs(runs)?;
            (mask.size() == size).then_some(mask)
        });
        masks.collect::<Option<Vec<Mask>>>()
    };
    Some((
        masks(&found.objects)?,
        masks(&found.behind)?,
        masks(&found.candidates)?,
    ))
}

/// Encodes a picture once and prompts a batch of its points.
fn time_of_one(
    sam: &mut Sam,
    picture: &RgbImage,
    run: &Run<'_>,
) -> Result<Duration, FoundationError> {
    let settings = &run.options.settings.automatic;
    let start = Instant::now();
    let encoded = sam.encode(picture)?;
    let encoding = start.elapsed();
    let points = automatic::grid(settings.points, encoded.picture());
    let batches = points.len().div_ceil(settings.batch.max(1));
    let start = Instant::now();
    let batch = &points[..settings.batch.clamp(1, points.len())];
    sam.prompted(&encoded, batch, |_, _| {})?;
    Ok(encoding + start.elapsed() * batches as u32)
}

fn announce(each: Duration, images: usize) {
    let what = format!(
        "SAM takes about {:.1} s an image on this machine, about {} for {images} images",
        each.as_secs_f64(),
        HumanDuration(each * images as u32)
    );
    stage("masks", &what);
}

/// The backbone and what distinguishes it from others.
fn backbone(run: &Run<'_>) -> Result<(String, Backbone), FoundationError> {
    let Some(path) = &run.options.backbone else {
        stage(
            "features",
            "the weights of WideResNet-50-2 are not here, so EfficientNet-Lite0 distinguishes the parts; \
             `aecsad-train weights fetch` brings them",
        );
        return Ok(("lite0".to_owned(), Backbone::lite0()?));
    };
    let digest = weights::digest(path)?;
    let config = WideResNetConfig::new();
    let network = config.load::<Cpu>(weights::read_checked(path)?, &Default::default())?;
    let onnx = network.crops_to_onnx(BATCH, CROP);
    let network = Network::from_bytes(run.runtime, Path::new("WideResNet-50-2"), &onnx)?;
    let channels = config.channels()[3];
    Ok((digest, Backbone::wide_resnet(network, channels, run.seed)))
}

fn loaded<T>(
    model: &mut Option<T>,
    load: impl FnOnce() -> Result<T, FoundationError>,
) -> Result<&mut T, FoundationError> {
    let there = match model.take() {
        Some(there) => there,
        None => load()?,
    };
    Ok(model.insert(there))
}

/// The tags as users write them.
pub(super) fn names(tags: &[Tag]) -> String {
    let name = |tag: &Tag| match tag.background {
        true => format!("{}:background", tag.name),
        false => tag.name.clone(),
    };
    tags.iter().map(name).collect::<Vec<_>>().join(", ")
}
