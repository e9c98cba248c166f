//! Regions of good images from the foundation models, as `--proposals foundation` has them.

use std::ffi::OsString;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use aecsad_inspect::optics::TrainedRegion;
use image::RgbImage;

use super::cache::Cache;
use super::catalogue::Role;
use super::folder::ModelFolder;
use super::mask::Mask;
use super::runtime::Runtime;
use super::settings::FoundationOptions;
use super::{FoundationError, Request, picture, stages};
use crate::dataset::{read_region, sha256_of};
use crate::export::onnx::Graph;
use crate::progress::stage;
use crate::pseudo_label::square_image::SIDE;
use crate::pseudo_label::{DescribedRegions, Regions, without, without_overlap};

/// What all stages share.
pub(super) struct Run<'a> {
    pub options: &'a FoundationOptions,
    pub models: ModelFolder,
    pub runtime: &'a Runtime,
    pub cache: Cache,
    pub folder: &'a Path,
    pub seed: u64,
    region: Option<&'a TrainedRegion>,
    bit_depth: Option<u8>,
    cancel: &'a AtomicBool,
}

impl Run<'_> {
    pub fn stopped(&self) -> Result<(), FoundationError> {
        match self.cancel.load(Ordering::Relaxed) {
            true => Err(FoundationError::Interrupted),
            false => Ok(()),
        }
    }
}

/// One of the images.
pub(super) struct Image<'a> {
    pub name: OsString,
    path: &'a Path,
    /// Changes whenever the pixels that the models see do.
    pub identity: String,
}

impl Image<'_> {
    pub fn picture(&self, run: &Run<'_>) -> Result<RgbImage, FoundationError> {
        let frame = read_region(self.path, run.bit_depth, run.region)?;
        picture::of_frame(&frame).ok_or_else(|| FoundationError::Unreadable {
            path: self.path.to_owned(),
            source: std::io::Error::other("it has no pixels"),
        })
    }
}

/// Whether everything is there that [`propose`] reads, as far as that is seen without reading the models.
///
/// # Errors
/// If ONNX Runtime can't be opened, or a file of a model is missing.
pub fn check(options: &FoundationOptions) -> Result<(), FoundationError> {
    let runtime = Runtime::open(options.onnxruntime.as_deref(), options.device)?;
    // A GPU that can't be used is known by the smallest network.
    let mut graph = Graph::new("first");
    let input = graph.input("input", &[1]);
    let output = graph.relu(&input);
    graph.output("output", &output);
    runtime.session_of(Path::new("a first network"), &graph.finish())?;
    let models = ModelFolder::new(&options.models);
    let wanted = Role::ALL.into_iter();
    for role in wanted.filter(|role| options.tags.is_none() || *role != Role::Tags) {
        let mut files = models.files(role).into_iter();
        if let Some(file) = files.find(|file| file.bytes.is_none()) {
            return Err(FoundationError::Missing {
                path: models.path.join(file.name),
            });
        }
    }
    Ok(())
}

/// Finds regions in each image and describes them. None where nothing is found: such an image stays unlabelled.
///
/// # Errors
/// If a model is missing or another one than is wanted, nothing is found in any image, or the user stops it.
pub fn propose(
    request: &Request<'_>,
    options: &FoundationOptions,
) -> Result<Vec<Option<DescribedRegions>>, FoundationError> {
    let runtime = Runtime::open(options.onnxruntime.as_deref(), options.device)?;
    let run = Run {
        options,
        models: ModelFolder::new(&options.models),
        runtime: &runtime,
        cache: Cache::open(request.folder),
        folder: request.folder,
        seed: request.seed,
        region: request.region,
        bit_depth: request.bit_depth,
        cancel: request.cancel,
    };
    let area = request.region.map(|region| region.area);
    let seen = format!("{area:?} {:?} {}", request.bit_depth, picture::LONGEST_SIDE);
    let images: Vec<Image<'_>> = request
        .images
        .iter()
        .map(|(name, path)| Image {
            name: name.clone(),
            path,
            identity: format!("{} {seen}", sha256_of(path).unwrap_or_default()),
        })
        .collect();

    let tags = stages::tags(&run, &images)?;
    stage("tags", &stages::names(&tags));
    let boxes = stages::boxes(&run, &images, &tags)?;
    let parts = stages::masks(&run, &images, &tags, &boxes)?;
    let regions: Vec<Regions> = parts
        .into_iter()
        .map(|parts| {
            let masks = parts.pixels.iter();
            let masks = masks.map(|pixels| in_square(&Mask::of_pixels(parts.size, pixels)));
            let mut regions = without_overlap(masks.collect());
            if let Some(ignored) = request.ignored {
                without(&mut regions, ignored);
            }
            regions
        })
        .collect();
    let rows = stages::descriptors(&run, &images, &regions)?;
    let described = regions
        .into_iter()
        .zip(rows)
        .map(|(regions, rows)| (!regions.is_empty()).then_some(DescribedRegions { regions, rows }));
    Ok(described.collect())
}

/// The mask at the nearest pixels of the square that labels are found on.
fn in_square(mask: &Mask) -> Vec<u32> {
    let (width, height) = mask.size();
    let at = |pixel: &u32| {
        let (x, y) = (*pixel as usize % SIDE, *pixel as usize / SIDE);
        let (x, y) = (
            (2 * x + 1) * width / (2 * SIDE),
            (2 * y + 1) * height / (2 * SIDE),
        );
        mask.covers(y * width + x)
    };
    (0..(SIDE * SIDE) as u32).filter(at).collect()
}
