//! Proves that a bundle runs on this machine and reproduces its golden scores.

use std::fmt;

use aecsad_inspect::bundle::Bundle;
use aecsad_inspect::golden;

use super::{Flashed, SlotsError};
use crate::engines::Engines;

/// A step that passed.
#[derive(Clone, Debug)]
pub struct ProofStep {
    pub what: &'static str,
    pub how: String,
}

impl fmt::Display for ProofStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ok    {:<10} {}", self.what, self.how)
    }
}

/// Reports each step that passes.
pub fn prove(
    bundle: &Bundle,
    engines: &Engines,
    report: &mut dyn FnMut(ProofStep),
) -> Result<(), SlotsError> {
    let mut say = |what, how| report(ProofStep { what, how });
    let manifest = &bundle.manifest;
    let (product, version) = (&manifest.product, manifest.version);
    say("bundle", format!("{product} version {version}"));
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
    let (mut inspector, engine) = engines.inspector(bundle, None)?;
    say("networks", format!("run on {engine}"));
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

impl Flashed {
    /// What happens next, in sentences of a line each.
    pub fn describe(&self, trial_parts: u32) -> String {
        let Flashed {
            product,
            version,
            slot,
            ..
        } = self;
        if self.unchanged {
            return format!(
                "{product} version {version} is in slot {slot} already, and proven: nothing to do\n"
            );
        }
        let mut text = format!("{product} version {version} is in slot {slot}, on trial\n");
        text += &match self.active {
            true => "the station works with it from its next start on; one that runs takes it between two parts\n".into(),
            false => format!("another product is at work: `aecsad select \"{product}\"` changes over to this one\n"),
        };
        text += &match self.fallback {
            Some(old) => {
                format!(
                    "if {trial_parts} parts don't confirm it, version {old} comes back by itself\n"
                )
            }
            None => {
                format!("{trial_parts} parts confirm it; there is no older version to go back to\n")
            }
        };
        if self.downgrade {
            text += "it is older than what this station had: recorded\n";
        }
        text
    }
}
