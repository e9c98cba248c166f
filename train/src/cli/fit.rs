//! `aecsad-train fit CATEGORY_DIR --out FILE`: good images in, one bundle out.

use std::path::PathBuf;

use aecsad_program::inputs::InputPath;
use aecsad_program::standard_streams::{note, print, print_line};

use super::proposals::ProposalArgs;
use super::region::RegionArgs;
use super::{Failure, work_folder};
use crate::fit::{
    EdgeOptions, FineSize, FitOptions, Fitted, Networks, Precision, detectability_text, fit,
    tolerance_text,
};
use crate::paper::{Device, PaperOptions, weights};
use crate::segmentation::{Augmentation, Symmetry};

#[derive(Debug, clap::Args)]
pub struct FitArgs {
    /// Category in MVTec LOCO AD's layout (train/good, validation/good), or a plain folder of good images
    #[arg(value_name = "CATEGORY_DIR")]
    category: InputPath,
    /// Folder of known bad parts, flat or in folders of their kinds; five are useful, fifty are better, and masks are
    /// not needed. They weigh the branches together with planted anomalies; statistics and threshold never see them.
    /// `fit` says which of them would pass
    #[arg(long, value_name = "DIR")]
    bad: Option<InputPath>,
    /// Folder of good parts that the line rejected. They join the images to learn from and those that set the
    /// threshold, and are kept however far off they lie
    #[arg(long, value_name = "DIR")]
    more_good: Option<InputPath>,
    /// The bundle to write; a file that is there is replaced as a whole or not at all; - is standard output
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Checkpoints, label pictures and metrics; the same command goes on from here [default: OUT.work]
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
    /// Networks: `edge` runs on a CPU beside the line, `paper` wants a GPU to train and a fast computer to run
    #[arg(long, value_enum, default_value_t = ProfileArg::Edge)]
    profile: ProfileArg,
    /// Where the `paper` profile trains and the foundation models run: cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value_t = Device::Cpu)]
    device: Device,
    /// Weights of WideResNet-50-2 for the `paper` profile and for --proposals foundation [default: those of `aecsad-train weights fetch`]
    #[arg(long, value_name = "FILE")]
    weights: Option<InputPath>,
    /// Rounds over the images in each training of the `paper` profile [default: 120]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    epochs: Option<u16>,
    /// Images a step of the `paper` profile [default: 16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(2..=256))]
    batch: Option<u16>,
    /// How many images of a step the `paper` profile's students see at once; fewer need less memory and more time
    /// [default: as many as the GPU has memory for]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    images_at_once: Option<u16>,
    /// Folder of pictures of other things: the `paper` profile's local student is trained to give no response to these out-of-distribution images
    #[arg(long = "strangers", value_name = "DIR")]
    out_of_distribution: Option<InputPath>,
    /// The `paper` profile's local student learns from the hardest 0.1 % of the features alone
    #[arg(long)]
    hard_features: bool,
    /// Which changed images of the product are good parts too; the segmentation then learns from them as well (in the
    /// `edge` profile not with --moved-copies 0)
    #[arg(long, value_enum, default_value_t = Symmetry::None)]
    symmetry: Symmetry,
    /// Copies of each labelled image with components moved about, for the `edge` profile's segmentation [default: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=20))]
    moved_copies: Option<u8>,
    #[command(flatten)]
    region: RegionArgs,
    #[command(flatten)]
    proposals: ProposalArgs,
    /// Fraction of good parts that may be rejected; needs 1/RATE good validation images to be kept
    #[arg(long, value_name = "RATE", default_value_t = 0.05, value_parser = rate)]
    false_reject_rate: f64,
    /// The line's camera is greyscale: colour is removed before anything is learnt
    #[arg(long)]
    mono: bool,
    /// Bits of a 16-bit image that hold values: 10, 12 or 14 of many cameras; the bundle keeps it for the images it
    /// judges
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u8).range(8..=16))]
    bit_depth: Option<u8>,
    /// The line's frames are JPEG and the training images are not: three in four of these are seen as JPEG of qualities
    /// 80 to 95
    #[arg(long)]
    as_jpeg: bool,
    /// How bright a part is tells good from bad (a burnt crust, a faded print): a picture that is brighter or darker as a
    /// whole than all good ones is otherwise evened out before it is judged, since lamps age
    #[arg(long)]
    light_counts: bool,
    /// Product name in the bundle [default: the folder's name, or of the one above where it is good, train or the like]
    #[arg(long, value_name = "NAME")]
    product: Option<String>,
    /// Version in the bundle; stations refuse to go back [default: one more than that of the product's bundle at --out]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=i64::MAX as u64))]
    bundle_version: Option<u64>,
    /// Sign the bundle with this secret key
    #[arg(long, value_name = "FILE")]
    key: Option<InputPath>,
    /// Train the `edge` profile's students too, for the branches `local` and `global`: this takes most of the time, and
    /// they seldom add anything to the other branches
    #[arg(long)]
    students: bool,
    /// Has no effect any more: the students are left out unless `--students` is given
    #[arg(long, hide = true, conflicts_with = "students")]
    no_students: bool,
    /// Training steps, in percent of the profile's own: fewer are faster and worse
    #[arg(long, value_name = "PERCENT", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    effort: u16,
    /// How the networks compute. `int8` quantises the trained networks on good images, calibrates them anew and says
    /// what that costs, layer by layer in quantisation.json of the work folder
    #[arg(long, value_enum, default_value_t)]
    precision: Precision,
    /// Time that a part may take on one core of a machine like this one: the fine view, which shows small damage, is as
    /// large as that allows, and no larger than the images [default: 150]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u16).range(1..))]
    budget_ms: Option<u16>,
    /// The longer side of the fine view in pixels, in place of a budget: up to that of the images, and 1.4 million
    /// pixels in all; 256 sees nothing finer than the whole
    #[arg(long, value_name = "PIXELS", conflicts_with = "budget_ms", value_parser = clap::value_parser!(u16).range(256..=2048))]
    side: Option<u16>,
    /// Learn from images that lie far off all others too, instead of leaving them out
    #[arg(long)]
    keep_outliers: bool,
    /// Count each image, instead of each part once: for parts that differ by no more than the camera's noise
    #[arg(long)]
    keep_duplicates: bool,
    /// The same seed, images and machine give the same bundle, but for its version and what its provenance says of
    /// minutes and the day (that of SOURCE_DATE_EPOCH, if set)
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ProfileArg {
    Edge,
    Paper,
}

/// Fraction of the features that `--hard-features` leaves (CSAD's).
const HARDEST: f64 = 0.001;
const EPOCHS: u16 = 120;
const BATCH: u16 = 16;
const MOVED_COPIES: u8 = 3;
const BUDGET_MS: u16 = 150;

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    match rate > 0.0 && rate <= 0.5 {
        true => Ok(rate),
        false => Err("must be above 0 and at most 0.5".to_owned()),
    }
}

pub(super) fn run(args: &FitArgs) -> Result<(), Failure> {
    let cancel = super::stop_on_signal()?;
    let options = FitOptions {
        category: args.category.clone().into(),
        more_good: args.more_good.clone().map(Into::into),
        bad: args.bad.clone().map(Into::into),
        out: args.out.clone(),
        work: work_folder(args.work.as_ref(), &args.out)?,
        product: args.product.clone(),
        version: args.bundle_version,
        proposals: args
            .proposals
            .source(args.device, args.weights.clone().map(Into::into))?,
        clustering: args.proposals.clustering()?,
        false_reject_rate: args.false_reject_rate,
        mono: args.mono,
        bit_depth: args.bit_depth,
        as_jpeg: args.as_jpeg,
        light_counts: args.light_counts,
        seed: args.seed,
        key: args.key.clone().map(Into::into),
        effort_percent: args.effort.into(),
        networks: networks(args)?,
        augmentation: Augmentation {
            symmetry: args.symmetry,
            ..Augmentation::default()
        },
        precision: args.precision,
        keep_outliers: args.keep_outliers,
        keep_duplicates: args.keep_duplicates,
        region: (&args.region).into(),
    };
    let fitted = fit(&options, &cancel).map_err(|e| Failure::new(&e, e.exit_code()))?;
    report(&options, &fitted);
    Ok(())
}

/// An option that only the other profile reads would be ignored without a word.
fn refuse_the_other_profiles(args: &FitArgs) -> Result<(), Failure> {
    // The foundation models read these in either profile.
    let of_models = args.proposals.of_models();
    let of_paper = [
        ("--device", !of_models && args.device != Device::Cpu),
        ("--weights", !of_models && args.weights.is_some()),
        ("--epochs", args.epochs.is_some()),
        ("--batch", args.batch.is_some()),
        ("--images-at-once", args.images_at_once.is_some()),
        ("--strangers", args.out_of_distribution.is_some()),
        ("--hard-features", args.hard_features),
    ];
    let of_edge = [
        ("--bad", args.bad.is_some()),
        ("--students", args.students),
        ("--light-counts", args.light_counts),
        ("--no-students", args.no_students),
        ("--budget-ms", args.budget_ms.is_some()),
        ("--side", args.side.is_some()),
        ("--moved-copies", args.moved_copies.is_some()),
    ];
    let (others, here, there) = match args.profile {
        ProfileArg::Edge => (&of_paper[..], "edge", "paper"),
        ProfileArg::Paper => (&of_edge[..], "paper", "edge"),
    };
    match others.iter().find(|(_, given)| *given) {
        Some((option, _)) => Err(Failure::new(
            format!("the {here} profile has no {option}: leave it out, or take --profile {there}"),
            aecsad_program::ExitCode::Input,
        )),
        None => Ok(()),
    }
}

fn fine_size(args: &FitArgs) -> FineSize {
    match args.side {
        Some(side) => FineSize::Side(side.into()),
        None => FineSize::Budget(args.budget_ms.unwrap_or(BUDGET_MS).into()),
    }
}

fn networks(args: &FitArgs) -> Result<Networks, Failure> {
    refuse_the_other_profiles(args)?;
    if matches!(args.profile, ProfileArg::Edge) {
        return Ok(Networks::Edge(EdgeOptions {
            students: args.students,
            moved_copies: args.moved_copies.unwrap_or(MOVED_COPIES).into(),
            fine_size: fine_size(args),
        }));
    }
    let weights = match &args.weights {
        Some(path) => path.clone().into(),
        None => weights::cached().map_err(|e| Failure::new(&e, e.exit_code()))?,
    };
    Ok(Networks::Paper(Box::new(PaperOptions {
        device: args.device,
        epochs: args.epochs.unwrap_or(EPOCHS).into(),
        batch: args.batch.unwrap_or(BATCH).into(),
        at_once: args.images_at_once.map(usize::from),
        out_of_distribution: args.out_of_distribution.clone().map(Into::into),
        hardest: args.hard_features.then_some(HARDEST),
        ..PaperOptions::new(weights)
    })))
}

fn report(options: &FitOptions, fitted: &Fitted) {
    let selection = &fitted.selection;
    print_line(format_args!(
        "{}: {} version {} in {:.1} minutes",
        options.out.display(),
        fitted.identity.product,
        fitted.identity.version,
        fitted.minutes
    ));
    match &fitted.components {
        Ok(classes) => print_line(format_args!("components: {} kinds", classes - 1)),
        Err(why) => print_line(format_args!("components: none, {why}")),
    };
    print_line(format_args!("registration: {}", fitted.registration));
    print_line(format_args!(
        "{:10} {:>4} {:>8} {:>10}  why",
        "branch", "", "logical", "structural"
    ));
    let figure = |f: Option<f64>| f.map_or("-".to_owned(), |f| format!("{f:.3}"));
    for b in &selection.branches {
        print_line(format_args!(
            "{:10} {:>4} {:>8} {:>10}  {}",
            b.branch,
            if b.on { "on" } else { "off" },
            figure(b.planted.logical),
            figure(b.planted.structural),
            b.why
        ));
    }
    let (logical, structural) = (selection.planted.logical, selection.planted.structural);
    print_line(format_args!(
        "{:15} {:>8} {:>10}  AUROC on planted anomalies",
        "fused",
        figure(logical),
        figure(structural)
    ));
    let calibration = &selection.decision.calibration;
    let cross_validated = match fitted.cross_validated_parts() {
        0 => String::new(),
        parts => format!(" and {parts} training parts, cross-validated"),
    };
    print_line(format_args!(
        "threshold: {:.3}, set on {} held-out good parts{cross_validated}, for {:.1} % of good parts rejected; with so many \
         parts it may be {:.1} %",
        selection.decision.threshold,
        fitted.validation_parts,
        100.0 * selection.rate,
        100.0 * calibration.rate_at_worst(selection.decision.threshold)
    ));
    if let Some(caught) = selection.caught() {
        print_line(format_args!(
            "planted anomalies rejected at this threshold: {caught}"
        ));
    }
    if let Some(bad) = &fitted.bad {
        print(bad.text());
    }
    if let Some(more_good) = &fitted.more_good {
        print(more_good.text());
    }
    print(detectability_text(&fitted.detectable));
    print(tolerance_text(&fitted.tolerated));
    if let Some(quantisation) = &fitted.quantisation {
        print(quantisation.text());
    }
    if selection.rate > options.false_reject_rate {
        let needed =
            aecsad_inspect::decision::conformal::Conformal::needed(options.false_reject_rate);
        note(format_args!(
            "so few good parts support no lower rate than {:.1} %: for the requested {:.1} %, {} more good validation \
             images are needed",
            100.0 * selection.rate,
            100.0 * options.false_reject_rate,
            needed - calibration.scores().len().min(needed)
        ));
    }
}
