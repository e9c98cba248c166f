//! Kinds of patches that good images show, wherever they lie. Each of some hundred kinds has a Gaussian, and a patch's
//! score is its distance from the likeliest kind. Loose parts have no fixed positions to compare with, and the
//! variation of a patch differs between a thread, an edge and a plain surface. With one plain distance to the nearest
//! good patch (PatchCore, CVPR 2022), the patches that vary most would hide damage on all others.

mod mixture;
mod nearest_kinds;

use ndarray::{Array1, Array2};

use super::shared::aligned_part::AlignedPart;
use super::shared::low_rank::{GRID, LowRank};
use super::shared::map::{AnomalyMap, MapBuffer};
use super::shared::packed;
use super::statistics::{ArraySource, StatisticsError};
use super::{Branch, BranchModel, View};
use crate::arrays::Arrays;
pub use mixture::{PatchMixture, PatchScratch};

/// Most kinds that a bundle may hold.
const MAX_KINDS: usize = 4096;

/// The branch: the mixture and the latest part's map.
#[derive(Clone, Debug)]
pub struct Patch {
    vectors: Vectors,
    mixture: PatchMixture,
    scratch: PatchScratch,
    map: MapBuffer,
}

/// Where a patch's vector comes from.
#[derive(Clone, Debug)]
enum Vectors {
    /// The whole view's stack, by directions of its own; `vectors` is `[GRID², rank]`.
    Whole {
        low_rank: LowRank,
        vectors: Array2<f32>,
    },
    Fine,
}

impl Patch {
    /// None if the directions are not as many as the mixture's.
    pub fn whole(mixture: PatchMixture, low_rank: LowRank) -> Option<Self> {
        let rank = low_rank.rank();
        let source = Vectors::Whole {
            low_rank,
            vectors: Array2::zeros((GRID * GRID, rank)),
        };
        (rank == mixture.means().ncols()).then(|| Self::new(mixture, source, MapBuffer::new(GRID)))
    }

    /// Of a fine view of so many rows and columns.
    pub fn fine(mixture: PatchMixture, cells: (usize, usize)) -> Self {
        Self::new(mixture, Vectors::Fine, MapBuffer::fine(cells))
    }

    fn new(mixture: PatchMixture, vectors: Vectors, map: MapBuffer) -> Self {
        Patch {
            scratch: mixture.scratch(map.values.len()),
            vectors,
            mixture,
            map,
        }
    }

    /// The directions of the whole view; None in the fine one, where all branches share the view's.
    pub fn low_rank(&self) -> Option<&LowRank> {
        match &self.vectors {
            Vectors::Whole { low_rank, .. } => Some(low_rank),
            Vectors::Fine => None,
        }
    }

    pub fn mixture(&self) -> &PatchMixture {
        &self.mixture
    }
}

impl BranchModel for Patch {
    fn branch(&self) -> Branch {
        match self.vectors {
            Vectors::Whole { .. } => Branch::Patch,
            Vectors::Fine => Branch::FinePatch,
        }
    }

    fn score(&mut self, part: &mut AlignedPart<'_>) -> f32 {
        // Not registered: resampling smooths, and more or less with each pose.
        let vectors = match &mut self.vectors {
            Vectors::Whole { low_rank, vectors } => {
                low_rank.project(part.unmoved_stack(), vectors);
                vectors
            }
            Vectors::Fine => &part.percept.fine.vectors,
        };
        self.mixture
            .map(vectors, &mut self.scratch, &mut self.map.values);
        self.map.score()
    }

    fn map(&self) -> Option<AnomalyMap<'_>> {
        Some(self.map.map())
    }

    fn write(&self, arrays: &mut Arrays) {
        let mixture = &self.mixture;
        let prefix = match self.vectors {
            Vectors::Whole { .. } => View::Whole.prefix(),
            Vectors::Fine => View::Fine.prefix(),
        };
        if let Vectors::Whole { low_rank, .. } = &self.vectors {
            low_rank.write(arrays, "patch");
        }
        mixture.write(arrays, &format!("{prefix}patch"));
    }

    fn boxed(&self) -> Box<dyn BranchModel> {
        Box::new(self.clone())
    }
}

/// # Errors
/// If the arrays are there and can't be used.
pub fn read(source: &ArraySource<'_>) -> Result<Option<Box<dyn BranchModel>>, StatisticsError> {
    source.branch("patch.means", || {
        let low_rank = source.low_rank("patch")?;
        let mixture = mixture(source, "patch", low_rank.rank())?;
        Patch::whole(mixture, low_rank)
            .ok_or_else(|| StatisticsError::Missing("patch.matrix".into()))
    })
}

/// # Errors
/// If the arrays are there and can't be used.
pub fn read_fine(
    source: &ArraySource<'_>,
) -> Result<Option<Box<dyn BranchModel>>, StatisticsError> {
    source.branch("fine.patch.means", || {
        let (cells, rank) = source.fine()?;
        Ok(Patch::fine(mixture(source, "fine.patch", rank)?, cells))
    })
}

fn mixture(
    source: &ArraySource<'_>,
    name: &str,
    rank: usize,
) -> Result<PatchMixture, StatisticsError> {
    let [means_name, whitening, rarity] =
        ["means", "whitening", "rarity"].map(|array| format!("{name}.{array}"));
    let means: Array2<f32> = source.get(&means_name)?;
    let kinds = means.nrows();
    if !(1..=MAX_KINDS).contains(&kinds) || means.ncols() != rank {
        let expected = format!("1 to {MAX_KINDS} rows of {rank}");
        return Err(source.shape(&means_name, &means, expected));
    }
    let whitening = source.exact(&whitening, &[kinds, packed::length(rank)])?;
    let rarity = source.exact(&rarity, &[kinds])?;
    let groups = groups(source, &format!("{name}.groups"), kinds)?;
    let mixture = PatchMixture::new(means, whitening, rarity, &groups);
    mixture.ok_or(StatisticsError::Missing(means_name))
}

/// How many kinds each group has: all in one where the bundle states none.
fn groups(
    source: &ArraySource<'_>,
    name: &str,
    kinds: usize,
) -> Result<Vec<usize>, StatisticsError> {
    let Some(groups): Option<Array1<f32>> = source.when(name, || source.get(name))? else {
        return Ok(vec![kinds]);
    };
    let counts: Vec<usize> = groups.iter().map(|count| *count as usize).collect();
    let of_all = counts.iter().try_fold(0usize, |sum, n| sum.checked_add(*n));
    if counts.contains(&0) || of_all != Some(kinds) {
        let expected = format!("groups of at least one kind, {kinds} in all");
        return Err(source.shape(name, &groups, expected));
    }
    Ok(counts)
}
