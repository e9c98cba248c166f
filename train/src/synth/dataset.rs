//! Writes the rendered pictures as a data set: folders, ground truth, `defects_config.json` as MVTec LOCO AD has
//! them, and `anomalies.json`, which says what was done to each anomalous picture and how hard it is to see.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use indicatif::ProgressBar;
use rayon::prelude::*;
use serde::Serialize;

use super::coverage::{Coverage, IN_REGION};
use super::fastener_tray::FastenerTray;
use super::fuse_box::FuseBox;
use super::juice_bottle::JuiceBottle;
use super::product::{Grade, Product, Saturation, Streams, photograph};
use super::structural::damage;
use super::woven_cloth::WovenCloth;

/// What a product folder made here holds, and so what `force` may delete.
const FOLDERS: [&str; 4] = ["train", "validation", "test", "ground_truth"];
const CONFIG: &str = "defects_config.json";
const LIST: &str = "anomalies.json";
/// Places tried until a structural defect stands out as its grade asks.
const ATTEMPTS: usize = 8;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "{path} is not empty: choose another folder, or add --force to replace the product in it"
    )]
    NotEmpty { path: PathBuf },
    #[error("{path} can't be written ({source}): choose a folder with room that you may write to")]
    Write { path: PathBuf, source: io::Error },
    #[error("{path} can't be saved as PNG ({source}): check the disk's free space and permissions")]
    Save {
        path: PathBuf,
        source: image::ImageError,
    },
    #[error("{path} can't be encoded ({source}): please report this")]
    Encode {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error(
        "{product}/{folder}/{index}: {defect} could not be placed on a picture {size} pixels wide; use a larger --size"
    )]
    NoPlace {
        product: &'static str,
        folder: &'static str,
        index: usize,
        defect: &'static str,
        size: usize,
    },
}

/// The products, by folder name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Name {
    /// Every part in its own place.
    FuseBox,
    /// Loose parts: only their counts matter.
    FastenerTray,
    /// Three variants whose parts must agree.
    JuiceBottle,
    /// A texture without parts.
    WovenCloth,
}

impl Name {
    pub const ALL: [Name; 4] = [
        Name::FuseBox,
        Name::FastenerTray,
        Name::JuiceBottle,
        Name::WovenCloth,
    ];
}

/// Pictures of each kind.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    pub train: usize,
    pub validation: usize,
    /// Of each of good, logical and structural.
    pub test: usize,
}

/// What to render.
#[derive(Clone, Debug)]
pub struct Plan {
    pub products: Vec<Name>,
    pub counts: Counts,
    /// Width and height of the pictures in pixels.
    pub size: usize,
    pub seed: u64,
    /// Replace product folders that are already there.
    pub force: bool,
}

impl Plan {
    /// The number of pictures, masks not counted.
    pub fn pictures(&self) -> usize {
        self.products
            .iter()
            .map(|&name| match name {
                Name::FuseBox => jobs(&FuseBox, self.counts).len(),
                Name::FastenerTray => jobs(&FastenerTray, self.counts).len(),
                Name::JuiceBottle => jobs(&JuiceBottle, self.counts).len(),
                Name::WovenCloth => jobs(&WovenCloth, self.counts).len(),
            })
            .sum()
    }
}

/// Renders every product of the plan into a folder of its own under `root`.
///
/// The same plan gives the same bytes on the same machine, however many threads render it. `progress` advances by
/// one a picture.
///
/// # Errors
/// When a product's folder is there and not empty (unless forced), or something can't be written. Nothing is
/// rendered before all the folders are known to be free.
pub fn render(root: &Path, plan: &Plan, progress: &ProgressBar) -> Result<(), Error> {
    for &name in &plan.products {
        let folder = root.join(folder_name(name));
        if !plan.force && holds_anything(&folder)? {
            return Err(Error::NotEmpty { path: folder });
        }
    }
    for &name in &plan.products {
        let folder = root.join(folder_name(name));
        if plan.force {
            clear(&folder)?;
        }
        match name {
            Name::FuseBox => render_product(&FuseBox, &folder, plan, progress)?,
            Name::FastenerTray => render_product(&FastenerTray, &folder, plan, progress)?,
            Name::JuiceBottle => render_product(&JuiceBottle, &folder, plan, progress)?,
            Name::WovenCloth => render_product(&WovenCloth, &folder, plan, progress)?,
        }
    }
    Ok(())
}

fn folder_name(name: Name) -> &'static str {
    match name {
        Name::FuseBox => FuseBox::NAME,
        Name::FastenerTray => FastenerTray::NAME,
        Name::JuiceBottle => JuiceBottle::NAME,
        Name::WovenCloth => WovenCloth::NAME,
    }
}

fn holds_anything(folder: &Path) -> Result<bool, Error> {
    match fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(Error::Write {
            path: folder.to_owned(),
            source,
        }),
    }
}

/// Removes what an earlier rendering left, and nothing else.
fn clear(folder: &Path) -> Result<(), Error> {
    let folders = FOLDERS.map(|name| (folder.join(name), true));
    let files = [CONFIG, LIST].map(|name| (folder.join(name), false));
    for (path, is_folder) in folders.into_iter().chain(files) {
        let removed = if is_folder {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        match removed {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(Error::Write { path, source });
            }
            _ => {}
        }
    }
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Anomaly {
    None,
    Logical(usize),
    Structural(usize),
}

/// One picture to make.
#[derive(Clone, Copy, Debug)]
struct Job {
    folder: &'static str,
    index: usize,
    anomaly: Anomaly,
    grade: Grade,
}

/// All pictures of a product, anomalies going round the defects and, with each round, the grades.
fn jobs<P: Product>(product: &P, counts: Counts) -> Vec<Job> {
    let disturbances = product.disturbances();
    let kinds = disturbances.len();
    let faults = product.faults().len();
    let logical = if kinds > 0 { counts.test } else { 0 };
    let round = |index: usize, kinds: usize| Grade::ALL[index / kinds.max(1) % Grade::ALL.len()];
    let good = |folder, count| {
        (0..count).map(move |index| Job {
            folder,
            index,
            anomaly: Anomaly::None,
            grade: Grade::Easy,
        })
    };
    good("train/good", counts.train)
        .chain(good("validation/good", counts.validation))
        .chain(good("test/good", counts.test))
        .chain((0..logical).map(|index| Job {
            folder: "test/logical_anomalies",
            index,
            anomaly: Anomaly::Logical(index % kinds.max(1)),
            grade: if disturbances[index % kinds.max(1)].graded {
                round(index, kinds)
            } else {
                Grade::Medium
            },
        }))
        .chain((0..counts.test).map(|index| Job {
            folder: "test/structural_anomalies",
            index,
            anomaly: Anomaly::Structural(index % faults.max(1)),
            grade: round(index, faults),
        }))
        .collect()
}

/// A picture and, for an anomalous one, what is wrong and where.
struct Shot {
    picture: image::RgbImage,
    /// Place of the defect in `defects_config.json`.
    defect: Option<usize>,
    regions: Vec<Coverage>,
}

fn shoot<P: Product>(product: &P, job: &Job, size: usize, seed: u64) -> Shot {
    let streams = Streams::new(seed, P::NAME, job.folder, job.index);
    let good = product.arrange(&mut streams.arrangement());
    let expose = |arrangement: &_| photograph(product, arrangement, size, &mut streams.exposure());
    let mut rng = streams.anomaly();
    match job.anomaly {
        Anomaly::None => Shot {
            picture: expose(&good),
            defect: None,
            regions: Vec::new(),
        },
        Anomaly::Logical(which) => {
            let mut arrangement = good;
            let regions = product.disturb(which, job.grade, &mut arrangement, &mut rng);
            let to_pixels = arrangement.to_pixels(size);
            Shot {
                picture: expose(&arrangement),
                defect: Some(which),
                regions: regions.iter().map(|r| r.cover(&to_pixels, size)).collect(),
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
                let region = damage(product, fault, job.grade, &mut arrangement, size, &mut rng);
                let picture = expose(&arrangement);
                let contrast = contrast(&picture, &twin, &region);
                if best.as_ref().is_none_or(|(most, _)| contrast > *most) {
                    let shot = Shot {
                        picture,
                        defect: Some(product.disturbances().len() + which),
                        regions: vec![region],
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

/// An entry of `defects_config.json`, in MVTec LOCO AD's words.
#[derive(Clone, Debug, Serialize)]
struct DefectConfig {
    defect_name: &'static str,
    pixel_value: u8,
    /// Pixels, or a share of the region when relative.
    saturation_threshold: f32,
    relative_saturation: bool,
}

fn defects<P: Product>(product: &P, size: usize) -> Vec<DefectConfig> {
    let logical = product
        .disturbances()
        .into_iter()
        .map(|d| (d.name, d.saturation));
    let structural = product
        .faults()
        .iter()
        .map(|fault| (fault.name(), Saturation::Whole));
    (0..=255_u8)
        .rev()
        .zip(logical.chain(structural))
        .map(|(pixel_value, (defect_name, saturation))| DefectConfig {
            defect_name,
            pixel_value,
            saturation_threshold: match saturation {
                Saturation::Whole => 1.0,
                Saturation::Area(area) => (area * (size * size) as f32).round(),
            },
            relative_saturation: saturation == Saturation::Whole,
        })
        .collect()
}

/// An entry of `anomalies.json`.
#[derive(Debug, Serialize)]
struct AnomalyRecord {
    image: String,
    kind: &'static str,
    defect: &'static str,
    grade: Grade,
}

fn render_product<P: Product>(
    product: &P,
    folder: &Path,
    plan: &Plan,
    progress: &ProgressBar,
) -> Result<(), Error> {
    let jobs = jobs(product, plan.counts);
    let defects = defects(product, plan.size);
    let records: Vec<_> = jobs
        .par_iter()
        .map(|job| {
            let shot = shoot(product, job, plan.size, plan.seed);
            let record = save::<P>(&shot, job, &defects, folder, plan.size)?;
            progress.inc(1);
            Ok(record)
        })
        .collect::<Result<_, Error>>()?;
    let records: Vec<_> = records.into_iter().flatten().collect();
    write_json(&folder.join(CONFIG), &defects)?;
    write_json(&folder.join(LIST), &records)
}

fn save<P: Product>(
    shot: &Shot,
    job: &Job,
    defects: &[DefectConfig],
    folder: &Path,
    size: usize,
) -> Result<Option<AnomalyRecord>, Error> {
    let name = format!("{:03}", job.index);
    let image = format!("{}/{name}.png", job.folder);
    save_png(&folder.join(&image), &shot.picture)?;
    let Some(config) = shot.defect.map(|which| &defects[which]) else {
        return Ok(None);
    };
    let kind = job.folder.trim_start_matches("test/");
    let shown = |region: &&Coverage| region.alpha.iter().any(|&alpha| alpha >= IN_REGION);
    let regions: Vec<_> = shot.regions.iter().filter(shown).collect();
    if regions.is_empty() {
        return Err(Error::NoPlace {
            product: P::NAME,
            folder: job.folder,
            index: job.index,
            defect: config.defect_name,
            size,
        });
    }
    for (number, region) in regions.into_iter().enumerate() {
        let path = folder.join(format!("ground_truth/{kind}/{name}/{number:03}.png"));
        save_png(&path, &region.mask(size, config.pixel_value))?;
    }
    Ok(Some(AnomalyRecord {
        image,
        kind,
        defect: config.defect_name,
        grade: job.grade,
    }))
}

fn save_png<P>(path: &Path, picture: &image::ImageBuffer<P, Vec<u8>>) -> Result<(), Error>
where
    P: image::Pixel<Subpixel = u8> + image::PixelWithColorType,
{
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|source| Error::Write {
            path: folder.to_owned(),
            source,
        })?;
    }
    picture.save(path).map_err(|source| Error::Save {
        path: path.to_owned(),
        source,
    })
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(value).map_err(|source| Error::Encode {
        path: path.to_owned(),
        source,
    })?;
    fs::write(path, text + "\n").map_err(|source| Error::Write {
        path: path.to_owned(),
        source,
    })
}
