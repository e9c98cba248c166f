//! `aecsad inspect`: verdicts on images from files, their heat maps as arrays and as pictures.
//!
//! Each thread has its own networks and takes every n-th image; the findings come out in the images' order. At most two
//! findings a thread wait, so that memory doesn't grow with the number of images.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use aecsad_inspect::branches::shared::heat::HeatMap;
use aecsad_inspect::bundle::{Bundle, Trust};
use aecsad_inspect::frame::Frame;
use aecsad_inspect::heatmap;
use aecsad_inspect::image_files::{
    ImageError, is_jpeg, read_image_by_content, read_image_of_depth,
};
use aecsad_inspect::inspector::{Inspector, InspectorError};
use aecsad_program::inputs::InputPath;
use aecsad_program::standard_streams::note;
use aecsad_program::whole_file::{self, WholeFile};
use clap::Args;
use image::codecs::png::PngEncoder;
use image::{ImageEncoder, RgbImage};

use super::distribution_shift::DistributionShift;
use super::findings::{Finding, Findings, Format, unwritable};
use super::images::{self, InputImage};
use super::{say_engine, stop_on_signal};
use crate::cli::error::Result;
use crate::engines::{EngineArgs, Engines};
use crate::npy;
use crate::station::JudgeError;

/// The most findings that a thread may be ahead of the output.
const AHEAD: usize = 2;

#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    #[error("there are no images in {}: PNG, JPEG, BMP and TIFF are read, in sub-folders too", folder.display())]
    NoImages { folder: PathBuf },
    #[error("{count} of {total} images could not be read; the lines above say which and why")]
    Unreadable { count: usize, total: usize },
    #[error("two images named {} would share one map file: rename one or inspect them apart", name.display())]
    SameName { name: PathBuf },
    #[error("the pictures in {} would overwrite images such as {}: name another folder", folder.display(), image.display())]
    OverImages { folder: PathBuf, image: PathBuf },
    #[error(
        "stopped by request after {done} of {total} images: what was printed and the maps written so far are whole, a CSV \
         file was not written"
    )]
    Interrupted { done: usize, total: usize },
    #[error("a thread can't be started ({0}): free memory or ask for fewer --threads")]
    NoThread(std::io::Error),
}

#[derive(Args)]
pub struct InspectArgs {
    /// The bundle to judge with
    #[arg(long, value_name = "FILE")]
    pub bundle: InputPath,
    /// Images, and folders with images in them or their sub-folders
    #[arg(required = true, value_name = "IMAGE|DIR")]
    pub inputs: Vec<InputPath>,
    /// Write a line for each image to this file, once all are judged; - is standard output
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Write each image's map as float32 .npy at the image's size, in folders as under the input
    #[arg(long, value_name = "DIR")]
    pub maps: Option<PathBuf>,
    /// Write each image with its map over it as PNG, likewise
    #[arg(long, value_name = "DIR")]
    pub heatmaps: Option<PathBuf>,
    /// Print one JSON object a line instead of a table (or, off a terminal, CSV)
    #[arg(long)]
    pub json: bool,
    /// Images judged at the same time, each on one thread; one is what a camera does, and what latency is meant for
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: u16,
    #[command(flatten)]
    pub engine: EngineArgs,
}

pub fn run(args: &InspectArgs) -> Result<()> {
    let stop = stop_on_signal()?;
    let images = images::gather(&args.inputs)?;
    let writer = MapWriter {
        maps: args.maps.as_deref(),
        pictures: args.heatmaps.as_deref(),
    };
    writer.prepare(&images)?;
    let (stdout, csv) = match args.csv.as_deref() {
        Some(path) if path == Path::new("-") && !args.json => (Some(Format::Csv), None),
        csv => (Format::choose(args.json, csv.is_some()), csv),
    };
    let bundle = Bundle::read(&args.bundle, &Trust::Anyone)?;
    let engines = Engines::open(&args.engine.settings())?;
    let (mut inspectors, mut engine) = (Vec::new(), None);
    for _ in 0..usize::from(args.threads).min(images.len()) {
        let (inspector, choice) = engines.inspector(&bundle, None)?;
        inspectors.push(inspector);
        engine = Some(choice);
    }
    if let Some(engine) = engine {
        say_engine(&engine);
    }
    drop(bundle);
    let trained_on = inspectors
        .first()
        .and_then(|i| i.geometry().trained_on.clone());
    let mut findings = Findings::open(stdout, csv, images.len())?;
    let mut distribution_shift = DistributionShift::to(trained_on);
    judge_all(
        &images,
        inspectors,
        writer,
        &stop,
        &mut findings,
        &mut distribution_shift,
    )?;
    let counts = findings.close()?;
    for sentence in distribution_shift.sentences() {
        note(format_args!("aecsad: {sentence}"));
    }
    if counts.unreadable > 0 {
        return Err(InspectError::Unreadable {
            count: counts.unreadable,
            total: images.len(),
        }
        .into());
    }
    Ok(())
}

fn judge_all(
    images: &[InputImage],
    inspectors: Vec<Inspector>,
    writer: MapWriter<'_>,
    stop: &AtomicBool,
    findings: &mut Findings,
    distribution_shift: &mut DistributionShift,
) -> Result<()> {
    thread::scope(|scope| {
        let threads = inspectors.len();
        let (mut outlets, mut handles) = (Vec::new(), Vec::new());
        for (first, inspector) in inspectors.into_iter().enumerate() {
            let (outlet, findings) = sync_channel(AHEAD);
            let turn = images.iter().skip(first).step_by(threads);
            let work = move || judge(turn, inspector, writer, stop, &outlet);
            let started = thread::Builder::new().spawn_scoped(scope, work);
            handles.push(started.map_err(InspectError::NoThread)?);
            outlets.push(findings);
        }
        let collected = collect(
            images.len(),
            &outlets,
            writer,
            stop,
            findings,
            distribution_shift,
        );
        // Threads that still judge find their channel closed, and end.
        drop(outlets);
        for handle in handles {
            let _ = handle.join();
        }
        collected
    })
}

/// Takes the findings from the threads in turn.
fn collect(
    total: usize,
    outlets: &[Receiver<Result<Finding>>],
    writer: MapWriter<'_>,
    stop: &AtomicBool,
    findings: &mut Findings,
    distribution_shift: &mut DistributionShift,
) -> Result<()> {
    for (done, outlet) in outlets.iter().cycle().take(total).enumerate() {
        match outlet.recv() {
            Ok(finding) => {
                let finding = finding?;
                distribution_shift.note(&finding);
                findings.write(&finding)?;
            }
            Err(_) if stop.load(Ordering::Relaxed) => {
                return Err(InspectError::Interrupted { done, total }.into());
            }
            Err(_) => return Err(JudgeError::EngineBrokeOff.into()),
        }
        if !findings.wanted() && !writer.wanted() {
            break;
        }
    }
    Ok(())
}

/// One thread's work.
fn judge<'i>(
    images: impl Iterator<Item = &'i InputImage>,
    mut inspector: Inspector,
    writer: MapWriter<'_>,
    stop: &AtomicBool,
    outlet: &SyncSender<Result<Finding>>,
) {
    for image in images {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let finding = judge_one(image, &mut inspector, writer);
        let failed = finding.is_err();
        if outlet.send(finding).is_err() || failed {
            return;
        }
    }
}

fn judge_one(
    image: &InputImage,
    inspector: &mut Inspector,
    writer: MapWriter<'_>,
) -> Result<Finding> {
    let mut warning = None;
    let bit_depth = inspector.geometry().bit_depth;
    let read = read_image_of_depth(&image.file, bit_depth).or_else(|error| match error {
        ImageError::Mislabelled { .. } => {
            warning = Some(format!("{error}; it is read as what it holds"));
            read_image_by_content(&image.file, bit_depth)
        }
        error => Err(error),
    });
    let mut size = None;
    let outcome = match read {
        Ok(frame) => {
            size = Some(
                inspector
                    .region()
                    .map_or((frame.width, frame.height), |region| {
                        (region.width, region.height)
                    }),
            );
            match inspector.inspect(&frame) {
                Ok(verdict) => {
                    if writer.wanted() {
                        writer.write(&image.name, frame, inspector.heat())?;
                    }
                    Ok(verdict)
                }
                // The next image may have the size of the training images.
                Err(InspectorError::Optics(error)) => Err(ImageError::OtherFrame {
                    path: image.file.clone(),
                    why: error.to_string(),
                }),
                Err(error) => return Err(error.into()),
            }
        }
        Err(error) => Err(error),
    };
    Ok(Finding {
        name: image.name.clone(),
        outcome,
        size,
        is_jpeg: is_jpeg(&image.file).unwrap_or(false),
        warning,
    })
}

/// Where the maps go.
#[derive(Clone, Copy)]
struct MapWriter<'a> {
    maps: Option<&'a Path>,
    pictures: Option<&'a Path>,
}

impl MapWriter<'_> {
    fn wanted(self) -> bool {
        self.maps.is_some() || self.pictures.is_some()
    }

    /// Checks the outputs before the first image.
    fn prepare(self, images: &[InputImage]) -> Result<()> {
        if self.wanted() {
            images::check_names(images)?;
        }
        for folder in [self.maps, self.pictures].into_iter().flatten() {
            whole_file::create_folder(folder).map_err(|e| unwritable(folder, e))?;
        }
        if let Some(pictures) = self.pictures {
            images::check_apart(images, pictures)?;
        }
        Ok(())
    }

    fn write(self, name: &Path, frame: Frame, heat: &HeatMap) -> Result<()> {
        let (width, height) = (frame.width, frame.height);
        let map = heatmap::over_frame(&heat.values, heat.columns, heat.region, width, height);
        if let Some(folder) = self.maps {
            write_whole(&folder.join(name.with_extension("npy")), |file| {
                npy::write(file, &map, height, width)
            })?;
        }
        let picture = RgbImage::from_raw(width, height, frame.rgb);
        if let (Some(folder), Some(mut picture)) = (self.pictures, picture) {
            heatmap::overlay(&mut picture, &map);
            write_whole(&folder.join(name.with_extension("png")), |file| {
                PngEncoder::new(file)
                    .write_image(&picture, width, height, image::ExtendedColorType::Rgb8)
                    .map_err(std::io::Error::other)
            })?;
        }
        Ok(())
    }
}

fn write_whole(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<&mut WholeFile>) -> std::io::Result<()>,
) -> Result<()> {
    let write = || {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut file = WholeFile::create(path)?;
        let mut out = BufWriter::new(&mut file);
        fill(&mut out)?;
        out.flush()?;
        drop(out);
        file.commit()
    };
    write().map_err(|e| unwritable(path, e))
}
