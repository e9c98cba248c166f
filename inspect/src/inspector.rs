//! Bundle + frame → verdict: the one way in which any command judges a part.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use crate::arrays::Arrays;
use crate::branches::Branch;
use crate::branches::scorer::{RawScores, Scorer};
use crate::branches::shared::heat::HeatMap;
use crate::branches::shared::registration::Pose;
use crate::branches::statistics::Statistics;
use crate::branches::statistics::StatisticsError;
use crate::bundle::{Bundle, BundleError, Manifest, Trust};
use crate::decision::conformal::Conformal;
use crate::decision::planted_scores::PlantedScores;
use crate::decision::trimmed_z::TrimmedZ;
use crate::decision::{Decision, WeightedBranch};
pub use crate::decision::{Limits, Stages, Verdict};
use crate::frame::{Frame, Size};
use crate::network::fine::cells;
use crate::network::{
    Cpu, Encoder, Engine, FineView, Network, NetworkError, Percept, Perception, Rounding,
    Segmentation, Students, load_network,
};
use crate::optics::{InputGeometry, Optics, OpticsError, Region, ViewedRegion};

/// Names of a bundle's entries.
pub const ENCODER: &str = "networks/encoder.onnx";
pub const SEGMENTATION: &str = "networks/segmentation.onnx";
pub const STUDENTS: &str = "networks/students.onnx";
pub const STATISTICS: &str = "statistics.safetensors";
/// Name of the array of good calibration scores in [`STATISTICS`].
pub const CALIBRATION: &str = "calibration.scores";
/// Name of the array of [`PlantedScores`] in [`STATISTICS`]; bundles of earlier versions lack it.
pub const PLANTED: &str = "calibration.planted";

#[derive(Debug, thiserror::Error)]
pub enum InspectorError {
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error("{bundle}: {source}")]
    Statistics {
        bundle: String,
        source: StatisticsError,
    },
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Optics(#[from] OpticsError),
}

/// A bundle, ready to judge.
pub struct Inspector {
    optics: Optics,
    perception: Perception,
    scorer: Scorer,
    decision: Decision,
    planted: Option<PlantedScores>,
    percept: Percept,
    /// Of the latest frame.
    raw: RawScores,
    identity: Arc<str>,
    rounding: Rounding,
}

impl Inspector {
    /// Reads a bundle, signed or not, and makes it ready.
    pub fn load(path: &Path) -> Result<Self, InspectorError> {
        Self::from_bundle(&Bundle::read(path, &Trust::Anyone)?, None)
    }

    /// Makes a bundle ready on the CPU. `region` is the part of the frame to look at, as a station states it. Without one it
    /// is that of the training, in frames of the training images' size, and all of the frame if the bundle has none.
    pub fn from_bundle(bundle: &Bundle, region: Option<Region>) -> Result<Self, InspectorError> {
        Self::in_engine(&Cpu, bundle, region)
    }

    /// The same in another engine.
    pub fn in_engine(
        engine: &dyn Engine,
        bundle: &Bundle,
        region: Option<Region>,
    ) -> Result<Self, InspectorError> {
        let statistics_error = |source| statistics_error(bundle, source);
        let arrays = bundle.arrays(STATISTICS)?;
        let statistics = Statistics::from_arrays(&arrays).map_err(statistics_error)?;
        let manifest = &bundle.manifest;
        let decision = decision(bundle, &arrays)?;
        let planted = planted(&arrays, &decision);
        let branches = decision.branches.iter().map(|weighted| weighted.branch);
        if let Some(branch) = branches.into_iter().find(|branch| !statistics.has(*branch)) {
            return Err(statistics_error(StatisticsError::Branch(branch)));
        }
        let has = |name: &str| manifest.entries.iter().any(|e| e.path == name);
        let load = |name: &str| -> Result<Option<Network>, InspectorError> {
            if !has(name) {
                return Ok(None);
            }
            Ok(Some(load_network(engine, name, bundle.entry(name)?, None)?))
        };
        let fine = match (&statistics.fine, manifest.input.fine) {
            (None, _) => None,
            (Some(fine), Some(size)) if fine.cells == cells(size) => {
                let encoder = Encoder::load_at(engine, bundle.entry(ENCODER)?, size)?;
                Some(FineView::new(encoder, fine.low_rank.clone()))
            }
            _ => return Err(statistics_error(StatisticsError::Fine)),
        };
        let students = match (load(STUDENTS)?, &statistics.residuals) {
            (None, None) => None,
            (Some(network), None) => Some(Students::errors(network)),
            (Some(network), Some(directions)) => {
                let students = Students::residuals(network, directions.clone());
                Some(students.ok_or_else(|| statistics_error(StatisticsError::Students))?)
            }
            (None, Some(_)) => return Err(statistics_error(StatisticsError::Students)),
        };
        let perception = Perception {
            encoder: Encoder::load_at(engine, bundle.entry(ENCODER)?, Size::WHOLE)?,
            fine,
            segmentation: load(SEGMENTATION)?.map(|network| Segmentation {
                network,
                classes: manifest.classes.len(),
            }),
            students,
        };
        let channels = perception.encoder.channels();
        if statistics.read_features() && channels != Encoder::LITE0 {
            return Err(statistics_error(StatisticsError::Encoder { channels }));
        }
        let segmentation = perception.segmentation.as_ref().map_or(0, |s| s.classes);
        for counted in statistics.models.iter().filter_map(|model| model.classes()) {
            if counted != segmentation {
                return Err(statistics_error(StatisticsError::Classes {
                    statistics: counted,
                    segmentation,
                }));
            }
        }
        let mut optics = Optics::new(manifest.input.clone(), None);
        optics.look_at(ViewedRegion::of(region, &manifest.input));
        let mut inspector = Self::new(optics, perception, Scorer::new(statistics), decision);
        inspector.planted = planted;
        inspector.rounding = engine.rounding();
        inspector.identity = format!("{} {}", manifest.product, manifest.version).into();
        Ok(inspector)
    }

    pub fn new(optics: Optics, perception: Perception, scorer: Scorer, decision: Decision) -> Self {
        Inspector {
            optics,
            perception,
            scorer,
            decision,
            planted: None,
            percept: Percept::empty(),
            raw: RawScores::default(),
            identity: Arc::default(),
            rounding: Cpu.rounding(),
        }
    }

    /// Judges one frame.
    pub fn inspect(&mut self, frame: &Frame) -> Result<Verdict, InspectorError> {
        let start = Instant::now();
        let tensors = self.optics.tensors(frame)?;
        let seen = Instant::now();
        self.perception.perceive(&tensors, &mut self.percept)?;
        let perceived = Instant::now();
        self.raw = self.scorer.score(&self.percept);
        let mut verdict = self.decision.judge(&self.raw);
        let end = Instant::now();
        verdict.counts = self.scorer.unusual_counts();
        verdict.other_light = self.optics.other_light();
        verdict.latency = end - start;
        verdict.stages = Stages {
            optics: seen - start,
            networks: perceived - seen,
            scores: end - perceived,
        };
        Ok(verdict)
    }

    /// What the bundle expects of its images.
    pub fn geometry(&self) -> &InputGeometry {
        self.optics.geometry()
    }

    /// Product and version of the bundle.
    pub fn identity(&self) -> &Arc<str> {
        &self.identity
    }

    /// How its engine rounds.
    pub fn rounding(&self) -> Rounding {
        self.rounding
    }

    /// The raw branch scores of one frame, before normalisation: what golden vectors compare.
    pub fn raw_scores(&mut self, frame: &Frame) -> Result<RawScores, InspectorError> {
        let tensors = self.optics.tensors(frame)?;
        self.perception.perceive(&tensors, &mut self.percept)?;
        self.raw = self.scorer.score(&self.percept);
        Ok(self.raw)
    }

    /// The raw branch scores of the latest frame.
    pub fn latest_raw_scores(&self) -> &RawScores {
        &self.raw
    }

    /// Looks at another part of the frames from here on; gives back at which it looked before. Golden images show the
    /// region already.
    pub fn look_at(&mut self, viewed_region: ViewedRegion) -> ViewedRegion {
        self.optics.look_at(viewed_region)
    }

    /// The part of the frames that is looked at; all of them if none.
    pub fn region(&self) -> Option<Region> {
        self.optics.region()
    }

    /// The anomaly map of the latest frame.
    pub fn heat(&mut self) -> &HeatMap {
        let heat = self.scorer.heat(&self.percept);
        heat.region = self.optics.region();
        heat
    }

    /// Where the part of the latest frame lies.
    pub fn pose(&self) -> Pose {
        self.scorer.pose()
    }

    /// The latest frame at the size of the whole view.
    pub fn seen(&self) -> Frame {
        self.optics.seen_whole()
    }

    /// Copies what [`Inspector::seen`] returns into a frame, whose buffer is used again.
    pub fn copy_seen_to(&self, frame: &mut Frame) {
        self.optics.copy_whole_to(frame);
    }

    /// What anomalies planted in training score, where the bundle carries it.
    pub fn planted(&self) -> Option<&PlantedScores> {
        self.planted.as_ref()
    }

    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// Judges by another scale and threshold from here on, as fitted to a station's own light.
    pub fn decide_by(&mut self, decision: Decision) {
        self.decision = decision;
    }
}

/// By which scale and threshold a bundle judges, without making it ready.
pub fn decision_of(bundle: &Bundle) -> Result<Decision, InspectorError> {
    decision(bundle, &bundle.arrays(STATISTICS)?)
}

/// What anomalies planted in training score, where the bundle carries it, without making it ready.
pub fn planted_of(
    bundle: &Bundle,
    decision: &Decision,
) -> Result<Option<PlantedScores>, InspectorError> {
    Ok(planted(&bundle.arrays(STATISTICS)?, decision))
}

fn planted(arrays: &Arrays, decision: &Decision) -> Option<PlantedScores> {
    let z = arrays.get::<f32>(PLANTED)?.clone();
    PlantedScores::new(z.into_dimensionality().ok()?, decision)
}

fn decision(bundle: &Bundle, arrays: &Arrays) -> Result<Decision, InspectorError> {
    let calibration = arrays
        .get::<f32>(CALIBRATION)
        .ok_or_else(|| statistics_error(bundle, StatisticsError::Missing(CALIBRATION.into())))?;
    Ok(Decision {
        branches: branches(&bundle.manifest),
        threshold: bundle.manifest.threshold.value,
        calibration: Conformal::new(calibration.iter().copied().collect()),
    })
}

fn statistics_error(bundle: &Bundle, source: StatisticsError) -> InspectorError {
    InspectorError::Statistics {
        bundle: bundle.name().to_owned(),
        source,
    }
}

fn branches(manifest: &Manifest) -> heapless::Vec<WeightedBranch, { Branch::ALL.len() }> {
    let on = manifest.branches.iter().filter(|b| b.on && b.weight > 0.0);
    on.take(Branch::ALL.len())
        .map(|b| WeightedBranch {
            branch: b.name,
            weight: b.weight,
            z: TrimmedZ {
                mean: b.mean,
                std: b.std,
            },
        })
        .collect()
}
