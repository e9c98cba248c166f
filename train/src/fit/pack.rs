//! The bundle: only what the chosen branches need, golden vectors computed by the runtime itself, one file.

use std::collections::BTreeMap;
use std::path::Path;

use aecsad_inspect::arrays::Arrays;
use aecsad_inspect::bundle::{
    BranchStats, Bundle, FORMAT, Manifest, TRAINED, Threshold, Tolerance, Trust, write_bundle,
};
use aecsad_inspect::inspector::{
    CALIBRATION, ENCODER, Inspector, PLANTED, SEGMENTATION, STATISTICS, STUDENTS,
};
use aecsad_inspect::optics::InputGeometry;
use aecsad_program::whole_file;

use super::frames::Frames;
use super::int8_accuracy::Quantisation;
use super::{FitError, FitOptions, Fitted, rounding};
use crate::calibrate::Selection;
use crate::export::signing::SigningKey;
use crate::images::Images;
use crate::networks::Trained;

/// Largest difference of a normalised score between machines; f32 sums in another order stay well below. What rounding
/// to int8 makes of them may be more.
const TOLERANCE: f32 = 1e-3;

/// Provenance: in which way each branch that is on was fitted, by its name.
pub const FITTED_WAYS: &str = "ways";
/// Provenance: training images of which nothing was learnt in the end, relative to the category.
pub const LEFT_OUT: &str = "left_out";
/// Provenance: the narrowest damage that is rejected, in pixels of the training images.
pub const DETECTABLE: &str = "detectable";
/// Provenance: known bad parts, how many of them would pass, and SHA-256 of their files.
pub const KNOWN_BAD: &str = "known_bad";
pub const KNOWN_BAD_PASSING: &str = "known_bad_passing";
pub const KNOWN_BAD_SHA256: &str = "known_bad_sha256";
/// Provenance: good parts that a line rejected, among those that the bundle was fitted on.
pub const MORE_GOOD: &str = "more_good";
/// Provenance: the harmless changes that good parts withstand.
pub const TOLERATED: &str = "tolerated";
/// Provenance: how many training parts are among the calibration parts, cross-validated.
const CROSS_VALIDATED: &str = "cross_validated";
pub const KEPT_OUTLIERS: &str = "kept_outliers";
pub const KEPT_DUPLICATES: &str = "kept_duplicates";

/// What int8 costs, in the work folder.
pub const QUANTISATION: &str = "quantisation.json";

/// Finds out before hours of training whether the result could be written.
pub fn check_writable(out: &Path) -> Result<(), FitError> {
    let folder = out.parent().filter(|p| !p.as_os_str().is_empty());
    folder
        .filter(|_| !whole_file::is_stream(out))
        .map_or(Ok(()), whole_file::create_folder)
        .and_then(|()| whole_file::check(out))
        .map_err(|source| FitError::Output {
            path: out.to_owned(),
            source,
        })
}

pub fn write(
    options: &FitOptions,
    fitted: &Fitted,
    trained: &Trained,
    images: &Images,
    geometry: &InputGeometry,
    key: Option<&SigningKey>,
) -> Result<(), FitError> {
    let bundle = Contents {
        manifest: manifest(options, fitted, trained, images, geometry),
        selection: &fitted.selection,
        trained,
        images,
        quantisation: fitted.quantisation.as_ref(),
    };
    bundle.write(&options.out, &options.work, key)
}

/// Everything that a bundle is made of; the manifest's entries and tolerance are filled in when it is written.
pub struct Contents<'a> {
    pub manifest: Manifest,
    pub selection: &'a Selection,
    pub trained: &'a Trained,
    pub images: &'a Images,
    /// What int8 costs, where the networks are int8.
    pub quantisation: Option<&'a Quantisation>,
}

impl Contents<'_> {
    /// Writes the bundle to `out`, signed if there is a key, and the report of int8 into the folder `work`.
    ///
    /// # Errors
    /// Nothing lies at `out` if the bundle fails its own golden vectors.
    pub fn write(
        mut self,
        out: &Path,
        work: &Path,
        key: Option<&SigningKey>,
    ) -> Result<(), FitError> {
        let mut entries = entries(self.selection, self.trained)?;
        let source = Frames::new(self.images, &self.manifest.input);
        let images = self.images.validation.iter().chain(&self.images.train);
        let frames = images
            .take(*aecsad_inspect::golden::IMAGES.start())
            .map(|image| source.finest(image))
            .collect::<Result<Vec<_>, _>>()?;
        if self.quantisation.is_some() {
            let geometry = &self.manifest.input;
            let rounding = rounding::tolerance(self.trained, self.selection, &frames, geometry)?;
            self.manifest.tolerance = rounding::allowed(TOLERANCE, rounding.max(TOLERANCE));
        }
        let draft = tempfile::Builder::new()
            .prefix(".aecsad-draft-")
            .tempfile_in(work)
            .map_err(|source| FitError::WorkFolder {
                path: work.to_owned(),
                source,
            })?;
        let read = |entries: &[(String, Vec<u8>)]| -> Result<(Bundle, Inspector), FitError> {
            write_bundle(draft.path(), self.manifest.clone(), entries, None)?;
            let bundle = Bundle::read(draft.path(), &Trust::Anyone)?;
            let inspector = Inspector::from_bundle(&bundle, None)?;
            Ok((bundle, inspector))
        };
        let (_, mut inspector) = read(&entries)?;
        entries.extend(aecsad_inspect::golden::write(&frames, &mut inspector)?);
        let (bundle, mut inspector) = read(&entries)?;
        aecsad_inspect::golden::verify(&bundle, &mut inspector)?.check()?;

        if let Some(quantisation) = self.quantisation {
            write_quantisation(&work.join(QUANTISATION), quantisation)?;
        }
        match key {
            Some(key) => {
                let signer = |manifest: &[u8]| Ok(key.sign(manifest)?);
                write_bundle(out, self.manifest, &entries, Some(&signer))?;
            }
            None => write_bundle(out, self.manifest, &entries, None)?,
        }
        Ok(())
    }
}

fn write_quantisation(path: &Path, quantisation: &Quantisation) -> Result<(), FitError> {
    let json =
        serde_json::to_vec_pretty(quantisation).map_err(|e| FitError::Pack(e.to_string()))?;
    whole_file::write(path, &json).map_err(|source| FitError::WorkFolder {
        path: path.to_owned(),
        source,
    })
}

fn entries(selection: &Selection, trained: &Trained) -> Result<Vec<(String, Vec<u8>)>, FitError> {
    let needed = trained.needed_by(&selection.decision);
    let mut entries = vec![(ENCODER.to_owned(), needed.encoder)];
    let segmentation = needed.segmentation.map(|(onnx, _)| onnx);
    entries.extend(segmentation.map(|onnx| (SEGMENTATION.to_owned(), onnx)));
    entries.extend(needed.students.map(|onnx| (STUDENTS.to_owned(), onnx)));
    let mut arrays: Arrays = selection.statistics.to_arrays();
    let calibration = selection.decision.calibration.scores().to_vec();
    arrays.insert(CALIBRATION, ndarray::Array1::from(calibration));
    if let Some(planted) = &selection.planted_scores {
        arrays.insert(PLANTED, planted.z().clone());
    }
    let bytes = arrays
        .to_bytes()
        .map_err(|e| FitError::Pack(e.to_string()))?;
    entries.push((STATISTICS.to_owned(), bytes));
    Ok(entries)
}

/// What the manifest says of each branch.
pub fn branches(selection: &Selection) -> Vec<BranchStats> {
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
    branches.collect()
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
    let mut provenance: BTreeMap<String, toml::Value> = BTreeMap::new();
    let mut note = |key: &str, value: toml::Value| provenance.insert(key.to_owned(), value);
    note(
        TRAINED,
        aecsad_program::timestamp::timestamp_of_build().into(),
    );
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
    if let Ok(rows) = toml::Value::try_from(&fitted.detectable) {
        note(DETECTABLE, rows);
    }
    if let Some(bad) = &fitted.bad {
        note(KNOWN_BAD, (bad.total() as i64).into());
        note(KNOWN_BAD_PASSING, (bad.passing() as i64).into());
        note(KNOWN_BAD_SHA256, bad.sha256.clone().into());
    }
    if let Some(more_good) = &fitted.more_good {
        note(MORE_GOOD, (more_good.total() as i64).into());
    }
    if let Ok(rows) = toml::Value::try_from(&fitted.tolerated) {
        note(TOLERATED, rows);
    }
    note(FITTED_WAYS, ways(selection).into());
    note(
        CROSS_VALIDATED,
        (fitted.cross_validated_parts() as i64).into(),
    );
    note(KEPT_OUTLIERS, options.keep_outliers.into());
    note(KEPT_DUPLICATES, options.keep_duplicates.into());
    note(LEFT_OUT, names_of_left_out(options, fitted).into());
    note("effort_percent", (options.effort_percent as i64).into());
    Manifest {
        format: FORMAT,
        product: fitted.identity.product.clone(),
        version: fitted.identity.version,
        profile: options.networks.profile(),
        created_by: concat!("aecsad-train ", env!("CARGO_PKG_VERSION")).to_owned(),
        classes: names.collect(),
        input: geometry.clone(),
        threshold: Threshold {
            value: selection.decision.threshold,
            false_reject_rate: selection.rate,
            calibration_parts: selection.decision.calibration.scores().len() as u32,
        },
        tolerance: Tolerance {
            golden: TOLERANCE,
            unfused: None,
            tensorrt: None,
        },
        branches: branches(selection),
        provenance,
        entries: Vec::new(),
    }
}

fn ways(selection: &Selection) -> toml::Table {
    let on = selection.branches.iter().filter(|branch| branch.on);
    let ways = on
        .filter_map(|branch| Some((branch.branch.name().to_owned(), branch.way?.record().into())));
    ways.collect()
}

/// Relative to the category, so that they are found again where it is copied to.
fn names_of_left_out(options: &FitOptions, fitted: &Fitted) -> Vec<String> {
    let paths = fitted.left_out.iter();
    let relative = paths.map(|path| path.strip_prefix(&options.category).unwrap_or(path));
    relative.map(|path| path.display().to_string()).collect()
}
