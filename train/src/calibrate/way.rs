//! The ways in which a branch's statistics can be fitted; planted anomalies choose among those of one branch.

use aecsad_inspect::score::Branch;

use super::histogram::View;

const REACHES: [usize; 3] = [0, 1, 2];
const CODES: [usize; 3] = [2, 5, 12];
const GRIDS: [usize; 3] = [1, 2, 4];

/// One way to fit one branch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Way {
    Histogram(View),
    Layout,
    Local,
    Global,
    /// A position's statistics are also learnt from neighbours up to so many cells away.
    Position(usize),
    Patch,
    Pooled,
    /// So many numbers stand for the part as a whole.
    Context(usize),
    Inventory,
}

impl Way {
    /// All of them, a branch's ways one after the other.
    pub fn all() -> Vec<Way> {
        let views = GRIDS
            .into_iter()
            .flat_map(|grid| [false, true].map(|variants| View { grid, variants }));
        let mut ways: Vec<Way> = views.map(Way::Histogram).collect();
        ways.extend([Way::Layout, Way::Local, Way::Global]);
        ways.extend(REACHES.map(Way::Position));
        ways.extend([Way::Patch, Way::Pooled]);
        ways.extend(CODES.map(Way::Context));
        ways.push(Way::Inventory);
        ways
    }

    pub fn branch(self) -> Branch {
        match self {
            Way::Histogram(_) => Branch::Histogram,
            Way::Layout => Branch::Layout,
            Way::Local => Branch::Local,
            Way::Global => Branch::Global,
            Way::Position(_) => Branch::Position,
            Way::Patch => Branch::Patch,
            Way::Pooled => Branch::Pooled,
            Way::Context(_) => Branch::Context,
            Way::Inventory => Branch::Inventory,
        }
    }

    /// What tells it from the other ways of its branch, for people; empty where there is no other.
    pub fn how(self) -> String {
        match self {
            Way::Histogram(view) => view.to_string(),
            Way::Position(reach) => format!("neighbours up to {reach} cells away"),
            Way::Context(codes) => format!("a code of {codes} numbers"),
            _ => String::new(),
        }
    }

    /// How a bundle records it; empty where its branch has no other way.
    pub fn record(self) -> String {
        match self {
            Way::Histogram(View { grid, variants }) => match variants {
                true => format!("{grid}x{grid} variants"),
                false => format!("{grid}x{grid}"),
            },
            Way::Position(reach) => format!("reach {reach}"),
            Way::Context(codes) => format!("{codes} codes"),
            _ => String::new(),
        }
    }

    /// The way of `branch` that a bundle records so.
    pub fn recorded(branch: Branch, record: &str) -> Option<Way> {
        let ways = Way::all().into_iter();
        let mut ways = ways.filter(|way| way.branch() == branch);
        ways.find(|way| way.record() == record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_record_stands_for_one_way() {
        for way in Way::all() {
            assert_eq!(Way::recorded(way.branch(), &way.record()), Some(way));
        }
        assert_eq!(Way::recorded(Branch::Position, "reach 9"), None);
    }
}
