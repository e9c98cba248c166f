//! Pseudo-labels: finds a product's components in good images without anyone drawing them. Regions are proposed in
//! each image, described, and clustered over all images; a class map then says what each cell of an image shows,
//! and the maps that agree with most others become labels for the segmentation network.

mod classes;
mod cluster;
mod clustered;
mod descriptors;
mod divided;
mod error;
pub mod felzenszwalb;
mod filter;
mod loose_parts;
pub mod masks;
mod mean_shift;
pub mod overlay;
mod proposals;
mod regions;
mod reliability;
pub mod square_image;
mod stability;
mod usability;

use aecsad_inspect::frame::Frame;
use aecsad_inspect::network::Features;
use ndarray::Array2;
use rayon::prelude::*;

use clustered::cluster_regions;
pub use clustered::{Clustered, Clustering};
pub use divided::Divided;
pub use error::LabelError;
#[cfg(feature = "foundation")]
pub(crate) use filter::without_overlap;
pub use proposals::{DescribedRegions, Proposals};
pub use regions::Regions;
#[cfg(feature = "foundation")]
pub(crate) use regions::without;
pub use reliability::Reliability;
use square_image::{SIDE, SquareImage};
pub use usability::Usable;

/// Side of a class map in cells: the resolution of the stride-4 features.
pub const CELLS: usize = 64;

/// How classes are found. The defaults suit products of any kind.
#[derive(Clone, Debug)]
pub struct Config {
    pub proposals: Proposals,
    pub clustering: Clustering,
    /// Whether the other clustering is tried as well, so that a person can compare.
    pub compares: bool,
    /// Upper limit of Ward's clusters; how many there are is found by stability.
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
            clustering: Clustering::default(),
            compares: false,
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
    /// How the regions were grouped, then the other way if it was to be compared.
    pub clusterings: Vec<Clustered>,
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
        Proposals::Described(regions) => regions.len(),
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
            let rows = match config.proposals.rows(i) {
                Some(rows) => rows,
                None => descriptors::describe(i, &square, &features[i], &regions)?,
            };
            Ok(Described {
                colours: descriptors::colours(&square, &regions),
                regions,
                rows,
            })
        })
        .collect::<Result<Vec<_>, LabelError>>()?;

    let clustered = cluster_regions(&described, config, config.clustering);
    let class_count = clustered.classes();

    let clusters = clustered.clusters.iter();
    let mut next = clusters.map(|&cluster| clustered.class_of[cluster] as u8);
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
    let mut clusterings = vec![clustered];
    if config.compares {
        let other = match config.clustering {
            Clustering::Ward => Clustering::MeanShift { bandwidth: None },
            Clustering::MeanShift { .. } => Clustering::Ward,
        };
        clusterings.push(cluster_regions(&described, config, other));
    }
    Ok(Labels {
        classes: summarise(&shares, class_count),
        reliability: reliability::judge(&histograms),
        usable: usability::judge(clusterings[0].found_again, &maps, class_count),
        clusterings,
        maps,
    })
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
