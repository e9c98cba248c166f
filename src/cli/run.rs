//! `aecsad run`: the line at work until the parts end or it is stopped.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use aecsad_inspect::bundle::Bundle;
use aecsad_program::inputs::InputPath;
use aecsad_program::standard_streams::note;
use clap::Args;

use super::observers::{self, Changeover, Observers, Recording};
use super::{LoadJudge, say_station_file, station_file, stop_on_signal};
use crate::calibration::CalibrationStatus;
use crate::camera::FrameSource;
use crate::cli::error::{Error, Result};
use crate::engines::{EngineChoice, Engines};
use crate::pictures::Pictures;
use crate::reject::Rejector;
use crate::station::changeover;
use crate::station::config::StationConfig;
use crate::station::config::bundle::BundleSource;
use crate::station::devices::{open_rejector, open_source};
use crate::station::ledger::{Row, Totals};
use crate::station::loaded_judge::LoadedJudge;
use crate::station::operator_threshold::OperatorThresholds;
use crate::station::threshold_watch::ThresholdWatch;
use crate::station::{Album, Judge, Message, Station, StationError, expectation, system};

#[derive(Args)]
pub struct RunArgs {
    /// The station file; if not given, station.toml here, else /etc/aecsad/station.toml
    #[arg(long, value_name = "FILE", default_value_os_t = station_file(), hide_default_value = true)]
    pub config: InputPath,
    /// Stop after so many parts
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
    /// Write one line for each part to this file, as the parts are decided; - is standard output
    #[arg(long)]
    pub csv: Option<PathBuf>,
    /// Print a JSON object for each part and each message instead of the table, as docs/http-api.md describes them
    #[arg(long)]
    pub json: bool,
}

pub fn run(args: &RunArgs, load: LoadJudge<'_>) -> Result<()> {
    let stop = stop_on_signal()?;
    say_station_file(&args.config);
    let config = StationConfig::load(&args.config)?;
    let mut line = Line::open(&config, &args.config)?;
    line.json = args.json;
    let csv = args.csv.as_deref();
    if args.json && csv.is_some_and(|csv| csv.as_os_str() == "-") {
        return Err(Error::TwoTables);
    }
    let BundleSource::Slots {
        folder,
        trial_parts,
    } = &config.bundle.source
    else {
        let mut judge = load(&config)?;
        line.differences = expectation::differences(&config, judge.geometry());
        line.viewed_region = expectation::viewed_region(&config, judge.geometry());
        line.calibration = judge.calibration_status().cloned();
        line.engine = judge.engine().cloned();
        line.run(judge.as_mut(), args.limit, csv, &stop, |_| {})?;
        return Ok(());
    };
    let engines = Engines::open(&config.engine)?;
    let load = &|bundle: &Bundle| LoadedJudge::from_bundle(bundle, &config, &engines);
    let (messages_in, messages) = channel();
    let mut report = reporter(messages_in);
    let started = changeover::start(folder, *trial_parts, &config.bundle, load, &mut report);
    let (mut judge, watcher) = match started {
        Ok(started) => started,
        Err(error) => {
            // There is no line yet, so the messages are printed here.
            for message in messages.try_iter() {
                note(message);
            }
            return Err(error.into());
        }
    };
    let request = watcher.request();
    line.changeover = Some(Changeover { messages, request });
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let watching = thread::Builder::new()
            .name("changeover".into())
            .spawn_scoped(scope, || watcher.run(&over, &mut report))
            .map_err(StationError::NoThread)?;
        let ran = line.run(&mut judge, args.limit, csv, &stop, |_| {});
        over.store(true, Ordering::Relaxed);
        watching.thread().unpark();
        ran.map(drop)
    })
}

/// Hands messages to the line's observers, and to standard error once there are none.
fn reporter(messages: Sender<Message>) -> impl FnMut(Message) + Send {
    move |message| {
        if let Err(unread) = messages.send(message) {
            note(unread.0);
        }
    }
}

/// A station's open devices, before the line runs.
pub struct Line<'c> {
    config: &'c StationConfig,
    station_file: &'c Path,
    /// The table is JSON, one object a line.
    json: bool,
    source: Box<dyn FrameSource>,
    images: Vec<PathBuf>,
    rejector: Box<dyn Rejector>,
    /// With slots only.
    changeover: Option<Changeover>,
    /// How the frames are unlike the bundle's training images; of slots, the changeover reports it.
    differences: Vec<String>,
    /// With one bundle only, as the next: the changeover reports them with each bundle.
    viewed_region: Option<String>,
    calibration: Option<CalibrationStatus>,
    engine: Option<EngineChoice>,
}

impl<'c> Line<'c> {
    pub fn open(config: &'c StationConfig, station_file: &'c Path) -> Result<Self> {
        let (source, images) = open_source(config)?;
        Ok(Line {
            config,
            station_file,
            json: false,
            source,
            images,
            rejector: open_rejector(config)?,
            changeover: None,
            differences: Vec::new(),
            viewed_region: None,
            calibration: None,
            engine: None,
        })
    }

    /// The file of each part, the first part's first, if parts are files.
    pub fn images(&self) -> &[PathBuf] {
        &self.images
    }

    /// Runs the station with its observers, and hands each finished row to `keep`.
    pub fn run(
        mut self,
        judge: &mut dyn Judge,
        limit: Option<u32>,
        csv: Option<&Path>,
        stop: &AtomicBool,
        mut keep: impl FnMut(&Row),
    ) -> Result<Totals> {
        let bit_depth = judge.geometry().and_then(|geometry| geometry.bit_depth);
        self.source.state_bit_depth(bit_depth);
        let images = std::mem::take(&mut self.images);
        let table = observers::table(csv, self.json, images, limit)?;
        let config = self.config;
        let recording = Recording::open(config.journal.as_ref())?;
        let run = recording.run.clone();
        let mut observers = Observers::start(
            config,
            self.station_file,
            judge.bundle(),
            table,
            recording,
            self.changeover,
            &mut keep,
        )?;
        let live = observers.live_view();
        let mut pictures = match config.journal.is_some() || live.is_some() {
            true => Some(Pictures::start(config.journal.as_ref(), &run, live)?),
            false => None,
        };
        if let Some(pictures) = &pictures {
            observers.count_shed(Arc::clone(&pictures.shed));
        }
        let thresholds = OperatorThresholds::default();
        let calibration = observers.calibration();
        calibration.in_force(judge.calibration_status());
        let _watch = match &config.journal {
            Some(journal) => {
                let alarms = run.alarms.clone();
                Some(ThresholdWatch::start(
                    &journal.path,
                    thresholds.clone(),
                    alarms,
                )?)
            }
            None => None,
        };
        if let Some(viewed_region) = &self.viewed_region {
            observers.notice(&format!("region: {viewed_region}"));
        }
        if let Some(engine) = &self.engine {
            observers.notice(&format!("engine: {engine}"));
        }
        match &self.calibration {
            Some(status @ CalibrationStatus::Awaited { .. }) => observers.alarm(status.to_string()),
            Some(status) => observers.notice(&format!("calibration: {status}")),
            None => {}
        }
        for sentence in system::refusals(&self.config.system).chain(self.differences) {
            observers.alarm(sentence);
        }
        if thresholds.count() > 0 {
            observers.notice(
                "thresholds that persons set at this station count here: `aecsad threshold` shows them",
            );
        }
        let station = Station {
            source: self.source.as_mut(),
            judge,
            rejector: self.rejector.as_mut(),
            conveyor: self.config.conveyor,
            policies: self.config.policies,
            confirm_within: self.config.confirm_within,
            album: pictures.as_mut().map(|pictures| pictures as &mut dyn Album),
            thresholds,
            calibration: calibration.clone(),
            limit,
            priority: self.config.system.priority,
            threads: self.config.system.threads,
        };
        let ended = station.run(stop, |event| observers.observe(event));
        calibration.discard();
        // The last pictures are written first, so that their alarms are still reported.
        drop(pictures);
        let totals = observers.close(ended.as_ref().ok())?;
        if let Some(error) = ended?.stop_error() {
            return Err(error.into());
        }
        if stop.load(Ordering::Relaxed) {
            return Err(StationError::Interrupted.into());
        }
        Ok(totals)
    }
}
