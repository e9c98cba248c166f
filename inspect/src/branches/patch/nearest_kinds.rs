//! Which kinds of patches lie nearest to a cell. Many kinds come in groups: most cells are compared with the kinds of the
//! few groups whose centres are nearest, and only those that matter with all kinds.

use std::ops::Range;

use aecsad_engine::Points;
use ndarray::{Array2, Axis, s};

/// Kinds that are found for a cell that matters: in 98 patches of 100 the likeliest of all is among the nearest four.
const NEAREST: usize = 4;
/// Groups whose kinds each cell is compared with.
const SEARCHED: usize = 3;

/// The means of all kinds, those of one group side by side.
#[derive(Clone, Debug)]
pub struct NearestKinds {
    /// `[kinds, rank]`
    means: Array2<f32>,
    /// The means again, for their distances; each group has panels of its own.
    points: Points,
    /// The mean of each group's kinds.
    centres: Points,
    groups: Vec<Group>,
}

/// Kinds that lie near each other.
#[derive(Clone, Debug)]
struct Group {
    kinds: Range<usize>,
    /// Of [`NearestKinds::points`].
    panels: Range<usize>,
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
    /// `[AT_ONCE, panels, PANEL]`
    distances: Vec<f32>,
}

impl NearestKinds {
    /// `groups` says how many kinds each group has, in the order of the means. None unless these are all kinds, at least
    /// one in each group.
    ///
    /// *Shapes*: `means` is `[kinds, rank]`.
    pub fn new(means: Array2<f32>, groups: &[usize]) -> Option<Self> {
        let (kinds, rank) = means.dim();
        let mut points = Points::new(rank);
        let mut centres = Array2::zeros((0, rank));
        let mut first = 0usize;
        let mut ranges = Vec::with_capacity(groups.len());
        for count in groups {
            let last = first.checked_add(*count).filter(|last| *last <= kinds)?;
            let of_group = means.slice(s![first..last, ..]);
            centres.push_row(of_group.mean_axis(Axis(0))?.view()).ok()?;
            ranges.push(Group {
                kinds: first..last,
                panels: points.add(of_group.as_standard_layout().as_slice()?),
            });
            first = last;
        }
        let mut of_groups = Points::new(rank);
        of_groups.add(centres.as_slice()?);
        (first == kinds && kinds > 0).then_some(NearestKinds {
            means,
            points,
            centres: of_groups,
            groups: ranges,
        })
    }

    /// *Shapes*: `[kinds, rank]`.
    pub fn means(&self) -> &Array2<f32> {
        &self.means
    }

    /// How many kinds each group has.
    pub fn groups(&self) -> Vec<usize> {
        self.groups.iter().map(|group| group.kinds.len()).collect()
    }

    /// For maps of so many cells.
    pub fn scratch(&self, cells: usize) -> NearestScratch {
        let panels = self.points.count().max(self.centres.count());
        NearestScratch {
            groups: vec![Nearest::NONE; cells],
            kinds: vec![Nearest::NONE; cells],
            cells: Vec::with_capacity(cells),
            distances: vec![0.0; Points::AT_ONCE * panels * Points::PANEL],
        }
    }

    /// A near kind of each cell: the nearest of those in the nearest groups.
    ///
    /// *Shapes*: `vectors` is `[cells, rank]`, row by row; `scratch` is for as many cells.
    pub fn find_near<'s>(
        &self,
        vectors: &[f32],
        scratch: &'s mut NearestScratch,
    ) -> &'s [Nearest<1>] {
        let NearestScratch {
            groups,
            kinds,
            cells,
            distances,
        } = scratch;
        groups.fill(Nearest::NONE);
        kinds.fill(Nearest::NONE);
        cells.clear();
        cells.extend(0..groups.len());
        let panels = 0..self.centres.count();
        compare(
            &self.centres,
            panels,
            vectors,
            cells,
            distances,
            |cell, distances| {
                groups[cell].offer(0, &distances[..self.groups.len()]);
            },
        );
        for (index, group) in self.groups.iter().enumerate() {
            cells.clear();
            let searched = groups.iter().enumerate();
            cells.extend(searched.filter_map(|(cell, of)| of.contains(index).then_some(cell)));
            let panels = group.panels.clone();
            compare(
                &self.points,
                panels,
                vectors,
                cells,
                distances,
                |cell, distances| {
                    kinds[cell].offer(group.kinds.start, &distances[..group.kinds.len()]);
                },
            );
        }
        kinds
    }

    /// The nearest of all kinds, for some of the cells. `each` is called with a cell and its kinds.
    ///
    /// *Shapes*: as for [`find_near`](Self::find_near).
    pub fn find(
        &self,
        vectors: &[f32],
        cells: &[usize],
        scratch: &mut NearestScratch,
        mut each: impl FnMut(usize, Nearest<NEAREST>),
    ) {
        let panels = 0..self.points.count();
        let distances = &mut scratch.distances;
        compare(
            &self.points,
            panels,
            vectors,
            cells,
            distances,
            |cell, distances| {
                let mut nearest = Nearest::NONE;
                for group in &self.groups {
                    let distances = &distances[group.panels.start * Points::PANEL..];
                    nearest.offer(group.kinds.start, &distances[..group.kinds.len()]);
                }
                each(cell, nearest);
            },
        );
    }
}

/// Calls `each` with each of the cells and its distances to the points of some panels, `[panels, PANEL]`.
fn compare(
    points: &Points,
    panels: Range<usize>,
    vectors: &[f32],
    cells: &[usize],
    buffer: &mut [f32],
    mut each: impl FnMut(usize, &[f32]),
) {
    let room = (panels.len() * Points::PANEL).max(1);
    for cells in cells.chunks(Points::AT_ONCE) {
        // The last few are filled up with one of them.
        let at = std::array::from_fn(|i| {
            let cell = cells[i.min(cells.len() - 1)];
            &vectors[cell * points.rank()..][..points.rank()]
        });
        points.distances(panels.clone(), &at, buffer);
        for (cell, distances) in cells.iter().zip(buffer.chunks(room)) {
            each(*cell, distances);
        }
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
    fn offer(&mut self, first: usize, distances: &[f32]) {
        for (chunk, distances) in distances.chunks(Points::PANEL).enumerate() {
            if least(distances) >= self.0[N - 1].0 {
                continue;
            }
            for (index, distance) in distances.iter().enumerate() {
                self.insert(first + chunk * Points::PANEL + index, *distance);
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

    const CELLS: usize = 1003;

    /// Six groups of 50 kinds around places on a line.
    fn means() -> Array2<f32> {
        let mut random = fastrand::Rng::with_seed(4);
        Array2::from_shape_fn((300, 2), |(kind, axis)| {
            let centre = if axis == 0 { kind / 50 * 10 } else { 0 };
            centre as f32 + random.f32() * 4.0 - 2.0
        })
    }

    fn vectors() -> Vec<f32> {
        let mut random = fastrand::Rng::with_seed(5);
        let mut value = move || random.f32() * 6.0 - 3.0;
        (0..CELLS).flat_map(|_| [value() + 25.0, value()]).collect()
    }

    #[test]
    fn a_few_groups_hold_the_nearest_kind_of_all_where_groups_lie_apart() {
        let vectors = vectors();
        let near = |groups: &[usize]| -> Vec<usize> {
            let kinds = NearestKinds::new(means(), groups).unwrap();
            let mut scratch = kinds.scratch(CELLS);
            kinds.find_near(&vectors, &mut scratch);
            // What an earlier part left there changes nothing.
            let near = kinds.find_near(&vectors, &mut scratch).iter();
            near.flat_map(Nearest::indices).collect()
        };
        let found = near(&[50; 6]);
        assert_eq!(found.len(), CELLS);
        assert_eq!(found, near(&[300]));
    }

    #[test]
    fn the_nearest_of_all_kinds_are_found_for_the_cells_that_matter() {
        let (means, vectors) = (means(), vectors());
        let kinds = NearestKinds::new(means.clone(), &[50; 6]).unwrap();
        let cells: Vec<usize> = (0..CELLS).rev().step_by(2).collect();
        let mut seen = Vec::new();
        let mut scratch = kinds.scratch(CELLS);
        kinds.find(&vectors, &cells, &mut scratch, |cell, nearest| {
            let mut all: Vec<usize> = (0..300).collect();
            let to = |kind: &usize| {
                let apart = &ndarray::aview1(&vectors[2 * cell..][..2]) - &means.row(*kind);
                apart.dot(&apart)
            };
            all.sort_by(|a, b| to(a).total_cmp(&to(b)));
            let found: Vec<usize> = nearest.indices().collect();
            assert_eq!(found, all[..NEAREST], "{cell}");
            seen.push(cell);
        });
        assert_eq!(seen, cells);
    }

    #[test]
    fn a_vector_that_is_no_number_has_no_kind() {
        let kinds = NearestKinds::new(means(), &[50; 6]).unwrap();
        let mut scratch = kinds.scratch(2);
        let near = kinds.find_near(&[f32::NAN, 1.0, 25.0, 0.0], &mut scratch);
        assert_eq!(
            near.iter().map(|n| n.indices().count()).collect::<Vec<_>>(),
            [0, 1]
        );
    }

    #[test]
    fn the_nearest_come_in_order() {
        let distances = [5.0, 1.0, 9.0, 3.0, 0.0, 7.0, 8.0, 2.0, 6.0, f32::NAN];
        let mut nearest = Nearest::<NEAREST>::NONE;
        nearest.offer(100, &distances);
        assert_eq!(nearest.indices().collect::<Vec<_>>(), [104, 101, 107, 103]);
        nearest.offer(7, &[0.5]);
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
