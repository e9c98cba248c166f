//! `aecsad verify`: checks a bundle against its manifest and its signature, and compares its golden scores on this
//! machine with those of training.

use std::fmt::Write as _;
use std::path::PathBuf;

use aecsad_inspect::bundle::{Bundle, KeyRing, PublicKey, Trust};
use aecsad_inspect::golden::{self, Comparison, Pair};
use aecsad_inspect::inspector::Inspector;
use aecsad_program::inputs::InputPath;
use clap::Args;

use super::{print_lines, say_engine};
use crate::cli::error::Result;
use crate::engines::{EngineArgs, Engines};

#[derive(Args)]
pub struct VerifyArgs {
    /// The bundle
    #[arg(value_name = "FILE")]
    pub bundle: InputPath,
    /// Accept only bundles signed with the key whose public half is in this file; may be given several times
    #[arg(long, value_name = "PUBKEY")]
    pub key: Vec<InputPath>,
    /// Accept only bundles that a station with this folder of public keys would accept
    #[arg(long, value_name = "DIR", conflicts_with = "key")]
    pub keys: Option<PathBuf>,
    #[command(flatten)]
    pub engine: EngineArgs,
}

pub fn run(args: &VerifyArgs) -> Result<()> {
    let keys = args.key.iter().map(|path| PublicKey::from_file(path));
    let trust = match (keys.collect::<Result<Vec<_>, _>>()?, &args.keys) {
        (_, Some(folder)) => Trust::Keys(KeyRing::from_folder(folder)?),
        (keys, None) if keys.is_empty() => Trust::Anyone,
        (keys, None) => Trust::Keys(keys.into()),
    };
    let bundle = Bundle::read(&args.bundle, &trust)?;
    let engines = Engines::open(&args.engine.settings())?;
    let (engine, choice) = engines.best();
    say_engine(&choice);
    let mut inspector = Inspector::in_engine(engine, &bundle, None)?;
    let comparison = golden::verify(&bundle, &mut inspector)?;
    print_lines(&report(&bundle, &comparison))?;
    comparison.check()?;
    let images = comparison.images.len();
    print_lines(&format!(
        "whole, and its scores hold on this machine ({images} golden images)\n"
    ))
}

fn report(bundle: &Bundle, comparison: &Comparison) -> String {
    let manifest = &bundle.manifest;
    let signed = match bundle.signed_by() {
        Some(key) => format!("signed with key {key}"),
        None => "signature not checked".into(),
    };
    let mut text = format!(
        "{} version {}, {signed}\nsha256 {}\n",
        manifest.product,
        manifest.version,
        bundle.sha256()
    );
    if let Some(region) = &manifest.input.region {
        let _ = writeln!(text, "looks at {region}");
    }
    let _ = writeln!(
        text,
        "{:<16}  {:<10}  {:>12}  {:>12}  {:>10}",
        "image", "score", "in training", "here", "difference"
    );
    let mut row = |image: &str, what: &str, pair: Pair| {
        let _ = writeln!(
            text,
            "{image:<16}  {what:<10}  {:>12.6}  {:>12.6}  {:>10.2e}",
            pair.expected,
            pair.found,
            pair.difference(),
        );
    };
    for image in &comparison.images {
        row(&image.image, "fused", image.score);
        for (branch, pair) in &image.branches {
            row("", &branch.to_string(), *pair);
        }
    }
    let _ = writeln!(
        text,
        "largest difference {:.2e}; allowed {:.3}, relative where a score is above 1",
        comparison.largest_difference(),
        comparison.tolerance
    );
    text
}
