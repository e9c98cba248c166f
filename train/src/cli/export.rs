//! `aecsad-train export BUNDLE --images CATEGORY_DIR --out FILE`: a float bundle in, an int8 one out.

use std::path::PathBuf;

use aecsad_program::inputs::InputPath;
use aecsad_program::standard_streams::{print, print_line};

use super::proposals::ProposalArgs;
use super::{Failure, work_folder};
use crate::fit::{ExportOptions, export};
use crate::paper::Device;
use crate::quantise::Signs;

/// Make an int8 bundle of a float one, without training: its networks are quantised on good images, its branches
/// calibrated anew, and what that costs is printed and written to quantisation.json in the work folder.
///
/// The images must be those that the bundle was fitted on: calibrated anew in float they have to give back its scores.
#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    /// A bundle of `fit --precision f32`
    #[arg(value_name = "BUNDLE")]
    bundle: InputPath,
    /// The folder of good images that it was fitted on
    #[arg(long, value_name = "CATEGORY_DIR")]
    images: InputPath,
    /// The folder of its --more-good, if it had one
    #[arg(long, value_name = "DIR")]
    more_good: Option<InputPath>,
    /// The bundle to write; a file that is there is replaced as a whole or not at all; - is standard output
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    proposals: ProposalArgs,
    /// Where the foundation models run, if it was fitted with them: cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value_t = Device::Cpu)]
    device: Device,
    /// Weights of WideResNet-50-2, if it was fitted with the foundation models and them [default: those of `aecsad-train
    /// weights fetch`]
    #[arg(long, value_name = "FILE")]
    weights: Option<InputPath>,
    /// Report of the quantisation and label pictures [default: OUT.work]
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
    /// Version in the new bundle; stations refuse to go back [default: one more than the old one's,
    /// and than that of the product's bundle at --out]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=i64::MAX as u64))]
    bundle_version: Option<u64>,
    /// In which bytes
    #[arg(long = "precision", value_enum, default_value_t)]
    signs: Signs,
    /// Sign the new bundle with this secret key
    #[arg(long, value_name = "FILE")]
    key: Option<InputPath>,
}

pub(super) fn run(args: &ExportArgs) -> Result<(), Failure> {
    let cancel = super::stop_on_signal()?;
    let options = ExportOptions {
        bundle: args.bundle.clone().into(),
        category: args.images.clone().into(),
        more_good: args.more_good.clone().map(Into::into),
        proposals: args
            .proposals
            .source(args.device, args.weights.clone().map(Into::into))?,
        clustering: args.proposals.clustering()?,
        out: args.out.clone(),
        work: work_folder(args.work.as_ref(), &args.out)?,
        version: args.bundle_version,
        key: args.key.clone().map(Into::into),
        signs: args.signs,
    };
    let exported = export(&options, &cancel).map_err(|e| Failure::new(&e, e.exit_code()))?;
    print_line(format_args!(
        "{}: {} version {} in {}",
        options.out.display(),
        exported.product,
        exported.version,
        options.signs
    ));
    print(exported.quantisation.text());
    Ok(())
}
