//! The whole way from good images to a bundle, stage by stage. What a stage made lies in the work folder, so that a
//! run that was stopped goes on where it was.

mod calibration;
mod detectability;
mod edge;
mod edited_parts;
mod error;
mod export;
mod fine;
mod fine_size;
mod fine_trial;
mod frames;
mod identity;
mod int8;
mod known_bad;
mod labels;
mod memory;
mod more_good;
mod on_all_cores;
mod pack;
mod part_time;
mod perceive;
mod precision;
mod proof;
mod rounding;
mod threshold;
mod tolerance;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use aecsad_inspect::bundle::Profile;
use aecsad_inspect::optics::InputGeometry;
use aecsad_program::whole_file;

use self::calibration::{CalibrationInputs, Rules};
use self::edited_parts::{EditedParts, Measurement};
use self::fine_trial::FineTrial;
use self::int8::Float;
use crate::calibrate::Selection;
use crate::dataset::{Category, sha256_of};
use crate::paper::{self, PaperOptions};
use crate::progress::stage;
use crate::pseudo_label::Usable;
use crate::region::RegionOptions;
use crate::screening::{self, Screening, counts, held_out};
use crate::segmentation::Augmentation;
use crate::training_run::TrainingRun;
pub use detectability::{Detectable, text as detectability_text};
pub use edge::EdgeOptions;
pub use error::FitError;
pub use export::{ExportOptions, Exported, export};
pub use fine_size::FineSize;
pub use frames::Frames;
pub use identity::Identity;
pub use known_bad::BadParts;
pub use labels::{LabelOptions, label_only};
pub use more_good::MoreGood;
pub use pack::{DETECTABLE, KNOWN_BAD_SHA256, TOLERATED};
pub use perceive::Observer;
pub use precision::{Precision, coarse_and_fine, image_and_features};
pub use proof::{Quantisation, Ranking, ScoreReport};
pub use tolerance::{Tolerated, text as tolerance_text};

/// What to fit, and into what.
#[derive(Clone, Debug)]
pub struct FitOptions {
    /// A category folder, or a plain folder of good images.
    pub category: PathBuf,
    /// Folder of good parts that a line rejected.
    pub more_good: Option<PathBuf>,
    /// Folder of known bad parts.
    pub bad: Option<PathBuf>,
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
    /// Steps of each training, in percent of the profile's own.
    pub effort_percent: usize,
    pub networks: Networks,
    /// How labelled images are changed before the segmentation sees them.
    pub augmentation: Augmentation,
    pub precision: Precision,
    /// Learn from images that lie far off all others too.
    pub keep_outliers: bool,
    /// Count images of one and the same part each.
    pub keep_duplicates: bool,
    /// What of the images is looked at.
    pub region: RegionOptions,
}

/// The profile, and which networks it trains.
#[derive(Clone, Debug)]
pub enum Networks {
    /// Small ones, trained and run on a CPU.
    Edge(EdgeOptions),
    /// The paper's, trained on a GPU or, slowly, on a CPU.
    Paper(Box<PaperOptions>),
}

impl Networks {
    pub fn profile(&self) -> Profile {
        match self {
            Networks::Edge(_) => Profile::Edge,
            Networks::Paper(_) => Profile::Paper,
        }
    }

    /// What they are shown, before anything is known of the images.
    fn input(&self, mono: bool) -> InputGeometry {
        match self {
            Networks::Edge(_) => InputGeometry::lite0(mono),
            Networks::Paper(_) => InputGeometry::imagenet(mono),
        }
    }
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
    /// What the bundle says of good parts that a line rejected, and of known bad parts, where there are any.
    pub more_good: Option<MoreGood>,
    pub bad: Option<BadParts>,
    /// Which damage is seen; none in the `paper` profile.
    pub detectable: Vec<Detectable>,
    /// Which harmless changes are tolerated; likewise.
    pub tolerated: Vec<Tolerated>,
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
    let mut category = Category::open(&options.category, options.seed)?;
    if let Some(folder) = &options.more_good {
        category.add_good(folder, options.seed)?;
    }
    if let Some(folder) = &options.bad {
        category.add_bad(folder)?;
    }
    let sha256_of_bad: Vec<String> = category.bad.iter().filter_map(|p| sha256_of(p)).collect();
    // Now that the images are known: it must be none of them.
    pack::check_writable(&options.out)?;
    let identity = identity::of_new(
        &options.category,
        &options.out,
        options.product.as_deref(),
        options.version,
    )?;
    // Components are looked for with the same encoder in every profile.
    let mut asked = InputGeometry {
        bit_depth: options.bit_depth,
        ..InputGeometry::lite0(options.mono)
    };
    asked.region = options.region.of(&category, &asked)?;
    let fine = match &options.networks {
        Networks::Edge(edge) => {
            let trial = FineTrial::new(&category, &asked, options.seed, cancel);
            fine_size::choose(
                &category,
                edge.fine_size,
                options.precision,
                &options.work,
                trial,
            )?
        }
        Networks::Paper(_) => None,
    };
    asked.fine = fine;
    let observed = category.train.len() + category.bad.len();
    memory::check(observed, category.validation.len(), fine)?;
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
        fine,
        region: asked.region.clone(),
        ..options.networks.input(options.mono)
    };
    stopped(cancel)?;

    stage("labels", "looking for components");
    let labels = labels::label(
        &images,
        asked.region.as_ref(),
        options.masks.as_deref(),
        &options.work.join("labels"),
        options.seed,
    )?;
    let usable = match &labels.usable {
        Usable::Yes => Ok(labels.classes.len()),
        Usable::No(why) => Err(why.clone()),
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

    let run = TrainingRun {
        images: &images,
        labels: &labels,
        classes: usable.as_ref().ok().copied(),
        augmentation: &options.augmentation,
        mono: options.mono,
        region: asked.region.as_ref(),
        seed: options.seed,
        effort_percent: options.effort_percent,
        work: &options.work,
        cancel,
    };
    let (trained, backbone) = match &options.networks {
        Networks::Edge(edge) => (edge::train(&run, *edge)?, None),
        Networks::Paper(paper) => {
            let (trained, backbone) = paper::train(run, paper)?;
            (trained, Some(backbone))
        }
    };
    stopped(cancel)?;

    stage("calibration", "fitting what good parts look like");
    let labelled = (0..images.train.len())
        .filter(|&i| usable.is_err() || labels.reliability[i].labelled)
        .collect();
    let rules = Rules::of(options.networks.profile());
    let chooses = rules.chooses;
    let mut calibration = CalibrationInputs {
        rules,
        images: &mut images,
        geometry: &geometry,
        labelled,
        seed: options.seed,
        false_reject_rate: options.false_reject_rate,
        keep_outliers: options.keep_outliers,
        cancel,
    };
    let int8 = options.precision.signs();
    let mut seen = calibration.see(&trained, None)?;
    let clean = match chooses || int8.is_some() {
        true => calibration.clean(&seen)?,
        false => Vec::new(),
    };
    calibration.see_plants(&trained, &clean, &mut seen)?;
    let mut calibrated = calibration.calibrate(&seen, None, None)?;
    let mut left_out = Vec::new();
    if chooses && !options.keep_outliers {
        let decided = &calibrated.selection.branches;
        left_out = calibration.leave_strays_out(&mut seen, decided)?;
        if !left_out.is_empty() {
            held_out::name_strays(&left_out, calibration.images);
            calibrated = calibration.calibrate(&seen, None, None)?;
        }
        let statistics = &calibrated.selection.statistics;
        counts::name_miscounted(calibration.images, &seen.train, statistics);
    }
    if chooses {
        threshold::check(options, calibration.images, &calibrated.selection)?;
    }
    let (trained, calibrated, quantisation) = match int8 {
        None => (trained, calibrated, None),
        Some(signs) => {
            let float = Float {
                trained: &trained,
                seen: &seen,
                clean: &clean,
                selection: &calibrated.selection,
            };
            let int8 = calibration.quantise(&float, signs)?;
            (int8.trained, int8.calibrated, Some(int8.quantisation))
        }
    };

    let more_good = calibration.judge_more_good(&trained, &calibrated.selection)?;
    let known_bad = calibrated.selection.known_bad.clone();
    let bad = known_bad.map(|known| BadParts::new(known, &images, sha256_of_bad, &options.work));
    let (detectable, tolerated) = match chooses {
        true => {
            stage(
                "detectability",
                "damage of graded sizes and harmless changes on validation images",
            );
            let measurement = Measurement {
                trained: &trained,
                selection: &calibrated.selection,
                images: &images,
                validation: &seen.validation,
                geometry: &geometry,
                cancel,
            };
            let (parts, networks) = EditedParts::new(&measurement)?;
            (
                detectability::table(&parts, &networks, options.seed)?,
                tolerance::table(&parts, &networks)?,
            )
        }
        false => (Vec::new(), Vec::new()),
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
        backbone,
        quantisation,
        more_good,
        bad: bad.transpose()?,
        detectable,
        tolerated,
    };
    stage("bundle", "packing and checking golden vectors");
    pack::write(options, &fitted, &trained, &images, &geometry)?;
    Ok(fitted)
}

fn stopped(cancel: &AtomicBool) -> Result<(), FitError> {
    match cancel.load(Ordering::Relaxed) {
        true => Err(FitError::Interrupted),
        false => Ok(()),
    }
}
