//! A bundle's networks as ONNX.

use aecsad_inspect::branches::Reads;
use aecsad_inspect::branches::statistics::{FineStatistics, Statistics};
use aecsad_inspect::decision::Decision;
use aecsad_inspect::network::students::residual_channels;
use aecsad_inspect::network::{
    Cpu, Encoder, FineView, Network, NetworkError, Perception, ResidualDirections, Segmentation,
    Students, load_network,
};
use aecsad_inspect::optics::InputGeometry;

/// The frozen backbone that ships in every edge bundle.
pub const ENCODER: &[u8] = include_bytes!("../../models/efficientnet-lite0/encoder.onnx");

/// Trained networks as ONNX.
pub struct Trained {
    pub encoder: Vec<u8>,
    /// The file and its number of classes, background included.
    pub segmentation: Option<(Vec<u8>, usize)>,
    pub students: Option<Vec<u8>>,
}

impl Trained {
    /// Only the networks that active branches read: what a bundle carries.
    pub fn needed_by(&self, decision: &Decision) -> Trained {
        let read = |what: Reads| decision.branches.iter().any(|v| v.branch.reads() == what);
        let segmentation = self.segmentation.clone();
        let students = self.students.clone();
        Trained {
            encoder: self.encoder.clone(),
            segmentation: segmentation.filter(|_| read(Reads::Components)),
            students: students.filter(|_| read(Reads::Students)),
        }
    }

    /// Ready to run: the fine view where `directions` has those of one, and the students where they are read in the way
    /// that it allows.
    pub fn seeing(
        &self,
        directions: &Directions,
        geometry: &InputGeometry,
    ) -> Result<Perception, NetworkError> {
        let segmentation = match &self.segmentation {
            Some((onnx, classes)) => Some(Segmentation {
                network: load_network(&Cpu, "segmentation.onnx", onnx, None)?,
                classes: *classes,
            }),
            None => None,
        };
        let students = self
            .students()?
            .and_then(|network| match &directions.residuals {
                Some(residuals) => Students::residuals(network, residuals.clone()),
                // No branch reads their residuals.
                None if residual_channels(&network).is_some() => None,
                None => Some(Students::errors(network)),
            });
        let fine = match (&directions.fine, geometry.fine) {
            (Some(fine), Some(size)) => {
                let encoder = Encoder::load_at(&Cpu, &self.encoder, size)?;
                Some(FineView::new(encoder, fine.low_rank.clone()))
            }
            _ => None,
        };
        Ok(Perception {
            encoder: Encoder::load(&self.encoder)?,
            fine,
            segmentation,
            students,
        })
    }

    /// The network of both students, if they were trained.
    pub fn students(&self) -> Result<Option<Network>, NetworkError> {
        let onnx = self.students.as_ref();
        onnx.map(|onnx| load_network(&Cpu, "students.onnx", onnx, None))
            .transpose()
    }
}

/// The directions onto which outputs of networks are projected before any branch reads them; learnt once, so that float
/// and int8 networks share them.
#[derive(Clone, Debug, Default)]
pub struct Directions {
    /// None where there is no fine view.
    pub fine: Option<FineStatistics>,
    /// None where the students' errors are read, or there are none.
    pub residuals: Option<ResidualDirections>,
}

impl Directions {
    /// Those that the branches of a bundle read.
    pub fn of(statistics: &Statistics) -> Self {
        Directions {
            fine: statistics.fine.clone(),
            residuals: statistics.residuals.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use aecsad_inspect::branches::Branch;
    use aecsad_inspect::decision::WeightedBranch;
    use aecsad_inspect::decision::conformal::Conformal;
    use aecsad_inspect::decision::trimmed_z::TrimmedZ;

    use super::*;

    #[test]
    fn a_bundle_carries_what_its_branches_read() {
        let trained = Trained {
            encoder: vec![1],
            segmentation: Some((vec![2], 3)),
            students: Some(vec![4]),
        };
        for branch in Branch::ALL {
            let weighted = WeightedBranch {
                branch,
                weight: 1.0,
                z: TrimmedZ {
                    mean: 0.0,
                    std: 1.0,
                },
            };
            let needed = trained.needed_by(&Decision {
                branches: std::iter::once(weighted).collect(),
                threshold: 0.0,
                calibration: Conformal::new(vec![0.0]),
            });
            let carried = (needed.segmentation.is_some(), needed.students.is_some());
            let wanted = match branch.name() {
                "histogram" | "layout" | "inventory" => (true, false),
                "local" | "global" | "lgst" => (false, true),
                _ => (false, false),
            };
            assert_eq!(carried, wanted, "{branch}");
        }
    }
}
