//! The ways in which branches can be fitted; planted anomalies choose among those of one branch.

use std::fmt::Debug;

use aecsad_inspect::branches::student_residual::Student;
use aecsad_inspect::branches::{Branch, BranchModel, View};

use super::context::ContextWay;
use super::histogram::HistogramWay;
use super::inventory::InventoryWay;
use super::layout::LayoutWay;
use super::patch::PatchWay;
use super::pooled::PooledWay;
use super::position::PositionWay;
use super::statistics::Fitter;
use super::student_residual::ResidualWay;

/// One way to fit one branch.
pub trait FitBranch: Debug + Sync {
    fn branch(&self) -> Branch;

    /// The branch's model. None where the product has no components or no students for it.
    fn fit(&self, parts: &Fitter<'_>) -> Option<Box<dyn BranchModel>>;

    /// What tells it from the other ways of its branch, for people; empty where there is no other.
    fn how(&self) -> String {
        String::new()
    }

    /// How a bundle records it; empty where its branch has no other way.
    fn record(&self) -> String {
        String::new()
    }
}

pub type Way = &'static dyn FitBranch;

/// All of them, a branch's ways one after the other.
pub const WAYS: [Way; 23] = [
    &HistogramWay::gaussian(1),
    &HistogramWay::variants(1),
    &HistogramWay::gaussian(2),
    &HistogramWay::variants(2),
    &HistogramWay::gaussian(4),
    &HistogramWay::variants(4),
    &LayoutWay,
    &ResidualWay {
        student: Student::Local,
        reach: 0,
    },
    &ResidualWay {
        student: Student::Local,
        reach: 1,
    },
    &ResidualWay {
        student: Student::Global,
        reach: 0,
    },
    &ResidualWay {
        student: Student::Global,
        reach: 1,
    },
    &PositionWay {
        reach: 0,
        view: View::Whole,
    },
    &PositionWay {
        reach: 1,
        view: View::Whole,
    },
    &PositionWay {
        reach: 2,
        view: View::Whole,
    },
    &PositionWay {
        reach: 0,
        view: View::Fine,
    },
    &PositionWay {
        reach: 1,
        view: View::Fine,
    },
    &PatchWay { view: View::Whole },
    &PatchWay { view: View::Fine },
    &PooledWay,
    &ContextWay { codes: 2 },
    &ContextWay { codes: 5 },
    &ContextWay { codes: 12 },
    &InventoryWay,
];

/// The way of `branch` that a bundle records so.
pub fn recorded(branch: Branch, record: &str) -> Option<Way> {
    let mut ways = WAYS.into_iter().filter(|way| way.branch() == branch);
    ways.find(|way| way.record() == record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_record_stands_for_one_way() {
        for way in WAYS {
            let found = recorded(way.branch(), &way.record()).unwrap();
            assert_eq!(format!("{found:?}"), format!("{way:?}"));
        }
        assert!(recorded(Branch::Position, "reach 9").is_none());
    }
}
