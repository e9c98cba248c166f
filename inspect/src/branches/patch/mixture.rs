//! A mixture of Gaussians over patches: how unlikely each cell of a map is of its likeliest kind.

use aecsad_engine::Triangles;
use ndarray::{Array1, Array2};

use super::nearest_kinds::{NearestKinds, NearestScratch};
use crate::arrays::Arrays;
use crate::branches::shared::packed;

/// One in so many cells matters and is compared with the nearest of all kinds: those that are most anomalous by one
/// near kind. Other kinds only make a cell less anomalous, so the rest stays below these.
const ONE_IN: usize = 8;

/// A mixture of Gaussians, none of them bound to a place.
#[derive(Clone, Debug)]
pub struct PatchMixture {
    kinds: NearestKinds,
    /// One for each kind: `Wᵀ·W = Σ⁻¹`.
    whitening: Triangles,
    /// `ln|Σ| − 2·ln(share)` of each, above the least of them: twice what a patch's logarithmic likelihood loses by being of a
    /// rare or a varied kind.
    rarity: Array1<f32>,
}

/// The buffers that [`PatchMixture::map`] needs.
#[derive(Clone, Debug)]
pub struct PatchScratch {
    nearest: NearestScratch,
    /// `[rank]`
    centred: Vec<f32>,
    /// Indices of all cells; those that matter come first.
    cells: Vec<usize>,
}

impl PatchMixture {
    /// Shapes as in the fields, the kinds of each group side by side; `groups` says how many each has. `rarity` is
    /// brought to a least value of 0. None if they don't agree, or without kinds.
    ///
    /// *Shapes*: `means` is `[kinds, rank]`.
    pub fn new(
        means: Array2<f32>,
        whitening: Array2<f32>,
        mut rarity: Array1<f32>,
        groups: &[usize],
    ) -> Option<Self> {
        let (kinds, rank) = means.dim();
        let agree = whitening.dim() == (kinds, packed::length(rank)) && rarity.len() == kinds;
        if !agree || rank == 0 {
            return None;
        }
        let least = rarity.iter().copied().fold(f32::INFINITY, f32::min);
        rarity -= least;
        let whitening = whitening.as_standard_layout();
        Some(PatchMixture {
            kinds: NearestKinds::new(means, groups)?,
            whitening: Triangles::new(rank, whitening.as_slice().unwrap_or(&[])),
            rarity,
        })
    }

    /// *Shapes*: `[kinds, rank]`.
    pub fn means(&self) -> &Array2<f32> {
        self.kinds.means()
    }

    /// How many kinds each group has.
    pub fn groups(&self) -> Vec<usize> {
        self.kinds.groups()
    }

    /// Writes the arrays `NAME.means`, `NAME.whitening` and `NAME.rarity`, and `NAME.groups` where there are several.
    pub fn write(&self, arrays: &mut Arrays, name: &str) {
        let means = self.means();
        let whitening = packed::rows(means.ncols(), self.whitening.packed());
        arrays.insert(format!("{name}.means"), means.clone());
        arrays.insert(format!("{name}.whitening"), whitening);
        arrays.insert(format!("{name}.rarity"), self.rarity.clone());
        let groups = self.groups();
        if groups.len() > 1 {
            let groups: Array1<f32> = groups.into_iter().map(|count| count as f32).collect();
            arrays.insert(format!("{name}.groups"), groups);
        }
    }

    /// For maps of so many cells.
    pub fn scratch(&self, cells: usize) -> PatchScratch {
        PatchScratch {
            nearest: self.kinds.scratch(cells),
            centred: vec![0.0; self.means().ncols()],
            cells: (0..cells).collect(),
        }
    }

    /// The root of Mahalanobis distance² plus rarity of each cell's likeliest kind.
    ///
    /// *Shapes*: `vectors` is `[cells, rank]`, row by row; `scratch` and `map` are for as many cells.
    pub fn map(&self, vectors: &Array2<f32>, scratch: &mut PatchScratch, map: &mut [f32]) {
        let PatchScratch {
            nearest,
            centred,
            cells,
        } = scratch;
        let rank = vectors.ncols();
        let vectors = vectors.as_slice().unwrap_or(&[]);
        let near = self.kinds.find_near(vectors, nearest);
        let each = near.iter().zip(vectors.chunks_exact(rank));
        for (value, (near, vector)) in map.iter_mut().zip(each) {
            *value = near.indices().next().map_or(f32::INFINITY, |kind| {
                self.to_kind(kind, vector, f32::INFINITY, centred)
            });
        }
        for (index, cell) in cells.iter_mut().enumerate() {
            *cell = index;
        }
        let matter = cells.len().min(map.len()).div_ceil(ONE_IN);
        if matter < cells.len() {
            cells.select_nth_unstable_by(matter, |a, b| map[*b].total_cmp(&map[*a]));
        }
        let matter = &cells[..matter];
        self.kinds.find(vectors, matter, nearest, |cell, kinds| {
            let vector = &vectors[cell * rank..][..rank];
            for kind in kinds.indices() {
                map[cell] = map[cell].min(self.to_kind(kind, vector, map[cell], centred));
            }
        });
        for value in map {
            *value = value.max(0.0).sqrt();
        }
    }

    /// Distance² plus rarity of one kind, or a value above `enough`. `centred` is written.
    fn to_kind(&self, kind: usize, vector: &[f32], enough: f32, centred: &mut [f32]) -> f32 {
        for (c, (x, m)) in centred
            .iter_mut()
            .zip(vector.iter().zip(self.means().row(kind)))
        {
            *c = x - m;
        }
        let rarity = self.rarity[kind];
        let squared = self
            .whitening
            .squared_length(kind, centred, enough - rarity);
        squared + rarity
    }
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
        PatchMixture::new(means, whitening, Array1::from(rarity.to_vec()), &[2]).unwrap()
    }

    fn distance(mixture: &PatchMixture, x: f32, y: f32) -> f32 {
        let cells = 100;
        let vectors = Array2::from_shape_fn((cells, 2), |(_, axis)| [x, y][axis]);
        let mut map = vec![9.0; cells];
        mixture.map(&vectors, &mut mixture.scratch(cells), &mut map);
        assert!(map.iter().all(|v| *v == map[0]));
        map[0]
    }

    #[test]
    fn a_patch_is_as_anomalous_as_its_kind_says() {
        let mixture = mixture([0.0; 2]);
        for ((x, y), expected) in [
            ((0.0, 0.0), 0.0),
            ((0.0, 3.0), 3.0),
            ((14.0, 0.0), 2.0),
            ((5.5, 0.0), 2.25),
        ] {
            let found = distance(&mixture, x, y);
            assert!((found - expected).abs() < 1e-5, "{x} {y}: {found}");
        }
    }

    #[test]
    fn a_rare_kind_excuses_less_and_the_commonest_is_the_measure() {
        let mixture = mixture([-7.0, 2.0]);
        assert_eq!(distance(&mixture, 0.0, 0.0), 0.0);
        assert_eq!(distance(&mixture, 10.0, 0.0), 3.0);
    }

    #[test]
    fn where_it_matters_the_likeliest_kind_counts_though_another_is_nearer() {
        let mixture = mixture([0.0, 30.0]);
        let at = |cell: usize| if cell < 10 { 5.5 } else { 0.0 };
        let vectors = Array2::from_shape_fn((100, 2), |(cell, axis)| [at(cell), 0.0][axis]);
        let mut map = vec![9.0; 100];
        mixture.map(&vectors, &mut mixture.scratch(100), &mut map);
        // The nearest kind alone would say 2.25² + 30.
        for (cell, found) in map.iter().enumerate() {
            assert!((found - at(cell)).abs() < 1e-5, "{cell}: {found}");
        }
    }

    #[test]
    fn shapes_that_disagree_are_refused() {
        let good = mixture([0.0; 2]);
        let (means, whitening) = (good.means().clone(), Array2::zeros((2, 3)));
        let with = |means, whitening, rarity: Vec<f32>| {
            PatchMixture::new(means, whitening, rarity.into(), &[2]).is_some()
        };
        assert!(with(means.clone(), whitening.clone(), vec![0.0; 2]));
        assert!(!with(means.clone(), whitening.clone(), vec![0.0; 3]));
        assert!(!with(means, Array2::zeros((2, 4)), vec![0.0; 2]));
        assert!(!with(Array2::zeros((0, 2)), Array2::zeros((0, 3)), vec![]));
    }
}
