//! `aecsad-train synth DIR`: renders products to train and test on.

use aecsad::printable::printable;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::synth::{self, Counts, Name, Plan};
use indicatif::{ProgressBar, ProgressStyle};

#[derive(clap::Args)]
pub struct Args {
    /// Folder to render into; each product gets a folder of its own in it.
    dir: PathBuf,
    /// Products to render [default: all].
    #[arg(long, value_enum, value_delimiter = ',')]
    products: Vec<Name>,
    /// Good images to train on, for each product.
    #[arg(long, default_value_t = 120)]
    train: usize,
    /// Good images for validation.
    #[arg(long, default_value_t = 40)]
    validation: usize,
    /// Test images of each kind: good, logical, structural.
    #[arg(long, default_value_t = 40)]
    test: usize,
    /// Width and height of the images in pixels.
    #[arg(long, default_value_t = 320, value_parser = clap::value_parser!(u16).range(96..=2048))]
    size: u16,
    /// The same seed renders the same images.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Replace product folders that are already there.
    #[arg(long)]
    force: bool,
}

pub fn run(args: &Args) -> ExitCode {
    let mut products = Vec::new();
    for &name in if args.products.is_empty() {
        &Name::ALL
    } else {
        args.products.as_slice()
    } {
        if !products.contains(&name) {
            products.push(name);
        }
    }
    let plan = Plan {
        products,
        counts: Counts {
            train: args.train,
            validation: args.validation,
            test: args.test,
        },
        size: usize::from(args.size),
        seed: args.seed,
        force: args.force,
    };
    let progress = ProgressBar::new(plan.pictures() as u64);
    if let Ok(style) =
        ProgressStyle::with_template("rendering {wide_bar} {pos}/{len} images, {eta} left")
    {
        progress.set_style(style);
    }
    let rendered = synth::render(&args.dir, &plan, &progress);
    match rendered {
        Ok(()) => {
            progress.finish();
            ExitCode::SUCCESS
        }
        Err(error) => {
            progress.abandon();
            eprintln!("aecsad-train: {}", printable(&error.to_string()));
            ExitCode::from(aecsad::error::ExitCode::Storage as u8)
        }
    }
}
