//! `aecsad flash`: installs a new bundle on this station. It is checked and proven first, and on trial afterwards.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use aecsad_inspect::bundle::{Bundle, BundleError};
use aecsad_inspect::golden;
use aecsad_inspect::inspector::Inspector;
use aecsad_program::inputs::InputPath;
use aecsad_program::standard_streams::note;
use clap::Args;

use super::print_lines;
use super::slots::SlotsArgs;
use crate::cli::error::Result;
use crate::slots::{FlashRequest, Flashed, Slots, SlotsError};

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
    let slots = Slots::lock(&place.folder)?;
    let request = FlashRequest {
        trust: &trust,
        allow_downgrade: args.allow_downgrade,
        add_product: args.add_product,
    };
    let flashed = slots.flash(input, &name, &request, &mut prove)?;
    print_lines(&result(&flashed, place.trial_parts))
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

/// Proves that the bundle runs here and reproduces its golden scores. Reports each step.
fn prove(bundle: &Bundle) -> Result<(), SlotsError> {
    let manifest = &bundle.manifest;
    note(format_args!(
        "{} version {}",
        manifest.product, manifest.version
    ));
    let say = |what: &str, how: String| note(format_args!("ok    {what:<10} {how}"));
    let signer = bundle.signed_by().unwrap_or("no one");
    say(
        "signature",
        format!("key {signer}, which this station trusts"),
    );
    let (files, megabytes) = (manifest.entries.len(), bundle.bytes() as f64 / 1e6);
    say(
        "content",
        format!("{files} files, {megabytes:.1} MB, as they were when signed"),
    );
    if let Some(region) = &manifest.input.region {
        say("region", region.to_string());
    }
    let mut inspector = Inspector::from_bundle(bundle, None)?;
    say("networks", "run on this machine".into());
    let comparison = golden::verify(bundle, &mut inspector)?;
    comparison.check()?;
    let (images, difference) = (comparison.images.len(), comparison.largest_difference());
    let tolerance = comparison.tolerance;
    say(
        "scores",
        format!(
            "of {images} golden images as in training: {difference:.1e} apart at most, {tolerance:.0e} allowed"
        ),
    );
    Ok(())
}

fn result(flashed: &Flashed, trial_parts: u32) -> String {
    let Flashed {
        product,
        version,
        slot,
        ..
    } = flashed;
    if flashed.unchanged {
        return format!(
            "{product} version {version} is in slot {slot} already, and proven: nothing to do\n"
        );
    }
    let mut text = format!("{product} version {version} is in slot {slot}, on trial\n");
    text += &match flashed.active {
        true => "the station works with it from its next start on; one that runs takes it between two parts\n".into(),
        false => format!("another product is at work: `aecsad select \"{product}\"` changes over to this one\n"),
    };
    text += &match flashed.fallback {
        Some(old) => {
            format!("if {trial_parts} parts don't confirm it, version {old} comes back by itself\n")
        }
        None => {
            format!("{trial_parts} parts confirm it; there is no older version to go back to\n")
        }
    };
    if flashed.downgrade {
        text += "it is older than what this station had: recorded\n";
    }
    text
}
