//! `aecsad-train label DIR`: finds a product's components and shows them, without training anything.

use std::path::PathBuf;

use aecsad_program::inputs::InputPath;
use aecsad_program::standard_streams::print_line;

use super::Failure;
use super::proposals::ProposalArgs;
use super::region::RegionArgs;
use crate::fit::{self, LabelOptions};
use crate::paper::Device;
use crate::pseudo_label::{Clustering, Usable};

/// Find a product's components in its good images and write pictures of them to look at.
#[derive(Debug, clap::Args)]
pub struct LabelArgs {
    /// Category folder in MVTec LOCO AD's layout, or a folder of good images.
    pub dir: InputPath,
    /// Folder for the overlays, the contact sheet and the list of labelled images.
    #[arg(long)]
    pub out: PathBuf,
    #[command(flatten)]
    region: RegionArgs,
    #[command(flatten)]
    proposals: ProposalArgs,
    /// Where the foundation models run: cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value_t = Device::Cpu)]
    device: Device,
    /// Weights of WideResNet-50-2, by which the foundation models' regions are distinguished [default: those of
    /// `aecsad-train weights fetch`, or EfficientNet-Lite0 without them]
    #[arg(long, value_name = "FILE")]
    weights: Option<InputPath>,
    /// Bits of a 16-bit image that hold values: 10, 12 or 14 of many cameras
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u8).range(8..=16))]
    pub bit_depth: Option<u8>,
    /// Seed of every random choice.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

pub(super) fn run(args: &LabelArgs) -> Result<(), Failure> {
    let cancel = super::stop_on_signal()?;
    let weights = args.weights.clone().map(Into::into);
    let options = LabelOptions {
        category: args.dir.clone().into(),
        proposals: args.proposals.source(args.device, weights)?,
        clustering: args.proposals.clustering()?,
        out: args.out.clone(),
        bit_depth: args.bit_depth,
        region: (&args.region).into(),
        seed: args.seed,
    };
    let labels = fit::label_only(&options, &cancel).map_err(|e| Failure::new(&e, e.exit_code()))?;
    let labelled = labels.reliability.iter().filter(|r| r.labelled).count();
    print_line(format_args!(
        "{} of {} images labelled",
        labelled,
        labels.maps.len()
    ));
    for (class, info) in labels.classes.iter().enumerate().skip(1) {
        print_line(format_args!(
            "component {class}: {:.1} % of the image, in {:.0} % of the images",
            100.0 * info.share,
            100.0 * info.presence
        ));
    }
    for (index, clustered) in labels.clusterings.iter().enumerate() {
        let name = match clustered.by {
            Clustering::Ward => "Ward".to_owned(),
            Clustering::MeanShift { bandwidth } => {
                let radius = bandwidth.map(|radius| format!(", bandwidth {radius:.3}"));
                format!("MeanShift{}", radius.unwrap_or_default())
            }
        };
        print_line(format_args!(
            "{}{name}: {} clusters, {} kinds of component, agreement with half of the images {:.2} of 1",
            if index == 0 {
                "grouped by "
            } else {
                "compared with "
            },
            clustered.clusters.iter().max().map_or(0, |m| m + 1),
            clustered.classes() - 1,
            clustered.found_again
        ));
    }
    if let Usable::No(why) = &labels.usable {
        print_line(format_args!("not used for training: {why}"));
    }
    print_line(format_args!("pictures: {}", args.out.display()));
    Ok(())
}
