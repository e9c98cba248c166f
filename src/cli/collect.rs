//! `aecsad collect`: pictures of good parts for the training of a new product, taken by the camera that will judge them.
//! It needs no bundle, and nothing is rejected meanwhile.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use aecsad_inspect::frame::Frame;
use aecsad_inspect::similarity::{BlockMeans, Distinct};
use aecsad_program::counted;
use aecsad_program::inputs::InputPath;
use aecsad_program::standard_streams::{note, print_line};
use aecsad_program::whole_file::WholeFile;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::findings::unwritable;
use super::{say_station_file, station_file, stop_on_signal};
use crate::camera::SourceEvent;
use crate::cli::error::{Error, Result};
use crate::ownership::{create_folder, share_file};
use crate::pictures::png;
use crate::station::StationError;
use crate::station::config::StationConfig;
use crate::station::devices::open_source;

/// Without a new part in so many pictures, the belt stands.
const MOST_REPEATS: u32 = 200;

#[derive(Args)]
pub struct CollectArgs {
    /// The folder for the pictures; those that are there stay
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// How many pictures to keep: 20 are the least for training, 120 are better
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub parts: u32,
    /// Keep one part in so many: a sample of the whole shift shows more than the next hundred parts
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub every: u32,
    /// The station file, of which camera, trigger and optics count; if not given, station.toml here, else
    /// /etc/aecsad/station.toml
    #[arg(long, value_name = "FILE", default_value_os_t = station_file(), hide_default_value = true)]
    pub config: InputPath,
}

pub fn run(args: &CollectArgs) -> Result<()> {
    say_station_file(&args.config);
    let config = StationConfig::load(&args.config)?;
    create_folder(&args.folder).map_err(|source| unwritable(&args.folder, source))?;
    let stop = stop_on_signal()?;
    let (mut source, _) = open_source(&config)?;
    let bar = ProgressBar::new(args.parts.into());
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} parts, {eta} left") {
        bar.set_style(style);
    }
    let mut collection = Collection::new(args);
    let mut frame = Frame::empty();
    while collection.kept < args.parts {
        if stop.load(Ordering::Relaxed) {
            return Err(StationError::Interrupted.into());
        }
        match source.next(&mut frame) {
            None => break,
            Some(SourceEvent::Part) => collection.add(&frame)?,
            Some(SourceEvent::NoFrame(error) | SourceEvent::Blind(error)) => {
                bar.suspend(|| note(error))
            }
            Some(SourceEvent::Nothing | SourceEvent::Sees) => {}
        }
        bar.set_position(collection.kept.into());
    }
    bar.finish_and_clear();
    let (kept, folder) = (collection.kept, args.folder.display());
    print_line(format_args!("{} in {folder}", counted(kept, "picture")));
    if collection.repeats > 0 {
        let repeats = counted(collection.repeats, "picture");
        print_line(format_args!(
            "{repeats} of a part that was there already left out"
        ));
    }
    print_line(format_args!(
        "look through them and remove bad parts, then: aecsad-train fit {folder} --out FILE"
    ));
    Ok(())
}

struct Collection<'a> {
    args: &'a CollectArgs,
    seen: u32,
    kept: u32,
    repeats: u32,
    /// Repeats since the latest new part.
    repeats_now: u32,
    number: u32,
    distinct: Distinct,
}

impl<'a> Collection<'a> {
    fn new(args: &'a CollectArgs) -> Self {
        Collection {
            args,
            seen: 0,
            kept: 0,
            repeats: 0,
            repeats_now: 0,
            number: latest(&args.folder),
            distinct: Distinct::default(),
        }
    }

    fn add(&mut self, frame: &Frame) -> Result<()> {
        self.seen += 1;
        if !self.seen.is_multiple_of(self.args.every) {
            return Ok(());
        }
        if !self.distinct.is_new(BlockMeans::of(frame), frame) {
            self.repeats += 1;
            self.repeats_now += 1;
            return match self.repeats_now > MOST_REPEATS {
                true => Err(Error::SameParts {
                    pictures: self.repeats_now,
                }),
                false => Ok(()),
            };
        }
        self.repeats_now = 0;
        self.number += 1;
        let path = self
            .args
            .folder
            .join(format!("part-{:06}.png", self.number));
        let written = png(frame).and_then(|content| {
            let mut file = WholeFile::create(&path)?;
            file.write_all(&content)?;
            file.commit()?;
            share_file(&path)
        });
        written.map_err(|source| unwritable(&path, source))?;
        self.kept += 1;
        Ok(())
    }
}

/// The highest number of the pictures that are there.
fn latest(folder: &Path) -> u32 {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| {
        let name = entry.file_name();
        let name = name.to_str()?.strip_prefix("part-")?;
        name.strip_suffix(".png")?.parse().ok()
    });
    numbers.max().unwrap_or(0)
}
