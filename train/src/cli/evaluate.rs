//! `aecsad-train evaluate --bundle FILE CATEGORY_DIR`: what a bundle is worth on test images.

use std::io::Write;
use std::path::{Path, PathBuf};

use aecsad::bundle::{Bundle, Manifest, Profile, Trust};
use aecsad::camera::read_image_by_content;
use aecsad::error::ExitCode;
use aecsad::inspector::Inspector;
use aecsad::score::heat::HeatMap;
use indicatif::ProgressBar;
use ndarray::Array2;

use super::Failure;
use crate::dataset::Category;
use crate::evaluate::{Choice, Defects, Judged, Kind, Report, Subject};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The bundle to measure
    #[arg(long, value_name = "FILE")]
    bundle: PathBuf,
    /// Category in MVTec LOCO AD's layout, with test images
    #[arg(value_name = "CATEGORY_DIR")]
    category: PathBuf,
    /// Write the figures as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write one self-contained page with curves, score histograms and the best and worst images
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let bundle = Bundle::read(&args.bundle, &Trust::Anyone).map_err(aecsad::Error::from)?;
    let mut inspector = Inspector::from_bundle(&bundle, None).map_err(aecsad::Error::from)?;
    let category =
        Category::open(&args.category, 0).map_err(|e| Failure::new(e, ExitCode::Input))?;
    let defects = Defects::open(&category.path).map_err(input)?;
    let progress = ProgressBar::new(category.test.len() as u64);
    let mut judged = Vec::with_capacity(category.test.len());
    for image in &category.test {
        let frame = read_image_by_content(&image.path).map_err(aecsad::Error::from)?;
        let verdict = inspector.inspect(&frame).map_err(aecsad::Error::from)?;
        let size = (frame.height as usize, frame.width as usize);
        let map = Array2::from_shape_vec(
            (HeatMap::SIDE, HeatMap::SIDE),
            inspector.heat().values.clone(),
        );
        let regions = match image.kind {
            Kind::Good => Vec::new(),
            kind => defects.regions(kind, &image.path, size).map_err(input)?,
        };
        judged.push(Judged {
            path: image
                .path
                .strip_prefix(&category.path)
                .unwrap_or(&image.path)
                .to_owned(),
            kind: image.kind,
            size,
            score: verdict.score,
            p_value: verdict.p_value,
            reject: verdict.reject,
            branches: verdict.branches.iter().copied().collect(),
            map: map.ok(),
            regions,
        });
        progress.inc(1);
    }
    progress.finish_and_clear();
    let report =
        Report::measure(subject(&bundle.manifest), &category.name, &judged).map_err(input)?;
    print!("{}", report.text());
    if let Some(path) = &args.json {
        let json =
            serde_json::to_vec_pretty(&report).map_err(|e| Failure::new(e, ExitCode::Engine))?;
        write(path, &json)?;
    }
    if let Some(path) = &args.html {
        write(
            path,
            report
                .html(&judged, &category.path)
                .map_err(input)?
                .as_bytes(),
        )?;
    }
    Ok(())
}

fn input(error: crate::evaluate::Error) -> Failure {
    Failure::new(error, ExitCode::Input)
}

fn subject(manifest: &Manifest) -> Subject {
    let checkpoint = manifest
        .provenance
        .get("checkpoint")
        .and_then(|v| v.as_str());
    Subject {
        product: manifest.product.clone(),
        version: manifest.version,
        profile: match manifest.profile {
            Profile::Edge => "edge",
            Profile::Paper => "paper",
        }
        .to_owned(),
        checkpoint: checkpoint
            .unwrap_or("not recorded in the bundle")
            .to_owned(),
        threshold: manifest.threshold.value,
        false_reject_rate: manifest.threshold.false_reject_rate as f32,
        calibration_images: manifest.threshold.calibration_parts as usize,
        branches: manifest
            .branches
            .iter()
            .map(|b| Choice {
                branch: b.name,
                on: b.on,
                why: b.why.clone(),
            })
            .collect(),
    }
}

/// The whole file or nothing.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let folder = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let written = tempfile::NamedTempFile::new_in(folder).and_then(|mut file| {
        file.write_all(bytes)?;
        file.persist(path).map(drop).map_err(|e| e.error)
    });
    written.map_err(|e| {
        let message = format!(
            "{} can't be written ({e}): name a place with room",
            path.display()
        );
        Failure::new(message, ExitCode::Storage)
    })
}
