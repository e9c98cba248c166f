//! Which engine runs a bundle's networks: the one that was requested, or the best that this machine has and that gives the
//! bundle's golden scores. It is known which one runs, and why not the other.

use std::fmt;
use std::path::PathBuf;

use aecsad_inspect::bundle::Bundle;
use aecsad_inspect::golden::{self, GoldenError};
use aecsad_inspect::inspector::Inspector;
use aecsad_inspect::network::{Cpu, Engine, TensorRt, TensorRtError, TensorRtSettings};
use aecsad_inspect::optics::Region;
use aecsad_program::ExitCode;
use clap::{Args, ValueEnum};
use serde::Deserialize;

use crate::ownership::create_folder;

/// Where plans are kept unless another folder is named.
pub const PLANS: &str = "/var/lib/aecsad/plans";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lowercase")]
pub enum EngineRequest {
    /// TensorRT where it is installed and gives the bundle's golden scores, else the CPU
    #[default]
    Auto,
    /// The CPU
    Cpu,
    /// TensorRT, or nothing
    TensorRt,
}

/// Where networks run, as a station file states it.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    pub request: EngineRequest,
    /// The folder of TensorRT's plans.
    pub plans: PathBuf,
    /// Whether TensorRT may compute in FP16 where a network is not quantised.
    pub half: bool,
}

impl Default for EngineSettings {
    fn default() -> Self {
        EngineSettings {
            request: EngineRequest::default(),
            plans: PLANS.into(),
            half: false,
        }
    }
}

/// The flags of commands that need no station file.
#[derive(Args)]
pub struct EngineArgs {
    /// What runs the networks
    #[arg(long, value_enum, default_value_t)]
    pub engine: EngineRequest,
    /// The folder of the networks that TensorRT has compiled
    #[arg(long, value_name = "DIR", default_value = PLANS)]
    pub plans: PathBuf,
    /// Let TensorRT compute in FP16 where a network is not quantised
    #[arg(long)]
    pub half_precision: bool,
}

impl EngineArgs {
    pub fn settings(&self) -> EngineSettings {
        EngineSettings {
            request: self.engine,
            plans: self.plans.clone(),
            half: self.half_precision,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("the engine `tensorrt` was requested and can't be used: {0}")]
    Unavailable(String),
    #[error(transparent)]
    Refused(#[from] GoldenError),
}

impl EngineError {
    pub fn exit_code(&self) -> ExitCode {
        match self {
            EngineError::Unavailable(_) => ExitCode::Engine,
            EngineError::Refused(error) => error.exit_code(),
        }
    }
}

/// The engines of this machine, opened once.
pub struct Engines {
    request: EngineRequest,
    /// TensorRT, or why it is not used.
    tensorrt: Result<TensorRt, String>,
}

/// What runs a bundle's networks, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineChoice {
    pub engine: String,
    /// Why the other engine was not taken, unless this one was requested.
    pub why_not: Option<String>,
    /// Why the CPU can't take over from a GPU that fails on a line.
    pub alone: Option<String>,
}

impl EngineChoice {
    /// The CPU, where it was requested by name.
    pub fn requested_cpu() -> Self {
        EngineChoice {
            engine: Cpu.name().to_owned(),
            why_not: None,
            alone: None,
        }
    }
}

impl fmt::Display for EngineChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.engine)?;
        if let Some(why) = &self.why_not {
            write!(f, "; not TensorRT: {why}")?;
        }
        if let Some(why) = &self.alone {
            write!(
                f,
                "; if the GPU fails, the CPU can't take over ({why}) and parts are rejected"
            )?;
        }
        Ok(())
    }
}

impl Engines {
    /// # Errors
    /// If TensorRT is requested by name and can't be used.
    pub fn open(settings: &EngineSettings) -> Result<Self, EngineError> {
        let request = settings.request;
        let tensorrt = match request {
            EngineRequest::Cpu => Err("the CPU was requested".to_owned()),
            EngineRequest::Auto | EngineRequest::TensorRt => open_tensorrt(settings),
        };
        match (request, tensorrt) {
            (EngineRequest::TensorRt, Err(why)) => Err(EngineError::Unavailable(why)),
            (_, tensorrt) => Ok(Engines { request, tensorrt }),
        }
    }

    /// Makes a bundle ready in the engine that is requested. TensorRT must give its golden scores.
    ///
    /// # Errors
    /// If the bundle can't be used, or TensorRT is requested by name and does not run it or gives other scores.
    pub fn inspector(
        &self,
        bundle: &Bundle,
        region: Option<Region>,
    ) -> Result<(Inspector, EngineChoice), EngineError> {
        let tensorrt = match &self.tensorrt {
            Ok(tensorrt) => tensorrt,
            Err(why) => return on_cpu(bundle, region, self.why_not(why)),
        };
        match proven_in(tensorrt, bundle, region) {
            Ok(inspector) => {
                let choice = EngineChoice {
                    engine: tensorrt.name().to_owned(),
                    why_not: None,
                    alone: None,
                };
                Ok((inspector, choice))
            }
            Err(error) if self.request == EngineRequest::Auto => {
                on_cpu(bundle, region, Some(error.to_string()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The engine that a bundle is compared on whatever its scores are: TensorRT if it can be used.
    pub fn best(&self) -> (&dyn Engine, EngineChoice) {
        let engine: &dyn Engine = match &self.tensorrt {
            Ok(tensorrt) => tensorrt,
            Err(_) => &Cpu,
        };
        let why_not = self.tensorrt.as_ref().err();
        let choice = EngineChoice {
            engine: engine.name().to_owned(),
            why_not: why_not.and_then(|why| self.why_not(why)),
            alone: None,
        };
        (engine, choice)
    }

    fn why_not(&self, why: &str) -> Option<String> {
        (self.request != EngineRequest::Cpu).then(|| why.to_owned())
    }
}

fn open_tensorrt(settings: &EngineSettings) -> Result<TensorRt, String> {
    let plans = settings.plans.clone();
    let half = settings.half;
    let opened = TensorRt::open(&TensorRtSettings { plans, half });
    let tensorrt = opened.map_err(|error: TensorRtError| error.to_string())?;
    create_folder(&settings.plans).map_err(|error| {
        let plans = settings.plans.display();
        format!("the folder {plans} for its plans can't be made ({error}): name another one")
    })?;
    Ok(tensorrt)
}

fn on_cpu(
    bundle: &Bundle,
    region: Option<Region>,
    why_not: Option<String>,
) -> Result<(Inspector, EngineChoice), EngineError> {
    let inspector = Inspector::from_bundle(bundle, region).map_err(GoldenError::from)?;
    let choice = EngineChoice {
        why_not,
        ..EngineChoice::requested_cpu()
    };
    Ok((inspector, choice))
}

/// The bundle ready in this engine, where it gives its golden scores.
pub fn proven_in(
    engine: &dyn Engine,
    bundle: &Bundle,
    region: Option<Region>,
) -> Result<Inspector, GoldenError> {
    let mut inspector = Inspector::in_engine(engine, bundle, region)?;
    golden::verify(bundle, &mut inspector)?.check()?;
    Ok(inspector)
}
