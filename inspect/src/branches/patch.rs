//! Kinds of patches that good images show, wherever they lie. Each of some hundred kinds has a Gaussian, and a patch's
//! score is its distance from the likeliest kind. Loose parts have no fixed positions to compare with, and the
//! variation of a patch differs between a thread, an edge and a plain surface. With one plain distance to the nearest
//! good patch (PatchCore, CVPR 2022), the patches that vary most would hide damage on all others.

use super::shared::aligned_part::AlignedPart;
use super::shared::map::{AnomalyMap, MapBuffer};
use super::statistics::{ArraySource, StatisticsError};
use super::{Branch, BranchModel, View};
use crate::arrays::Arrays;
use aecsad_engine::Triangles;
use ndarray::{Array1, Array2, ArrayView2, Axis, s};

use super::shared::low_rank::{GRID, LowRank};
use super::shared::packed;

/// A patch is compared with so many kinds, those of the nearest means: in 98 patches of 100 the likeliest of all is among them.
const NEAREST: usize = 4;
/// So many cells are compared with all kinds at once: what a cache holds.
const CELLS_AT_ONCE: usize = 1024;
/// Most kinds that a bundle may hold.
const MAX_KINDS: usize = 4096;

/// A mixture of Gaussians, none of them bound to a place.
#[derive(Clone, Debug)]
pub struct PatchMixture {
    /// `[kinds, rank]`
    means: Array2<f32>,
    /// `|mean|²` of each.
    squared: Array1<f32>,
    /// `[kinds, rank·(rank + 1)/2]`, packed as [`packed`] reads it: `Wᵀ·W = Σ⁻¹`.
    whitening: Array2<f32>,
    /// The same as they are multiplied with.
    triangles: Triangles,
    /// `ln|Σ| − 2·ln(share)` of each, above the least of them: twice what a patch's logarithmic likelihood loses by being of a
    /// rare or a varied kind.
    rarity: Array1<f32>,
}

/// The buffers that [`PatchMixture::map`] needs.
#[derive(Clone, Debug)]
pub struct PatchScratch {
    /// `[CELLS_AT_ONCE, kinds]`
    products: Array2<f32>,
    /// `[rank]`
    centred: Vec<f32>,
}

impl PatchMixture {
    /// Shapes as in the fields; `rarity` is brought to a least value of 0. None if they don't agree, or without kinds.
    pub fn new(
        means: Array2<f32>,
        whitening: Array2<f32>,
        mut rarity: Array1<f32>,
    ) -> Option<Self> {
        let (kinds, rank) = means.dim();
        let agree = whitening.dim() == (kinds, packed::length(rank)) && rarity.len() == kinds;
        if kinds == 0 || !agree {
            return None;
        }
        let least = rarity.iter().copied().fold(f32::INFINITY, f32::min);
        rarity -= least;
        let whitening = whitening.as_standard_layout().into_owned();
        Some(PatchMixture {
            triangles: Triangles::new(rank, whitening.as_slice().unwrap_or(&[])),
            squared: means.rows().into_iter().map(|m| m.dot(&m)).collect(),
            means,
            whitening,
            rarity,
        })
    }

    /// *Shapes*: `[kinds, rank]`.
    pub fn means(&self) -> &Array2<f32> {
        &self.means
    }

    pub fn scratch(&self) -> PatchScratch {
        let (kinds, rank) = self.means.dim();
        PatchScratch {
            products: Array2::zeros((CELLS_AT_ONCE, kinds)),
            centred: vec![0.0; rank],
        }
    }

    /// The root of Mahalanobis distance² plus rarity of each cell's likeliest kind. `vectors` is `[cells, rank]`, `map` has a
    /// value for each cell.
    pub fn map(&self, vectors: &Array2<f32>, scratch: &mut PatchScratch, map: &mut [f32]) {
        let chunks = vectors.axis_chunks_iter(Axis(0), CELLS_AT_ONCE);
        for (vectors, map) in chunks.zip(map.chunks_mut(CELLS_AT_ONCE)) {
            self.map_chunk(vectors, scratch, map);
        }
    }

    fn map_chunk(&self, vectors: ArrayView2<'_, f32>, scratch: &mut PatchScratch, map: &mut [f32]) {
        let means = self.means.t();
        let mut products = scratch.products.slice_mut(s![..vectors.nrows(), ..]);
        ndarray::linalg::general_mat_mul(-2.0, &vectors, &means, 0.0, &mut products);
        let cells = products.rows().into_iter().zip(vectors.rows());
        for (distance, (products, vector)) in map.iter_mut().zip(cells) {
            let distances = products.iter().zip(&self.squared).map(|(p, s)| p + s);
            let mut least = f32::INFINITY;
            for kind in nearest(distances).into_iter().flatten() {
                let mean = self.means.row(kind);
                for (c, (x, m)) in scratch.centred.iter_mut().zip(vector.iter().zip(mean)) {
                    *c = x - m;
                }
                let rarity = self.rarity[kind];
                let enough = least - rarity;
                let distance = self
                    .triangles
                    .squared_length(kind, &scratch.centred, enough);
                least = least.min(distance + rarity);
            }
            *distance = least.max(0.0).sqrt();
        }
    }
}

/// Indices of the smallest distances, the smallest first.
fn nearest(distances: impl Iterator<Item = f32>) -> [Option<usize>; NEAREST] {
    let mut found = [(f32::INFINITY, None); NEAREST];
    for (kind, distance) in distances.enumerate() {
        if distance >= found[NEAREST - 1].0 {
            continue;
        }
        let mut at = NEAREST - 1;
        while at > 0 && distance < found[at - 1].0 {
            found[at] = found[at - 1];
            at -= 1;
        }
        found[at] = (distance, Some(kind));
    }
    found.map(|(_, kind)| kind)
}

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
        (rank == mixture.means.ncols()).then(|| Self::new(mixture, source, MapBuffer::new(GRID)))
    }

    /// Of a fine view of so many rows and columns.
    pub fn fine(mixture: PatchMixture, cells: (usize, usize)) -> Self {
        Self::new(mixture, Vectors::Fine, MapBuffer::fine(cells))
    }

    fn new(mixture: PatchMixture, vectors: Vectors, map: MapBuffer) -> Self {
        Patch {
            scratch: mixture.scratch(),
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
        arrays.insert(format!("{prefix}patch.means"), mixture.means.clone());
        arrays.insert(
            format!("{prefix}patch.whitening"),
            mixture.whitening.clone(),
        );
        arrays.insert(format!("{prefix}patch.rarity"), mixture.rarity.clone());
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
        let wanted = format!("1 to {MAX_KINDS} rows of {rank}");
        return Err(source.shape(&means_name, &means, wanted));
    }
    let whitening = source.exact(&whitening, &[kinds, packed::length(rank)])?;
    let rarity = source.exact(&rarity, &[kinds])?;
    let mixture = PatchMixture::new(means, whitening, rarity);
    mixture.ok_or(StatisticsError::Missing(means_name))
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    /// A kind around (0, 0) that varies by 1 and one around (10, 0) that varies by 2 along
    /// the first and by 1 along the second.
    fn mixture(rarity: [f32; 2]) -> PatchMixture {
        let means = array![[0.0, 0.0], [10.0, 0.0]];
        let whitening = array![[1.0, 0.0, 1.0], [0.5, 0.0, 1.0]];
        PatchMixture::new(means, whitening, Array1::from(rarity.to_vec())).unwrap()
    }

    fn distance(mixture: &PatchMixture, x: f32, y: f32) -> f32 {
        // More than are compared at once, and not a multiple of that.
        let cells = 2 * CELLS_AT_ONCE + 100;
        let vectors = Array2::from_shape_fn((cells, 2), |(_, axis)| [x, y][axis]);
        let mut map = vec![9.0; cells];
        mixture.map(&vectors, &mut mixture.scratch(), &mut map);
        assert!(map.iter().all(|v| *v == map[0]));
        map[0]
    }

    #[test]
    fn a_patch_is_as_anomalous_as_its_kind_says() {
        let mixture = mixture([0.0; 2]);
        for ((x, y), wanted) in [
            ((0.0, 0.0), 0.0),
            ((0.0, 3.0), 3.0),
            ((14.0, 0.0), 2.0),
            ((5.5, 0.0), 2.25),
        ] {
            let found = distance(&mixture, x, y);
            assert!((found - wanted).abs() < 1e-5, "{x} {y}: {found}");
        }
    }

    #[test]
    fn a_rare_kind_excuses_less_and_the_commonest_is_the_measure() {
        let mixture = mixture([-7.0, 2.0]);
        assert_eq!(distance(&mixture, 0.0, 0.0), 0.0);
        assert_eq!(distance(&mixture, 10.0, 0.0), 3.0);
    }

    #[test]
    fn the_nearest_come_in_order() {
        let distances = [5.0, 1.0, 9.0, 3.0, 0.0, 7.0, 8.0, 2.0, 6.0, 4.0];
        let found = nearest(distances.into_iter()).map(|k| distances[k.unwrap()]);
        assert_eq!(found, [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(nearest([f32::NAN, 1.0].into_iter())[..2], [Some(1), None]);
    }

    #[test]
    fn shapes_that_disagree_are_refused() {
        let good = mixture([0.0; 2]);
        let (means, whitening) = (good.means().clone(), good.whitening.clone());
        let with = |means, whitening, rarity: Vec<f32>| {
            PatchMixture::new(means, whitening, rarity.into()).is_some()
        };
        assert!(with(means.clone(), whitening.clone(), vec![0.0; 2]));
        assert!(!with(means.clone(), whitening.clone(), vec![0.0; 3]));
        assert!(!with(means, Array2::zeros((2, 4)), vec![0.0; 2]));
        assert!(!with(Array2::zeros((0, 2)), Array2::zeros((0, 3)), vec![]));
    }
}
