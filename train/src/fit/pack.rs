//! The bundle: only what the chosen branches need, golden vectors computed by the runtime itself, one file.

use std::collections::BTreeMap;
use std::path::Path;

use aecsad::bundle::{
    Arrays, BranchStats, Bundle, FORMAT, Manifest, Profile, Threshold, Tolerance, Trust,
    write_bundle,
};
use aecsad::inspector::{CALIBRATION, ENCODER, Inspector, SEGMENTATION, STATISTICS, STUDENTS};
use aecsad::optics::InputGeometry;
use aecsad::score::Branch;

use super::images::Images;
use super::networks::Trained;
use super::proof::Quantisation;
use super::{FitError, FitOptions, Fitted, Networks};
use crate::export::signing::SigningKey;

/// Largest difference of a normalised score between machines; f32 sums in another order stay well below.
const TOLERANCE: f32 = 1e-3;

/// What int8 costs, in the work folder.
pub const QUANTISATION: &str = "quantisation.json";

/// Finds out before hours of training whether the result could be written.
pub fn check_writable(out: &Path) -> Result<(), FitError> {
    let error = |source| FitError::Output {
        path: out.to_owned(),
        source,
    };
    if out.is_dir() {
        return Err(error(std::io::Error::other("it is a folder")));
    }
    let folder = out
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(error)?;
    tempfile::NamedTempFile::new_in(folder)
        .map(drop)
        .map_err(error)
}

pub fn write(
    options: &FitOptions,
    fitted: &Fitted,
    trained: &Trained,
    images: &Images,
    geometry: &InputGeometry,
) -> Result<(), FitError> {
    let mut entries = entries(fitted, trained)?;
    let manifest = manifest(options, fitted, trained, images, geometry);
    let folder = options
        .out
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let draft = tempfile::Builder::new()
        .prefix(".aecsad-draft-")
        .tempfile_in(folder)
        .map_err(|source| FitError::Output {
            path: options.out.clone(),
            source,
        })?;
    write_bundle(draft.path(), manifest.clone(), &entries, None)?;
    let bundle = Bundle::read(draft.path(), &Trust::Anyone)?;
    let mut inspector = Inspector::from_bundle(&bundle, None)?;
    let frames: Vec<_> = images
        .validation
        .iter()
        .chain(&images.train)
        .take(*aecsad::golden::IMAGES.start())
        .map(|i| i.frame.clone())
        .collect();
    entries.extend(aecsad::golden::write(&frames, &mut inspector)?);
    // Before anything lies at its place: a bundle that fails its own golden vectors is never seen.
    write_bundle(draft.path(), manifest.clone(), &entries, None)?;
    let bundle = Bundle::read(draft.path(), &Trust::Anyone)?;
    let mut inspector = Inspector::from_bundle(&bundle, None)?;
    aecsad::golden::verify(&bundle, &mut inspector)?.check()?;

    if let Some(quantisation) = &fitted.quantisation {
        write_quantisation(&options.work.join(QUANTISATION), quantisation)?;
    }
    match &options.key {
        Some(key) => {
            let key = SigningKey::from_file(key)?;
            let signer = |manifest: &[u8]| Ok(key.sign(manifest)?);
            write_bundle(&options.out, manifest, &entries, Some(&signer))?;
        }
        None => write_bundle(&options.out, manifest, &entries, None)?,
    }
    Ok(())
}

fn write_quantisation(path: &Path, quantisation: &Quantisation) -> Result<(), FitError> {
    let json =
        serde_json::to_vec_pretty(quantisation).map_err(|e| FitError::Pack(e.to_string()))?;
    std::fs::write(path, json).map_err(|source| FitError::WorkFolder {
        path: path.to_owned(),
        source,
    })
}

fn entries(fitted: &Fitted, trained: &Trained) -> Result<Vec<(String, Vec<u8>)>, FitError> {
    let on = |branches: &[Branch]| {
        let voices = &fitted.selection.decision.voices;
        voices.iter().any(|v| branches.contains(&v.branch))
    };
    let mut entries = vec![(ENCODER.to_owned(), trained.encoder.clone())];
    if let Some((onnx, _)) = &trained.segmentation
        && on(&[Branch::Histogram, Branch::Layout])
    {
        entries.push((SEGMENTATION.to_owned(), onnx.clone()));
    }
    if let Some(onnx) = &trained.students
        && on(&[Branch::Local, Branch::Global, Branch::Lgst])
    {
        entries.push((STUDENTS.to_owned(), onnx.clone()));
    }
    let mut arrays: Arrays = fitted.selection.statistics.to_arrays();
    let calibration = fitted.selection.decision.calibration.scores().to_vec();
    arrays.insert(CALIBRATION, ndarray::Array1::from(calibration));
    let bytes = arrays
        .to_bytes()
        .map_err(|e| FitError::Pack(e.to_string()))?;
    entries.push((STATISTICS.to_owned(), bytes));
    Ok(entries)
}

fn manifest(
    options: &FitOptions,
    fitted: &Fitted,
    trained: &Trained,
    images: &Images,
    geometry: &InputGeometry,
) -> Manifest {
    let selection = &fitted.selection;
    let classes = trained
        .segmentation
        .as_ref()
        .map_or(0, |(_, classes)| *classes);
    let names = (0..classes).map(|c| match c {
        0 => "background".to_owned(),
        c => format!("component {c}"),
    });
    let branches = selection.branches.iter().map(|b| BranchStats {
        name: b.branch,
        on: b.on,
        weight: b.weight,
        mean: b.z.mean,
        std: b.z.std,
        planted_logical: b.planted.logical,
        planted_structural: b.planted.structural,
        why: b.why.clone(),
    });
    let mut provenance: BTreeMap<String, toml::Value> = BTreeMap::new();
    let mut note = |key: &str, value: toml::Value| provenance.insert(key.to_owned(), value);
    note("seed", (options.seed as i64).into());
    note("train_images", (images.train.len() as i64).into());
    note("minutes", ((fitted.minutes * 10.0).round() / 10.0).into());
    note("checkpoint", "the last of a fixed number of steps".into());
    note("registration", fitted.registration.clone().into());
    note(
        "components",
        match &fitted.components {
            Ok(classes) => format!("{} kinds", classes - 1).into(),
            Err(why) => format!("none: {why}").into(),
        },
    );
    if let Some(backbone) = &fitted.backbone {
        note("backbone_sha256", backbone.clone().into());
    }
    note(
        "precision",
        match &fitted.quantisation {
            Some(quantisation) => quantisation.summary().into(),
            None => "f32".into(),
        },
    );
    note("effort_percent", (options.effort_percent as i64).into());
    Manifest {
        format: FORMAT,
        product: fitted.product.clone(),
        version: options.version,
        profile: match options.networks {
            Networks::Edge => Profile::Edge,
            Networks::Paper(_) => Profile::Paper,
        },
        created_by: concat!("aecsad-train ", env!("CARGO_PKG_VERSION")).to_owned(),
        classes: names.collect(),
        input: geometry.clone(),
        threshold: Threshold {
            value: selection.decision.threshold,
            false_reject_rate: selection.rate,
            calibration_parts: fitted.validation_parts as u32,
        },
        tolerance: Tolerance { golden: TOLERANCE },
        branches: branches.collect(),
        provenance,
        entries: Vec::new(),
    }
}
