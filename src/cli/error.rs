//! All errors of the commands. Each module has its own enum with the context in it; this one combines them and maps
//! each to an exit code, so that a script can distinguish a bad image from a bad bundle.

use aecsad_program::standard_streams::STANDARD_OUTPUT;
use aecsad_program::{ExitCode, Failure, advice, place};

use crate::calibration::CalibrationError;
use crate::camera::CameraError;
use crate::cli::inspect::InspectError;
use crate::journal::JournalError;
use crate::operator::OperatorError;
use crate::reject::simulator::SimulatorError;
use crate::slots::SlotsError;
use crate::station::JudgeError;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Bundle(#[from] aecsad_inspect::bundle::BundleError),
    #[error(transparent)]
    Image(#[from] aecsad_inspect::image_files::ImageError),
    #[error(transparent)]
    Inspector(#[from] aecsad_inspect::inspector::InspectorError),
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
    Judge(JudgeError),
    #[error(transparent)]
    Calibration(#[from] crate::calibration::CalibrationError),
    #[error(transparent)]
    Journal(#[from] crate::journal::JournalError),
    #[error(transparent)]
    Page(#[from] crate::page::PageError),
    #[error(transparent)]
    Operator(#[from] crate::operator::OperatorError),
    #[error(transparent)]
    Watchdog(#[from] crate::station::watchdog::WatchdogError),
    #[error("{} can't be written ({source}): {}", place(path), advice(source))]
    Unwritable {
        path: std::path::PathBuf,
        source: std::io::Error,
    },
    #[error(
        "the password can't be read ({0}): type it on a terminal, or give it on standard input"
    )]
    NoPassword(std::io::Error),
    #[error(
        "the last {pictures} pictures show parts that were there already: does the belt stand? Start it, then collect again; what was kept stays"
    )]
    SameParts { pictures: u32 },
    #[error("the two passwords differ: nothing was changed, try again")]
    PasswordsDiffer,
    #[error("no share of good parts is {rate}: give one between 0 and 1, like 0.01 for 1 %")]
    Rate { rate: f64 },
    #[error(
        "a share of {rate} needs {needed} good parts, and there are {parts}: give a larger share, or count more parts with --last"
    )]
    FewForRate {
        rate: f64,
        parts: usize,
        needed: usize,
    },
    #[error("both tables can't go to standard output: name a file with --csv, or leave --json out")]
    TwoTables,
    #[error("{failed} of {total} checks failed: do what their lines say, then check again")]
    ChecksFailed { failed: usize, total: usize },
    #[error(transparent)]
    Demo(#[from] crate::cli::demo::DemoError),
    #[error(transparent)]
    Inspect(#[from] crate::cli::inspect::InspectError),
    #[error(transparent)]
    Golden(#[from] aecsad_inspect::golden::GoldenError),
    #[error(transparent)]
    Slots(#[from] crate::slots::SlotsError),
    #[error(transparent)]
    Bench(#[from] crate::cli::bench::BenchError),
    #[error(transparent)]
    Engine(#[from] crate::engines::EngineError),
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// For standard output.
    pub(super) fn unprinted(source: std::io::Error) -> Self {
        Error::Unwritable {
            path: STANDARD_OUTPUT.into(),
            source,
        }
    }

    pub fn exit_code(&self) -> ExitCode {
        use crate::station::StationError;
        match self {
            Error::Bundle(e) => e.exit_code(),
            Error::Inspector(e) => e.exit_code(),
            Error::Golden(e) => e.exit_code(),
            Error::Engine(e) => e.exit_code(),
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
                SlotsError::NoEngine(error) => error.exit_code(),
                SlotsError::NotProven(error) if error.exit_code() == ExitCode::Engine => {
                    ExitCode::Engine
                }
                SlotsError::StateDamaged { .. }
                | SlotsError::NothingUsable { .. }
                | SlotsError::Refused(_)
                | SlotsError::NotProven(_) => ExitCode::Bundle,
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
            Error::Journal(JournalError::Missing(_)) => ExitCode::Input,
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
            Error::Page(_) | Error::Watchdog(_) => ExitCode::Device,
            Error::Operator(OperatorError::Database { .. } | OperatorError::NoRandom(_)) => {
                ExitCode::Storage
            }
            Error::Operator(OperatorError::Hash(_)) => ExitCode::Engine,
            Error::Operator(_) => ExitCode::Input,
            Error::Station(StationError::Interrupted) => ExitCode::Interrupted,
            Error::Station(_) | Error::Judge(_) => ExitCode::Engine,
            Error::Unwritable { .. } => ExitCode::Storage,
            Error::TwoTables
            | Error::SameParts { .. }
            | Error::NoPassword(_)
            | Error::PasswordsDiffer
            | Error::Rate { .. }
            | Error::FewForRate { .. } => ExitCode::Input,
            Error::ChecksFailed { .. } | Error::Demo(_) => ExitCode::Check,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::new(&error, error.exit_code())
    }
}

impl From<JudgeError> for Error {
    fn from(error: JudgeError) -> Self {
        match error {
            JudgeError::Bundle(error) => error.into(),
            JudgeError::Inspector(error) => error.into(),
            JudgeError::Calibration(error) => error.into(),
            JudgeError::Slots(error) => error.into(),
            JudgeError::Engine(error) => (*error).into(),
            error @ (JudgeError::EngineBrokeOff | JudgeError::GpuFailed { .. }) => {
                Error::Judge(error)
            }
        }
    }
}
