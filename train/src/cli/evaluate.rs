//! `aecsad-train evaluate --bundle FILE CATEGORY_DIR`: what a bundle is worth on test images.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aecsad_inspect::bundle::{Bundle, Manifest, Profile, Trust};
use aecsad_inspect::frame::Frame;
use aecsad_inspect::image_files::{ImageError, read_image_by_content, read_image_of_depth};
use aecsad_inspect::inspector::{Inspector, InspectorError};
use aecsad_program::ExitCode;
use aecsad_program::inputs::InputPath;
use aecsad_program::standard_streams::print;
use aecsad_program::whole_file;
use indicatif::ProgressBar;
use ndarray::Array2;

use super::{Failure, check_writable, write_whole};
use crate::dataset::{Category, Kind, TestImage, sha256_of};
use crate::evaluate::{
    Against, BranchUse, JudgedImage, Report, Subject, VisibleArea, detectability, page_of, regions,
    summary,
};
use crate::fit::{DETECTABLE, KNOWN_BAD_SHA256, TOLERATED};
use crate::metrics::DefectRegion;

#[derive(Debug, clap::Args)]
pub struct EvaluateArgs {
    /// The bundle to measure; for several categories a folder with a bundle for each, NAME.aecsad for folder NAME
    #[arg(long, value_name = "FILE|DIR")]
    bundle: InputPath,
    /// Category in MVTec LOCO AD's layout, with test images; several give the tables of a whole data set
    #[arg(value_name = "CATEGORY_DIR", required = true)]
    categories: Vec<InputPath>,
    /// A second bundle, or folder of bundles, to compare the first with on the same images: int8 with f32, or new with
    /// old
    #[arg(long, value_name = "FILE|DIR")]
    against: Option<InputPath>,
    /// Write the figures as JSON; - is standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write one self-contained page with curves, score histograms and the best and worst images; - is standard output
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

pub(super) fn run(args: &EvaluateArgs) -> Result<(), Failure> {
    check_writable(args.json.iter().chain(&args.html))?;
    if let (Some(json), Some(html)) = (&args.json, &args.html)
        && json == html
        && !whole_file::is_stream(json)
    {
        let message = format!(
            "{} is named by --json and by --html: name two files",
            json.display()
        );
        return Err(Failure::new(message, ExitCode::Input));
    }
    if let ([category], true) = (&args.categories[..], args.bundle.is_file()) {
        return one(args, category);
    }
    let categories = args
        .categories
        .iter()
        .map(|folder| open(folder))
        .collect::<Result<Vec<_>, _>>()?;
    let of_each = |folder: &Path| -> Vec<PathBuf> {
        let names = categories.iter().map(|category| &category.name);
        names
            .map(|name| folder.join(format!("{name}.aecsad")))
            .collect()
    };
    let bundles = of_each(&args.bundle);
    let references = args.against.as_deref().map(of_each).unwrap_or_default();
    // An hour of evaluation must not end for want of the last bundle.
    let missing = bundles
        .iter()
        .chain(&references)
        .find(|bundle| !bundle.is_file());
    if let Some(missing) = missing {
        let message = format!(
            "{} is not there: for several categories --bundle names a folder that holds a bundle for each",
            missing.display()
        );
        return Err(Failure::new(message, ExitCode::Input));
    }
    let (mut reports, mut sections, mut comparisons) = (Vec::new(), Vec::new(), Vec::new());
    for (index, (category, bundle)) in categories.iter().zip(&bundles).enumerate() {
        let (report, judged) = measure(&read(bundle)?, category)?;
        if args.html.is_some() {
            sections.push(report.section(&judged, &category.path).map_err(input)?);
        }
        reports.push(report);
        if let Some(reference) = references.get(index) {
            comparisons.push(against(reference, category, &judged)?);
        }
    }
    print(summary::text(&reports));
    for (report, comparison) in reports.iter().zip(&comparisons) {
        print(format_args!("{} {}", report.category, comparison.text()));
    }
    let tables = summary::tables(&reports);
    write_json(
        args,
        &serde_json::json!({ "categories": reports, "tables": tables, "against": comparisons }),
    )?;
    match &args.html {
        Some(path) => write_whole(path, page_of(&reports, &sections).as_bytes()),
        None => Ok(()),
    }
}

fn one(args: &EvaluateArgs, folder: &Path) -> Result<(), Failure> {
    let bundle = read(&args.bundle)?;
    let category = open(folder)?;
    let (report, judged) = measure(&bundle, &category)?;
    print(report.text());
    let comparison = match &args.against {
        Some(reference) => Some(against(reference, &category, &judged)?),
        None => None,
    };
    if let Some(comparison) = &comparison {
        print(comparison.text());
    }
    write_json(
        args,
        &Compared {
            report: &report,
            against: comparison,
        },
    )?;
    match &args.html {
        Some(path) => {
            let page = report.html(&judged, &category.path).map_err(input)?;
            write_whole(path, page.as_bytes())
        }
        None => Ok(()),
    }
}

/// A report, and what a reference makes of the same images.
#[derive(serde::Serialize)]
struct Compared<'a> {
    #[serde(flatten)]
    report: &'a Report,
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<Against>,
}

fn against(
    reference: &Path,
    category: &Category,
    judged: &[JudgedImage],
) -> Result<Against, Failure> {
    let (_, of_reference) = measure(&read(reference)?, category)?;
    let name = reference.display().to_string();
    Against::measure(&name, &of_reference, judged).map_err(input)
}

fn write_json(args: &EvaluateArgs, figures: &impl serde::Serialize) -> Result<(), Failure> {
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
    Ok(Bundle::read(path, &Trust::Anyone)?)
}

fn measure(bundle: &Bundle, category: &Category) -> Result<(Report, Vec<JudgedImage>), Failure> {
    let mut inspector = Inspector::from_bundle(bundle, None)?;
    let bit_depth = bundle.manifest.input.bit_depth;
    let region = inspector.region();
    let trained = bundle.manifest.input.region.as_ref();
    let ignored = trained.and_then(|trained| trained.ignored_in(trained.area.size()));
    let ignored: Option<Arc<[bool]>> = ignored.map(Into::into);
    let progress = ProgressBar::new(category.test.len() as u64);
    let mut judged = Vec::with_capacity(category.test.len());
    for image in &category.test {
        let Some(frame) = progress.suspend(|| readable(&image.path, bit_depth)) else {
            progress.inc(1);
            continue;
        };
        let verdict = match inspector.inspect(&frame) {
            Err(InspectorError::Optics(error)) => {
                let path = image.path.display();
                progress.suspend(|| log::warn!("skipped: {path}: {error}"));
                progress.inc(1);
                continue;
            }
            judged => judged?,
        };
        let heat = inspector.heat();
        let map = Array2::from_shape_vec((heat.rows, heat.columns), heat.values.clone());
        let regions = match image.kind {
            Kind::Good => Vec::new(),
            _ => {
                let seen = VisibleArea {
                    region,
                    ignored: ignored.as_deref(),
                };
                progress.suspend(|| located(image, &frame, category, seen))?
            }
        };
        judged.push(JudgedImage {
            path: image
                .path
                .strip_prefix(&category.path)
                .unwrap_or(&image.path)
                .to_owned(),
            kind: image.kind,
            size: region.map_or((frame.height as usize, frame.width as usize), |region| {
                (region.height as usize, region.width as usize)
            }),
            score: verdict.score,
            p_value: verdict.p_value,
            reject: verdict.reject,
            branches: verdict.branches.iter().copied().collect(),
            map: map.ok(),
            region,
            regions,
            ignored: ignored.clone(),
        });
        progress.inc(1);
    }
    progress.finish_and_clear();
    if judged.is_empty() {
        let message = format!(
            "{}: no test image can be read; the lines above say why",
            category.path.display()
        );
        return Err(Failure::new(message, ExitCode::Input));
    }
    let mut report =
        Report::measure(subject(&bundle.manifest), &category.name, &judged).map_err(input)?;
    report.left_out = category.stray() + category.test.len() - judged.len();
    report.known_bad = known_bad(&bundle.manifest, category);
    Ok((report, judged))
}

/// How many test images were known bad parts when the bundle was fitted.
fn known_bad(manifest: &Manifest, category: &Category) -> usize {
    let noted = manifest.provenance.get(KNOWN_BAD_SHA256);
    let Some(noted) = noted.and_then(toml::Value::as_array) else {
        return 0;
    };
    let known: BTreeSet<&str> = noted.iter().filter_map(toml::Value::as_str).collect();
    let bad = category
        .test
        .iter()
        .filter(|image| image.kind != Kind::Good);
    let bad = bad.filter_map(|image| sha256_of(&image.path));
    bad.filter(|sha256| known.contains(sha256.as_str())).count()
}

/// The image as its content says; None with a warning if it can't be read.
fn readable(path: &Path, bit_depth: Option<u8>) -> Option<Frame> {
    let read = read_image_of_depth(path, bit_depth).or_else(|error| match error {
        ImageError::Mislabelled { .. } => {
            log::warn!("{error}; it is read as what it holds");
            read_image_by_content(path, bit_depth)
        }
        error => Err(error),
    });
    read.inspect_err(|error| log::warn!("skipped: {error}"))
        .ok()
}

/// The defects of an anomalous image; none with a warning if its masks can't be used.
fn located(
    image: &TestImage,
    frame: &Frame,
    category: &Category,
    seen: VisibleArea<'_>,
) -> Result<Vec<DefectRegion>, Failure> {
    use crate::evaluate::EvaluateError;
    let size = (frame.height as usize, frame.width as usize);
    let found = regions(&image.masks, size, category.defects.as_deref(), seen);
    let path = image.path.display();
    match found {
        Err(error @ (EvaluateError::Mask(_) | EvaluateError::MaskSize { .. })) => {
            log::warn!("skipped: {error}; {path} is left out of the localisation figures");
            Ok(Vec::new())
        }
        Ok(found) if found.is_empty() && !image.masks.is_empty() => {
            log::warn!(
                "skipped: {path}: its masks are black wherever the bundle looks, so it is left out of the localisation figures"
            );
            Ok(found)
        }
        found => found.map_err(input),
    }
}

fn input(error: crate::evaluate::EvaluateError) -> Failure {
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
        region: manifest.input.region.as_ref().map(ToString::to_string),
        branches: manifest
            .branches
            .iter()
            .map(|b| BranchUse {
                branch: b.name,
                on: b.on,
                why: b.why.clone(),
            })
            .collect(),
        detectable: detectability::recorded(manifest, DETECTABLE),
        tolerated: detectability::recorded(manifest, TOLERATED),
    }
}
