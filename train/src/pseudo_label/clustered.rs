//! The regions of all images in clusters, and the clusters as classes.

use ndarray::{Array2, Axis};
use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::loose_parts::LooseParts;
use super::mean_shift::mean_shift;
use super::proposals::Proposals;
use super::square_image::SIDE;
use super::{Config, Described, classes, cluster, descriptors, regions, stability, usability};

/// Fewer clusters are preferred to more that notice a wrong number of parts only this much better (AUROC).
const AS_GOOD: f64 = 0.02;

/// How regions that look alike are grouped.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Clustering {
    /// Ward's linkage, cut into as many clusters as are found again in half of the images.
    #[default]
    Ward,
    /// The paper's, with a radius in the units of the descriptors; without one, the regions suggest it.
    MeanShift { bandwidth: Option<f32> },
}

/// The regions of all images in clusters, and the clusters as classes.
#[derive(Clone, Debug)]
pub struct Clustered {
    /// With the bandwidth that was taken.
    pub by: Clustering,
    /// Cluster of each region, image after image.
    pub clusters: Vec<usize>,
    /// Class of each cluster.
    pub class_of: Vec<usize>,
    /// How well the clusters of half of the images are found again in the other half.
    pub found_again: f32,
}

impl Clustered {
    /// How many classes there are, background included.
    pub fn classes(&self) -> usize {
        self.class_of.iter().max().map_or(1, |m| m + 1)
    }
}

/// The regions in clusters, as `clustering` makes them.
pub(super) fn cluster_regions(
    described: &[Described],
    config: &Config,
    clustering: Clustering,
) -> Clustered {
    let comparable = Comparable::new(described, config);
    let clustered = match clustering {
        _ if comparable.rows.nrows() < 2 => None,
        Clustering::Ward => Some(comparable.by_ward()),
        Clustering::MeanShift { bandwidth } => comparable.by_mean_shift(bandwidth),
    };
    clustered.unwrap_or_else(|| {
        let clusters = vec![0; comparable.rows.nrows()];
        as_classes(described, config, clustering, clusters, 0.0)
    })
}

/// The descriptors of all images' regions on one scale.
struct Comparable<'a> {
    described: &'a [Described],
    config: &'a Config,
    /// `[regions, columns]`
    rows: Array2<f32>,
    /// Some of the rows, if there are too many.
    sample: Array2<f32>,
    /// The image that each of the sample is from.
    image: Vec<usize>,
}

impl<'a> Comparable<'a> {
    fn new(described: &'a [Described], config: &'a Config) -> Self {
        let dimensions = described.first().map_or(0, |image| image.rows.ncols());
        let mut rows = Array2::zeros((0, dimensions));
        for image in described {
            // The widths agree by construction, so appending can't fail.
            let _ = rows.append(Axis(0), image.rows.view());
        }
        let regions = || described.iter().flat_map(|image| &image.regions);
        let at_border: Vec<bool> = regions().map(|r| regions::touches_border(r)).collect();
        descriptors::balance_groups(&mut rows);
        if config.proposals.cover_everything() && rows.nrows() > 1 {
            descriptors::whiten_by_border(&mut rows, &at_border);
        }

        let image_of: Vec<usize> = described
            .iter()
            .enumerate()
            .flat_map(|(i, image)| vec![i; image.regions.len()])
            .collect();
        let mut chosen: Vec<usize> = (0..rows.nrows()).collect();
        if rows.nrows() > config.max_regions {
            let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
            chosen = index::sample(&mut rng, rows.nrows(), config.max_regions).into_vec();
            chosen.sort_unstable();
        }
        Comparable {
            described,
            config,
            sample: rows.select(Axis(0), &chosen),
            image: chosen.iter().map(|&r| image_of[r]).collect(),
            rows,
        }
    }

    /// Each region in the cluster of the nearest centroid.
    fn nearest(&self, centroids: &Array2<f32>, by: Clustering, found_again: f32) -> Clustered {
        let rows = self.rows.rows().into_iter();
        let clusters = rows.map(|row| cluster::nearest(centroids.view(), row));
        as_classes(
            self.described,
            self.config,
            by,
            clusters.collect(),
            found_again,
        )
    }

    fn by_mean_shift(&self, bandwidth: Option<f32>) -> Option<Clustered> {
        let shifted = mean_shift(&self.sample, &self.image, bandwidth, self.config.seed)?;
        let by = Clustering::MeanShift {
            bandwidth: Some(shifted.bandwidth),
        };
        Some(self.nearest(&shifted.centres, by, shifted.found_again))
    }

    fn by_ward(&self) -> Clustered {
        let config = self.config;
        let tree = cluster::ward(self.sample.view());
        let agreement = stability::by_cluster_count(
            &self.sample,
            &self.image,
            config.max_clusters,
            config.seed,
        );
        let found_again = agreement.iter().copied().fold(0.0, f32::max);
        let into = |count: usize| {
            let labels = cluster::cut(&tree, count);
            let centroids = cluster::centroids(self.sample.view(), &labels);
            self.nearest(&centroids, Clustering::Ward, found_again)
        };

        // The largest number at which clusters are still real; without any, the two least bad ones.
        let real = (0..agreement.len())
            .rev()
            .find(|&i| agreement[i] >= usability::FOUND_AGAIN)
            .map_or(2, |i| i + 2);
        let loose = match config.proposals.cover_everything() {
            true => LooseParts::new(self.described.iter().map(|image| &image.regions)),
            false => None,
        };
        let Some(loose_parts) = loose else {
            return into(real);
        };
        // More where it takes more to notice that one loose part is missing.
        let tried: Vec<(f64, Clustered)> = (real..=config.max_clusters.max(real))
            .into_par_iter()
            .map(|count| {
                let clustered = into(count);
                let class_of = |&cluster: &usize| clustered.class_of[cluster];
                let of_region: Vec<usize> = clustered.clusters.iter().map(class_of).collect();
                let classes = clustered.classes();
                (loose_parts.noticed(&of_region, classes), clustered)
            })
            .collect();
        let best = tried.iter().map(|tried| tried.0).fold(0.0, f64::max);
        tried
            .into_iter()
            .find(|(noticed, _)| *noticed >= best - AS_GOOD)
            .map_or_else(|| into(real), |(_, clustered)| clustered)
    }
}

fn as_classes(
    described: &[Described],
    config: &Config,
    by: Clustering,
    clusters: Vec<usize>,
    found_again: f32,
) -> Clustered {
    let count = clusters.iter().max().map_or(0, |m| m + 1);
    let census = take_census(described, &clusters, count, &config.proposals);
    Clustered {
        by,
        class_of: classes::assign(&census, config.min_presence, config.min_share),
        clusters,
        found_again,
    }
}

fn take_census(
    described: &[Described],
    clusters: &[usize],
    count: usize,
    proposals: &Proposals,
) -> classes::Census {
    const BORDER: usize = 8;
    let mut census = classes::Census {
        shares: Array2::zeros((described.len(), count)),
        border: vec![0.0; count],
        colour: vec![[0.0; 3]; count],
    };
    let border_pixels = (SIDE * SIDE - (SIDE - 2 * BORDER).pow(2)) * described.len();
    let mut areas = vec![0.0; count];
    let mut next = clusters.iter();
    for (image, described) in described.iter().enumerate() {
        for ((region, colour), &cluster) in described
            .regions
            .iter()
            .zip(&described.colours)
            .zip(next.by_ref())
        {
            census.shares[[image, cluster]] += region.len() as f32 / (SIDE * SIDE) as f32;
            areas[cluster] += region.len() as f32;
            (0..3).for_each(|c| census.colour[cluster][c] += colour[c] * region.len() as f32);
            // A mask drawn by someone is a part, wherever it lies.
            if proposals.cover_everything() {
                let near = region
                    .iter()
                    .filter(|&&p| regions::border_distance(p) < BORDER);
                census.border[cluster] += near.count() as f32 / border_pixels as f32;
            }
        }
    }
    for (colour, area) in census.colour.iter_mut().zip(areas) {
        colour.iter_mut().for_each(|c| *c /= f32::max(area, 1.0));
    }
    census
}
