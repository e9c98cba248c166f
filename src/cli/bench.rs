//! `aecsad bench`: measures the time of a verdict on this machine, stage by stage.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use aecsad_inspect::bundle::{Bundle, Trust};
use aecsad_inspect::decision::trimmed_z::quantile;
use aecsad_inspect::frame::Frame;
use aecsad_inspect::golden::{self, GoldenError};
use aecsad_inspect::image_files::read_image_by_content;
use aecsad_inspect::inspector::{Inspector, Verdict};
use aecsad_inspect::network::Team;
use aecsad_inspect::optics::ViewedRegion;
use aecsad_program::inputs::InputPath;
use clap::Args;
use serde::Serialize;

use super::bench_line::{self, LineFigures};
use super::{images, on_threads, print_all, print_lines, say_engine};
use crate::cli::error::Result;
use crate::engines::{EngineArgs, Engines};
use crate::station::StationError;

/// Warm-up frames that are not measured: caches fill, buffers grow to their size.
const WARM_UP: u32 = 5;

#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    #[error("{bundle}: there are no golden images in this bundle; name a folder with --images")]
    NoImages { bundle: String },
}

#[derive(Args)]
pub struct BenchArgs {
    /// The bundle
    #[arg(long, value_name = "FILE")]
    pub bundle: InputPath,
    /// Images to judge, over and over; the bundle's golden images if not given
    #[arg(long, value_name = "DIR")]
    pub images: Option<InputPath>,
    /// How many frames are measured
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub frames: u32,
    /// Threads that compute a verdict, like `system.threads` in a station file
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub threads: u16,
    /// Then run a whole station on the bundle's golden images, as fast as it goes: parts a minute, verdict to reject
    /// byte
    #[arg(long)]
    pub line: bool,
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub engine: EngineArgs,
}

fn golden_frames(bundle: &Bundle) -> Result<Vec<Frame>, GoldenError> {
    match golden::images(bundle) {
        Err(GoldenError::None { .. }) => Ok(Vec::new()),
        images => images?.map(|image| Ok(image?.1)).collect(),
    }
}

pub fn run(args: &BenchArgs) -> Result<()> {
    let start = Instant::now();
    let bundle = Bundle::read(&args.bundle, &Trust::Anyone)?;
    let engines = Engines::open(&args.engine.settings())?;
    let (mut inspector, engine) = engines.inspector(&bundle, None)?;
    say_engine(&engine);
    let load = start.elapsed();
    let source = match &args.images {
        Some(folder) => {
            let images = images::gather(std::slice::from_ref(folder))?;
            FrameOrigin::Files(images.into_iter().map(|i| i.file).collect())
        }
        None => {
            inspector.look_at(ViewedRegion::All);
            FrameOrigin::Golden(golden_frames(&bundle)?)
        }
    };
    if source.len() == 0 {
        let bundle = bundle.name().to_owned();
        return Err(BenchError::NoImages { bundle }.into());
    }
    let mut line_frames = Vec::new();
    if args.line {
        line_frames = golden_frames(&bundle)?;
        if line_frames.is_empty() {
            let bundle = bundle.name().to_owned();
            return Err(BenchError::NoImages { bundle }.into());
        }
    }
    // A running line holds no bundle either, so the memory is measured without it.
    drop(bundle);
    let threads = usize::from(args.threads);
    let _team = Team::start(threads, || ()).map_err(StationError::NoThread)?;
    let first = source.judge(0, &mut inspector)?.latency;
    for frame in 1..WARM_UP {
        source.judge(frame, &mut inspector)?;
    }
    let mut times = Times::default();
    for frame in 0..args.frames {
        times.add(&source.judge(frame, &mut inspector)?);
    }
    let line = match args.line {
        true => {
            inspector.look_at(ViewedRegion::All);
            Some(bench_line::measure(
                &mut inspector,
                line_frames,
                args.frames,
                times.usual_verdict(),
                threads,
            )?)
        }
        false => None,
    };
    let figures = Figures {
        line,
        frames: args.frames,
        threads,
        load_ms: ms(load),
        first_verdict_ms: ms(load + first),
        stages: times.figures(),
        memory: memory(),
        engine: engine.engine,
        cpu: cpu_features(),
    };
    if args.json {
        // Numbers and strings always serialise.
        let json = serde_json::to_string(&figures).unwrap_or_default();
        return print_all(&format!("{json}\n"));
    }
    print_lines(&figures.table())
}

enum FrameOrigin {
    /// Read again for each frame, so that memory doesn't grow with the folder.
    Files(Vec<PathBuf>),
    Golden(Vec<Frame>),
}

impl FrameOrigin {
    fn len(&self) -> usize {
        match self {
            FrameOrigin::Files(files) => files.len(),
            FrameOrigin::Golden(frames) => frames.len(),
        }
    }

    /// `frame` wraps around; there is at least one image.
    fn judge(&self, frame: u32, inspector: &mut Inspector) -> Result<Verdict> {
        let index = frame as usize % self.len();
        Ok(match self {
            FrameOrigin::Files(files) => {
                let bit_depth = inspector.geometry().bit_depth;
                inspector.inspect(&read_image_by_content(&files[index], bit_depth)?)?
            }
            FrameOrigin::Golden(frames) => inspector.inspect(&frames[index])?,
        })
    }
}

/// Times of all frames in milliseconds, by stage.
#[derive(Default)]
struct Times {
    verdict: Vec<f64>,
    optics: Vec<f64>,
    networks: Vec<f64>,
    scores: Vec<f64>,
}

impl Times {
    fn usual_verdict(&self) -> Duration {
        let mut verdicts = self.verdict.clone();
        verdicts.sort_by(f64::total_cmp);
        Duration::from_secs_f64(quantile(&verdicts, 0.5) / 1e3)
    }

    fn add(&mut self, verdict: &Verdict) {
        self.verdict.push(ms(verdict.latency));
        self.optics.push(ms(verdict.stages.optics));
        self.networks.push(ms(verdict.stages.networks));
        self.scores.push(ms(verdict.stages.scores));
    }

    fn figures(self) -> Vec<StageFigures> {
        let stages = [
            ("frame to verdict", self.verdict),
            ("optics", self.optics),
            ("networks", self.networks),
            ("scores", self.scores),
        ];
        let figures = stages.map(|(stage, mut times)| {
            times.sort_by(f64::total_cmp);
            StageFigures {
                stage,
                min_ms: quantile(&times, 0.0),
                p50_ms: quantile(&times, 0.5),
                p99_ms: quantile(&times, 0.99),
            }
        });
        figures.into()
    }
}

#[derive(Serialize)]
struct StageFigures {
    stage: &'static str,
    min_ms: f64,
    p50_ms: f64,
    p99_ms: f64,
}

#[derive(Serialize)]
struct Figures {
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<LineFigures>,
    frames: u32,
    threads: usize,
    load_ms: f64,
    /// From the start of loading.
    first_verdict_ms: f64,
    stages: Vec<StageFigures>,
    memory: BTreeMap<&'static str, f64>,
    /// What ran the networks.
    engine: String,
    cpu: Vec<&'static str>,
}

impl Figures {
    fn table(&self) -> String {
        let mut text = format!(
            "{:<18}{:>10}{:>10}{:>10}   ms over {} frames on {}\n",
            "",
            "p50",
            "p99",
            "min",
            self.frames,
            on_threads(self.threads)
        );
        for s in &self.stages {
            let _ = writeln!(
                text,
                "{:<18}{:>10.3}{:>10.3}{:>10.3}",
                s.stage, s.p50_ms, s.p99_ms, s.min_ms
            );
        }
        let _ = writeln!(
            text,
            "loaded in {:.0} ms, first verdict after {:.0} ms",
            self.load_ms, self.first_verdict_ms
        );
        if let Some(line) = &self.line {
            let _ = writeln!(
                text,
                "station: {:.0} parts/min; verdict to reject message at the far end of a pseudo-terminal: p50 {:.3} ms, p99 {:.3} ms, p99.9 {:.3} ms, most {:.3} ms over {} rejects",
                line.parts_per_min,
                line.p50_ms,
                line.p99_ms,
                line.p999_ms,
                line.most_ms,
                line.rejects
            );
        }
        for (what, mb) in &self.memory {
            let _ = writeln!(text, "{what} {mb:.1} MB");
        }
        let _ = writeln!(text, "networks on {}", self.engine);
        let _ = writeln!(text, "CPU: {}", self.cpu.join(" "));
        text
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Resident memory now and at its peak (loading included) in MB; empty where the system does not report it.
fn memory() -> BTreeMap<&'static str, f64> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = |field: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(field))?;
        line.split_whitespace().next()?.parse::<f64>().ok()
    };
    let fields = [("resident", "VmRSS:"), ("resident at peak", "VmHWM:")];
    let found = fields
        .iter()
        .filter_map(|(what, field)| Some((*what, kib(field)? * 1024.0 / 1e6)));
    found.collect()
}

/// The available instruction sets that affect the networks' speed.
fn cpu_features() -> Vec<&'static str> {
    let mut there = vec![std::env::consts::ARCH];
    macro_rules! note {
        ($detected:ident: $($feature:tt),*) => {
            $(if std::arch::$detected!($feature) { there.push($feature); })*
        };
    }
    #[cfg(target_arch = "x86_64")]
    note!(is_x86_feature_detected: "sse4.2", "avx", "avx2", "fma", "f16c", "avx512f", "avx512vnni", "avxvnni");
    #[cfg(target_arch = "aarch64")]
    note!(is_aarch64_feature_detected: "neon", "fp16", "dotprod", "i8mm", "sve");
    there
}
