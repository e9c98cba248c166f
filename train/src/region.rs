//! The region of interest of the training images as it was stated, and the places in it that a drawing ignores.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use aecsad_inspect::frame::{Frame, Size};
use aecsad_inspect::image_files::{ImageError, image_size, is_jpeg, read_image_by_content};
use aecsad_inspect::optics::{Ignored, InputGeometry, Optics, OpticsError, Region, TrainedRegion};

use crate::dataset::{Category, read_region};

/// Images that give the colour of what is ignored.
const COLOUR_IMAGES: usize = 16;
/// Pixels of the whole view around what is ignored that give it.
const RIM: usize = 6;

/// The requested region.
#[derive(Clone, Debug, Default)]
pub struct RegionOptions {
    /// In pixels of the training images; all of them if none.
    pub region: Option<Region>,
    /// A picture in which all that is not black is ignored.
    pub ignore: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub enum RegionError {
    #[error(
        "the region of {area} can't be one of images of {frame} pixels, since it {fault}: state another with --region"
    )]
    Region {
        area: Region,
        frame: Size,
        fault: &'static str,
    },
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error("{}: a JPEG does not keep black as black: save what is to be ignored as PNG", path.display())]
    Jpeg { path: PathBuf },
    #[error(
        "{}: the picture of what to ignore has {found} pixels: it must have the size of the training images, {frame}, or of \
         the region, {area}",
        path.display()
    )]
    Size {
        path: PathBuf,
        found: Size,
        frame: Size,
        area: Size,
    },
    #[error(
        "{}: the picture of what to ignore is black wherever the region is, so nothing is ignored: paint over what is to be \
         ignored in white, or leave --ignore out",
        path.display()
    )]
    Nothing { path: PathBuf },
    #[error(
        "{}: the picture of what to ignore leaves nothing to look at: what is not black is ignored, so keep all else black",
        path.display()
    )]
    Everything { path: PathBuf },
    #[error(transparent)]
    Optics(#[from] OpticsError),
}

impl RegionOptions {
    /// The region of the images of this size that most of the category has; none if all of them is looked at. What is ignored
    /// gets the mean colour of what lies around it, as the `geometry` shows it.
    pub fn of(
        &self,
        category: &Category,
        geometry: &InputGeometry,
    ) -> Result<Option<TrainedRegion>, RegionError> {
        if self.region.is_none() && self.ignore.is_none() {
            return Ok(None);
        }
        // Without an image that can be read, the images are what is refused.
        let Some(frame) = common_size(category) else {
            return Ok(None);
        };
        let mut trained = TrainedRegion {
            area: self.region.unwrap_or(Region {
                left: 0,
                top: 0,
                width: frame.width,
                height: frame.height,
            }),
            frame,
            ignored: None,
        };
        if let Some(fault) = trained.fault() {
            return Err(RegionError::Region {
                area: trained.area,
                frame,
                fault,
            });
        }
        if let Some(path) = &self.ignore {
            let marked = drawing(path, &trained)?;
            let size = trained.area.size();
            trained.ignored = Some(Ignored::of_drawing(&marked, size, [0; 3]));
            if trained.fault().is_some() {
                return Err(RegionError::Everything { path: path.clone() });
            }
            let colour = colour_around(&trained, category, geometry)?;
            trained.ignored = Some(Ignored::of_drawing(&marked, size, colour));
        }
        crate::progress::stage("region", &trained.to_string());
        Ok(Some(trained))
    }
}

/// The commonest size of the good images, of which those of the others are left out.
fn common_size(category: &Category) -> Option<Size> {
    let mut sizes: BTreeMap<(u32, u32), usize> = BTreeMap::new();
    for path in category.train.iter().chain(&category.validation) {
        if let Ok(size) = image_size(path) {
            *sizes.entry(size).or_default() += 1;
        }
    }
    let ((width, height), _) = sizes.into_iter().max_by_key(|(_, count)| *count)?;
    Some(Size { width, height })
}

/// What a picture marks in the region: all that is not black.
fn drawing(path: &Path, trained: &TrainedRegion) -> Result<Vec<bool>, RegionError> {
    if is_jpeg(path)? {
        return Err(RegionError::Jpeg { path: path.into() });
    }
    let picture = read_image_by_content(path, Some(16))?;
    let found = Size {
        width: picture.width,
        height: picture.height,
    };
    let (frame, area) = (trained.frame, trained.area.size());
    let picture = match found {
        found if found == frame => trained.crop(&picture)?,
        found if found == area => picture,
        found => {
            return Err(RegionError::Size {
                path: path.into(),
                found,
                frame,
                area,
            });
        }
    };
    let marked: Vec<bool> = picture
        .rgb
        .chunks_exact(3)
        .map(|rgb| rgb.iter().any(|value| *value > 0))
        .collect();
    match marked.contains(&true) {
        true => Ok(marked),
        false => Err(RegionError::Nothing { path: path.into() }),
    }
}

/// The mean colour of the pixels around what is ignored, over some of the images.
fn colour_around(
    trained: &TrainedRegion,
    category: &Category,
    geometry: &InputGeometry,
) -> Result<[u8; 3], RegionError> {
    let rim = rim(&trained.ignored_in(Size::WHOLE).unwrap_or_default());
    let uncovered = InputGeometry {
        fine: None,
        region: None,
        ..geometry.clone()
    };
    let mut optics = Optics::new(uncovered, None);
    let (mut sums, mut count) = ([0u64; 3], 0u64);
    let step = category.train.len().div_ceil(COLOUR_IMAGES).max(1);
    for path in category.train.iter().step_by(step) {
        // One that can't be read is named when all are.
        let bit_depth = geometry.bit_depth.or(Some(16));
        let Ok(frame) = read_region(path, bit_depth, Some(trained)) else {
            continue;
        };
        optics.tensor(&frame)?;
        let Frame { rgb, .. } = optics.seen_whole();
        for (pixel, _) in rgb.chunks_exact(3).zip(&rim).filter(|(_, rim)| **rim) {
            for (sum, value) in sums.iter_mut().zip(pixel) {
                *sum += u64::from(*value);
            }
            count += 1;
        }
    }
    Ok(sums.map(|sum| ((sum + count / 2) / count.max(1)) as u8))
}

/// The pixels of the whole view that are not covered and near one that is.
fn rim(covered: &[bool]) -> Vec<bool> {
    let side = Size::WHOLE.width as usize;
    let near = |at: usize| at.saturating_sub(RIM)..(at + RIM + 1).min(side);
    let is_near = |pixel: usize| {
        let (x, y) = (pixel % side, pixel / side);
        near(y).any(|y| covered[y * side..][near(x)].contains(&true))
    };
    let pixels = covered.iter().enumerate();
    pixels
        .map(|(pixel, covered)| !covered && is_near(pixel))
        .collect()
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::*;

    const FRAME: (u32, u32) = (120, 80);

    /// Twenty green plates with a blue label at the right, on which each has a number of its own.
    fn category() -> (tempfile::TempDir, Category) {
        let folder = tempfile::tempdir().unwrap();
        for part in 0..26u32 {
            let picture = RgbImage::from_fn(FRAME.0, FRAME.1, |x, y| {
                let printed = (80..110).contains(&x) && (20..40).contains(&y);
                Rgb(match (printed && (x * part) % 7 < 3, x >= 60) {
                    (true, _) => [255; 3],
                    (_, true) => [20, 40, 200],
                    _ => [0, 120 + (part % 3) as u8, 0],
                })
            });
            let path = folder.path().join(format!("{part:02}.png"));
            picture.save(path).unwrap();
        }
        let category = Category::open(folder.path(), 0).unwrap();
        (folder, category)
    }

    fn drawn(
        folder: &Path,
        (width, height): (u32, u32),
        white: impl Fn(u32, u32) -> bool,
    ) -> PathBuf {
        let path = folder.join("drawn");
        std::fs::create_dir_all(&path).unwrap();
        let path = path.join("ignore.png");
        let picture =
            RgbImage::from_fn(width, height, |x, y| Rgb([0, 0, 9 * u8::from(white(x, y))]));
        picture.save(&path).unwrap();
        path
    }

    fn printed(x: u32, y: u32) -> bool {
        (80..110).contains(&x) && (20..40).contains(&y)
    }

    #[test]
    fn what_is_ignored_gets_the_colour_around_it() {
        let (folder, category) = category();
        let region = Some(Region::from([40, 10, 80, 60]));
        let geometry = InputGeometry::lite0(false);
        let of = |size, at: (u32, u32)| {
            let ignore = drawn(folder.path(), size, |x, y| printed(x + at.0, y + at.1));
            let options = RegionOptions {
                region,
                ignore: Some(ignore),
            };
            options.of(&category, &geometry).unwrap().unwrap()
        };
        let trained = of(FRAME, (0, 0));
        assert_eq!((trained.frame.width, trained.frame.height), FRAME);
        let ignored = trained.ignored.as_ref().unwrap();
        assert_eq!(ignored.areas, [Region::from([40, 10, 30, 20])]);
        assert_eq!(ignored.colour, [20, 40, 200]);
        assert_eq!(of((80, 60), (40, 10)), trained);
        let grey = InputGeometry::lite0(true);
        let options = RegionOptions {
            region,
            ignore: Some(folder.path().join("drawn/ignore.png")),
        };
        let trained = options.of(&category, &grey).unwrap().unwrap();
        let [r, g, b] = trained.ignored.unwrap().colour;
        assert!(r == g && g == b, "{r} {g} {b}");
        assert_eq!(
            RegionOptions::default().of(&category, &geometry).unwrap(),
            None
        );
    }

    #[test]
    fn a_region_or_a_drawing_that_can_t_be_meant_is_refused() {
        let (folder, category) = category();
        let refused = |region: Option<[u32; 4]>, ignore: Option<PathBuf>| {
            let options = RegionOptions {
                region: region.map(Region::from),
                ignore,
            };
            let geometry = InputGeometry::lite0(false);
            options.of(&category, &geometry).unwrap_err().to_string()
        };
        let outside = refused(Some([100, 0, 30, 30]), None);
        assert!(
            outside.contains("reaches outside its frame") && outside.contains("120×80"),
            "{outside}"
        );
        assert!(refused(Some([0, 0, 8, 30]), None).contains("less than 16"));
        let drawing =
            |size, white: &dyn Fn(u32, u32) -> bool| Some(drawn(folder.path(), size, white));
        let size = refused(None, drawing((60, 40), &printed));
        assert!(size.contains("60×40") && size.contains("120×80"), "{size}");
        let black = refused(None, drawing(FRAME, &|_, _| false));
        assert!(black.contains("nothing is ignored"), "{black}");
        let elsewhere = refused(Some([0, 0, 60, 60]), drawing(FRAME, &printed));
        assert!(elsewhere.contains("nothing is ignored"), "{elsewhere}");
        let white = refused(None, drawing(FRAME, &|_, _| true));
        assert!(white.contains("nothing to look at"), "{white}");
        let jpeg = folder.path().join("drawn/ignore.jpg");
        RgbImage::new(FRAME.0, FRAME.1).save(&jpeg).unwrap();
        assert!(refused(None, Some(jpeg)).contains("as PNG"));
        let nowhere = refused(None, Some(folder.path().join("nowhere.png")));
        assert!(nowhere.contains("nowhere.png"), "{nowhere}");
    }
}
