//! The whole way from good images to a bundle, stage by stage. What a stage made lies in the work folder, so that a
//! run that was stopped goes on where it was.

mod calibration;
mod components;
mod cross_validated;
mod decided;
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
mod int8_accuracy;
mod known_bad;
mod labels;
mod memory;
mod more_good;
mod on_all_cores;
mod opened;
mod pack;
mod part_time;
mod perceive;
mod precision;
mod residuals;
mod rounding;
mod threshold;
mod tolerance;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use self::calibration::{Calibrated, CalibrationInputs, Rules};
use self::components::Components;
use self::edited_parts::{EditedParts, Measurement};
use crate::calibrate::Selection;
use crate::paper::{self, PaperOptions};
use crate::progress::stage;
use crate::pseudo_label::Clustering;
use crate::region::RegionOptions;
use crate::segmentation::Augmentation;
use crate::training_run::TrainingRun;
use aecsad_inspect::bundle::Profile;
use aecsad_inspect::optics::InputGeometry;
pub use detectability::{Detectable, text as detectability_text};
pub use edge::EdgeOptions;
pub use error::FitError;
pub use export::{ExportOptions, Exported, export};
pub use fine_size::FineSize;
pub use frames::Frames;
pub use identity::Identity;
pub use int8_accuracy::{Quantisation, Ranking, ScoreReport};
pub use known_bad::BadParts;
pub use labels::{LabelOptions, ProposalSource, label_only};
pub use more_good::MoreGood;
pub use pack::{DETECTABLE, KNOWN_BAD_SHA256, TOLERATED};
pub use perceive::Observer;
pub use precision::{Precision, coarse_and_fine, image_and_features};
pub use residuals::directions as residual_directions;
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
    /// Where the regions come from that become components.
    pub proposals: ProposalSource,
    pub clustering: Clustering,
    /// Share of good parts that may be rejected.
    pub false_reject_rate: f64,
    pub mono: bool,
    /// Of images of 16 bits, if it is stated.
    pub bit_depth: Option<u8>,
    /// Lossless images are in part seen as JPEG, for stations whose frames are JPEG.
    pub as_jpeg: bool,
    /// How bright a part is tells good from bad: other light is not evened out.
    pub light_counts: bool,
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
    /// Good parts that trained nothing, and that the threshold rests on.
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

impl Fitted {
    /// Training parts that the threshold rests on too.
    pub fn cross_validated_parts(&self) -> usize {
        let parts = self.selection.decision.calibration.scores().len();
        parts.saturating_sub(self.validation_parts)
    }
}

/// Trains, calibrates and writes the bundle.
///
/// # Errors
/// Each names what can't be used and what to do; nothing is written to `options.out` then.
pub fn fit(options: &FitOptions, cancel: &AtomicBool) -> Result<Fitted, FitError> {
    let start = Instant::now();
    let opened = opened::open(options, cancel)?;
    let mut images = opened.read(options)?;
    let geometry = opened.input(options, &images);
    stopped(cancel)?;

    let region = opened.geometry.region.as_ref();
    let components = Components::find(&images, region, options, cancel)?;
    stopped(cancel)?;

    let run = TrainingRun {
        images: &images,
        labels: &components.labels,
        classes: components.classes.as_ref().ok().copied(),
        augmentation: &options.augmentation,
        mono: options.mono,
        region,
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
    let rules = Rules::of(options.networks.profile());
    let chooses = rules.chooses;
    let mut calibration = CalibrationInputs {
        rules,
        images: &mut images,
        geometry: &geometry,
        labelled: components.reliable(),
        seed: options.seed,
        false_reject_rate: options.false_reject_rate,
        keep_outliers: options.keep_outliers,
        work: &options.work,
        cancel,
    };
    let decided = calibration.decide(trained, options)?;
    let selection = &decided.calibrated.selection;
    let validation_parts = decided.validation.len() - selection.left_out.len();
    let more_good = calibration.judge_more_good(&decided.trained, selection)?;
    let known_bad = selection.known_bad.clone();
    let bad =
        known_bad.map(|known| BadParts::new(known, &images, opened.sha256_of_bad, &options.work));
    let measurement = Measurement {
        trained: &decided.trained,
        selection,
        images: &images,
        validation: &decided.validation,
        geometry: &geometry,
        cancel,
    };
    let (detectable, tolerated) = match chooses {
        true => tables(&measurement, options.seed)?,
        false => (Vec::new(), Vec::new()),
    };

    let minutes = start.elapsed().as_secs_f64() / 60.0;
    let Calibrated {
        selection,
        registration,
    } = decided.calibrated;
    let fitted = Fitted {
        identity: opened.identity,
        registration,
        components: components.classes,
        left_out: decided.left_out,
        validation_parts,
        selection,
        minutes,
        backbone,
        quantisation: decided.quantisation,
        more_good,
        bad: bad.transpose()?,
        detectable,
        tolerated,
    };
    stage("bundle", "packing and checking golden vectors");
    pack::write(
        options,
        &fitted,
        &decided.trained,
        &images,
        &geometry,
        opened.key.as_ref(),
    )?;
    Ok(fitted)
}

/// What the finished bundle detects, and what it tolerates.
fn tables(
    measurement: &Measurement<'_>,
    seed: u64,
) -> Result<(Vec<Detectable>, Vec<Tolerated>), FitError> {
    stage(
        "detectability",
        "damage of graded sizes and harmless changes on validation images",
    );
    let (parts, networks) = EditedParts::new(measurement)?;
    Ok((
        detectability::table(&parts, &networks, seed)?,
        tolerance::table(&parts, &networks)?,
    ))
}

fn stopped(cancel: &AtomicBool) -> Result<(), FitError> {
    match cancel.load(Ordering::Relaxed) {
        true => Err(FitError::Interrupted),
        false => Ok(()),
    }
}
