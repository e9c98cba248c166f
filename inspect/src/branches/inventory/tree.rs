//! The pieces of a component at several levels of certainty. Parts that touch are one piece at a low
//! level and two at a high one; a thin part is whole at a low level and in crumbs at a high one. So all levels are
//! kept, each piece with the one it lies in: a component tree.

use crate::network::MAP_SIDE;

/// Certainties (probabilities of the component) at which pieces are looked for, ascending.
pub const LEVELS: [f32; 5] = [0.15, 0.25, 0.4, 0.6, 0.8];
/// A piece that weighs fewer cells is noise.
const MIN_MASS: f32 = 2.0;
/// No level of a map has more pieces: each has two cells and a gap to the next.
const MAX_PIECES: usize = MAP_SIDE * MAP_SIDE / 4;
/// No tree has more.
pub const MAX_NODES: usize = LEVELS.len() * MAX_PIECES;

const CELLS: usize = MAP_SIDE * MAP_SIDE;
const NONE: u16 = u16::MAX;

/// Logarithms of a piece's mass (cells, a half covered one counts half), length and width (cells, of the rectangle with
/// its second moments). They don't know where the piece lies nor how it is turned.
pub type PieceShape = [f32; 3];

/// A piece at one level.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// Index into [`LEVELS`].
    pub level: usize,
    /// The piece of the level before in which this one lies; parents come first.
    pub parent: Option<usize>,
    pub shape: PieceShape,
    /// One of its cells, row · 64 + column.
    pub cell: usize,
}

/// The tree of one map and the buffers that it takes, used again for each.
#[derive(Clone, Debug)]
pub struct Tree {
    nodes: Vec<Node>,
    /// For each cell, the node of the level before and of this one.
    outer: Vec<u16>,
    inner: Vec<u16>,
    seen: Vec<bool>,
    piece: Vec<usize>,
    /// Number of the latest piece that a cell was weighed for.
    weighed: Vec<u64>,
    weighing: u64,
}

impl Default for Tree {
    fn default() -> Self {
        Tree {
            nodes: Vec::with_capacity(MAX_NODES),
            outer: vec![NONE; CELLS],
            inner: vec![NONE; CELLS],
            seen: vec![false; CELLS],
            piece: Vec::with_capacity(CELLS),
            weighed: vec![0; CELLS],
            weighing: 0,
        }
    }
}

impl Tree {
    /// All pieces of `certainty`, a component's probability in each of 64×64 cells.
    ///
    /// *Shapes*: `certainty` is `[64, 64]`, row by row.
    pub fn of(&mut self, certainty: &[f32]) -> &[Node] {
        self.nodes.clear();
        self.outer.fill(NONE);
        if certainty.len() != CELLS {
            return &[];
        }
        for (level, least) in LEVELS.into_iter().enumerate() {
            self.seen.fill(false);
            self.inner.fill(NONE);
            let sure = |cell: usize| certainty[cell] > least;
            for start in 0..CELLS {
                if self.seen[start] || !sure(start) {
                    continue;
                }
                self.flood(certainty, least, start);
                let mass: f32 = self.piece.iter().map(|cell| certainty[*cell]).sum();
                if mass < MIN_MASS {
                    continue;
                }
                let parent = self.outer[start];
                for cell in &self.piece {
                    self.inner[*cell] = self.nodes.len() as u16;
                }
                let shape = self.shape(certainty);
                self.nodes.push(Node {
                    level,
                    parent: (parent != NONE).then_some(parent as usize),
                    shape,
                    cell: start,
                });
            }
            std::mem::swap(&mut self.outer, &mut self.inner);
        }
        &self.nodes
    }

    /// The latest map's nodes.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The cells of one of the pieces of `certainty`, the latest map.
    ///
    /// *Shapes*: `certainty` is `[64, 64]`; a cell is its index, row by row.
    pub fn cells(&mut self, certainty: &[f32], node: Node) -> &[usize] {
        self.seen.fill(false);
        self.flood(certainty, LEVELS[node.level], node.cell);
        &self.piece
    }

    /// Gathers the 8-connected cells around `start`.
    fn flood(&mut self, certainty: &[f32], least: f32, start: usize) {
        self.piece.clear();
        self.piece.push(start);
        self.seen[start] = true;
        let mut next = 0;
        while let Some(&cell) = self.piece.get(next) {
            next += 1;
            let (row, column) = (cell / MAP_SIDE, cell % MAP_SIDE);
            for y in row.saturating_sub(1)..(row + 2).min(MAP_SIDE) {
                for x in column.saturating_sub(1)..(column + 2).min(MAP_SIDE) {
                    let near = y * MAP_SIDE + x;
                    if !self.seen[near] && certainty[near] > least {
                        self.seen[near] = true;
                        self.piece.push(near);
                    }
                }
            }
        }
    }

    /// Of the piece at hand with the cells beside it: its edge lies in cells that it half covers.
    fn shape(&mut self, certainty: &[f32]) -> PieceShape {
        self.weighing += 1;
        let mut mass = 0.0f64;
        let mut first = [0.0f64; 2];
        let mut second = [0.0f64; 3];
        for &cell in &self.piece {
            let (row, column) = (cell / MAP_SIDE, cell % MAP_SIDE);
            let around = [
                Some(cell),
                (row > 0).then(|| cell - MAP_SIDE),
                (row + 1 < MAP_SIDE).then(|| cell + MAP_SIDE),
                (column > 0).then(|| cell - 1),
                (column + 1 < MAP_SIDE).then(|| cell + 1),
            ];
            for near in around.into_iter().flatten() {
                if self.weighed[near] == self.weighing {
                    continue;
                }
                self.weighed[near] = self.weighing;
                let weight = f64::from(certainty[near]);
                let (y, x) = ((near / MAP_SIDE) as f64, (near % MAP_SIDE) as f64);
                mass += weight;
                first[0] += weight * y;
                first[1] += weight * x;
                second[0] += weight * y * y;
                second[1] += weight * y * x;
                second[2] += weight * x * x;
            }
        }
        let (y, x) = (first[0] / mass, first[1] / mass);
        let yy = second[0] / mass - y * y;
        let yx = second[1] / mass - y * x;
        let xx = second[2] / mass - x * x;
        let middle = (yy + xx) / 2.0;
        let reach = ((yy - xx).powi(2) / 4.0 + yx * yx).sqrt();
        // A rectangle's variance is a twelfth of its squared side; a cell is one wide by itself.
        let side = |variance: f64| (12.0 * variance.max(0.0) + 1.0).sqrt().ln() as f32;
        [mass.ln() as f32, side(middle + reach), side(middle - reach)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(cells: &[(usize, usize, f32)]) -> Vec<f32> {
        let mut map = vec![0.0; CELLS];
        for (row, column, certainty) in cells {
            map[row * MAP_SIDE + column] = *certainty;
        }
        map
    }

    fn bar(length: usize, row: usize, column: usize, upright: bool) -> Vec<(usize, usize, f32)> {
        (0..length)
            .map(|i| match upright {
                true => (row + i, column, 1.0),
                false => (row, column + i, 1.0),
            })
            .collect()
    }

    #[test]
    fn a_bar_has_its_length_wherever_it_lies() {
        for upright in [true, false] {
            let mut tree = Tree::default();
            let nodes = tree.of(&map(&bar(12, 20, 31, upright)));
            assert_eq!(nodes.len(), LEVELS.len());
            let [mass, length, width] = nodes[0].shape.map(f32::exp);
            assert!((mass - 12.0).abs() < 1e-4);
            assert!((length - 12.0).abs() < 1e-3, "{length}");
            assert!((width - 1.0).abs() < 1e-3, "{width}");
        }
    }

    #[test]
    fn two_that_touch_come_apart_where_more_certainty_is_required() {
        let mut cells = bar(6, 10, 10, false);
        cells.push((10, 16, 0.3));
        cells.extend(bar(6, 10, 17, false));
        let mut tree = Tree::default();
        let nodes = tree.of(&map(&cells));
        let of_level = |level| nodes.iter().filter(|n| n.level == level).count();
        assert_eq!([0, 1, 2, 3].map(of_level), [1, 1, 2, 2]);
        assert_eq!(nodes[2].parent, Some(1));
        assert_eq!(nodes[3].parent, Some(1));
        assert_eq!(nodes[0].parent, None);
    }

    #[test]
    fn the_busiest_map_fits() {
        let busy: Vec<f32> = (0..CELLS)
            .map(|i| match (i / MAP_SIDE).is_multiple_of(2) && i % 3 != 2 {
                true => 1.0,
                false => 0.0,
            })
            .collect();
        let mut tree = Tree::default();
        let count = tree.of(&busy).len();
        assert!(count > 2000 && count <= MAX_NODES, "{count}");
        assert!(tree.of(&[0.5; 3]).is_empty());
        assert_eq!(tree.of(&vec![f32::NAN; CELLS]).len(), 0);
    }
}
