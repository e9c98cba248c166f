//! `aecsad flash`: installs a new bundle on this station. It is checked and proven first, and on trial afterwards.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use aecsad_inspect::bundle::BundleError;
use aecsad_program::inputs::InputPath;
use aecsad_program::standard_streams::note;
use clap::Args;

use super::print_lines;
use super::slots::SlotsArgs;
use crate::cli::error::Result;
use crate::engines::Engines;
use crate::slots::{FlashRequest, Slots, prove};

#[derive(Args)]
pub struct FlashArgs {
    /// The bundle; - for standard input
    #[arg(value_name = "FILE")]
    pub bundle: InputPath,
    #[command(flatten)]
    pub place: SlotsArgs,
    /// Accept a version below the one that the station has proven; this is recorded
    #[arg(long)]
    pub allow_downgrade: bool,
    /// Accept a product that the station doesn't have yet, beside those that it has
    #[arg(long)]
    pub add_product: bool,
}

pub fn run(args: &FlashArgs) -> Result<()> {
    let place = args.place.resolve()?;
    let trust = place.trust()?;
    let (input, name) = open(&args.bundle)?;
    let engines = Engines::open(&place.engine)?;
    let slots = Slots::lock(&place.folder)?;
    let request = FlashRequest {
        trust: &trust,
        allow_downgrade: args.allow_downgrade,
        add_product: args.add_product,
    };
    let flashed = slots.flash(input, &name, &request, &mut |bundle| {
        prove(bundle, &engines, &mut |step| note(step))
    })?;
    print_lines(&flashed.describe(place.trial_parts))
}

fn open(path: &Path) -> Result<(Box<dyn Read>, String), BundleError> {
    if path.as_os_str() == "-" {
        return Ok((Box::new(io::stdin().lock()), "standard input".into()));
    }
    let file = File::open(path).map_err(|source| BundleError::Open {
        path: path.into(),
        source,
    })?;
    Ok((Box::new(file), path.display().to_string()))
}
