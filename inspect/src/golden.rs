//! Golden vectors: a few good images in every bundle, with their scores in training. A machine that computes other
//! scores must not judge parts with the bundle.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use image::ImageEncoder;
use image::codecs::png::PngEncoder;
use ndarray::{Array1, Array2, Ix1, Ix2};

use crate::arrays::{Arrays, ArraysError};
use crate::branches::Branch;
use crate::bundle::{Bundle, BundleError, Tolerance};
use crate::frame::Frame;
use crate::image_files::{ImageError, decode};
use crate::inspector::{Inspector, InspectorError};
use crate::network::Rounding;
use crate::optics::ViewedRegion;

/// Name of the entry with the arrays `raw` (`[n, branches known to training]`, 0 where a branch is off) and `score`
/// (`[n]`).
pub const EXPECTED: &str = "golden/expected.safetensors";
/// The number of golden images in a bundle. Fewer prove little; more only cost time at each flash.
pub const IMAGES: RangeInclusive<usize> = 8..=16;
const RAW: &str = "raw";
const SCORE: &str = "score";

#[derive(Debug, thiserror::Error)]
pub enum GoldenError {
    #[error("{bundle}: there are no golden vectors in this bundle; export it again")]
    None { bundle: String },
    #[error("there are {found} golden images where {} to {} are needed; train with more images", IMAGES.start(), IMAGES.end())]
    Count { found: usize },
    #[error("{bundle}: the golden vectors are incomplete ({why}); export the bundle again")]
    Incomplete { bundle: String, why: String },
    #[error("{image}: the {what} is not a finite number; train again with other images")]
    NotFinite { image: String, what: String },
    #[error(
        "{bundle}: on this machine {image} has {what} {found} where training had {expected}, more than the tolerance \
         {tolerance} apart; don't use the bundle here, export it again or report this machine"
    )]
    Differs {
        bundle: String,
        image: String,
        what: String,
        expected: f32,
        found: f32,
        tolerance: f32,
    },
    #[error("{image}: the golden image can't be encoded ({why}); choose another")]
    Encode { image: String, why: String },
    #[error("the golden vectors can't be stored: {0}")]
    Store(ArraysError),
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Inspector(#[from] InspectorError),
}

/// One number of one image, expected and actual.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    pub expected: f32,
    pub found: f32,
}

impl Pair {
    /// The difference: absolute up to 1, relative above, because rounding errors grow with the score.
    pub fn difference(&self) -> f32 {
        (self.found - self.expected).abs() / self.expected.abs().max(1.0)
    }

    fn within(&self, tolerance: f32) -> bool {
        // False for NaN.
        self.difference() <= tolerance
    }
}

/// One golden image.
#[derive(Clone, Debug)]
pub struct ImageComparison {
    /// The entry's name.
    pub image: String,
    pub score: Pair,
    /// The normalised score of each active branch, in the order of [`Branch::ALL`].
    pub branches: heapless::Vec<(Branch, Pair), { Branch::ALL.len() }>,
}

impl ImageComparison {
    /// The branch that differs most.
    pub fn worst(&self) -> Option<(Branch, Pair)> {
        let by_difference = |a: &&(Branch, Pair), b: &&(Branch, Pair)| {
            a.1.difference().abs().total_cmp(&b.1.difference().abs())
        };
        self.branches.iter().max_by(by_difference).copied()
    }
}

/// All golden images of a bundle.
#[derive(Clone, Debug)]
pub struct Comparison {
    pub bundle: String,
    pub tolerance: f32,
    pub images: Vec<ImageComparison>,
}

impl Comparison {
    /// The largest difference of any score of any image.
    pub fn largest_difference(&self) -> f32 {
        let of = |image: &ImageComparison| {
            let branch = image.worst().map_or(0.0, |(_, pair)| pair.difference());
            branch.max(image.score.difference())
        };
        self.images.iter().map(of).fold(0.0, f32::max)
    }

    /// Returns the first difference beyond the tolerance, branch scores before the fused score.
    pub fn check(&self) -> Result<(), GoldenError> {
        for image in &self.images {
            let branches = image.branches.iter();
            let pairs = branches.map(|(branch, pair)| (format!("the {branch} score"), pair));
            for (what, pair) in pairs.chain([("the score".to_owned(), &image.score)]) {
                if !pair.within(self.tolerance) {
                    return Err(GoldenError::Differs {
                        bundle: self.bundle.clone(),
                        image: image.image.clone(),
                        what,
                        expected: pair.expected,
                        found: pair.found,
                        tolerance: self.tolerance,
                    });
                }
            }
        }
        Ok(())
    }
}

/// The golden entries for `images`, judged by the bundle's own inspector: one PNG for each image, and [`EXPECTED`].
pub fn write(
    images: &[Frame],
    inspector: &mut Inspector,
) -> Result<Vec<(String, Vec<u8>)>, GoldenError> {
    check_count(images.len())?;
    let mut entries = Vec::with_capacity(images.len() + 1);
    let mut raw_scores = Array2::zeros((images.len(), Branch::ALL.len()));
    let mut scores = Array1::zeros(images.len());
    for (index, frame) in images.iter().enumerate() {
        let name = format!("golden/{index:03}.png");
        let png = encode(frame, &name)?;
        let found = FrameScores::of(&decode(&png, &PathBuf::from(&name), None)?, inspector)?;
        for (branch, raw, _) in &found.branches {
            if !raw.is_finite() {
                let what = format!("{branch} score");
                return Err(GoldenError::NotFinite { image: name, what });
            }
            raw_scores[[index, *branch as usize]] = *raw;
        }
        if !found.score.is_finite() {
            let what = "score".to_owned();
            return Err(GoldenError::NotFinite { image: name, what });
        }
        scores[index] = found.score;
        entries.push((name, png));
    }
    let mut arrays = Arrays::new();
    arrays.insert(RAW, raw_scores);
    arrays.insert(SCORE, scores);
    let bytes = arrays.to_bytes().map_err(GoldenError::Store)?;
    entries.push((EXPECTED.to_owned(), bytes));
    Ok(entries)
}

/// The golden images of a bundle by entry name, in order. Each is decoded when the iterator reaches it, because sixteen
/// decoded images may not fit into a small computer's memory.
pub fn images(
    bundle: &Bundle,
) -> Result<impl Iterator<Item = Result<(String, Frame), GoldenError>>, GoldenError> {
    let mut named: Vec<_> = bundle
        .entries()
        .filter(|(name, _)| name.starts_with("golden/") && name.ends_with(".png"))
        .collect();
    if named.is_empty() {
        let bundle = bundle.name().to_owned();
        return Err(GoldenError::None { bundle });
    }
    check_count(named.len())?;
    named.sort_by_key(|(name, _)| *name);
    Ok(named.into_iter().map(|(name, png)| {
        let shown = PathBuf::from(format!("{}: {name}", bundle.name()));
        Ok((name.to_owned(), decode(png, &shown, None)?))
    }))
}

/// Judges the golden images on this machine. The caller has to call [`Comparison::check`] on the result.
pub fn verify(bundle: &Bundle, inspector: &mut Inspector) -> Result<Comparison, GoldenError> {
    let images = images(bundle)?;
    let count = images.size_hint().0;
    if !bundle.entries().any(|(name, _)| name == EXPECTED) {
        let bundle = bundle.name().to_owned();
        return Err(GoldenError::None { bundle });
    }
    let arrays = bundle.arrays(EXPECTED)?;
    let incomplete = |why: String| GoldenError::Incomplete {
        bundle: bundle.name().to_owned(),
        why,
    };
    // A bundle of an earlier version has no column for a newer branch, and does not use that branch.
    let branches = inspector.decision().branches.clone();
    let raw_scores = arrays
        .get::<f32>(RAW)
        .and_then(|raw| raw.view().into_dimensionality::<Ix2>().ok())
        .filter(|raw| {
            raw.nrows() == count && branches.iter().all(|v| (v.branch as usize) < raw.ncols())
        })
        .ok_or_else(|| incomplete(format!("`{RAW}` doesn't fit {count} images")))?;
    let scores = arrays
        .get::<f32>(SCORE)
        .and_then(|scores| scores.view().into_dimensionality::<Ix1>().ok())
        .filter(|scores| scores.len() == count)
        .ok_or_else(|| incomplete(format!("`{SCORE}` doesn't fit {count} images")))?;
    let mut compared = Vec::with_capacity(count);
    for (index, image) in images.enumerate() {
        let (image, frame) = image?;
        let found = FrameScores::of(&frame, inspector)?;
        let pair = |(weighted, (branch, _, z)): (
            &crate::decision::WeightedBranch,
            &(Branch, f32, f32),
        )| {
            let expected = weighted.z.apply(raw_scores[[index, *branch as usize]]);
            (
                *branch,
                Pair {
                    expected,
                    found: *z,
                },
            )
        };
        compared.push(ImageComparison {
            image,
            score: Pair {
                expected: scores[index],
                found: found.score,
            },
            branches: branches.iter().zip(&found.branches).map(pair).collect(),
        });
    }
    Ok(Comparison {
        bundle: bundle.name().to_owned(),
        tolerance: tolerance(&bundle.manifest.tolerance, inspector.rounding()),
        images: compared,
    })
}

/// The tolerance where an engine rounds so. A bundle that states none for it must give the scores of its training there.
fn tolerance(allowed: &Tolerance, rounding: Rounding) -> f32 {
    let own = match rounding {
        Rounding::AsTrained => None,
        Rounding::Unfused => allowed.unfused,
        Rounding::TensorRt => allowed.tensorrt,
    };
    own.unwrap_or(allowed.golden)
}

fn check_count(found: usize) -> Result<(), GoldenError> {
    match IMAGES.contains(&found) {
        true => Ok(()),
        false => Err(GoldenError::Count { found }),
    }
}

/// The scores of one frame on this machine.
struct FrameScores {
    score: f32,
    /// Branch, raw score and normalised score of each active branch.
    branches: heapless::Vec<(Branch, f32, f32), { Branch::ALL.len() }>,
}

impl FrameScores {
    fn of(frame: &Frame, inspector: &mut Inspector) -> Result<Self, InspectorError> {
        // The frame is what optics has made of one, so it is not cropped again.
        let region = inspector.look_at(ViewedRegion::All);
        let raw = inspector.raw_scores(frame);
        inspector.look_at(region);
        let raw = raw?;
        let judged = inspector.decision().judge(&raw);
        let branches = judged.branches.iter();
        Ok(FrameScores {
            score: judged.score,
            branches: branches
                .map(|(branch, z)| (*branch, raw[*branch as usize].unwrap_or(f32::NAN), *z))
                .collect(),
        })
    }
}

fn encode(frame: &Frame, name: &str) -> Result<Vec<u8>, GoldenError> {
    let mut png = Vec::new();
    PngEncoder::new(&mut png)
        .write_image(
            &frame.rgb,
            frame.width,
            frame.height,
            image::ExtendedColorType::Rgb8,
        )
        .map_err(|why| GoldenError::Encode {
            image: name.to_owned(),
            why: why.to_string(),
        })?;
    Ok(png)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comparison(score: Pair, branch: Pair) -> Comparison {
        Comparison {
            bundle: "a.aecsad".into(),
            tolerance: 1e-3,
            images: vec![ImageComparison {
                image: "golden/000.png".into(),
                score,
                branches: [(Branch::Patch, branch)].into_iter().collect(),
            }],
        }
    }

    fn pair(expected: f32, found: f32) -> Pair {
        Pair { expected, found }
    }

    #[test]
    fn large_scores_may_differ_in_proportion() {
        let near = pair(-200.0, -200.1);
        assert!(comparison(near, pair(0.0, 0.0009)).check().is_ok());
        assert!(comparison(pair(-200.0, -200.3), near).check().is_err());
    }

    #[test]
    fn an_engine_that_rounds_otherwise_is_allowed_what_the_bundle_states_for_it() {
        let float = Tolerance {
            golden: 1e-3,
            unfused: None,
            tensorrt: None,
        };
        let int8 = Tolerance {
            unfused: Some(0.9),
            tensorrt: Some(0.4),
            ..float.clone()
        };
        let each = [Rounding::AsTrained, Rounding::Unfused, Rounding::TensorRt];
        assert_eq!(each.map(|r| tolerance(&float, r)), [1e-3; 3]);
        assert_eq!(each.map(|r| tolerance(&int8, r)), [1e-3, 0.9, 0.4]);
    }

    #[test]
    fn the_message_names_image_and_branch() {
        let fits = pair(1.0, 1.0);
        for found in [0.99, f32::NAN, f32::INFINITY] {
            let error = comparison(fits, pair(1.0, found)).check().unwrap_err();
            let printed = error.to_string();
            assert!(
                printed.contains("golden/000.png has the patch score"),
                "{printed}"
            );
        }
    }
}
