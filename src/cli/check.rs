//! `aecsad check`: one line for each thing that a station needs, with a remedy for each failure.

use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use aecsad_inspect::frame::Frame;
use aecsad_inspect::image_files::read_image_by_content;
use aecsad_inspect::network::Team;
use aecsad_program::counted;
use aecsad_program::inputs::InputPath;
use aecsad_program::standard_streams::print_line;
use clap::Args;

use super::{LoadJudge, on_threads, station_file};
use crate::calibration::CalibrationStatus;
use crate::camera::{FlatField, PacedFolder, v4l2};
use crate::cli::error::{Error, Result};
use crate::journal::{self, JournalError};
use crate::operator::OperatorRecords;
use crate::page::threshold_view::ThresholdView;
use crate::pictures;
use crate::reject::{RejectError, RejectEvent};
use crate::station::config::{
    CameraConfig, JournalConfig, MonitorConfig, StationConfig, SystemConfig, TriggerConfig,
};
use crate::station::devices::{open_rejector, open_trigger};
use crate::station::{Judge, StationError, expectation, system};

/// The longest wait for an actuator's answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);
/// The least free space on the journal's disk.
const ENOUGH_DISK_MB: u64 = 200;
/// The coarsest permitted clock step: with a coarser clock a part's position is uncertain.
const FINE_ENOUGH: Duration = Duration::from_millis(1);

#[derive(Args)]
pub struct CheckArgs {
    /// The station file; if not given, station.toml here, else /etc/aecsad/station.toml
    #[arg(long, value_name = "FILE", default_value_os_t = station_file(), hide_default_value = true)]
    pub config: InputPath,
}

pub fn run(args: &CheckArgs, load: LoadJudge<'_>) -> Result<()> {
    let mut report = CheckReport::default();
    let config = report.line("station", StationConfig::load(&args.config), |_| {
        args.config.display().to_string()
    });
    if let Some(config) = config {
        let shown = |path: &Path| path.display().to_string();
        let judge = report.line("bundle", load(&config), |_| config.bundle.to_string());
        if let Some(mut judge) = judge {
            match judge.calibration_status() {
                Some(status @ CalibrationStatus::Awaited { .. }) => {
                    report.warn("calibration", status)
                }
                Some(status) => {
                    report.line("calibration", Ok::<_, String>(()), |()| status.to_string());
                }
                None => {}
            }
            if let Some(threshold) = station_threshold(&config) {
                report.line("threshold", threshold, String::clone);
            }
            if let Some(viewed_region) = expectation::viewed_region(&config, judge.geometry()) {
                report.line("region", Ok::<_, String>(()), |()| viewed_region);
            }
            let engine = judge.engine().cloned();
            let judged = first_verdict(&config, judge.as_mut());
            report.line("engine", judged, |took| {
                let threads = on_threads(config.system.threads);
                let engine = engine.as_ref().map(|engine| format!(", {engine}"));
                format!(
                    "a verdict after {:.0} ms on {threads}{}",
                    took.as_secs_f64() * 1e3,
                    engine.unwrap_or_default()
                )
            });
            for difference in expectation::differences(&config, judge.geometry()) {
                report.line("frames", Err::<(), _>(difference), |()| String::new());
            }
        }
        match &config.camera {
            CameraConfig::Folder { path, period } => {
                report.line("camera", PacedFolder::open(path, *period), |source| {
                    let images = counted(source.images().len(), "image");
                    format!("{images} in {}", shown(path))
                });
            }
            CameraConfig::V4l2(settings) => {
                report.line("camera", v4l2::probe(settings), |granted| {
                    granted.to_string()
                });
            }
        }
        if let Some(path) = &config.flat_field {
            report.line("flat field", FlatField::read(path), |flat_field| {
                let (width, height) = flat_field.size();
                format!("{} of {width}×{height} pixels", shown(path))
            });
        }
        if !matches!(config.trigger, TriggerConfig::Frame) {
            report.line("trigger", open_trigger(&config.trigger), |_| {
                "the part sensor is there".into()
            });
        }
        report.line("rejector", greet(&config), |behaviour| {
            format!("{} {behaviour}", shown(config.reject.device()))
        });
        if let Some(path) = &config.watchdog.device {
            report.line("watchdog", watchdog_there(path), |_| {
                format!("{} can be opened", shown(path))
            });
        }
        system_lines(&mut report, &config.system);
        if let Some(MonitorConfig {
            address,
            requested: true,
        }) = config.monitor
        {
            let bound = TcpListener::bind(address).map_err(|e| format!("{address} can't be listened on ({e}): close the program that holds it, or correct `monitor.listen`"));
            report.line("monitor", bound, |_| format!("http://{address}/"));
            if !address.ip().is_loopback() && !has_users(&config) {
                report.warn("users", "the page is on the network and shows nothing before `aecsad users add NAME --act`");
            }
        }
        if let Some(journal) = &config.journal {
            report.line("journal", journal_there(&journal.path), |(free, aside)| {
                let aside = match aside {
                    0 => String::new(),
                    1 => ", one damaged file kept aside".into(),
                    more => format!(", {more} damaged files kept aside"),
                };
                format!(
                    "{}, read through, {free} MB free{aside}",
                    shown(&journal.path)
                )
            });
        }
    }
    report.line("disk", free_disk_mb(Path::new(".")), |free| {
        format!("{free} MB free here")
    });
    report.line("clock", clock_step(), |step| {
        format!("monotonic, in steps of {} ns", step.as_nanos())
    });
    report.end()
}

fn system_lines(report: &mut CheckReport, config: &SystemConfig) {
    let mut refused = system::refusals(config).peekable();
    if refused.peek().is_none() {
        let locked = match config.lock_memory {
            true => "memory locked",
            false => "memory not locked",
        };
        let said = format!("priority {}, {locked}", config.priority);
        report.line("system", Ok::<_, String>(()), |()| said);
    }
    for sentence in refused {
        report.line("system", Err::<(), _>(sentence), |()| String::new());
    }
}

/// The engine's time for a frame of the camera. The second frame is measured, because the first warms the engine up.
fn first_verdict(config: &StationConfig, judge: &mut dyn Judge) -> Result<Duration> {
    let bit_depth = judge.geometry().and_then(|geometry| geometry.bit_depth);
    let frame = match &config.camera {
        CameraConfig::Folder { path, period } => {
            let folder = PacedFolder::open(path, *period)?;
            read_image_by_content(&folder.images()[0], bit_depth)?
        }
        CameraConfig::V4l2(camera) => Frame {
            width: camera.width,
            height: camera.height,
            rgb: vec![128; 3 * camera.width as usize * camera.height as usize],
            captured: Instant::now(),
        },
    };
    let _team = Team::start(config.system.threads, || ()).map_err(StationError::NoThread)?;
    judge.judge(&frame)?;
    let start = Instant::now();
    judge.judge(&frame)?;
    Ok(start.elapsed())
}

#[derive(Default)]
struct CheckReport {
    total: usize,
    failed: usize,
}

impl CheckReport {
    fn line<T, E: std::fmt::Display>(
        &mut self,
        what: &str,
        found: Result<T, E>,
        say: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        self.total += 1;
        match found {
            Ok(found) => {
                print_line(format_args!("ok    {what:<9} {}", say(&found)));
                Some(found)
            }
            Err(error) => {
                self.failed += 1;
                print_line(format_args!("FAIL  {what:<9} {error}"));
                None
            }
        }
    }

    /// Reports a warning, which does not make the check fail.
    fn warn(&mut self, what: &str, sentence: impl std::fmt::Display) {
        self.total += 1;
        print_line(format_args!("warn  {what:<9} {sentence}"));
    }

    fn end(self) -> Result<()> {
        let CheckReport { total, failed } = self;
        if failed > 0 {
            return Err(Error::ChecksFailed { failed, total });
        }
        Ok(())
    }
}

/// Opens the gate and describes its answer. Nothing is energised.
fn greet(config: &StationConfig) -> Result<String, RejectError> {
    let start = Instant::now();
    let mut rejector = open_rejector(config)?;
    while start.elapsed() < ANSWER_WITHIN {
        match rejector.poll(Instant::now()) {
            Some(RejectEvent::Up) => break,
            Some(RejectEvent::Down(error)) => return Err(error),
            _ => std::thread::park_timeout(Duration::from_millis(10)),
        }
    }
    let behaviour = rejector.behaviour(start.elapsed());
    // Without an answer, `stop` returns the reason.
    rejector.stop().map(|()| behaviour)
}

/// Checks the watchdog without opening it, because opening arms it.
fn watchdog_there(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::FileTypeExt;
    let found = path.metadata();
    if found.is_ok_and(|found| !found.file_type().is_char_device()) {
        return Err(format!(
            "{} is no watchdog: name its device, often /dev/watchdog, as `watchdog.device`",
            path.display()
        ));
    }
    nix::unistd::access(path, nix::unistd::AccessFlags::W_OK).map_err(|errno| {
        format!("the watchdog {} can't be opened ({errno}): run as root, or give this user access as in deploy/99-aecsad.rules", path.display())
    })
}

fn journal_there(folder: &Path) -> Result<(u64, usize), String> {
    let checked = journal::check(folder).and_then(|aside| pictures::check(folder).map(|()| aside));
    let aside = checked.map_err(|error| match error {
        JournalError::Damaged { .. } => format!(
            "{error}; the station puts it aside at its next start and begins a new one, and `aecsad history` shows what can still be read"
        ),
        other => other.to_string(),
    })?;
    // The folder need not exist yet.
    let there = folder.ancestors().find(|folder| folder.exists());
    let there = there.unwrap_or(Path::new("."));
    Ok((free_disk_mb(there)?, aside))
}

fn free_disk_mb(folder: &Path) -> Result<u64, String> {
    let place = folder.display();
    let free = nix::sys::statvfs::statvfs(folder)
        .map(|fs| fs.blocks_available() * fs.fragment_size() / 1_000_000)
        .map_err(|errno| {
            format!("the disk of {place} can't be queried ({errno}): start from another directory")
        })?;
    if free < ENOUGH_DISK_MB {
        return Err(format!(
            "{free} MB free in {place}, {ENOUGH_DISK_MB} are needed: delete what is not needed"
        ));
    }
    Ok(free)
}

/// The smallest step of the clock that part times are taken from.
fn clock_step() -> Result<Duration, String> {
    let mut finest = Duration::MAX;
    let mut last = Instant::now();
    for _ in 0..1_000 {
        let now = Instant::now();
        let step = now.saturating_duration_since(last);
        if !step.is_zero() {
            finest = finest.min(step);
        }
        last = now;
    }
    if finest > FINE_ENOUGH {
        return Err(
            "the monotonic clock is coarser than 1 ms: enable high-resolution timers in the kernel"
                .into(),
        );
    }
    Ok(finest)
}

/// The threshold that a person set for the station's bundle, if there is one.
fn station_threshold(config: &StationConfig) -> Option<Result<String>> {
    let folder = &config.journal.as_ref()?.path;
    let read = || -> Result<Option<String>> {
        let Some(records) = OperatorRecords::open_existing(folder)? else {
            return Ok(None);
        };
        let set = records.threshold(&ThresholdView::basis(config)?)?;
        Ok(set.map(|set| set.to_string()))
    };
    read().transpose()
}

fn has_users(config: &StationConfig) -> bool {
    let records =
        |journal: &JournalConfig| OperatorRecords::open_existing(&journal.path).ok().flatten();
    let records = config.journal.as_ref().and_then(records);
    records.is_some_and(|records| records.has_users().unwrap_or(false))
}
