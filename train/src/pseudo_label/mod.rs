//! Pseudo-labels: finds a product's components in good images without anyone drawing them. Regions are proposed in
//! each image, described, and clustered over all images; a class map then says what each cell of an image shows,
//! and the maps that agree with most others become labels for the segmentation network.

mod classes;
mod cluster;
mod descriptors;
mod divided;
pub mod felzenszwalb;
mod filter;
mod loose_parts;
pub mod masks;
pub mod overlay;
mod proposals;
mod regions;
mod reliability;
pub mod square_image;
mod stability;
mod usability;

use std::path::PathBuf;

use aecsad_inspect::frame::Frame;
use aecsad_inspect::network::Features;
use ndarray::{Array2, Axis};
use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

pub use divided::Divided;
use loose_parts::LooseParts;
pub use proposals::Proposals;
use regions::Regions;
pub use reliability::Reliability;
use square_image::{SIDE, SquareImage};
pub use usability::Usable;

/// Fewer clusters are preferred to more that notice a wrong number of parts only this much better (AUROC).
const AS_GOOD: f64 = 0.02;

/// Side of a class map in cells: the resolution of the stride-4 features.
pub const CELLS: usize = 64;

#[derive(Debug, thiserror::Error)]
pub enum LabelError {
    #[error(
        "image {index} says {width}×{height} but holds {bytes} bytes; decode it again as interleaved RGB"
    )]
    Malformed {
        index: usize,
        width: u32,
        height: u32,
        bytes: usize,
    },
    #[error(
        "a feature map of image {index} has shape {found:?} instead of {expected:?}; compute it with the bundled encoder"
    )]
    FeatureShape {
        index: usize,
        found: Vec<usize>,
        expected: Vec<usize>,
    },
    #[error(
        "{images} images came with {features} feature sets and {masks} mask sets; give one of each for an image"
    )]
    CountMismatch {
        images: usize,
        features: usize,
        masks: usize,
    },
    #[error(
        "the mask folder {folder} can't be read ({source}); check the path and its permissions"
    )]
    MaskFolder {
        folder: PathBuf,
        source: std::io::Error,
    },
    #[error(
        "the folder {folder} holds no mask for any image; name a mask after its image, as 000.png for 000.jpg"
    )]
    NoMasks { folder: PathBuf },
    #[error("there is no image for the mask {path}; name it after its image or remove it")]
    MaskWithoutImage { path: PathBuf },
    #[error(
        "the mask {path} is {}×{} but its image is {}×{}; export it at the image's size",
        found.0, found.1, expected.0, expected.1
    )]
    MaskSize {
        path: PathBuf,
        found: (u32, u32),
        expected: (u32, u32),
    },
    #[error(transparent)]
    Mask(#[from] crate::dataset::DatasetError),
    #[error("{path} can't be written ({reason}); check the folder's permissions and free space")]
    NotWritten { path: PathBuf, reason: String },
}

/// How classes are found. The defaults suit products of any kind.
#[derive(Clone, Debug)]
pub struct Config {
    pub proposals: Proposals,
    /// Upper limit of clusters; how many there are is found by stability.
    pub max_clusters: usize,
    /// Classes in a smaller share of the images are dropped.
    pub min_presence: f32,
    /// Classes with a smaller mean share of the image are dropped.
    pub min_share: f32,
    /// Regions that are clustered; with more of them a seeded sample is, and the others join the nearest cluster.
    pub max_regions: usize,
    /// `[SIDE, SIDE]`: pixels that belong to no component, whatever they show.
    pub ignored: Option<Vec<bool>>,
    pub seed: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            proposals: Proposals::default(),
            max_clusters: 16,
            min_presence: 0.25,
            min_share: 0.001,
            max_regions: 12_000,
            ignored: None,
            seed: 0,
        }
    }
}

/// What is known of one class; number 0 is background.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassInfo {
    /// Mean share of the image it covers.
    pub share: f32,
    /// Share of the images it is in.
    pub presence: f32,
    /// Its colour in overlays.
    pub colour: [u8; 3],
}

/// The labels of a set of good images.
#[derive(Clone, Debug)]
pub struct Labels {
    /// Background first.
    pub classes: Vec<ClassInfo>,
    /// Class of each cell, `[64, 64]` an image.
    pub maps: Vec<Array2<u8>>,
    /// D_L or D_U, and why.
    pub reliability: Vec<Reliability>,
    pub usable: Usable,
    /// Agreement of the clusters with those of half of the images (mean Jaccard index at the best of the counts).
    pub found_again: f32,
}

/// One image's regions and their descriptors.
struct Described {
    regions: Regions,
    rows: Array2<f32>,
    colours: Vec<[f32; 3]>,
}

/// Finds the classes of a product in its good images. The same input gives the same labels.
///
/// # Errors
/// A frame or feature map is malformed, or the counts of images, features and masks differ.
pub fn label(
    images: &[Frame],
    features: &[Features],
    config: &Config,
) -> Result<Labels, LabelError> {
    let masks = match &config.proposals {
        Proposals::Masks(masks) => masks.len(),
        Proposals::Builtin(_) => images.len(),
    };
    if features.len() != images.len() || masks != images.len() {
        return Err(LabelError::CountMismatch {
            images: images.len(),
            features: features.len(),
            masks,
        });
    }
    let described = (0..images.len())
        .into_par_iter()
        .map(|i| {
            let square = SquareImage::from_frame(i, &images[i])?;
            let mut regions = config.proposals.regions(i, &square);
            if let Some(ignored) = &config.ignored {
                regions::without(&mut regions, ignored);
            }
            let rows = descriptors::describe(i, &square, &features[i], &regions)?;
            let colours = rows
                .rows()
                .into_iter()
                .map(|r| [r[0], r[1], r[2]])
                .collect();
            Ok(Described {
                regions,
                rows,
                colours,
            })
        })
        .collect::<Result<Vec<_>, LabelError>>()?;

    let Clustered {
        clusters,
        class_of,
        found_again,
    } = cluster_regions(&described, config);
    let class_count = class_of.iter().max().map_or(1, |m| m + 1);

    let mut next = clusters.iter().map(|&cluster| class_of[cluster] as u8);
    let maps: Vec<Array2<u8>> = described
        .iter()
        .map(|image| paint(&image.regions, next.by_ref(), config))
        .collect();

    let shares = usability::shares(&maps, class_count);
    let histograms: Vec<Option<Vec<f64>>> = shares
        .rows()
        .into_iter()
        .enumerate()
        .map(|(i, row)| {
            let known = config.proposals.covers(i);
            known.then(|| row.iter().map(|s| f64::from(s.sqrt())).collect())
        })
        .collect();
    Ok(Labels {
        classes: summarise(&shares, class_count),
        reliability: reliability::judge(&histograms),
        usable: usability::judge(found_again, &maps, class_count),
        found_again,
        maps,
    })
}

/// The regions of all images in clusters, and the clusters as classes.
struct Clustered {
    /// Cluster of each region, image after image.
    clusters: Vec<usize>,
    /// Class of each cluster.
    class_of: Vec<usize>,
    /// How well the clusters of half of the images are found again in the other half.
    found_again: f32,
}

fn cluster_regions(described: &[Described], config: &Config) -> Clustered {
    let dimensions = descriptors::GROUPS.iter().sum();
    let mut rows = Array2::zeros((0, dimensions));
    for image in described {
        // The widths agree by construction, so appending can't fail.
        let _ = rows.append(Axis(0), image.rows.view());
    }
    if rows.nrows() < 2 {
        let clusters = vec![0; rows.nrows()];
        return as_classes(described, config, clusters, 0.0);
    }
    let regions = || described.iter().flat_map(|image| &image.regions);
    let at_border: Vec<bool> = regions().map(|r| regions::touches_border(r)).collect();
    descriptors::balance_groups(&mut rows);
    if config.proposals.cover_everything() {
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
    let sample = rows.select(Axis(0), &chosen);
    let sample_images: Vec<usize> = chosen.iter().map(|&r| image_of[r]).collect();
    let tree = cluster::ward(sample.view());
    let agreement =
        stability::by_cluster_count(&sample, &sample_images, config.max_clusters, config.seed);
    let found_again = agreement.iter().copied().fold(0.0, f32::max);
    let into = |count: usize| {
        let centroids = cluster::centroids(sample.view(), &cluster::cut(&tree, count));
        let clusters = rows
            .rows()
            .into_iter()
            .map(|row| cluster::nearest(centroids.view(), row))
            .collect();
        as_classes(described, config, clusters, found_again)
    };

    // The largest number at which clusters are still real; without any, the two least bad ones.
    let real = (0..agreement.len())
        .rev()
        .find(|&i| agreement[i] >= usability::FOUND_AGAIN)
        .map_or(2, |i| i + 2);
    let loose = match config.proposals.cover_everything() {
        true => LooseParts::new(described.iter().map(|image| &image.regions)),
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
            let classes = clustered.class_of.iter().max().map_or(1, |m| m + 1);
            (loose_parts.noticed(&of_region, classes), clustered)
        })
        .collect();
    let best = tried.iter().map(|tried| tried.0).fold(0.0, f64::max);
    tried
        .into_iter()
        .find(|(noticed, _)| *noticed >= best - AS_GOOD)
        .map_or_else(|| into(real), |(_, clustered)| clustered)
}

fn as_classes(
    described: &[Described],
    config: &Config,
    clusters: Vec<usize>,
    found_again: f32,
) -> Clustered {
    let count = clusters.iter().max().map_or(0, |m| m + 1);
    let census = take_census(described, &clusters, count, &config.proposals);
    Clustered {
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

/// The class map of one image from its regions' classes: the majority of each cell's pixels, the lower class of
/// equally many.
fn paint(regions: &Regions, classes: impl Iterator<Item = u8>, config: &Config) -> Array2<u8> {
    let unset = if config.proposals.cover_everything() {
        regions::NONE
    } else {
        0
    };
    let mut pixels = vec![unset; SIDE * SIDE];
    for (region, class) in regions.iter().zip(classes) {
        region.iter().for_each(|&p| pixels[p as usize] = class);
    }
    regions::fill_gaps(&mut pixels);
    for (pixel, ignored) in pixels.iter_mut().zip(config.ignored.iter().flatten()) {
        *pixel = if *ignored { 0 } else { *pixel };
    }

    let stride = SIDE / CELLS;
    Array2::from_shape_fn((CELLS, CELLS), |(y, x)| {
        let mut counts = [0u16; 256];
        for row in y * stride..(y + 1) * stride {
            for column in x * stride..(x + 1) * stride {
                counts[pixels[row * SIDE + column] as usize] += 1;
            }
        }
        (0..=u8::MAX)
            .rev()
            .max_by_key(|&class| counts[class as usize])
            .unwrap_or(0)
    })
}

fn summarise(shares: &Array2<f32>, class_count: usize) -> Vec<ClassInfo> {
    let images = shares.nrows().max(1) as f32;
    let mut classes: Vec<ClassInfo> = (1..class_count)
        .map(|class| {
            let column = shares.column(class - 1);
            ClassInfo {
                share: column.sum() / images,
                presence: column.iter().filter(|s| **s > 0.0).count() as f32 / images,
                colour: overlay::colour(class),
            }
        })
        .collect();
    let background = ClassInfo {
        share: 1.0 - classes.iter().map(|c| c.share).sum::<f32>(),
        presence: 1.0,
        colour: overlay::colour(0),
    };
    classes.insert(0, background);
    classes
}

#[cfg(test)]
mod tests;
