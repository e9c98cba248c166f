//! Kinds of parts: pieces that look alike in size and shape and turn up in many images.

use aecsad_inspect::branches::inventory::{Node, PartKind, PieceShape};
use aecsad_inspect::decision::trimmed_z::quantile;
use kodama::{Method, linkage};

/// Of the logarithms of mass, length and width where pieces are compared: the decoder blurs mass most and length least.
const MEASURE_WEIGHTS: PieceShape = [0.5, 1.0, 0.7];
/// Average difference up to which pieces are of one kind: a quarter longer or two thirds heavier.
const ALIKE: f64 = 0.3;
/// A kind has a piece in at least this share of the images, and so many at least.
const KIND_SHARE: f64 = 0.25;
const MIN_MEMBERS: usize = 5;
/// Fewer pieces than this share of some kind, and the rest is no exception.
const KNOWN_SHARE: f64 = 0.6;
/// Least spread of each measure: whatever varies less in so few images will vary more in others.
const MIN_SPREAD: PieceShape = [0.08, 0.04, 0.05];
/// Most pieces among which kinds are sought.
const MAX_PIECES: usize = 2000;

/// The kinds of pieces at a level; none where many pieces are of no kind.
pub fn kinds(trees: &[Vec<Node>], level: usize) -> Vec<PartKind> {
    let mut images = 0;
    let mut shapes: Vec<PieceShape> = Vec::new();
    for nodes in trees {
        if shapes.len() < MAX_PIECES {
            images += 1;
            shapes.extend(nodes.iter().filter(|n| n.level == level).map(|n| n.shape));
        }
    }
    shapes.truncate(MAX_PIECES);
    let least = ((KIND_SHARE * images as f64) as usize).max(MIN_MEMBERS);
    let groups = alike(&shapes, least);
    let known: usize = groups.iter().map(Vec::len).sum();
    if (known as f64) < KNOWN_SHARE * shapes.len() as f64 {
        return Vec::new();
    }
    groups.iter().map(|group| kind(group)).collect()
}

/// Groups of at least `least` shapes that are alike on average (average linkage).
fn alike(shapes: &[PieceShape], least: usize) -> Vec<Vec<PieceShape>> {
    if shapes.len() < least {
        return Vec::new();
    }
    let distance = |a: &PieceShape, b: &PieceShape| -> f64 {
        let measures = a.iter().zip(b).zip(MEASURE_WEIGHTS);
        let squared = measures.map(|((a, b), w)| f64::from(w * (a - b)).powi(2));
        squared.sum::<f64>().sqrt()
    };
    let mut distances: Vec<f64> = (0..shapes.len())
        .flat_map(|i| (i + 1..shapes.len()).map(move |j| (i, j)))
        .map(|(i, j)| distance(&shapes[i], &shapes[j]))
        .collect();
    let tree = linkage(&mut distances, shapes.len(), Method::Average);
    let mut groups: Vec<Vec<usize>> = (0..shapes.len()).map(|i| vec![i]).collect();
    for step in tree.steps() {
        let joined = match step.dissimilarity <= ALIKE {
            true => {
                let mut joined = std::mem::take(&mut groups[step.cluster1]);
                joined.append(&mut groups[step.cluster2]);
                joined
            }
            false => Vec::new(),
        };
        groups.push(joined);
    }
    let large = groups.into_iter().filter(|group| group.len() >= least);
    large
        .map(|group| group.into_iter().map(|i| shapes[i]).collect())
        .collect()
}

/// Median and robust spread of each measure.
fn kind(members: &[PieceShape]) -> PartKind {
    let middle = |values: &mut [f64]| {
        values.sort_by(f64::total_cmp);
        quantile(values, 0.5)
    };
    let mut kind = PartKind {
        shape: [0.0; 3],
        spread: MIN_SPREAD,
    };
    for measure in 0..kind.shape.len() {
        let mut values: Vec<f64> = members.iter().map(|m| f64::from(m[measure])).collect();
        let median = middle(&mut values);
        let mut away: Vec<f64> = values.iter().map(|v| (v - median).abs()).collect();
        kind.shape[measure] = median as f32;
        // A Gaussian's standard deviation is 1.4826 of its median deviation.
        let spread = 1.4826 * middle(&mut away);
        kind.spread[measure] = kind.spread[measure].max(spread as f32);
    }
    kind
}
