//! The whole way from good images to a bundle, stage by stage. What a stage made lies in the work folder, so that a
//! run that was stopped goes on where it was.

mod edge;
mod error;
mod export;
mod identity;
mod labels;
mod memory;
mod networks;
mod pack;
mod paper;
mod paper_calibration;
mod perceive;
mod precision;
mod proof;
mod rounding;
mod threshold;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use aecsad_inspect::optics::InputGeometry;
use aecsad_program::standard_streams::note;
use aecsad_program::whole_file;

use crate::calibrate::Selection;
use crate::dataset::Category;
use crate::networks::{ENCODER, Trained};
use crate::pseudo_label;
use crate::screening::{self, Screening, counts, held_out};
use crate::segmentation::Augmentation;
pub use error::FitError;
pub use export::{ExportOptions, Exported, export};
pub use identity::Identity;
pub use labels::{LabelOptions, label_only};
pub use paper::PaperOptions;
pub use perceive::perceive_plants;
pub use precision::{Precision, coarse_and_fine, image_and_features};
pub use proof::{Quantisation, Ranking, ScoreReport};

/// What to fit, and into what.
#[derive(Clone, Debug)]
pub struct FitOptions {
    /// A category folder, or a plain folder of good images.
    pub category: PathBuf,
    pub out: PathBuf,
    /// Keeps checkpoints, pictures of the labels and metrics.
    pub work: PathBuf,
    /// The folder's name if none.
    pub product: Option<String>,
    /// One more than that of the bundle at `out` if none.
    pub version: Option<u64>,
    /// Indexed masks by any labelling tool, instead of proposals of our own.
    pub masks: Option<PathBuf>,
    /// Share of good parts that may be rejected.
    pub false_reject_rate: f64,
    pub mono: bool,
    /// Of images of 16 bits, if it is stated.
    pub bit_depth: Option<u8>,
    /// Lossless images are in part seen as JPEG, for stations whose frames are JPEG.
    pub as_jpeg: bool,
    pub seed: u64,
    /// Secret key to sign with.
    pub key: Option<PathBuf>,
    /// Whether the `edge` profile trains its students, which take most of the time.
    pub students: bool,
    /// Steps of each training, in percent of the profile's own.
    pub effort_percent: usize,
    pub networks: Networks,
    /// How labelled images are changed before the segmentation sees them.
    pub augmentation: Augmentation,
    /// Changed copies of each labelled image that join the `edge` profile's training; `paper` changes every image
    /// each time.
    pub moved_copies: usize,
    pub precision: Precision,
    /// Learn from images that lie far off all others too.
    pub keep_outliers: bool,
    /// Count images of one and the same part each.
    pub keep_duplicates: bool,
}

/// The profile.
#[derive(Clone, Debug)]
pub enum Networks {
    /// Small ones, trained and run on a CPU.
    Edge,
    Paper(Box<PaperOptions>),
}

/// What came of it, for a person.
pub struct Fitted {
    pub identity: Identity,
    pub selection: Selection,
    pub registration: String,
    /// Classes found, background included; why there are none otherwise.
    pub components: Result<usize, String>,
    pub validation_parts: usize,
    /// Training images that were found to be bad by mistake.
    pub left_out: Vec<PathBuf>,
    pub minutes: f64,
    /// SHA-256 of the backbone's weights, where they don't come with this program.
    pub backbone: Option<String>,
    /// What int8 costs, where the networks are int8.
    pub quantisation: Option<Quantisation>,
}

/// Trains, calibrates and writes the bundle.
///
/// # Errors
/// Each names what can't be used and what to do; nothing is written to `options.out` then.
pub fn fit(options: &FitOptions, cancel: &AtomicBool) -> Result<Fitted, FitError> {
    let start = Instant::now();
    pack::check_writable(&options.out)?;
    whole_file::create_folder(&options.work).map_err(|source| FitError::WorkFolder {
        path: options.work.clone(),
        source,
    })?;
    if let Networks::Paper(paper) = &options.networks {
        paper.check()?;
    }
    let category = Category::open(&options.category, options.seed)?;
    let identity = identity::of_new(
        &options.category,
        &options.out,
        options.product.as_deref(),
        options.version,
    )?;
    let asked = InputGeometry {
        bit_depth: options.bit_depth,
        ..InputGeometry::lite0(options.mono)
    };
    memory::check(category.train.len(), category.validation.len())?;
    stage("images", "reading and encoding");
    let screening = Screening {
        keep_outliers: options.keep_outliers,
        keep_duplicates: options.keep_duplicates,
        as_jpeg: options.as_jpeg,
        work: &options.work,
    };
    let mut images = screening::load(&category, &asked, &screening)?;
    let geometry = InputGeometry {
        bit_depth: images.bit_depth,
        trained_on: images.trained_on.clone(),
        ..asked
    };
    stopped(cancel)?;

    stage("labels", "looking for components");
    let labels = labels::label(
        &images,
        options.masks.as_deref(),
        &options.work.join("labels"),
        options.seed,
    )?;
    let usable = match &labels.usable {
        pseudo_label::Usable::Yes => Ok(labels.classes.len()),
        pseudo_label::Usable::No(why) => Err(why.clone()),
    };
    match &usable {
        Ok(classes) => stage(
            "labels",
            &format!(
                "{} kinds of component; see {}",
                classes - 1,
                options.work.join("labels").display()
            ),
        ),
        Err(why) => stage(
            "labels",
            &format!("no components, trained without them: {why}"),
        ),
    }
    stopped(cancel)?;

    if let Networks::Paper(paper) = &options.networks {
        let (fitted, trained) = paper::fit(
            options,
            paper,
            &images,
            &labels,
            usable,
            (identity, start),
            cancel,
        )?;
        stage("bundle", "packing and checking golden vectors");
        let geometry = InputGeometry {
            bit_depth: geometry.bit_depth,
            trained_on: geometry.trained_on,
            ..InputGeometry::imagenet(options.mono)
        };
        pack::write(options, &fitted, &trained, &images, &geometry)?;
        return Ok(fitted);
    }
    let segmentation = match &usable {
        Ok(classes) => Some(networks::segmentation(
            options, &images, &labels, *classes, cancel,
        )?),
        Err(_) => None,
    };
    let students = match options.students {
        true => Some(networks::students(options, &images, cancel)?),
        false => None,
    };

    stage("calibration", "fitting what good parts look like");
    let trained = Trained {
        encoder: ENCODER.to_vec(),
        segmentation,
        students,
    };
    let labelled = (0..images.train.len())
        .filter(|&i| usable.is_err() || labels.reliability[i].labelled)
        .collect();
    let mut task = edge::Task {
        images: &mut images,
        geometry: &geometry,
        labelled,
        classes: usable.as_ref().ok().copied(),
        students: options.students,
        seed: options.seed,
        false_reject_rate: options.false_reject_rate,
        keep_outliers: options.keep_outliers,
        cancel,
    };
    let (mut seen, plants) = task.see(&trained)?;
    let mut float = task.calibrate(&seen, None, None)?;
    let mut left_out = Vec::new();
    if !options.keep_outliers {
        left_out = task.leave_strays_out(&mut seen, &float.selection.branches)?;
        if !left_out.is_empty() {
            held_out::name_strays(&left_out, task.images);
            float = task.calibrate(&seen, None, None)?;
        }
        counts::name_miscounted(task.images, &seen.train, &float.selection.statistics);
    }
    threshold::check(options, task.images, &float.selection)?;
    let (trained, calibrated, quantisation) = match options.precision.signs() {
        None => (trained, float, None),
        Some(signs) => {
            let float = edge::Float {
                trained: &trained,
                seen: &seen,
                plants: &plants,
                selection: &float.selection,
            };
            let int8 = task.quantise(&float, signs)?;
            (int8.trained, int8.calibrated, Some(int8.quantisation))
        }
    };

    let minutes = start.elapsed().as_secs_f64() / 60.0;
    let fitted = Fitted {
        identity,
        registration: calibrated.registration,
        components: usable,
        left_out,
        validation_parts: calibrated.selection.decision.calibration.scores().len(),
        selection: calibrated.selection,
        minutes,
        backbone: None,
        quantisation,
    };
    stage("bundle", "packing and checking golden vectors");
    pack::write(options, &fitted, &trained, &images, &geometry)?;
    Ok(fitted)
}

fn stage(name: &str, what: &str) {
    note(format_args!("{name}: {what}"));
}

fn stopped(cancel: &AtomicBool) -> Result<(), FitError> {
    match cancel.load(Ordering::Relaxed) {
        true => Err(FitError::Interrupted),
        false => Ok(()),
    }
}
