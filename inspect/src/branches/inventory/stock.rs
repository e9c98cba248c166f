//! Which pieces of a tree are parts of a known kind, and what is left over.

use super::tree::{MAX_NODES, Node, PieceShape};

/// Squared distance from a kind (in spreads) up to which a piece may be one of it: three spreads in each of its measures.
const MAX_DISTANCE: f32 = 27.0;
/// One piece inside another is taken in its place only if it fits this much better, in miscounted pieces.
const WORTH_SHRINKING: f32 = 0.2;
/// Unknown pieces smaller than this, in parts of the smallest kind, are crumbs.
const CRUMB: f32 = 0.4;

/// A kind of part, as good parts show it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PartKind {
    pub shape: PieceShape,
    /// Standard deviation of each measure.
    pub spread: PieceShape,
}

impl PartKind {
    pub fn mass(&self) -> f32 {
        self.shape[0].exp()
    }

    fn distance(&self, shape: &PieceShape) -> f32 {
        let measures = self.shape.iter().zip(&self.spread).zip(shape);
        measures
            .map(|((mean, spread), found)| ((found - mean) / spread).powi(2))
            .sum()
    }
}

/// What lies there of one component, beside the count of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stock {
    /// Mass of what is of no kind: parts that touch, are broken, bent or foreign; cells.
    pub unknown_mass: f32,
    /// How many pieces that is, a crumb in parts of a piece.
    pub unknown: f32,
    /// The same, crumbs left out.
    pub unknown_pieces: usize,
    /// How far the known pieces are from their kinds, summed, each from 0 to 1.
    pub deviation: f32,
}

/// Buffers of [`take_stock`].
#[derive(Clone, Debug)]
pub struct StockScratch {
    of_node: Vec<Reading>,
}

impl Default for StockScratch {
    /// Room for the busiest map: a frame allocates no memory.
    fn default() -> Self {
        StockScratch {
            of_node: Vec::with_capacity(MAX_NODES),
        }
    }
}

/// What a piece was taken for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Taken {
    /// Index of its node.
    pub node: usize,
    /// None of what is of no kind.
    pub kind: Option<usize>,
    /// From 0 to 1: how little it is of its kind, or how large beside the smallest kind.
    pub own: f32,
}

impl StockScratch {
    /// The pieces that the latest stock consists of.
    pub fn taken(&self) -> impl Iterator<Item = Taken> + '_ {
        let readings = self.of_node.iter().enumerate();
        readings
            .filter(|(_, reading)| reading.counts && !reading.divided)
            .map(|(node, reading)| Taken {
                node,
                kind: reading.kind,
                own: reading.own,
            })
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Reading {
    /// Of the piece as it is, from 0 to 1: how little it is of its kind.
    own: f32,
    kind: Option<usize>,
    inside: f32,
    pieces_inside: usize,
    divided: bool,
    counts: bool,
}

/// Takes each piece whole or as the pieces in it, whichever is closer to known kinds. `counts` gets the number of parts of
/// each kind.
pub fn take_stock(
    nodes: &[Node],
    kinds: &[PartKind],
    scratch: &mut StockScratch,
    counts: &mut [f32],
) -> Stock {
    counts.fill(0.0);
    let smallest = kinds
        .iter()
        .map(PartKind::mass)
        .fold(f32::INFINITY, f32::min);
    let readings = &mut scratch.of_node;
    readings.clear();
    readings.extend(nodes.iter().map(|node| read(&node.shape, kinds, smallest)));
    // Children come after their parents: from the end, each is settled before the one around it.
    for i in (0..nodes.len()).rev() {
        let reading = &mut readings[i];
        let shrinking = if reading.pieces_inside == 1 {
            WORTH_SHRINKING
        } else {
            0.0
        };
        reading.divided = reading.pieces_inside > 0 && reading.inside < reading.own - shrinking;
        let cost = if reading.divided {
            reading.inside
        } else {
            reading.own
        };
        if let Some(parent) = nodes[i].parent {
            readings[parent].inside += cost;
            readings[parent].pieces_inside += 1;
        }
    }
    let mut stock = Stock::default();
    for i in 0..nodes.len() {
        let around = nodes[i].parent.map(|parent| readings[parent]);
        readings[i].counts = around.is_none_or(|parent| parent.counts && parent.divided);
    }
    for Taken { node, kind, own } in scratch.taken() {
        if let Some(kind) = kind {
            counts[kind] += 1.0;
            stock.deviation += own;
        } else {
            stock.unknown_mass += nodes[node].shape[0].exp();
            stock.unknown += own;
            stock.unknown_pieces += usize::from(own >= CRUMB);
        }
    }
    stock
}

fn read(shape: &PieceShape, kinds: &[PartKind], smallest: f32) -> Reading {
    let distances = kinds
        .iter()
        .map(|kind| kind.distance(shape) / MAX_DISTANCE)
        .enumerate();
    let nearest = distances.min_by(|a, b| a.1.total_cmp(&b.1));
    let unknown = (shape[0].exp() / smallest).min(1.0);
    match nearest {
        Some((kind, distance)) if distance < unknown => Reading {
            own: distance,
            kind: Some(kind),
            ..Reading::default()
        },
        _ => Reading {
            own: unknown,
            ..Reading::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUT: PartKind = PartKind {
        shape: [3.0, 1.7, 1.7],
        spread: [0.1; 3],
    };
    const SCREW: PartKind = PartKind {
        shape: [3.0, 2.8, 1.0],
        spread: [0.1; 3],
    };

    fn node(level: usize, parent: Option<usize>, shape: PieceShape) -> Node {
        Node {
            level,
            parent,
            shape,
            cell: 0,
        }
    }

    fn stock(nodes: &[Node]) -> (Stock, [f32; 2]) {
        let mut counts = [9.0; 2];
        (
            take_stock(
                nodes,
                &[NUT, SCREW],
                &mut StockScratch::default(),
                &mut counts,
            ),
            counts,
        )
    }

    #[test]
    fn what_touches_is_counted_where_it_comes_apart() {
        let both = [3.7, 3.2, 2.0];
        let (stock, counts) = stock(&[
            node(0, None, both),
            node(1, Some(0), both),
            node(2, Some(1), NUT.shape),
            node(2, Some(1), SCREW.shape),
        ]);
        assert_eq!(counts, [1.0, 1.0]);
        assert_eq!(stock, Stock::default());
    }

    #[test]
    fn a_screw_is_not_the_crumbs_it_falls_into() {
        let crumb = [1.0, 1.0, 0.5];
        let (stock, counts) = stock(&[
            node(0, None, SCREW.shape),
            node(1, Some(0), crumb),
            node(1, Some(0), crumb),
        ]);
        assert_eq!(counts, [0.0, 1.0]);
        assert_eq!(stock.unknown_pieces, 0);
    }

    #[test]
    fn what_never_comes_apart_is_unknown_with_all_its_mass() {
        let (stock, counts) = stock(&[node(0, None, [3.7, 3.2, 2.0])]);
        assert_eq!(counts, [0.0, 0.0]);
        assert_eq!((stock.unknown, stock.unknown_pieces), (1.0, 1));
        assert!((stock.unknown_mass - 3.7f32.exp()).abs() < 1e-3);
    }
}
