//! A bundle's networks as ONNX.

use aecsad_inspect::branches::Reads;
use aecsad_inspect::branches::statistics::FineStatistics;
use aecsad_inspect::decision::Decision;
use aecsad_inspect::network::{
    Encoder, FineView, NetworkError, Perception, Segmentation, load_network,
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
            students: students.filter(|_| read(Reads::StudentErrors)),
        }
    }

    /// Ready to run, with only what is requested.
    pub fn perception(
        &self,
        segmentation: bool,
        students: bool,
    ) -> Result<Perception, NetworkError> {
        let segmentation = match &self.segmentation {
            Some((onnx, classes)) if segmentation => Some(Segmentation {
                network: load_network("segmentation.onnx", onnx)?,
                classes: *classes,
            }),
            _ => None,
        };
        let students = match &self.students {
            Some(onnx) if students => Some(load_network("students.onnx", onnx)?),
            _ => None,
        };
        Ok(Perception {
            encoder: Encoder::load(&self.encoder)?,
            fine: None,
            segmentation,
            students,
        })
    }

    /// Ready to run, with the fine view where there is one.
    pub fn seeing(
        &self,
        fine: Option<&FineStatistics>,
        geometry: &InputGeometry,
    ) -> Result<Perception, NetworkError> {
        let mut perception = self.perception(true, true)?;
        if let (Some(fine), Some(size)) = (fine, geometry.fine) {
            let encoder = Encoder::load_at(&self.encoder, size)?;
            perception.fine = Some(FineView::new(encoder, fine.low_rank.clone()));
        }
        Ok(perception)
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
