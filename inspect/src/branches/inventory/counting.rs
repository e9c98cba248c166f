//! Which pieces of a tree are parts of a known kind, and what is left over.

use super::tree::{MAX_NODES, Node, PieceShape};

/// Squared distance from a kind (in spreads) up to which a piece may be one of it: three spreads in each of its
/// measures.
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
pub struct CountResidual {
    /// Mass of what is of no kind: parts that touch, are broken, bent or foreign; cells.
    pub unknown_mass: f32,
    /// How many pieces that is, a crumb as a fraction of a piece.
    pub unknown: f32,
    /// The same, crumbs left out.
    pub unknown_pieces: usize,
    /// How far the known pieces are from their kinds, summed, each from 0 to 1.
    pub deviation: f32,
}

/// Buffers of [`count_parts`].
#[derive(Clone, Debug)]
pub struct CountingScratch {
    of_node: Vec<NodeCost>,
}

impl Default for CountingScratch {
    /// Room for the busiest map: a frame allocates no memory.
    fn default() -> Self {
        CountingScratch {
            of_node: Vec::with_capacity(MAX_NODES),
        }
    }
}

/// What a piece was taken for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CountedPiece {
    /// Index of its node.
    pub node: usize,
    /// None of what is of no kind.
    pub kind: Option<usize>,
    /// From 0 to 1: how little it is of its kind, or how large beside the smallest kind.
    pub own: f32,
}

impl CountingScratch {
    /// The pieces that the latest residual consists of.
    pub fn taken(&self) -> impl Iterator<Item = CountedPiece> + '_ {
        let costs = self.of_node.iter().enumerate();
        costs
            .filter(|(_, cost)| cost.counts && !cost.divided)
            .map(|(node, cost)| CountedPiece {
                node,
                kind: cost.kind,
                own: cost.own,
            })
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct NodeCost {
    /// Of the piece as it is, from 0 to 1: how little it is of its kind.
    own: f32,
    kind: Option<usize>,
    inside: f32,
    pieces_inside: usize,
    divided: bool,
    counts: bool,
}

/// Takes each piece whole or as the pieces in it, whichever is closer to known kinds. `counts` gets the number of parts
/// of each kind.
///
/// *Shapes*: `counts` is `[kinds]`.
pub fn count_parts(
    nodes: &[Node],
    kinds: &[PartKind],
    scratch: &mut CountingScratch,
    counts: &mut [f32],
) -> CountResidual {
    counts.fill(0.0);
    let smallest = kinds
        .iter()
        .map(PartKind::mass)
        .fold(f32::INFINITY, f32::min);
    let costs = &mut scratch.of_node;
    costs.clear();
    costs.extend(nodes.iter().map(|node| read(&node.shape, kinds, smallest)));
    // Children come after their parents: from the end, each is settled before the one around it.
    for i in (0..nodes.len()).rev() {
        let cost = &mut costs[i];
        let shrinking = if cost.pieces_inside == 1 {
            WORTH_SHRINKING
        } else {
            0.0
        };
        cost.divided = cost.pieces_inside > 0 && cost.inside < cost.own - shrinking;
        let cost = if cost.divided { cost.inside } else { cost.own };
        if let Some(parent) = nodes[i].parent {
            costs[parent].inside += cost;
            costs[parent].pieces_inside += 1;
        }
    }
    let mut residual = CountResidual::default();
    for i in 0..nodes.len() {
        let around = nodes[i].parent.map(|parent| costs[parent]);
        costs[i].counts = around.is_none_or(|parent| parent.counts && parent.divided);
    }
    for CountedPiece { node, kind, own } in scratch.taken() {
        if let Some(kind) = kind {
            counts[kind] += 1.0;
            residual.deviation += own;
        } else {
            residual.unknown_mass += nodes[node].shape[0].exp();
            residual.unknown += own;
            residual.unknown_pieces += usize::from(own >= CRUMB);
        }
    }
    residual
}

fn read(shape: &PieceShape, kinds: &[PartKind], smallest: f32) -> NodeCost {
    let distances = kinds
        .iter()
        .map(|kind| kind.distance(shape) / MAX_DISTANCE)
        .enumerate();
    let nearest = distances.min_by(|a, b| a.1.total_cmp(&b.1));
    let unknown = (shape[0].exp() / smallest).min(1.0);
    match nearest {
        Some((kind, distance)) if distance < unknown => NodeCost {
            own: distance,
            kind: Some(kind),
            ..NodeCost::default()
        },
        _ => NodeCost {
            own: unknown,
            ..NodeCost::default()
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

    fn count(nodes: &[Node]) -> (CountResidual, [f32; 2]) {
        let mut counts = [9.0; 2];
        (
            count_parts(
                nodes,
                &[NUT, SCREW],
                &mut CountingScratch::default(),
                &mut counts,
            ),
            counts,
        )
    }

    #[test]
    fn what_touches_is_counted_where_it_comes_apart() {
        let both = [3.7, 3.2, 2.0];
        let (residual, counts) = count(&[
            node(0, None, both),
            node(1, Some(0), both),
            node(2, Some(1), NUT.shape),
            node(2, Some(1), SCREW.shape),
        ]);
        assert_eq!(counts, [1.0, 1.0]);
        assert_eq!(residual, CountResidual::default());
    }

    #[test]
    fn a_screw_is_not_the_crumbs_it_falls_into() {
        let crumb = [1.0, 1.0, 0.5];
        let (residual, counts) = count(&[
            node(0, None, SCREW.shape),
            node(1, Some(0), crumb),
            node(1, Some(0), crumb),
        ]);
        assert_eq!(counts, [0.0, 1.0]);
        assert_eq!(residual.unknown_pieces, 0);
    }

    #[test]
    fn what_never_comes_apart_is_unknown_with_all_its_mass() {
        let (residual, counts) = count(&[node(0, None, [3.7, 3.2, 2.0])]);
        assert_eq!(counts, [0.0, 0.0]);
        assert_eq!((residual.unknown, residual.unknown_pieces), (1.0, 1));
        assert!((residual.unknown_mass - 3.7f32.exp()).abs() < 1e-3);
    }
}
