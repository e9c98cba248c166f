//! Which kinds of patches lie nearest to each cell. Many kinds come in groups: most cells are compared with the kinds of
//! the few groups whose centres are nearest, and only those that matter with all kinds.

use std::ops::Range;

use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};

/// Kinds that are found for a cell that matters: in 98 patches of 100 the likeliest of all is among the nearest four.
const NEAREST: usize = 4;
/// Groups whose kinds each cell is compared with.
const SEARCHED: usize = 3;
/// Cells that are compared at once, and the distances that this makes: as many as a cache holds.
const CELLS_AT_ONCE: usize = 512;
const DISTANCES_AT_ONCE: usize = 512 * CELLS_AT_ONCE;
/// Distances that are skipped together where none of them is small.
const SKIPPED: usize = 16;

/// The means of all kinds, those of one group side by side.
#[derive(Clone, Debug)]
pub struct NearestKinds {
    means: Points,
    /// One row for each group: the mean of its kinds.
    centres: Points,
    groups: Vec<Range<usize>>,
}

/// Points that distances are measured to.
#[derive(Clone, Debug)]
struct Points {
    /// `[points, rank]`
    at: Array2<f32>,
    /// `|point|²` of each.
    squared: Array1<f32>,
}

/// The nearest of some indexed points, the nearest first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nearest<const N: usize>([(f32, Option<usize>); N]);

/// The buffers that the search needs.
#[derive(Clone, Debug)]
pub struct NearestScratch {
    /// Of each cell.
    groups: Vec<Nearest<SEARCHED>>,
    /// Of each cell.
    kinds: Vec<Nearest<1>>,
    /// The cells that are compared with one group.
    cells: Vec<usize>,
    /// `[cells at once, rank]`
    vectors: Array2<f32>,
    /// `[cells at once, kinds]`
    distances: Array2<f32>,
}

impl NearestKinds {
    /// `groups` says how many kinds each group has, in the order of the means. None unless these are all kinds, at least
    /// one in each group.
    ///
    /// *Shapes*: `means` is `[kinds, rank]`.
    pub fn new(means: Array2<f32>, groups: &[usize]) -> Option<Self> {
        let mut ranges = Vec::with_capacity(groups.len());
        let mut first = 0usize;
        for count in groups {
            let last = first.checked_add(*count)?;
            ranges.push(first..last);
            first = last;
        }
        let agree = first == means.nrows() && !groups.is_empty() && !groups.contains(&0);
        if !agree {
            return None;
        }
        let mut centres = Array2::zeros((ranges.len(), means.ncols()));
        for (mut centre, range) in centres.rows_mut().into_iter().zip(&ranges) {
            let kinds = means.slice(s![range.clone(), ..]);
            centre.assign(&kinds.mean_axis(Axis(0))?);
        }
        Some(NearestKinds {
            means: Points::new(means),
            centres: Points::new(centres),
            groups: ranges,
        })
    }

    /// *Shapes*: `[kinds, rank]`.
    pub fn means(&self) -> &Array2<f32> {
        &self.means.at
    }

    /// How many kinds each group has.
    pub fn groups(&self) -> Vec<usize> {
        self.groups.iter().map(Range::len).collect()
    }

    /// For maps of so many cells.
    pub fn scratch(&self, cells: usize) -> NearestScratch {
        let (kinds, rank) = self.means.at.dim();
        let at_once = (DISTANCES_AT_ONCE / kinds).clamp(1, CELLS_AT_ONCE);
        NearestScratch {
            groups: vec![Nearest::NONE; cells],
            kinds: vec![Nearest::NONE; cells],
            cells: Vec::with_capacity(cells),
            vectors: Array2::zeros((at_once, rank)),
            distances: Array2::zeros((at_once, kinds)),
        }
    }

    /// A near kind of each cell: the nearest of those in the nearest groups.
    ///
    /// *Shapes*: `vectors` is `[cells, rank]`; `scratch` is for as many cells.
    pub fn find_near<'s>(
        &self,
        vectors: ArrayView2<'_, f32>,
        scratch: &'s mut NearestScratch,
    ) -> &'s [Nearest<1>] {
        let NearestScratch {
            groups,
            kinds,
            cells,
            vectors: gathered,
            distances,
        } = scratch;
        let at_once = gathered.nrows();
        groups.fill(Nearest::NONE);
        let chunks = vectors.axis_chunks_iter(Axis(0), at_once);
        for (vectors, groups) in chunks.zip(groups.chunks_mut(at_once)) {
            let distances = self
                .centres
                .distances(0..self.groups.len(), vectors, distances);
            for (nearest, distances) in groups.iter_mut().zip(distances.rows()) {
                nearest.offer(0, distances);
            }
        }
        kinds.fill(Nearest::NONE);
        for (group, range) in self.groups.iter().enumerate() {
            cells.clear();
            let searched = groups.iter().enumerate();
            cells.extend(searched.filter_map(|(cell, of)| of.contains(group).then_some(cell)));
            for cells in cells.chunks(at_once) {
                let gathered = gather(vectors, cells, gathered);
                let distances = self.means.distances(range.clone(), gathered, distances);
                for (cell, distances) in cells.iter().zip(distances.rows()) {
                    kinds[*cell].offer(range.start, distances);
                }
            }
        }
        kinds
    }

    /// The nearest of all kinds, for some of the cells. `each` is called with a cell and its kinds.
    ///
    /// *Shapes*: as for [`find_near`](Self::find_near).
    pub fn find(
        &self,
        vectors: ArrayView2<'_, f32>,
        cells: &[usize],
        scratch: &mut NearestScratch,
        mut each: impl FnMut(usize, Nearest<NEAREST>),
    ) {
        let NearestScratch {
            vectors: gathered,
            distances,
            ..
        } = scratch;
        for cells in cells.chunks(gathered.nrows()) {
            let gathered = gather(vectors, cells, gathered);
            let distances = self
                .means
                .distances(0..self.means.at.nrows(), gathered, distances);
            for (cell, distances) in cells.iter().zip(distances.rows()) {
                let mut nearest = Nearest::NONE;
                nearest.offer(0, distances);
                each(*cell, nearest);
            }
        }
    }
}

/// The vectors of some cells, `[cells, rank]`.
fn gather<'b>(
    vectors: ArrayView2<'_, f32>,
    cells: &[usize],
    buffer: &'b mut Array2<f32>,
) -> ArrayView2<'b, f32> {
    for (mut row, cell) in buffer.rows_mut().into_iter().zip(cells) {
        row.assign(&vectors.row(*cell));
    }
    buffer.slice(s![..cells.len(), ..])
}

impl Points {
    fn new(at: Array2<f32>) -> Self {
        Points {
            squared: at.rows().into_iter().map(|p| p.dot(&p)).collect(),
            at,
        }
    }

    /// Squared distances of vectors to some of the points, but for the vectors' own squared lengths: `[vectors, points]`.
    fn distances<'b>(
        &self,
        points: Range<usize>,
        vectors: ArrayView2<'_, f32>,
        buffer: &'b mut Array2<f32>,
    ) -> ArrayView2<'b, f32> {
        let place = s![..vectors.nrows(), ..points.len()];
        let mut distances = buffer.slice_mut(place);
        distances.assign(&self.squared.slice(s![points.clone()]));
        let at = self.at.slice(s![points, ..]);
        general_mat_mul(-2.0, &vectors, &at.t(), 1.0, &mut distances);
        buffer.slice(place)
    }
}

impl<const N: usize> Nearest<N> {
    const NONE: Self = Nearest([(f32::INFINITY, None); N]);

    /// Indices, the nearest first.
    pub fn indices(&self) -> impl Iterator<Item = usize> {
        self.0.into_iter().filter_map(|(_, index)| index)
    }

    fn contains(&self, index: usize) -> bool {
        self.0.iter().any(|(_, found)| *found == Some(index))
    }

    /// Takes what is nearer than before. The first distance is that of the point `first`.
    fn offer(&mut self, first: usize, distances: ArrayView1<'_, f32>) {
        let distances = distances.to_slice().unwrap_or(&[]);
        for (chunk, distances) in distances.chunks(SKIPPED).enumerate() {
            if least(distances) >= self.0[N - 1].0 {
                continue;
            }
            for (index, distance) in distances.iter().enumerate() {
                self.insert(first + chunk * SKIPPED + index, *distance);
            }
        }
    }

    fn insert(&mut self, index: usize, distance: f32) {
        let is_nearer = |other: f32| distance < other;
        if !is_nearer(self.0[N - 1].0) {
            return;
        }
        let mut at = N - 1;
        while at > 0 && is_nearer(self.0[at - 1].0) {
            self.0[at] = self.0[at - 1];
            at -= 1;
        }
        self.0[at] = (distance, Some(index));
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

#[cfg(test)]
mod tests {
    use super::*;

    const CELLS: usize = 2 * CELLS_AT_ONCE + 100;

    /// Six groups of 50 kinds around places on a line.
    fn means() -> Array2<f32> {
        let mut random = fastrand::Rng::with_seed(4);
        Array2::from_shape_fn((300, 2), |(kind, axis)| {
            let centre = if axis == 0 { kind / 50 * 10 } else { 0 };
            centre as f32 + random.f32() * 4.0 - 2.0
        })
    }

    fn vectors() -> Array2<f32> {
        let mut random = fastrand::Rng::with_seed(5);
        Array2::from_shape_fn((CELLS, 2), |(_, axis)| {
            random.f32() * 6.0 - 3.0 + if axis == 0 { 25.0 } else { 0.0 }
        })
    }

    fn squared_distance(vectors: &Array2<f32>, cell: usize, kind: usize) -> f32 {
        let apart = &vectors.row(cell) - &means().row(kind);
        apart.dot(&apart)
    }

    #[test]
    fn a_few_groups_hold_the_nearest_kind_of_all_where_groups_lie_apart() {
        let vectors = vectors();
        let near = |groups: &[usize]| {
            let kinds = NearestKinds::new(means(), groups).unwrap();
            let mut scratch = kinds.scratch(CELLS);
            kinds.find_near(vectors.view(), &mut scratch);
            // What an earlier part left there changes nothing.
            kinds.find_near(vectors.view(), &mut scratch).to_vec()
        };
        assert_eq!(near(&[50; 6]), near(&[300]));
    }

    #[test]
    fn the_nearest_of_all_kinds_are_found_for_the_cells_that_matter() {
        let vectors = vectors();
        let kinds = NearestKinds::new(means(), &[50; 6]).unwrap();
        let cells: Vec<usize> = (0..CELLS).rev().step_by(2).collect();
        let mut seen = Vec::new();
        kinds.find(
            vectors.view(),
            &cells,
            &mut kinds.scratch(CELLS),
            |cell, nearest| {
                let mut all: Vec<usize> = (0..300).collect();
                let to = |kind: &usize| squared_distance(&vectors, cell, *kind);
                all.sort_by(|a, b| to(a).total_cmp(&to(b)));
                assert_eq!(
                    nearest.indices().collect::<Vec<_>>(),
                    all[..NEAREST],
                    "{cell}"
                );
                seen.push(cell);
            },
        );
        assert_eq!(seen, cells);
    }

    #[test]
    fn the_nearest_come_in_order() {
        let distances = [5.0, 1.0, 9.0, 3.0, 0.0, 7.0, 8.0, 2.0, 6.0, f32::NAN];
        let mut nearest = Nearest::<NEAREST>::NONE;
        nearest.offer(100, ndarray::aview1(&distances));
        assert_eq!(nearest.indices().collect::<Vec<_>>(), [104, 101, 107, 103]);
        nearest.offer(7, ndarray::aview1(&[0.5]));
        assert_eq!(nearest.indices().collect::<Vec<_>>(), [104, 7, 101, 107]);
        assert!(nearest.contains(7) && !nearest.contains(103));
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
    fn groups_that_are_not_all_kinds_are_refused() {
        for groups in [&[][..], &[100, 100], &[0, 300], &[301], &[usize::MAX, 301]] {
            assert!(NearestKinds::new(means(), groups).is_none(), "{groups:?}");
        }
    }
}
