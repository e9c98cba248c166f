//! `aecsad-train weights`: brings the paper's backbone to this machine.

use std::sync::atomic::AtomicBool;

use aecsad_program::inputs::InputPath;
use aecsad_program::standard_streams::print_line;
use clap::{Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use super::Failure;
use crate::paper::weights::{self, Download, PUBLISHED, Published, WeightsError};

/// Bring the weights of the `paper` profile's backbone to this machine
///
/// WideResNet-50-2 as torchvision publishes it (276 MB). Training reads it from the cache folder; a bundle carries what
/// it needs, so that a station never fetches anything.
#[derive(Debug, clap::Args)]
pub struct WeightsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Download them; a download that broke off goes on where it was
    Fetch {
        /// Which training of it: the paper's, or torchvision's later one
        #[arg(long, value_enum, default_value_t = Version::V1)]
        version: Version,
        /// Another server that has the same file
        #[arg(long, value_name = "URL")]
        url: Option<String>,
    },
    /// Take a file that was carried here by hand
    Import {
        /// `wide_resnet50_2-95faca4d.pth` or `wide_resnet50_2-9ba9bcbe.pth`, under whatever name
        #[arg(value_name = "FILE")]
        file: InputPath,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Version {
    V1,
    V2,
}

pub(super) fn run(args: &WeightsArgs) -> Result<(), Failure> {
    match &args.command {
        Command::Fetch { version, url } => {
            let stop = super::stop_on_signal()?;
            fetch(PUBLISHED[*version as usize], url.clone(), &stop)
        }
        Command::Import { file } => weights::import(file).map(|(known, path)| {
            print_line(format_args!(
                "{}: {} of WideResNet-50-2",
                path.display(),
                known.name
            ));
        }),
    }
    .map_err(|e| Failure::new(&e, e.exit_code()))
}

fn fetch(known: Published, url: Option<String>, stop: &AtomicBool) -> Result<(), WeightsError> {
    let download = Download::new(known, &weights::cache_folder()?, url);
    let progress = ProgressBar::no_length();
    let style = ProgressStyle::with_template(
        "{wide_bar} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left",
    );
    if let Ok(style) = style {
        progress.set_style(style);
    }
    let fetched = weights::fetch(&download, stop, &mut |done, total| {
        if let Some(total) = total {
            progress.set_length(total);
        }
        progress.set_position(done);
    });
    progress.finish_and_clear();
    fetched?;
    print_line(format_args!(
        "{}: {} of WideResNet-50-2",
        download.target.display(),
        known.name
    ));
    Ok(())
}
