//! A mixture of Gaussians over patches: how unlikely each cell of a map is of its likeliest kind.

use std::ops::Range;

use aecsad_engine::Triangles;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};

use crate::arrays::Arrays;
use crate::branches::shared::packed;

/// A patch that matters is compared with so many kinds, those of the nearest means: in 98 patches of 100 the likeliest of all
/// is among them.
const NEAREST: usize = 4;
/// One in so many cells matters: those that are most anomalous by the nearest kind alone. Other kinds only make a cell less
/// anomalous, so the rest stays below these.
const ONE_IN: usize = 8;
/// The number of cells that are compared with all kinds at once: as many as a cache holds.
const CELLS_AT_ONCE: usize = 1024;

/// A mixture of Gaussians, none of them bound to a place.
#[derive(Clone, Debug)]
pub struct PatchMixture {
    /// `[kinds, rank]`
    means: Array2<f32>,
    /// `|mean|²` of each.
    squared: Array1<f32>,
    /// One for each kind: `Wᵀ·W = Σ⁻¹`.
    whitening: Triangles,
    /// `ln|Σ| − 2·ln(share)` of each, above the least of them: twice what a patch's logarithmic likelihood loses by being of a
    /// rare or a varied kind.
    rarity: Array1<f32>,
}

/// The buffers that [`PatchMixture::map`] needs.
#[derive(Clone, Debug)]
pub struct PatchScratch {
    /// `[CELLS_AT_ONCE, kinds]`
    distances: Array2<f32>,
    /// `[rank]`
    centred: Vec<f32>,
    /// Indices of all cells; those that matter come first.
    cells: Vec<usize>,
    /// `[CELLS_AT_ONCE, rank]`
    vectors: Array2<f32>,
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
        let whitening = whitening.as_standard_layout();
        Some(PatchMixture {
            whitening: Triangles::new(rank, whitening.as_slice().unwrap_or(&[])),
            squared: means.rows().into_iter().map(|m| m.dot(&m)).collect(),
            means,
            rarity,
        })
    }

    /// *Shapes*: `[kinds, rank]`.
    pub fn means(&self) -> &Array2<f32> {
        &self.means
    }

    /// Writes the arrays `NAME.means`, `NAME.whitening` and `NAME.rarity`.
    pub fn write(&self, arrays: &mut Arrays, name: &str) {
        let whitening = packed::rows(self.means.ncols(), self.whitening.packed());
        arrays.insert(format!("{name}.means"), self.means.clone());
        arrays.insert(format!("{name}.whitening"), whitening);
        arrays.insert(format!("{name}.rarity"), self.rarity.clone());
    }

    /// For maps of so many cells.
    pub fn scratch(&self, cells: usize) -> PatchScratch {
        let (kinds, rank) = self.means.dim();
        PatchScratch {
            distances: Array2::zeros((CELLS_AT_ONCE, kinds)),
            centred: vec![0.0; rank],
            cells: (0..cells).collect(),
            vectors: Array2::zeros((CELLS_AT_ONCE, rank)),
        }
    }

    /// The root of Mahalanobis distance² plus rarity of each cell's likeliest kind.
    ///
    /// *Shapes*: `vectors` is `[cells, rank]`; `scratch` and `map` are for as many cells.
    pub fn map(&self, vectors: &Array2<f32>, scratch: &mut PatchScratch, map: &mut [f32]) {
        let chunks = vectors.axis_chunks_iter(Axis(0), CELLS_AT_ONCE);
        for (vectors, map) in chunks.zip(map.chunks_mut(CELLS_AT_ONCE)) {
            self.to_nearest_kind(vectors, scratch, map);
        }
        let PatchScratch { cells, .. } = scratch;
        for (index, cell) in cells.iter_mut().enumerate() {
            *cell = index;
        }
        let matter = cells.len().min(map.len()).div_ceil(ONE_IN);
        if matter < cells.len() {
            cells.select_nth_unstable_by(matter, |a, b| map[*b].total_cmp(&map[*a]));
        }
        for first in (0..matter).step_by(CELLS_AT_ONCE) {
            let chunk = first..(first + CELLS_AT_ONCE).min(matter);
            self.to_likeliest_kind(vectors, scratch, chunk, map);
        }
        for value in map {
            *value = value.max(0.0).sqrt();
        }
    }

    /// Distance² plus rarity of each cell's nearest kind.
    fn to_nearest_kind(
        &self,
        vectors: ArrayView2<'_, f32>,
        scratch: &mut PatchScratch,
        map: &mut [f32],
    ) {
        let PatchScratch {
            distances, centred, ..
        } = scratch;
        let distances = self.distances(vectors, distances);
        let cells = distances.rows().into_iter().zip(vectors.rows());
        for (value, (distances, vector)) in map.iter_mut().zip(cells) {
            let least = distances.as_slice().map_or(f32::INFINITY, least);
            let nearest = distances.iter().position(|distance| *distance == least);
            *value = nearest.map_or(f32::INFINITY, |kind| {
                self.to_kind(kind, vector, f32::INFINITY, centred)
            });
        }
    }

    /// The least distance² plus rarity of several kinds, for `scratch.cells[chunk]`. `map` has that of the nearest one.
    fn to_likeliest_kind(
        &self,
        vectors: &Array2<f32>,
        scratch: &mut PatchScratch,
        chunk: Range<usize>,
        map: &mut [f32],
    ) {
        let PatchScratch {
            distances,
            centred,
            cells,
            vectors: gathered,
        } = scratch;
        let cells = &cells[chunk];
        let mut gathered = gathered.slice_mut(s![..cells.len(), ..]);
        for (mut row, cell) in gathered.rows_mut().into_iter().zip(cells) {
            row.assign(&vectors.row(*cell));
        }
        let distances = self.distances(gathered.view(), distances);
        for (cell, distances) in cells.iter().zip(distances.rows()) {
            let others = nearest(distances.iter().copied()).into_iter().skip(1);
            let mut least = map[*cell];
            for kind in others.flatten() {
                least = least.min(self.to_kind(kind, vectors.row(*cell), least, centred));
            }
            map[*cell] = least;
        }
    }

    /// Squared distances of vectors to the kinds' means, but for the vectors' own squared lengths: `[cells, kinds]`.
    fn distances<'s>(
        &self,
        vectors: ArrayView2<'_, f32>,
        buffer: &'s mut Array2<f32>,
    ) -> ArrayView2<'s, f32> {
        let rows = ..vectors.nrows();
        let mut distances = buffer.slice_mut(s![rows, ..]);
        distances.assign(&self.squared);
        ndarray::linalg::general_mat_mul(-2.0, &vectors, &self.means.t(), 1.0, &mut distances);
        buffer.slice(s![rows, ..])
    }

    /// Distance² plus rarity of one kind, or a value above `enough`. `centred` is written.
    fn to_kind(
        &self,
        kind: usize,
        vector: ArrayView1<'_, f32>,
        enough: f32,
        centred: &mut [f32],
    ) -> f32 {
        for (c, (x, m)) in centred
            .iter_mut()
            .zip(vector.iter().zip(self.means.row(kind)))
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

/// The least of some values. Eight running ones let the compiler use vector registers.
fn least(values: &[f32]) -> f32 {
    let mut lanes = [f32::INFINITY; 8];
    let chunks = values.chunks_exact(8);
    let rest = chunks.remainder().iter();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane = if *value < *lane { *value } else { *lane };
        }
    }
    rest.chain(&lanes).copied().fold(f32::INFINITY, f32::min)
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
    fn the_least_of_any_number_of_values() {
        let values: Vec<f32> = (0..21).map(|i| ((i * 8) % 21) as f32 + 1.0).collect();
        for count in 1..values.len() {
            let expected = values[..count]
                .iter()
                .copied()
                .fold(f32::INFINITY, f32::min);
            assert_eq!(least(&values[..count]), expected);
        }
        assert_eq!(least(&[]), f32::INFINITY);
        assert_eq!(least(&[f32::NAN, 2.0]), 2.0);
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
        let (means, whitening) = (good.means().clone(), Array2::zeros((2, 3)));
        let with = |means, whitening, rarity: Vec<f32>| {
            PatchMixture::new(means, whitening, rarity.into()).is_some()
        };
        assert!(with(means.clone(), whitening.clone(), vec![0.0; 2]));
        assert!(!with(means.clone(), whitening.clone(), vec![0.0; 3]));
        assert!(!with(means, Array2::zeros((2, 4)), vec![0.0; 2]));
        assert!(!with(Array2::zeros((0, 2)), Array2::zeros((0, 3)), vec![]));
    }
}
