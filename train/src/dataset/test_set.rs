//! The test images of a category and the masks that belong to them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use aecsad_inspect::image_files::{image_size, list_images};

use super::mask::mask_size;
use super::{DatasetError, Kind, Skipped, TestImage};

/// Reads `test/` and `ground_truth/`, where they are there. What doesn't fit goes to `skipped`.
pub(super) fn read(
    category: &Path,
    skipped: &mut Vec<Skipped>,
) -> Result<Vec<TestImage>, DatasetError> {
    let mut images = test_images(&category.join("test"), skipped)?;
    let ground_truth = category.join("ground_truth");
    let masks = match ground_truth.is_dir() {
        true => list_images(&ground_truth)?,
        false => Vec::new(),
    };
    let anomalous = images.iter().any(|image| image.kind != Kind::Good);
    if masks.is_empty() && anomalous {
        let why = format!(
            "{}: there are no masks, so where an anomaly is seen is not measured (sPRO, PRO)",
            ground_truth.display()
        );
        skipped.push(Skipped {
            path: ground_truth,
            why,
        });
        return Ok(images);
    }
    // Images by their place under test/, without extension; `000.png` and `000.jpg` share their masks.
    let mut places: BTreeMap<PathBuf, Vec<usize>> = BTreeMap::new();
    for (index, image) in images.iter().enumerate() {
        let relative = image.path.strip_prefix(category.join("test"));
        let place = relative.unwrap_or(&image.path).with_extension("");
        places.entry(place).or_default().push(index);
    }
    for mask in masks {
        let owner = owners(mask.strip_prefix(&ground_truth).unwrap_or(&mask))
            .into_iter()
            .find_map(|place| places.get(&place));
        match owner {
            Some(owner) => {
                for &index in owner {
                    images[index].masks.push(mask.clone());
                }
            }
            None => skipped.push(orphan(mask)),
        }
    }
    for image in &mut images {
        let masks = std::mem::take(&mut image.masks);
        let (masks, remark) = usable(&image.path, image.kind, masks);
        image.masks = masks;
        skipped.extend(remark);
    }
    Ok(images)
}

fn test_images(test: &Path, skipped: &mut Vec<Skipped>) -> Result<Vec<TestImage>, DatasetError> {
    let mut images = Vec::new();
    if !test.is_dir() {
        return Ok(images);
    }
    for path in list_images(test)? {
        let relative = path.strip_prefix(test).unwrap_or(&path);
        let mut parts = relative.iter();
        match (parts.next(), parts.next()) {
            (Some(folder), Some(_)) => images.push(TestImage {
                kind: Kind::of_folder(&folder.to_string_lossy()),
                masks: Vec::new(),
                path,
            }),
            _ => {
                let why = format!(
                    "{}: a test image belongs in test/good or in the folder of its kind of anomaly; it is left out",
                    path.display()
                );
                skipped.push(Skipped { path, why });
            }
        }
    }
    Ok(images)
}

/// The images that a mask may belong to: `kind/000_mask.png` and `kind/000.png` to `kind/000`, as in MVTec AD, and
/// `kind/000/1.png` as in MVTec LOCO AD.
fn owners(relative: &Path) -> Vec<PathBuf> {
    let place = relative.with_extension("");
    let mut owners = Vec::new();
    let name = place.file_name().unwrap_or_default().as_bytes();
    if let Some(image) = name.strip_suffix(b"_mask") {
        owners.push(place.with_file_name(OsStr::from_bytes(image)));
    }
    owners.extend(place.parent().map(Path::to_owned));
    owners.push(place);
    owners
}

/// The masks if they fit their image; otherwise none, and a remark: the image still counts, its regions don't.
fn usable(image: &Path, kind: Kind, masks: Vec<PathBuf>) -> (Vec<PathBuf>, Option<Skipped>) {
    let remark = |path: &Path, why: String| {
        let path = path.to_path_buf();
        (Vec::new(), Some(Skipped { path, why }))
    };
    if masks.is_empty() && kind != Kind::Good {
        let why = format!(
            "{}: there is no mask for this image, so it is left out of the localisation figures",
            image.display()
        );
        return remark(image, why);
    }
    // An image that can't be read is named when it is loaded.
    let Ok((width, height)) = image_size(image) else {
        return (masks, None);
    };
    for mask in &masks {
        match mask_size(mask) {
            Ok(size) if size == (width, height) => {}
            Ok((w, h)) => {
                let why = format!(
                    "{}: the mask is {w}×{h} but its image is {width}×{height}, so the image is left out of the \
                     localisation figures; make them the same size",
                    mask.display()
                );
                return remark(mask, why);
            }
            Err(e) => {
                let why = format!("{e}; the image is left out of the localisation figures");
                return remark(mask, why);
            }
        }
    }
    (masks, None)
}

fn orphan(path: PathBuf) -> Skipped {
    let why = format!(
        "{}: the mask has no image of the same kind and name under test/, so it is left out",
        path.display()
    );
    Skipped { path, why }
}
