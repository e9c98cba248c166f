//! The library's one error type. Each module has its own enum with the context in it; this one gathers them and
//! knows the exit code, so that a script can tell a bad image from a bad bundle.

use crate::calibration::CalibrationError;
use crate::camera::CameraError;
use crate::cli::inspect::InspectError;
use crate::golden::GoldenError;
use crate::inspector::InspectorError;
use crate::journal::JournalError;
use crate::network::NetworkError;
use crate::reject::simulator::SimulatorError;
use crate::slots::SlotsError;

/// What a failed command leaves with. 0 is success, 2 is the command line's own (unknown option).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// An image or a folder of images that can't be used.
    Input = 3,
    /// A bundle that is refused: damaged, unsigned, not ours, or its golden vectors differ here.
    Bundle = 4,
    /// A station file with an unknown or out-of-range key.
    Config = 5,
    /// A device that is missing, busy or not what it should be.
    Device = 6,
    /// A place that can't be written, or is full.
    Storage = 7,
    /// The inference engine failed.
    Engine = 8,
    /// Too few or unsuitable images to train on.
    Training = 9,
    /// `aecsad check` found something that keeps the station from working.
    Check = 10,
    /// Another program is changing the slots.
    Busy = 20,
    /// A version below the one that the station has already proven.
    Older = 21,
    /// A bundle of another product, or a product or slot that is not there.
    Product = 22,
    /// Stopped by Ctrl-C, SIGTERM or the loss of its terminal.
    Interrupted = 130,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Bundle(#[from] crate::bundle::BundleError),
    #[error(transparent)]
    Image(#[from] crate::camera::ImageError),
    #[error(transparent)]
    Inspector(#[from] crate::inspector::InspectorError),
    #[error(transparent)]
    Camera(#[from] crate::camera::CameraError),
    #[error(transparent)]
    Config(#[from] crate::station::config::ConfigError),
    #[error(transparent)]
    Reject(#[from] crate::reject::RejectError),
    #[error(transparent)]
    Simulator(#[from] crate::reject::simulator::SimulatorError),
    #[error(transparent)]
    Station(#[from] crate::station::StationError),
    #[error(transparent)]
    Calibration(#[from] crate::calibration::CalibrationError),
    #[error(transparent)]
    Journal(#[from] crate::journal::JournalError),
    #[error(transparent)]
    Monitor(#[from] crate::monitor::MonitorError),
    #[error(transparent)]
    Watchdog(#[from] crate::station::watchdog::WatchdogError),
    #[error("{} can't be written ({source}): free space there or name another place", path.display())]
    Unwritable {
        path: std::path::PathBuf,
        source: std::io::Error,
    },
    #[error("{failed} of {total} checks failed: do what their lines say, then check again")]
    ChecksFailed { failed: usize, total: usize },
    #[error(transparent)]
    Demo(#[from] crate::cli::demo::DemoError),
    #[error(transparent)]
    Inspect(#[from] crate::cli::inspect::InspectError),
    #[error(transparent)]
    Golden(#[from] crate::golden::GoldenError),
    #[error(transparent)]
    Slots(#[from] crate::slots::SlotsError),
    #[error(transparent)]
    Bench(#[from] crate::cli::bench::BenchError),
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub fn exit_code(&self) -> ExitCode {
        use crate::station::StationError;
        match self {
            Error::Bundle(e) if e.is_storage() => ExitCode::Storage,
            Error::Bundle(_) => ExitCode::Bundle,
            Error::Inspector(e) | Error::Golden(GoldenError::Inspector(e)) => match e {
                InspectorError::Bundle(e) if e.is_storage() => ExitCode::Storage,
                InspectorError::Bundle(_) | InspectorError::Statistics { .. } => ExitCode::Bundle,
                InspectorError::Network(NetworkError::Load { .. }) => ExitCode::Bundle,
                InspectorError::Network(_) => ExitCode::Engine,
                InspectorError::Optics(_) => ExitCode::Input,
            },
            Error::Golden(_) => ExitCode::Bundle,
            Error::Slots(e) => match e {
                SlotsError::Busy { .. } => ExitCode::Busy,
                SlotsError::NotConfigured { .. } => ExitCode::Config,
                SlotsError::Open { .. }
                | SlotsError::Storage(_)
                | SlotsError::StateUnread { .. } => ExitCode::Storage,
                SlotsError::Contradiction { .. } => ExitCode::Storage,
                SlotsError::Older { .. } => ExitCode::Older,
                SlotsError::OtherProduct { .. }
                | SlotsError::NoProduct { .. }
                | SlotsError::Empty
                | SlotsError::NoTrial { .. }
                | SlotsError::NothingToGoBackTo { .. } => ExitCode::Product,
                SlotsError::StateDamaged { .. }
                | SlotsError::NothingUsable { .. }
                | SlotsError::Refused(_)
                | SlotsError::NotProven(_)
                | SlotsError::NotRunnable(_) => ExitCode::Bundle,
            },
            Error::Inspect(InspectError::Interrupted { .. }) => ExitCode::Interrupted,
            Error::Inspect(InspectError::NoThread(_)) => ExitCode::Engine,
            Error::Inspect(_) | Error::Bench(_) => ExitCode::Input,
            Error::Image(_) | Error::Camera(CameraError::NoImages(_) | CameraError::Image(_)) => {
                ExitCode::Input
            }
            Error::Camera(_) => ExitCode::Device,
            Error::Config(_) => ExitCode::Config,
            Error::Simulator(SimulatorError::Log(_)) => ExitCode::Storage,
            Error::Reject(_) | Error::Simulator(_) => ExitCode::Device,
            Error::Journal(JournalError::NoTime(_) | JournalError::Missing(_)) => ExitCode::Input,
            Error::Journal(JournalError::NotKept(_)) => ExitCode::Config,
            Error::Journal(JournalError::NoThread(_)) => ExitCode::Engine,
            Error::Journal(_) => ExitCode::Storage,
            Error::Calibration(
                CalibrationError::Unreadable { .. }
                | CalibrationError::Forbidden { .. }
                | CalibrationError::NotAFolder(_)
                | CalibrationError::NotAFile(_)
                | CalibrationError::OtherBundle { .. },
            ) => ExitCode::Config,
            Error::Calibration(_) => ExitCode::Input,
            Error::Monitor(_) | Error::Watchdog(_) => ExitCode::Device,
            Error::Station(StationError::Interrupted) => ExitCode::Interrupted,
            Error::Station(_) => ExitCode::Engine,
            Error::Unwritable { .. } => ExitCode::Storage,
            Error::ChecksFailed { .. } | Error::Demo(_) => ExitCode::Check,
        }
    }
}
