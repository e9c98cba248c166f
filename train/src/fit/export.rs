//! An int8 bundle from a float one: its own networks, quantised, and its own branches, calibrated anew on the images
//! that it was fitted on. Nothing is trained and nothing is chosen.
//!
//! Whether the images are those is not taken on trust: calibrated anew in float, they must give back the scores that
//! the bundle holds.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use aecsad_inspect::branches::Branch;
use aecsad_inspect::bundle::{BranchStats, Bundle, Manifest, Trust};
use aecsad_inspect::decision::trimmed_z::TrimmedZ;
use aecsad_inspect::golden::Pair;
use aecsad_inspect::inspector::{CALIBRATION, ENCODER, SEGMENTATION, STATISTICS, STUDENTS};
use aecsad_inspect::optics::InputGeometry;
use aecsad_program::whole_file;

use super::calibration::{Calibrated, CalibrationInputs, Rules};
use super::identity::next_version;
use super::int8::{Float, Int8};
use super::int8_accuracy::Quantisation;
use super::labels::{LabelRequest, ProposalSource};
use super::opened::signing_key;
use super::pack::{
    self, Contents, FITTED_WAYS, KEPT_DUPLICATES, KEPT_OUTLIERS, KNOWN_BAD_PASSING, LEFT_OUT,
    MORE_GOOD,
};
use super::{FitError, stopped};
use crate::calibrate::{BranchChoice, EarlierDecision, PlantedAuroc, Selection, Way, recorded};
use crate::dataset::Category;
use crate::images::Images;
use crate::networks::Trained;
use crate::progress::stage;
use crate::pseudo_label::{Clustering, Labels};
use crate::quantise::Signs;
use crate::screening::{self, Screening};

/// Largest difference between the bundle's calibration scores and those computed anew, absolute up to 1 and relative
/// above: the same images give the same but for the last digits.
const SAME: f32 = 0.01;

/// What to export, and into what.
#[derive(Clone, Debug)]
pub struct ExportOptions {
    /// A float bundle.
    pub bundle: PathBuf,
    /// The folder that it was fitted on.
    pub category: PathBuf,
    /// The good parts beside it that it was fitted on, if any.
    pub more_good: Option<PathBuf>,
    /// Where the regions came from that became components.
    pub proposals: ProposalSource,
    pub clustering: Clustering,
    pub out: PathBuf,
    /// Gets the report, and the pictures of the labels.
    pub work: PathBuf,
    /// One more than that of the bundle, and of one of the same product at `out`, where none is given.
    pub version: Option<u64>,
    /// Secret key to sign with.
    pub key: Option<PathBuf>,
    pub signs: Signs,
}

/// What came of it.
pub struct Exported {
    pub product: String,
    pub version: u64,
    pub quantisation: Quantisation,
}

/// Quantises a bundle's networks, calibrates them and writes the new bundle.
///
/// # Errors
/// Each names what can't be used and what to do; nothing is written to `options.out` then.
pub fn export(options: &ExportOptions, cancel: &AtomicBool) -> Result<Exported, FitError> {
    pack::check_writable(&options.out)?;
    let key = signing_key(options.key.as_deref())?;
    whole_file::create_folder(&options.work).map_err(|source| FitError::WorkFolder {
        path: options.work.clone(),
        source,
    })?;
    let source = FloatBundle::read(options)?;
    let manifest = &source.bundle.manifest;
    let product = &manifest.product;
    let version = next_version(&options.out, product, options.version, manifest.version)?;
    if version == manifest.version {
        return Err(FitError::VersionTaken {
            out: options.bundle.clone(),
            product: product.clone(),
            version,
        });
    }
    let mut category = Category::open(&options.category, source.seed)?;
    match (&options.more_good, manifest.provenance.get(MORE_GOOD)) {
        (Some(folder), _) => category.add_good(folder, source.seed)?,
        (None, Some(_)) => {
            return Err(FitError::MoreGoodNotNamed {
                bundle: options.bundle.clone(),
            });
        }
        (None, None) => {}
    }
    stage("images", "reading and encoding");
    let geometry = InputGeometry {
        bit_depth: manifest.input.bit_depth,
        fine: manifest.input.fine,
        region: manifest.input.region.clone(),
        ..InputGeometry::lite0(manifest.input.mono)
    };
    let trained_on = manifest.input.trained_on.as_ref();
    let as_jpeg = trained_on.is_some_and(|images| images.seen_as_jpeg);
    let screening = Screening {
        keep_outliers: kept_outliers(manifest),
        keep_duplicates: kept(manifest, KEPT_DUPLICATES),
        as_jpeg,
        work: &options.work,
    };
    let mut images = screening::load(&category, &geometry, &screening)?;
    stopped(cancel)?;
    let Int8 {
        trained: int8,
        calibrated: Calibrated {
            selection,
            registration,
        },
        quantisation,
    } = source.int8(&mut images, cancel)?;

    stage("bundle", "packing and checking golden vectors");
    let mut exported = Manifest {
        version,
        created_by: concat!("aecsad-train ", env!("CARGO_PKG_VERSION")).to_owned(),
        branches: renewed(&manifest.branches, pack::branches(&selection)),
        ..manifest.clone()
    };
    exported.threshold.value = selection.decision.threshold;
    exported.threshold.false_reject_rate = selection.rate;
    let provenance = &mut exported.provenance;
    provenance.insert("precision".into(), quantisation.summary().into());
    provenance.insert("exported_from".into(), source.bundle.sha256().into());
    provenance.insert("registration".into(), registration.into());
    // The float networks' verdicts: these have not seen the bad parts.
    provenance.remove(KNOWN_BAD_PASSING);
    let contents = Contents {
        manifest: exported,
        selection: &selection,
        trained: &int8,
        images: &images,
        quantisation: Some(&quantisation),
    };
    contents.write(&options.out, &options.work, key.as_ref())?;
    Ok(Exported {
        product: manifest.product.clone(),
        version,
        quantisation,
    })
}

fn kept_outliers(manifest: &Manifest) -> bool {
    kept(manifest, KEPT_OUTLIERS)
}

/// Bundles of earlier versions don't say: they were fitted on all images.
fn kept(manifest: &Manifest, what: &str) -> bool {
    noted(manifest, what).unwrap_or(true)
}

/// What the provenance says of `what`; none in bundles of earlier versions.
fn noted(manifest: &Manifest, what: &str) -> Option<bool> {
    manifest.provenance.get(what).and_then(toml::Value::as_bool)
}

/// A float bundle and what it says of its fit.
struct FloatBundle<'a> {
    options: &'a ExportOptions,
    bundle: Bundle,
    trained: Trained,
    /// Scores of the good validation parts, ascending.
    scores: Vec<f32>,
    seed: u64,
}

impl<'a> FloatBundle<'a> {
    fn read(options: &'a ExportOptions) -> Result<Self, FitError> {
        let bundle = Bundle::read(&options.bundle, &Trust::Anyone)?;
        // Refuses statistics and networks that don't belong together.
        aecsad_inspect::inspector::Inspector::from_bundle(&bundle, None)?;
        let manifest = &bundle.manifest;
        let seed = manifest
            .provenance
            .get("seed")
            .and_then(toml::Value::as_integer);
        let seed = seed.ok_or_else(|| FitError::Unrecorded {
            bundle: options.bundle.clone(),
            what: "the seed of its fit",
        })?;
        let entry = |name: &str| {
            let named = manifest.entries.iter().any(|entry| entry.path == name);
            named
                .then(|| bundle.entry(name).map(<[u8]>::to_vec))
                .transpose()
        };
        let segmentation = entry(SEGMENTATION)?.map(|onnx| (onnx, manifest.classes.len()));
        let trained = Trained {
            encoder: bundle.entry(ENCODER)?.to_vec(),
            segmentation,
            students: entry(STUDENTS)?,
        };
        crate::quantise::check_float(ENCODER, &trained.encoder)?;
        let arrays = bundle.arrays(STATISTICS)?;
        let scores = arrays
            .get::<f32>(CALIBRATION)
            .map(|scores| scores.iter().copied().collect());
        Ok(Self {
            options,
            trained,
            scores: scores.unwrap_or_default(),
            seed: seed as u64,
            bundle,
        })
    }

    /// Which training images are labelled reliably: class statistics are fitted on them.
    fn labels(&self, images: &Images, cancel: &AtomicBool) -> Result<Labels, FitError> {
        stage("labels", "looking for components");
        let folder = self.options.work.join("labels");
        let region = self.bundle.manifest.input.region.as_ref();
        LabelRequest {
            images,
            region,
            proposals: &self.options.proposals,
            clustering: self.options.clustering,
            compares: false,
            folder: &folder,
            seed: self.seed,
            cancel,
        }
        .label()
    }

    /// The training images that the fit left out, where they are now.
    fn left_out(&self) -> Vec<PathBuf> {
        let noted = self.bundle.manifest.provenance.get(LEFT_OUT);
        let noted = noted.and_then(toml::Value::as_array).into_iter().flatten();
        let names = noted.filter_map(toml::Value::as_str);
        names.map(|name| self.options.category.join(name)).collect()
    }

    fn int8(&self, images: &mut Images, cancel: &AtomicBool) -> Result<Int8, FitError> {
        let manifest = &self.bundle.manifest;
        let labels = match &self.trained.segmentation {
            Some(_) => Some(self.labels(images, cancel)?),
            None => None,
        };
        let is_reliable = |i: &usize| {
            let labels = labels.as_ref();
            labels.is_none_or(|labels| labels.reliability[*i].labelled)
        };
        let labelled = (0..images.train.len()).filter(is_reliable).collect();
        let rules = Rules::of(manifest.profile);
        let decided = match rules.chooses {
            true => Some(self.decided()?),
            false => None,
        };
        let mut calibration = CalibrationInputs {
            rules,
            images,
            geometry: &manifest.input,
            labelled,
            seed: self.seed,
            false_reject_rate: manifest.threshold.false_reject_rate,
            keep_outliers: kept_outliers(manifest),
            work: &self.options.work,
            cancel,
        };
        stage(
            "calibration",
            "proving that these are the images of the fit",
        );
        let mut seen = calibration.see(&self.trained, None)?;
        calibration.images.forget_encodings();
        let clean = calibration.clean(&seen)?;
        calibration.see_plants(&self.trained, &clean, &mut seen)?;
        calibration.leave_paths_out(&mut seen, &self.left_out());
        let decided = decided.as_ref().map(|branches| EarlierDecision {
            branches,
            known_bad: None,
        });
        let mut float = calibration.calibrate(&seen, decided, None)?;
        calibration.make_up_for_few_parts(&mut seen, &mut float.selection, None)?;
        self.prove(&float.selection)?;
        let float = Float {
            trained: &self.trained,
            seen: &seen,
            clean: &clean,
            selection: &float.selection,
        };
        calibration.quantise(&float, self.options.signs)
    }

    /// The bundle's branches that are on, each in the way that the fit recorded.
    fn decided(&self) -> Result<Vec<BranchChoice>, FitError> {
        let manifest = &self.bundle.manifest;
        let ways = manifest
            .provenance
            .get(FITTED_WAYS)
            .and_then(toml::Value::as_table);
        let way = |name: Branch| {
            let record = ways?.get(name.name())?.as_str()?;
            recorded(name, record)
        };
        let on = manifest.branches.iter().filter(|branch| branch.on);
        on.map(|branch| match way(branch.name) {
            Some(way) => Ok(choice(branch, way)),
            None => Err(FitError::Unrecorded {
                bundle: self.options.bundle.clone(),
                what: "in which ways its branches were fitted",
            }),
        })
        .collect()
    }

    /// Between the bundle's calibration scores and those of `selection`.
    fn difference(&self, selection: &Selection) -> f32 {
        let found = selection.decision.calibration.scores();
        if found.len() != self.scores.len() {
            return f32::INFINITY;
        }
        let pairs = self.scores.iter().zip(found);
        let pairs = pairs.map(|(expected, found)| Pair {
            expected: *expected,
            found: *found,
        });
        pairs.map(|pair| pair.difference()).fold(0.0, f32::max)
    }

    /// # Errors
    /// If the good validation parts score otherwise than in the bundle: it was fitted on other images.
    fn prove(&self, float: &Selection) -> Result<(), FitError> {
        if self.difference(float) <= SAME {
            return Ok(());
        }
        Err(FitError::OtherImages {
            bundle: self.options.bundle.clone(),
            category: self.options.category.clone(),
        })
    }
}

fn choice(branch: &BranchStats, way: Way) -> BranchChoice {
    BranchChoice {
        branch: branch.name,
        on: true,
        weight: branch.weight,
        z: TrimmedZ {
            mean: branch.mean,
            std: branch.std,
        },
        planted: PlantedAuroc::default(),
        way: Some(way),
        why: branch.why.clone(),
    }
}

/// `old` with what is new of the branches that were calibrated again: those that are on.
fn renewed(old: &[BranchStats], new: Vec<BranchStats>) -> Vec<BranchStats> {
    let of = |name: Branch| new.iter().find(|branch| branch.name == name);
    old.iter()
        .map(|branch| of(branch.name).unwrap_or(branch).clone())
        .collect()
}
