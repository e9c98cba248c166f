//! The table of the search: each measurement when it is done, and the means with their differences from the width in
//! use.

use aecsad_inspect::branches::Branch;
use aecsad_train::calibrate::{PlantedAuroc, Way};

use super::time::Milliseconds;
use super::width::Width;

/// AUROC of one branch with one width, in one training.
struct Rank {
    width: usize,
    branch: Branch,
    auroc: PlantedAuroc,
}

/// All that was measured, trainings in the same order for each width.
pub struct Front<'a> {
    widths: &'a [Width],
    ranks: Vec<Rank>,
    /// Width by width, for each training.
    milliseconds: Vec<Vec<Milliseconds>>,
}

impl<'a> Front<'a> {
    pub fn new(widths: &'a [Width]) -> Self {
        Self {
            widths,
            ranks: Vec::new(),
            milliseconds: Vec::new(),
        }
    }

    pub fn ranked(&mut self, training: &str, width: usize, ranks: Vec<(Way, PlantedAuroc)>) {
        for (way, auroc) in ranks {
            let branch = way.branch();
            println!(
                "{training:17} {:9} {:9} logical {:.4}  structural {:.4}  {}",
                self.widths[width],
                name(branch),
                auroc.logical.unwrap_or(f64::NAN),
                auroc.structural.unwrap_or(f64::NAN),
                way.how()
            );
            self.ranks.push(Rank {
                width,
                branch,
                auroc,
            });
        }
    }

    pub fn timed(&mut self, training: &str, milliseconds: Vec<Milliseconds>) {
        for (width, ms) in self.widths.iter().zip(&milliseconds) {
            println!(
                "{training:17} {width:9} f32 {:.2} ms  int8 {:.2} ms",
                ms.float, ms.int8
            );
        }
        self.milliseconds.push(milliseconds);
    }

    /// ± is one standard deviation of the differences; a single training has none.
    pub fn print(&self) {
        println!(
            "\nwidth       f32 ms  int8 ms  branch     logical  structural  their mean less that of the width in use"
        );
        let used = self.widths.iter().position(|width| width.in_use());
        for branch in Branch::ALL {
            for (index, width) in self.widths.iter().enumerate() {
                let aurocs = self.of(branch, index);
                if aurocs.is_empty() {
                    continue;
                }
                let least = |of: fn(&Milliseconds) -> f64| {
                    let all = self.milliseconds.iter().map(|ms| of(&ms[index]));
                    all.fold(f64::INFINITY, f64::min)
                };
                let mean = |of: fn(&PlantedAuroc) -> Option<f64>| {
                    let known: Vec<f64> = aurocs.iter().filter_map(of).collect();
                    mean_and_spread(&known).0
                };
                let differences: Vec<f64> = aurocs
                    .iter()
                    .zip(self.of(branch, used.unwrap_or(0)))
                    .map(|(auroc, used)| auroc.mean() - used.mean())
                    .collect();
                let (difference, spread) = mean_and_spread(&differences);
                println!(
                    "{width:11} {:6.2} {:8.2}  {:9} {:8.4} {:11.4}  {difference:+.4} ± {spread:.4}, {} trainings",
                    least(|ms| ms.float),
                    least(|ms| ms.int8),
                    name(branch),
                    mean(|auroc| auroc.logical),
                    mean(|auroc| auroc.structural),
                    differences.len()
                );
            }
        }
    }

    fn of(&self, branch: Branch, width: usize) -> Vec<PlantedAuroc> {
        let ranks = self.ranks.iter();
        ranks
            .filter(|rank| (rank.branch, rank.width) == (branch, width))
            .map(|rank| rank.auroc)
            .collect()
    }
}

fn name(branch: Branch) -> String {
    format!("{branch:?}").to_lowercase()
}

fn mean_and_spread(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (count - 1.0)).sqrt())
}
