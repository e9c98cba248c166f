//! `aecsad run`: the line at work until the parts or the patience end.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use clap::Args;

use super::table::Table;
use super::{LoadJudge, stop_on_signal};
use crate::camera::PacedFolder;
use crate::error::Result;
use crate::reject::framed::FramedSerial;
use crate::station::bundle_section::BundleSource;
use crate::station::changeover::{self, Loaded, News};
use crate::station::config::{CameraConfig, StationConfig};
use crate::station::ledger::{Entry, Ledger, Row, Totals};
use crate::station::{Judge, Station, StationError};

#[derive(Args)]
pub struct RunArgs {
    /// The station file
    #[arg(long, default_value = "station.toml")]
    pub config: PathBuf,
    /// Stop after so many parts
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
    /// Write one line for each part to this file
    #[arg(long)]
    pub csv: Option<PathBuf>,
}

pub fn run(args: &RunArgs, load: LoadJudge<'_>) -> Result<()> {
    let stop = stop_on_signal()?;
    let config = StationConfig::load(&args.config)?;
    let line = Line::open(&config)?;
    let csv = args.csv.as_deref();
    let BundleSource::Slots {
        folder,
        trial_parts,
    } = &config.bundle.source
    else {
        let mut judge = load(&config)?;
        line.run(judge.as_mut(), args.limit, csv, &stop, |_| {})?;
        return Ok(());
    };
    let load = &Loaded::inspector;
    let (mut judge, watcher) =
        changeover::start(folder, *trial_parts, &config.bundle, load, &mut tell)?;
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let watching = thread::Builder::new()
            .name("changeover".into())
            .spawn_scoped(scope, || watcher.run(&over, &mut tell))
            .map_err(StationError::NoThread)?;
        let ran = line.run(&mut judge, args.limit, csv, &stop, |_| {});
        over.store(true, Ordering::Relaxed);
        watching.thread().unpark();
        ran.map(drop)
    })
}

fn tell(news: News) {
    match news {
        News::Notice(said) => eprintln!("{said}"),
        News::Alarm(said) => eprintln!("ALARM: {said}"),
    }
}

/// The devices of a station, open and not yet at work.
pub struct Line<'c> {
    config: &'c StationConfig,
    source: PacedFolder,
    rejector: FramedSerial,
}

impl<'c> Line<'c> {
    pub fn open(config: &'c StationConfig) -> Result<Self> {
        let CameraConfig::Folder { path, period } = &config.camera;
        Ok(Line {
            config,
            source: PacedFolder::open(path, *period)?,
            rejector: FramedSerial::open(config.reject.clone())?,
        })
    }

    /// The file of each part, the first part's first.
    pub fn images(&self) -> &[PathBuf] {
        self.source.images()
    }

    /// Runs the station with its table, and hands each finished row to `keep`.
    pub fn run(
        mut self,
        judge: &mut dyn Judge,
        limit: Option<u32>,
        csv: Option<&Path>,
        stop: &AtomicBool,
        mut keep: impl FnMut(&Row),
    ) -> Result<Totals> {
        let images = self.source.images().to_vec();
        let parts = limit.map_or(images.len(), |limit| images.len().min(limit as usize));
        let mut table = Table::open(csv, images, Some(parts as u64))?;
        let mut ledger = Ledger::default();
        let station = Station {
            source: &mut self.source,
            judge,
            rejector: &mut self.rejector,
            conveyor: self.config.conveyor,
            policies: self.config.policies,
            limit,
        };
        let ended = station.run(stop, |event| {
            ledger.note(event, &mut |entry| {
                if let Entry::Row(row) = entry {
                    keep(row);
                }
                table.write(entry);
            });
            table.show_totals(&ledger.totals);
        });
        ledger.close(&mut |entry| {
            if let Entry::Row(row) = entry {
                keep(row);
            }
            table.write(entry);
        });
        let ended = ended?;
        if let Err(error) = ended.released {
            ledger.totals.alarms += 1;
            let sentence = format!("the actuator did not confirm that its output is off: {error}");
            table.write(Entry::Alarm(sentence));
        }
        if ended.events_lost > 0 {
            let lost = ended.events_lost;
            table.write(Entry::Alarm(format!(
                "{lost} lines of this table are missing, but no reject"
            )));
        }
        table.close(&ledger.totals)?;
        if let Some((part, cause)) = ended.stopped_by {
            return Err(StationError::StoppedByPolicy { part, cause }.into());
        }
        if stop.load(Ordering::Relaxed) {
            return Err(StationError::Interrupted.into());
        }
        Ok(ledger.totals)
    }
}
