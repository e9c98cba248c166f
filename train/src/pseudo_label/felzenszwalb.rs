//! Graph-based over-segmentation after Felzenszwalb and Huttenlocher (IJCV 2004). It finds the outlines that colour
//! alone gives, without any training; which of its regions are the same part is decided later.

use ndarray::Array2;

use super::square_image::SquareImage;

/// Settings in the units of an 8-bit, 256×256 image.
#[derive(Clone, Copy, Debug)]
pub struct Felzenszwalb {
    /// Larger values accept larger differences inside one region, hence larger regions (grey levels × pixels).
    pub scale: f32,
    /// Standard deviation of the Gaussian applied first, in pixels.
    pub sigma: f32,
    /// Regions with fewer pixels are joined to their most similar neighbour.
    pub min_pixels: usize,
}

impl Default for Felzenszwalb {
    fn default() -> Self {
        Self {
            scale: 60.0,
            sigma: 0.8,
            min_pixels: 40,
        }
    }
}

impl Felzenszwalb {
    /// Region number of each pixel, `[height, width]`, numbered from 0 in reading order.
    pub fn segment(&self, square: &SquareImage) -> Array2<u32> {
        let (height, width) = square.size();
        let smooth = square.blurred(self.sigma);
        let edges = sorted_edges(&smooth, height, width);

        let mut forest = Forest::new(height * width);
        let mut threshold = vec![self.scale; height * width];
        for edge in &edges {
            let (a, b) = (forest.root(edge.from), forest.root(edge.to));
            if a != b && edge.weight <= threshold[a].min(threshold[b]) {
                let joined = forest.join(a, b);
                threshold[joined] = edge.weight + self.scale / forest.size[joined] as f32;
            }
        }
        for edge in &edges {
            let (a, b) = (forest.root(edge.from), forest.root(edge.to));
            if a != b && forest.size[a].min(forest.size[b]) < self.min_pixels {
                forest.join(a, b);
            }
        }

        let mut number = vec![u32::MAX; height * width];
        let mut next = 0;
        Array2::from_shape_fn((height, width), |(y, x)| {
            let root = forest.root(y * width + x);
            if number[root] == u32::MAX {
                number[root] = next;
                next += 1;
            }
            number[root]
        })
    }
}

struct PixelEdge {
    weight: f32,
    from: usize,
    to: usize,
}

/// Edges between the eight neighbours of each pixel, lightest first; ties keep reading order, so that the result
/// never depends on the sort.
fn sorted_edges(rgb: &[[f32; 3]], height: usize, width: usize) -> Vec<PixelEdge> {
    let mut edges = Vec::with_capacity(4 * height * width);
    for y in 0..height {
        for x in 0..width {
            let from = y * width + x;
            let mut link = |to: usize| {
                let weight = (0..3)
                    .map(|c| (rgb[from][c] - rgb[to][c]).powi(2))
                    .sum::<f32>()
                    .sqrt();
                edges.push(PixelEdge { weight, from, to });
            };
            if x + 1 < width {
                link(from + 1);
            }
            if y + 1 < height {
                link(from + width);
                if x + 1 < width {
                    link(from + width + 1);
                }
                if x > 0 {
                    link(from + width - 1);
                }
            }
        }
    }
    edges.sort_by(|a, b| a.weight.total_cmp(&b.weight));
    edges
}

/// Disjoint sets with path halving and union by size.
struct Forest {
    parent: Vec<usize>,
    size: Vec<usize>,
}

impl Forest {
    fn new(len: usize) -> Self {
        Self {
            parent: (0..len).collect(),
            size: vec![1; len],
        }
    }

    fn root(&mut self, mut node: usize) -> usize {
        while self.parent[node] != node {
            self.parent[node] = self.parent[self.parent[node]];
            node = self.parent[node];
        }
        node
    }

    fn join(&mut self, a: usize, b: usize) -> usize {
        let (large, small) = if self.size[a] >= self.size[b] {
            (a, b)
        } else {
            (b, a)
        };
        self.parent[small] = large;
        self.size[large] += self.size[small];
        large
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two squares on grey, one of them with a speck too small to be a region.
    fn two_squares() -> SquareImage {
        let mut rgb = vec![120u8; 64 * 64 * 3];
        let mut paint = |x0: usize, y0: usize, side: usize, colour: [u8; 3]| {
            for y in y0..y0 + side {
                for x in x0..x0 + side {
                    rgb[(y * 64 + x) * 3..][..3].copy_from_slice(&colour);
                }
            }
        };
        paint(6, 6, 16, [220, 40, 40]);
        paint(36, 30, 20, [40, 40, 220]);
        paint(44, 38, 3, [60, 60, 200]);
        SquareImage::from_rgb(64, 64, rgb)
    }

    #[test]
    fn finds_the_squares_and_nothing_else() {
        let sharp = Felzenszwalb {
            sigma: 0.0,
            ..Felzenszwalb::default()
        };
        let regions = sharp.segment(&two_squares());
        assert_eq!(regions.iter().max(), Some(&2));
        assert_eq!(regions[[0, 0]], regions[[63, 63]]);
        assert_ne!(regions[[14, 14]], regions[[0, 0]]);
        assert_ne!(regions[[14, 14]], regions[[50, 50]]);
        let size = |y: usize, x: usize| regions.iter().filter(|&&r| r == regions[[y, x]]).count();
        assert_eq!(size(14, 14), 16 * 16);
        assert_eq!(size(39, 45), 20 * 20, "the speck joins its square");
    }

    #[test]
    fn a_larger_scale_gives_fewer_regions() {
        let count = |scale: f32| {
            let segmentation = Felzenszwalb {
                scale,
                ..Felzenszwalb::default()
            };
            segmentation.segment(&two_squares()).iter().max().copied()
        };
        assert!(count(60_000.0) < count(60.0));
    }

    #[test]
    fn one_colour_is_one_region() {
        let flat = SquareImage::from_rgb(32, 16, vec![77; 32 * 16 * 3]);
        let regions = Felzenszwalb::default().segment(&flat);
        assert_eq!(regions.dim(), (16, 32));
        assert!(regions.iter().all(|&r| r == 0));
    }
}
