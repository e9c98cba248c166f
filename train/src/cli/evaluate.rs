//! `aecsad-train evaluate --bundle FILE CATEGORY_DIR`: what a bundle is worth on test images.

use std::path::{Path, PathBuf};

use aecsad::bundle::{Bundle, Manifest, Profile, Trust};
use aecsad::camera::read_image_by_content;
use aecsad::error::ExitCode;
use aecsad::inspector::Inspector;
use aecsad::score::heat::HeatMap;
use indicatif::ProgressBar;
use ndarray::Array2;

use super::{Failure, write_whole};
use crate::dataset::Category;
use crate::evaluate::{Choice, Defects, Judged, Kind, Report, Subject, page_of, summary};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The bundle to measure; for several categories a folder with a bundle for each, NAME.aecsad for folder NAME
    #[arg(long, value_name = "FILE|DIR")]
    bundle: PathBuf,
    /// Category in MVTec LOCO AD's layout, with test images; several give the tables of a whole data set
    #[arg(value_name = "CATEGORY_DIR", required = true)]
    categories: Vec<PathBuf>,
    /// Write the figures as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write one self-contained page with curves, score histograms and the best and worst images
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    if let ([category], true) = (&args.categories[..], args.bundle.is_file()) {
        return one(args, category);
    }
    let categories = args
        .categories
        .iter()
        .map(|folder| open(folder))
        .collect::<Result<Vec<_>, _>>()?;
    let bundles: Vec<PathBuf> = categories
        .iter()
        .map(|category| args.bundle.join(format!("{}.aecsad", category.name)))
        .collect();
    // An hour of evaluation must not end for want of the last bundle.
    if let Some(missing) = bundles.iter().find(|bundle| !bundle.is_file()) {
        let message = format!(
            "{} is not there: for several categories --bundle names a folder that holds a bundle for each",
            missing.display()
        );
        return Err(Failure::new(message, ExitCode::Input));
    }
    let (mut reports, mut sections) = (Vec::new(), Vec::new());
    for (category, bundle) in categories.iter().zip(&bundles) {
        let (report, judged) = measure(&read(bundle)?, category)?;
        if args.html.is_some() {
            sections.push(report.section(&judged, &category.path).map_err(input)?);
        }
        reports.push(report);
    }
    print!("{}", summary::text(&reports));
    let tables = summary::tables(&reports);
    write_json(
        args,
        &serde_json::json!({ "categories": reports, "tables": tables }),
    )?;
    match &args.html {
        Some(path) => write_whole(path, page_of(&reports, &sections).as_bytes()),
        None => Ok(()),
    }
}

fn one(args: &Args, folder: &Path) -> Result<(), Failure> {
    let bundle = read(&args.bundle)?;
    let category = open(folder)?;
    let (report, judged) = measure(&bundle, &category)?;
    print!("{}", report.text());
    write_json(args, &report)?;
    match &args.html {
        Some(path) => {
            let page = report.html(&judged, &category.path).map_err(input)?;
            write_whole(path, page.as_bytes())
        }
        None => Ok(()),
    }
}

fn write_json(args: &Args, figures: &impl serde::Serialize) -> Result<(), Failure> {
    match &args.json {
        Some(path) => {
            let json = serde_json::to_vec_pretty(figures)
                .map_err(|e| Failure::new(e, ExitCode::Engine))?;
            write_whole(path, &json)
        }
        None => Ok(()),
    }
}

fn open(folder: &Path) -> Result<Category, Failure> {
    let category = Category::open(folder, 0).map_err(|e| Failure::new(e, ExitCode::Input))?;
    if category.test.is_empty() {
        let message = format!(
            "{} has no test images: the folders test/good and test/logical_anomalies or test/structural_anomalies are needed",
            folder.display()
        );
        return Err(Failure::new(message, ExitCode::Input));
    }
    Ok(category)
}

fn read(path: &Path) -> Result<Bundle, Failure> {
    Ok(Bundle::read(path, &Trust::Anyone).map_err(aecsad::Error::from)?)
}

fn measure(bundle: &Bundle, category: &Category) -> Result<(Report, Vec<Judged>), Failure> {
    let mut inspector = Inspector::from_bundle(bundle, None).map_err(aecsad::Error::from)?;
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
    Ok((report, judged))
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
