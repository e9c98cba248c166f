//! `aecsad-train synth DIR`: renders products to train and test on.

use std::path::PathBuf;

use aecsad_program::ExitCode;
use indicatif::{ProgressBar, ProgressStyle};

use super::Failure;
use aecsad_synth::{DatasetPlan, PictureCounts, RenderedProduct, render};

#[derive(clap::Args)]
pub struct SynthArgs {
    /// Folder to render into; each product gets a folder of its own in it.
    dir: PathBuf,
    /// Products to render [default: all].
    #[arg(long, value_enum, value_delimiter = ',')]
    products: Vec<RenderedProduct>,
    /// Good images to train on, for each product.
    #[arg(long, default_value_t = 120, value_parser = images())]
    train: u32,
    /// Good images for validation.
    #[arg(long, default_value_t = 40, value_parser = images())]
    validation: u32,
    /// Test images of each kind: good, logical, structural.
    #[arg(long, default_value_t = 40, value_parser = images())]
    test: u32,
    /// Width and height of the images in pixels.
    #[arg(long, default_value_t = 320, value_parser = clap::value_parser!(u16).range(96..=2048))]
    size: u16,
    /// Size of damage in percent of the usual: 50 in images of twice the size are as many pixels.
    #[arg(long, value_name = "PERCENT", default_value_t = 100, value_parser = clap::value_parser!(u8).range(10..=200))]
    damage: u8,
    /// The same seed renders the same images.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Write a mask of each part of the good training images too, into the folder `parts`, as `fit --masks` reads them.
    #[arg(long)]
    parts: bool,
    /// Replace product folders that are already there.
    #[arg(long)]
    force: bool,
}

/// More would fill any disk.
fn images() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=100_000)
}

pub(super) fn run(args: &SynthArgs) -> Result<(), Failure> {
    let mut products = Vec::new();
    for &name in if args.products.is_empty() {
        &RenderedProduct::ALL
    } else {
        args.products.as_slice()
    } {
        if !products.contains(&name) {
            products.push(name);
        }
    }
    let plan = DatasetPlan {
        products,
        counts: PictureCounts {
            train: args.train as usize,
            validation: args.validation as usize,
            test: args.test as usize,
        },
        size: usize::from(args.size),
        damage: f32::from(args.damage) / 100.0,
        seed: args.seed,
        parts: args.parts,
        force: args.force,
    };
    let progress = ProgressBar::new(plan.pictures() as u64);
    if let Ok(style) =
        ProgressStyle::with_template("rendering {wide_bar} {pos}/{len} images, {eta} left")
    {
        progress.set_style(style);
    }
    let rendered = render(&args.dir, &plan, &progress);
    match rendered {
        Ok(()) => {
            progress.finish();
            Ok(())
        }
        Err(error) => {
            progress.abandon();
            Err(Failure::new(error, ExitCode::Storage))
        }
    }
}
