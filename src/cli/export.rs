//! `aecsad export`: the pictures of reviewed parts, as folders for the next training.

use std::fs;
use std::path::{Path, PathBuf};

use aecsad_program::counted;
use aecsad_program::inputs::InputPath;
use aecsad_program::standard_streams::print_line;
use clap::Args;

use super::findings::unwritable;
use super::{journal_folder, station_file};
use crate::cli::error::Result;
use crate::operator::Mark;
use crate::ownership::{create_folder, share_file};
use crate::page::reviewed;

#[derive(Args)]
pub struct ExportArgs {
    /// Write the pictures of reviewed parts to DIR/good and DIR/bad, as `aecsad-train fit --more-good DIR/good --bad DIR/bad`
    /// takes them
    #[arg(long, value_name = "DIR")]
    pub reviewed: PathBuf,
    /// Then remove them from the journal, which has room for so many only; the reviews stay
    #[arg(long)]
    pub clear: bool,
    /// The station file, which names the journal; if not given, station.toml here, else /etc/aecsad/station.toml
    #[arg(long, value_name = "FILE", default_value_os_t = station_file(), hide_default_value = true)]
    pub config: InputPath,
    /// The journal's folder, instead of the station file's
    #[arg(long, value_name = "DIR")]
    pub journal: Option<PathBuf>,
}

pub fn run(args: &ExportArgs) -> Result<()> {
    let journal = journal_folder(&args.config, args.journal.as_deref())?;
    let mut counts = [0, 0];
    for (mark, count) in [Mark::Good, Mark::Bad].into_iter().zip(&mut counts) {
        let to = args.reviewed.join(mark.name());
        create_folder(&to).map_err(|error| unwritable(&to, error))?;
        for picture in reviewed::pictures_in(&reviewed::folder(&journal, mark)) {
            let name = picture.file_name().map(Path::new).unwrap_or(&picture);
            let copy = to.join(name);
            copied(&picture, &copy).map_err(|error| unwritable(&copy, error))?;
            if args.clear {
                fs::remove_file(&picture).map_err(|error| unwritable(&picture, error))?;
            }
            *count += 1;
        }
    }
    let [good, bad] = counts;
    print_line(format_args!(
        "{} in {}: {good} good, {bad} bad",
        counted(good + bad, "reviewed part"),
        args.reviewed.display()
    ));
    Ok(())
}

/// Whole or not at all.
fn copied(from: &Path, to: &Path) -> std::io::Result<()> {
    let unfinished = to.with_extension("part");
    fs::copy(from, &unfinished)?;
    share_file(&unfinished)?;
    fs::rename(&unfinished, to)
}
