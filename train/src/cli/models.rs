//! `aecsad-train models`: which foundation models are on this machine, and how they get here.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use aecsad_program::inputs::InputPath;
use aecsad_program::standard_streams::{print, print_line};
use clap::{Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use super::Failure;
use crate::foundation::FoundationError;
use crate::foundation::catalogue::{PUBLISHED, Published, Role};
use crate::foundation::folder::{FileState, ModelFolder};
use crate::foundation::tags::FILTER;
use crate::paper::weights::{self, Download};

/// Say which foundation models are here, and bring those that are missing
///
/// `fit` and `label` find parts with them under --proposals foundation: RAM++ names what an image shows, GroundingDINO finds
/// where, SAM cuts it out. Nothing of them gets into a bundle. Without a command, the table of what is here is printed.
#[derive(Debug, clap::Args)]
pub struct ModelsArgs {
    #[command(subcommand)]
    command: Option<Command>,
    /// Folder of the models [default: aecsad/models in the user's cache folder]
    #[arg(long, global = true, value_name = "DIR")]
    models: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Download what is published as ONNX; a download that broke off goes on where it was
    Fetch {
        /// Another server that has the same files
        #[arg(long, value_name = "URL")]
        url: Option<String>,
    },
    /// Take files that were carried here by hand or exported with train/foundation/export.py
    Import {
        /// What the files are for
        #[arg(value_enum)]
        role: RoleArg,
        /// Named as in the table: model.onnx, tags.txt, encoder.onnx …
        #[arg(value_name = "FILE", required = true)]
        files: Vec<InputPath>,
    },
    /// Print the filter of RAM++'s words, to edit a copy of it
    TagFilter,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RoleArg {
    /// RAM++
    Ram,
    /// GroundingDINO
    GroundingDino,
    /// SAM, SAM-HQ or MobileSAM
    Sam,
}

impl From<RoleArg> for Role {
    fn from(role: RoleArg) -> Self {
        match role {
            RoleArg::Ram => Role::Tags,
            RoleArg::GroundingDino => Role::Boxes,
            RoleArg::Sam => Role::Masks,
        }
    }
}

pub(super) fn run(args: &ModelsArgs) -> Result<(), Failure> {
    let done = || {
        let path = match &args.models {
            Some(path) => path.clone(),
            None => ModelFolder::usual()?,
        };
        let models = ModelFolder::new(&path);
        match &args.command {
            None => {
                table(&models);
                Ok(())
            }
            Some(Command::Fetch { url }) => fetch(&models, url.as_deref()),
            Some(Command::Import { role, files }) => {
                for file in files {
                    let brought = models.import((*role).into(), file)?;
                    print_line(format_args!("{}", line(&brought)));
                }
                Ok(())
            }
            Some(Command::TagFilter) => {
                print(FILTER);
                Ok(())
            }
        }
    };
    done().map_err(|e: FoundationError| Failure::new(&e, e.exit_code()))
}

fn table(models: &ModelFolder) {
    print_line(format_args!("{}", models.path.display()));
    for role in Role::ALL {
        for file in models.files(role) {
            print_line(format_args!("  {}", line(&file)));
        }
        for known in PUBLISHED.iter().filter(|known| known.role == role) {
            let Published {
                name,
                source,
                licence,
                megabytes,
                onnx,
                ..
            } = known;
            let how = match onnx.is_empty() {
                true => "import",
                false => "fetch",
            };
            print_line(format_args!(
                "      {name}, {licence}, {megabytes} MB, `models {how}`: {source}"
            ));
        }
    }
}

fn line(file: &FileState) -> String {
    let state = match (file.bytes, &file.recorded) {
        (None, _) => "missing".to_owned(),
        (Some(bytes), recorded) => {
            let digest = recorded.as_deref().unwrap_or("not recorded yet");
            format!("{:.1} MB  sha256 {digest}", bytes as f64 / 1e6)
        }
    };
    format!("{:42} {state}", file.name)
}

fn fetch(models: &ModelFolder, url: Option<&str>) -> Result<(), FoundationError> {
    let stop = super::stop_on_signal().map_err(|e| FoundationError::Unknown(e.message))?;
    for known in PUBLISHED.iter().filter(|known| !known.onnx.is_empty()) {
        for (there, here) in known.onnx {
            let download = Download {
                url: format!("{}{there}", url.unwrap_or(known.source)),
                target: models.of(known.role).join(here),
                // No digest is published: that of the first file that arrives is recorded.
                digest: "",
            };
            one(&download, &stop)?;
            let brought = models.brought(known.role, here)?;
            print_line(format_args!("{}", line(&brought)));
        }
    }
    let missing = PUBLISHED.iter().filter(|known| known.onnx.is_empty());
    let names: Vec<&str> = missing.map(|known| known.name).collect();
    print_line(format_args!(
        "not published as ONNX: {}; train/foundation/export.py makes them, `models import` takes them",
        names.join(", ")
    ));
    Ok(())
}

fn one(download: &Download, stop: &AtomicBool) -> Result<(), FoundationError> {
    let progress = ProgressBar::no_length();
    let style = ProgressStyle::with_template(
        "{wide_bar} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left",
    );
    if let Ok(style) = style {
        progress.set_style(style);
    }
    let fetched = weights::fetch(download, stop, &mut |done, total| {
        if let Some(total) = total {
            progress.set_length(total);
        }
        progress.set_position(done);
    });
    progress.finish_and_clear();
    Ok(fetched?)
}
