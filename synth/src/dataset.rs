//! Writes the rendered pictures as a data set: folders, ground truth, `defects_config.json` as MVTec LOCO AD has
//! them, and `anomalies.json`, which says what was done to each anomalous picture and how hard it is to see.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use aecsad_program::whole_file;
use indicatif::ProgressBar;
use rayon::prelude::*;
use serde::Serialize;

use super::coverage::{Coverage, IN_REGION};
use super::fastener_tray::FastenerTray;
use super::fuse_box::FuseBox;
use super::juice_bottle::JuiceBottle;
use super::product::{Grade, Product, Saturation};
use super::shot::{PictureCounts, PictureJob, Resolution, Shot, jobs, shoot};
use super::woven_cloth::WovenCloth;

/// What a product folder made here holds, and so what `force` may delete.
/// Masks of parts, for those who ask for them.
const PARTS: &str = "parts";
/// The folder of pictures whose parts have masks.
const TRAINING: &str = "train/good";
const FOLDERS: [&str; 5] = ["train", "validation", "test", "ground_truth", PARTS];
const CONFIG: &str = "defects_config.json";
const LIST: &str = "anomalies.json";

#[derive(Debug, thiserror::Error)]
pub enum SynthError {
    #[error(
        "{path} is not empty: choose another folder, or add --force to replace the product in it"
    )]
    NotEmpty { path: PathBuf },
    #[error("{path} can't be written ({source}): choose a folder with room that you may write to")]
    Write { path: PathBuf, source: io::Error },
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
pub enum RenderedProduct {
    /// Every part in its own place.
    FuseBox,
    /// Loose parts: only their counts matter.
    FastenerTray,
    /// Three variants whose parts must agree.
    JuiceBottle,
    /// A texture without parts.
    WovenCloth,
}

impl RenderedProduct {
    pub const ALL: [RenderedProduct; 4] = [
        RenderedProduct::FuseBox,
        RenderedProduct::FastenerTray,
        RenderedProduct::JuiceBottle,
        RenderedProduct::WovenCloth,
    ];
}

/// What to render.
#[derive(Clone, Debug)]
pub struct DatasetPlan {
    pub products: Vec<RenderedProduct>,
    pub counts: PictureCounts,
    /// Width and height of the pictures in pixels.
    pub size: usize,
    /// Sizes of structural anomalies, as a share of their own: half of it in pictures of twice the size are as many pixels.
    pub damage: f32,
    pub seed: u64,
    /// Write a mask of each part of the good training pictures too.
    pub parts: bool,
    /// Replace product folders that are already there.
    pub force: bool,
}

impl DatasetPlan {
    /// The number of pictures, masks not counted.
    pub fn pictures(&self) -> usize {
        self.products
            .iter()
            .map(|&name| match name {
                RenderedProduct::FuseBox => jobs(&FuseBox, self.counts).len(),
                RenderedProduct::FastenerTray => jobs(&FastenerTray, self.counts).len(),
                RenderedProduct::JuiceBottle => jobs(&JuiceBottle, self.counts).len(),
                RenderedProduct::WovenCloth => jobs(&WovenCloth, self.counts).len(),
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
pub fn render(root: &Path, plan: &DatasetPlan, progress: &ProgressBar) -> Result<(), SynthError> {
    for &name in &plan.products {
        let folder = root.join(folder_name(name));
        if !plan.force && holds_anything(&folder)? {
            return Err(SynthError::NotEmpty { path: folder });
        }
    }
    for &name in &plan.products {
        let folder = root.join(folder_name(name));
        // What is stopped half-way must not look like a whole product.
        let unfinished = root.join(format!(".{}-unfinished", folder_name(name)));
        let written = |path: &Path, done: io::Result<()>| match done {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(SynthError::Write {
                path: path.to_owned(),
                source,
            }),
            _ => Ok(()),
        };
        written(&unfinished, fs::remove_dir_all(&unfinished))?;
        match name {
            RenderedProduct::FuseBox => render_product(&FuseBox, &unfinished, plan, progress)?,
            RenderedProduct::FastenerTray => {
                render_product(&FastenerTray, &unfinished, plan, progress)?
            }
            RenderedProduct::JuiceBottle => {
                render_product(&JuiceBottle, &unfinished, plan, progress)?
            }
            RenderedProduct::WovenCloth => {
                render_product(&WovenCloth, &unfinished, plan, progress)?
            }
        }
        if plan.force {
            clear(&folder)?;
        }
        move_into(&unfinished, &folder).map_err(|source| SynthError::Write {
            path: folder.clone(),
            source,
        })?;
    }
    Ok(())
}

/// Moves all that is in one folder to another on the same disk.
fn move_into(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::rename(entry.path(), to.join(entry.file_name()))?;
    }
    fs::remove_dir(from)
}

fn folder_name(name: RenderedProduct) -> &'static str {
    match name {
        RenderedProduct::FuseBox => FuseBox::NAME,
        RenderedProduct::FastenerTray => FastenerTray::NAME,
        RenderedProduct::JuiceBottle => JuiceBottle::NAME,
        RenderedProduct::WovenCloth => WovenCloth::NAME,
    }
}

fn holds_anything(folder: &Path) -> Result<bool, SynthError> {
    match fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(SynthError::Write {
            path: folder.to_owned(),
            source,
        }),
    }
}

/// Removes what an earlier rendering left, and nothing else.
fn clear(folder: &Path) -> Result<(), SynthError> {
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
                return Err(SynthError::Write { path, source });
            }
            _ => {}
        }
    }
    Ok(())
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
    plan: &DatasetPlan,
    progress: &ProgressBar,
) -> Result<(), SynthError> {
    let jobs = jobs(product, plan.counts);
    let defects = defects(product, plan.size);
    let resolution = Resolution {
        size: plan.size,
        damage: plan.damage,
    };
    let records: Vec<_> = jobs
        .par_iter()
        .map(|job| {
            let shot = shoot(product, job, resolution, plan.seed);
            let record = save::<P>(&shot, job, &defects, folder, plan.size)?;
            if plan.parts && job.folder == TRAINING {
                save_parts(&shot, job, folder, plan.size)?;
            }
            progress.inc(1);
            Ok(record)
        })
        .collect::<Result<_, SynthError>>()?;
    let records: Vec<_> = records.into_iter().flatten().collect();
    write_json(&folder.join(CONFIG), &defects)?;
    write_json(&folder.join(LIST), &records)
}

fn save<P: Product>(
    shot: &Shot,
    job: &PictureJob,
    defects: &[DefectConfig],
    folder: &Path,
    size: usize,
) -> Result<Option<AnomalyRecord>, SynthError> {
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
        return Err(SynthError::NoPlace {
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

/// Writes a mask for each part into a folder named after the picture, as `--masks` reads them.
fn save_parts(shot: &Shot, job: &PictureJob, folder: &Path, size: usize) -> Result<(), SynthError> {
    let masks = folder.join(format!("{PARTS}/{:03}", job.index));
    for (number, part) in shot.parts.iter().enumerate() {
        save_png(
            &masks.join(format!("{number:03}.png")),
            &part.mask(size, 255),
        )?;
    }
    Ok(())
}

fn save_png<P>(path: &Path, picture: &image::ImageBuffer<P, Vec<u8>>) -> Result<(), SynthError>
where
    P: image::Pixel<Subpixel = u8> + image::PixelWithColorType,
{
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|source| SynthError::Write {
            path: folder.to_owned(),
            source,
        })?;
    }
    let mut png = Vec::new();
    picture
        .write_to(&mut io::Cursor::new(&mut png), image::ImageFormat::Png)
        .map_err(io::Error::other)
        .and_then(|()| whole_file::write(path, &png))
        .map_err(|source| SynthError::Write {
            path: path.to_owned(),
            source,
        })
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), SynthError> {
    let text = serde_json::to_string_pretty(value).map_err(|source| SynthError::Encode {
        path: path.to_owned(),
        source,
    })?;
    whole_file::write(path, (text + "\n").as_bytes()).map_err(|source| SynthError::Write {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn plan(seed: u64) -> DatasetPlan {
        DatasetPlan {
            products: RenderedProduct::ALL.to_vec(),
            counts: PictureCounts {
                train: 2,
                validation: 1,
                test: 3,
            },
            size: 96,
            damage: 1.0,
            seed,
            parts: false,
            force: false,
        }
    }

    fn rendered(plan: &DatasetPlan, threads: usize) -> BTreeMap<String, Vec<u8>> {
        let root = tempfile::tempdir().unwrap();
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap()
            .install(|| render(root.path(), plan, &ProgressBar::hidden()))
            .unwrap();
        let mut files = BTreeMap::new();
        let mut folders = vec![root.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(root.path()).unwrap();
                    let name = name.to_str().unwrap().replace('\\', "/");
                    files.insert(name, fs::read(&path).unwrap());
                }
            }
        }
        files
    }

    #[test]
    fn the_layout_is_complete() {
        let files = rendered(&plan(3), 2);
        let count = |prefix: &str| files.keys().filter(|name| name.starts_with(prefix)).count();
        for name in RenderedProduct::ALL.map(folder_name) {
            assert_eq!(count(&format!("{name}/train/good/")), 2);
            assert_eq!(count(&format!("{name}/validation/good/")), 1);
            assert_eq!(count(&format!("{name}/test/good/")), 3);
            assert_eq!(count(&format!("{name}/test/structural_anomalies/")), 3);
            let logical = if name == WovenCloth::NAME { 0 } else { 3 };
            assert_eq!(count(&format!("{name}/test/logical_anomalies/")), logical);

            let json = |file: &str| -> Vec<serde_json::Value> {
                serde_json::from_slice(&files[&format!("{name}/{file}")]).unwrap()
            };
            let defects = json(CONFIG);
            let anomalies = json(LIST);
            assert_eq!(anomalies.len(), 3 + logical);
            for anomaly in anomalies {
                let image = anomaly["image"].as_str().unwrap();
                assert!(files.contains_key(&format!("{name}/{image}")));
                let value = defects
                    .iter()
                    .find(|defect| defect["defect_name"] == anomaly["defect"])
                    .and_then(|defect| defect["pixel_value"].as_u64())
                    .unwrap();
                let masks = image
                    .replace("test/", &format!("{name}/ground_truth/"))
                    .replace(".png", "/");
                assert!(count(&masks) > 0, "{masks}");
                for (_, bytes) in files.iter().filter(|(path, _)| path.starts_with(&masks)) {
                    let mask = image::load_from_memory(bytes).unwrap().into_luma8();
                    assert!(mask.pixels().any(|p| u64::from(p.0[0]) == value));
                    assert!(
                        mask.pixels()
                            .all(|p| [0, value].contains(&u64::from(p.0[0])))
                    );
                }
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_on_any_number_of_threads() {
        let first = rendered(&plan(3), 1);
        assert!(first == rendered(&plan(3), 3));
        let other = rendered(&plan(4), 2);
        let pictures = first.iter().filter(|(name, _)| name.contains("good"));
        for (name, bytes) in pictures {
            assert!(other[name] != *bytes, "{name} is the same for two seeds");
        }
    }

    #[test]
    fn a_folder_in_use_is_refused_and_force_replaces_only_the_product() {
        let root = tempfile::tempdir().unwrap();
        let mut plan = plan(3);
        plan.products = vec![RenderedProduct::FuseBox, RenderedProduct::WovenCloth];
        let cloth = root.path().join(WovenCloth::NAME);
        fs::create_dir_all(cloth.join("train/good")).unwrap();
        fs::write(cloth.join("train/good/777.png"), b"old").unwrap();
        fs::write(cloth.join("notes.txt"), b"mine").unwrap();
        let refused = render(root.path(), &plan, &ProgressBar::hidden());
        assert!(matches!(refused, Err(SynthError::NotEmpty { path }) if path == cloth));
        assert!(!root.path().join(FuseBox::NAME).exists());
        plan.force = true;
        render(root.path(), &plan, &ProgressBar::hidden()).unwrap();
        assert!(!cloth.join("train/good/777.png").exists());
        assert!(cloth.join("train/good/001.png").exists());
        assert!(cloth.join("notes.txt").exists());
    }

    #[test]
    fn a_place_that_is_no_folder_is_named() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        fs::write(&file, b"").unwrap();
        let error = render(&file, &plan(3), &ProgressBar::hidden()).unwrap_err();
        assert!(error.to_string().contains("file/fuse_box"), "{error}");
    }
}
