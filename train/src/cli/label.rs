//! `aecsad-train label DIR`: finds a product's components and shows them, without training anything.

use std::path::PathBuf;

use clap::ValueEnum;

/// Where the regions come from that become classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Source {
    /// Found in the images by colour and texture; needs nothing else.
    Builtin,
    /// Drawn or generated elsewhere: a folder of indexed or grey PNGs named after the images.
    Masks,
}

/// Find a product's components in its good images and write pictures of them to look at.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Category folder in MVTec LOCO AD's layout, or a folder of good images.
    pub dir: PathBuf,
    /// Folder for the overlays, the contact sheet and the list of labelled images.
    #[arg(long)]
    pub out: PathBuf,
    /// Source of the regions.
    #[arg(long, value_enum, default_value_t = Source::Builtin)]
    pub proposals: Source,
    /// Folder of masks, `000.png` for image `000.*`; 0 is background, each other value one mask.
    #[arg(long, required_if_eq("proposals", "masks"))]
    pub masks: Option<PathBuf>,
    /// Seed of every random choice.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}
