//! Which pictures a data set consists of, and taking one of them with its ground truth.

use super::coverage::{Coverage, IN_REGION};
use super::product::{Arrangement, Grade, Product, Streams, TruthRegion, photograph};
use super::structural::damage;

/// Places tried until a structural defect stands out as its grade requires.
const ATTEMPTS: usize = 8;

/// Pictures of each kind.
#[derive(Clone, Copy, Debug)]
pub struct PictureCounts {
    pub train: usize,
    pub validation: usize,
    /// Of each of good, logical and structural.
    pub test: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anomaly {
    None,
    Logical(usize),
    Structural(usize),
}

/// One picture to make.
#[derive(Clone, Copy, Debug)]
pub struct PictureJob {
    pub folder: &'static str,
    pub index: usize,
    pub anomaly: Anomaly,
    pub grade: Grade,
}

/// All pictures of a product. Anomalies go round the defects, and each defect from round to round through the
/// grades, starting at different ones so that any number of pictures has about as many of each.
pub fn jobs<P: Product>(product: &P, counts: PictureCounts) -> Vec<PictureJob> {
    let disturbances = product.disturbances();
    let kinds = disturbances.len();
    let faults = product.faults().len();
    let logical = if kinds > 0 { counts.test } else { 0 };
    let round = |index: usize, kinds: usize| {
        let (defect, round) = (index % kinds.max(1), index / kinds.max(1));
        Grade::ALL[(defect + round) % Grade::ALL.len()]
    };
    let good = |folder, count| {
        (0..count).map(move |index| PictureJob {
            folder,
            index,
            anomaly: Anomaly::None,
            grade: Grade::Easy,
        })
    };
    good("train/good", counts.train)
        .chain(good("validation/good", counts.validation))
        .chain(good("test/good", counts.test))
        .chain((0..logical).map(|index| PictureJob {
            folder: "test/logical_anomalies",
            index,
            anomaly: Anomaly::Logical(index % kinds.max(1)),
            grade: if disturbances[index % kinds.max(1)].graded {
                round(index, kinds)
            } else {
                Grade::Medium
            },
        }))
        .chain((0..counts.test).map(|index| PictureJob {
            folder: "test/structural_anomalies",
            index,
            anomaly: Anomaly::Structural(index % faults.max(1)),
            grade: round(index, faults),
        }))
        .collect()
}

/// A picture and, for an anomalous one, what is wrong and where.
pub struct Shot {
    pub picture: image::RgbImage,
    /// Place of the defect in `defects_config.json`.
    pub defect: Option<usize>,
    pub regions: Vec<Coverage>,
    /// What shows of each part of a good picture; of an anomalous one there is none.
    pub parts: Vec<Coverage>,
}

/// How a picture is taken.
#[derive(Clone, Copy, Debug)]
pub struct Resolution {
    /// Width and height in pixels.
    pub size: usize,
    /// Sizes of structural anomalies, as a share of their own.
    pub damage: f32,
}

/// What shows of each part: later ones lie on top.
fn parts<P: Product>(product: &P, good: &Arrangement<P::Kind>, size: usize) -> Vec<Coverage> {
    let to_pixels = good.to_pixels(size);
    let cover = |part| TruthRegion::of(product.placed(part)).cover(&to_pixels, size);
    let all: Vec<Coverage> = good.parts.iter().map(cover).collect();
    let shown = all.iter().enumerate().map(|(index, part)| {
        let above = all[index + 1..].iter();
        above.fold(part.clone(), |part, above| part.without(above))
    });
    shown.collect()
}

/// Takes the picture, with the ground truth from the geometry of what was changed.
pub fn shoot<P: Product>(product: &P, job: &PictureJob, resolution: Resolution, seed: u64) -> Shot {
    let Resolution { size, .. } = resolution;
    let streams = Streams::new(seed, P::NAME, job.folder, job.index);
    let good = product.arrange(&mut streams.arrangement());
    let expose = |arrangement: &_| photograph(product, arrangement, size, &mut streams.exposure());
    let mut rng = streams.anomaly();
    match job.anomaly {
        Anomaly::None => Shot {
            picture: expose(&good),
            defect: None,
            regions: Vec::new(),
            parts: parts(product, &good, size),
        },
        Anomaly::Logical(which) => {
            let mut arrangement = good;
            let regions = product.disturb(which, job.grade, &mut arrangement, &mut rng);
            let to_pixels = arrangement.to_pixels(size);
            Shot {
                picture: expose(&arrangement),
                defect: Some(which),
                regions: regions.iter().map(|r| r.cover(&to_pixels, size)).collect(),
                parts: Vec::new(),
            }
        }
        Anomaly::Structural(which) => {
            let fault = product.faults()[which];
            let twin = expose(&good);
            let floor = job.grade.of(34.0, 24.0, 15.0);
            let mut best: Option<(f32, Shot)> = None;
            // Bleach on white paper or a stain on black plastic would be no defect at all.
            for _ in 0..ATTEMPTS {
                let mut arrangement = good.clone();
                let region = damage(
                    product,
                    fault,
                    job.grade,
                    &mut arrangement,
                    resolution,
                    &mut rng,
                );
                let picture = expose(&arrangement);
                let contrast = contrast(&picture, &twin, &region);
                if best.as_ref().is_none_or(|(most, _)| contrast > *most) {
                    let shot = Shot {
                        picture,
                        defect: Some(product.disturbances().len() + which),
                        regions: vec![region],
                        parts: Vec::new(),
                    };
                    best = Some((contrast, shot));
                }
                if contrast >= floor {
                    break;
                }
            }
            best.map_or_else(
                || Shot {
                    picture: twin,
                    defect: Some(product.disturbances().len() + which),
                    regions: Vec::new(),
                    parts: Vec::new(),
                },
                |(_, shot)| shot,
            )
        }
    }
}

/// How strongly two pictures differ in a region: the difference (0 to 255) that a third of its pixels exceed.
fn contrast(picture: &image::RgbImage, twin: &image::RgbImage, region: &Coverage) -> f32 {
    let mut differences: Vec<u8> = region
        .pixels()
        .filter(|&(_, _, i)| region.alpha[i] >= IN_REGION)
        .map(|(x, y, _)| {
            let (a, b) = (
                picture.get_pixel(x as u32, y as u32).0,
                twin.get_pixel(x as u32, y as u32).0,
            );
            (0..3).map(|c| a[c].abs_diff(b[c])).max().unwrap_or(0)
        })
        .collect();
    differences.sort_unstable();
    let third = differences.len() * 2 / 3;
    differences.get(third).copied().map_or(0.0, f32::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fastener_tray::FastenerTray;
    use crate::fuse_box::FuseBox;
    use crate::juice_bottle::JuiceBottle;
    use crate::woven_cloth::WovenCloth;

    const SIZE: usize = 192;
    const RESOLUTION: Resolution = Resolution {
        size: SIZE,
        damage: 1.0,
    };

    /// Every defect in every grade has a region, and at least `share` of all change to the picture is in or
    /// next to it (shadows fall beside what throws them).
    fn check<P: Product>(product: &P, share: f64) {
        let rounds = 3 * product.disturbances().len().max(product.faults().len());
        let counts = PictureCounts {
            train: 0,
            validation: 0,
            test: rounds,
        };
        for job in jobs(product, counts) {
            if job.anomaly == Anomaly::None {
                continue;
            }
            let shot = shoot(product, &job, RESOLUTION, 11);
            let streams = Streams::new(11, P::NAME, job.folder, job.index);
            let good = product.arrange(&mut streams.arrangement());
            let twin = photograph(product, &good, SIZE, &mut streams.exposure());
            let region = shot
                .regions
                .iter()
                .fold(Coverage::default(), |all, region| all.joined(region));
            assert!(region.area_px() > 4.0, "{} {job:?}", P::NAME);
            let (mut inside, mut all) = (0.0, 0.0);
            let near = |x: u32, y: u32| {
                let (x, y) = (x as usize, y as usize);
                (y.saturating_sub(6)..=y + 6)
                    .any(|v| (x.saturating_sub(6)..=x + 6).any(|u| region.at(u, v) >= IN_REGION))
            };
            for ((x, y, now), before) in shot.picture.enumerate_pixels().zip(twin.pixels()) {
                let change: f64 = (0..3)
                    .map(|c| f64::from(now.0[c].abs_diff(before.0[c])))
                    .sum();
                if change > 0.0 {
                    all += change;
                    inside += if near(x, y) { change } else { 0.0 };
                }
            }
            assert!(all > 100.0, "{} {job:?} changed nothing", P::NAME);
            assert!(
                inside >= share * all,
                "{} {job:?}: {:.2} of the change is in the region",
                P::NAME,
                inside / all
            );
        }
    }

    #[test]
    fn the_fuse_boxes_regions_hold_what_changed() {
        check(&FuseBox, 0.85);
    }

    #[test]
    fn the_bottles_regions_hold_what_changed() {
        check(&JuiceBottle, 0.85);
    }

    #[test]
    fn the_cloths_regions_hold_what_changed() {
        check(&WovenCloth, 0.95);
    }

    /// Where one of several like parts is too many all of them are marked, but not the place of what it replaced.
    #[test]
    fn the_trays_regions_hold_most_of_what_changed() {
        check(&FastenerTray, 0.2);
    }

    #[test]
    fn grades_are_even_and_every_defect_comes_in_each() {
        let counts = PictureCounts {
            train: 0,
            validation: 0,
            test: 40,
        };
        let structural: Vec<_> = jobs(&FuseBox, counts)
            .into_iter()
            .filter(|job| matches!(job.anomaly, Anomaly::Structural(_)))
            .collect();
        for grade in Grade::ALL {
            let of_grade = structural.iter().filter(|job| job.grade == grade);
            assert!((12..=15).contains(&of_grade.count()));
            for which in 0..FuseBox.faults().len() {
                assert!(
                    structural
                        .iter()
                        .any(|job| job.grade == grade && job.anomaly == Anomaly::Structural(which))
                );
            }
        }
    }

    #[test]
    fn more_pictures_leave_the_first_ones_as_they_were() {
        let few = PictureCounts {
            train: 2,
            validation: 1,
            test: 3,
        };
        let many = PictureCounts {
            train: 5,
            validation: 2,
            test: 9,
        };
        let many = jobs(&FuseBox, many);
        for job in jobs(&FuseBox, few) {
            let same = many
                .iter()
                .find(|other| other.folder == job.folder && other.index == job.index);
            assert!(
                same.is_some_and(|other| (other.anomaly, other.grade) == (job.anomaly, job.grade))
            );
        }
    }

    #[test]
    fn a_region_without_change_has_no_contrast() {
        let picture = image::RgbImage::from_pixel(16, 16, image::Rgb([90; 3]));
        let mut other = picture.clone();
        let region = Coverage::full(16);
        assert_eq!(contrast(&picture, &other, &region), 0.0);
        other.pixels_mut().for_each(|p| p.0[1] = 120);
        assert_eq!(contrast(&picture, &other, &region), 30.0);
    }
}
