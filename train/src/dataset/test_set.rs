//! The test images of a category and the masks that belong to them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use aecsad::camera::{image_size, list_images};

use super::mask::mask_size;
use super::{DatasetError, Kind, Skipped, TestImage};

/// Masks by the name of their kind's folder and of their image, both without extension.
type Masks = BTreeMap<(String, String), Vec<PathBuf>>;

/// Reads `test/` and `ground_truth/`, where they are there. What doesn't fit goes to `skipped`.
pub(super) fn read(
    category: &Path,
    skipped: &mut Vec<Skipped>,
) -> Result<Vec<TestImage>, DatasetError> {
    let test = category.join("test");
    let ground_truth = category.join("ground_truth");
    let mut masks = Masks::new();
    if ground_truth.is_dir() {
        for path in list_images(&ground_truth)? {
            match owner(path.strip_prefix(&ground_truth).unwrap_or(&path)) {
                Some(owner) => masks.entry(owner).or_default().push(path),
                None => skipped.push(orphan(path)),
            }
        }
    }
    let have_masks = !masks.is_empty();
    let mut images = Vec::new();
    if test.is_dir() {
        for path in list_images(&test)? {
            let Some((folder, stem)) = owner(path.strip_prefix(&test).unwrap_or(&path)) else {
                let why = format!(
                    "{}: a test image belongs in test/good or in the folder of its kind of anomaly; it is left out",
                    path.display()
                );
                skipped.push(Skipped { path, why });
                continue;
            };
            let kind = Kind::of_folder(&folder);
            let masks = masks.remove(&(folder, stem)).unwrap_or_default();
            let (masks, remark) = usable(&path, kind, masks, have_masks);
            skipped.extend(remark);
            images.push(TestImage { path, kind, masks });
        }
    }
    skipped.extend(masks.into_values().flatten().map(orphan));
    Ok(images)
}

/// `kind/000.png`, `kind/000_mask.png` and `kind/000/1.png` all belong to image 000 of that kind.
fn owner(relative: &Path) -> Option<(String, String)> {
    let parts: Vec<&str> = relative.iter().map(|p| p.to_str()).collect::<Option<_>>()?;
    let stem = relative.file_stem()?.to_str()?;
    match parts[..] {
        [kind, _] => Some((kind.into(), stem.trim_end_matches("_mask").into())),
        [kind, image, _] => Some((kind.into(), image.into())),
        _ => None,
    }
}

/// The masks if they fit their image; otherwise none, and a remark: the image still counts, its regions don't.
fn usable(
    image: &Path,
    kind: Kind,
    masks: Vec<PathBuf>,
    have_masks: bool,
) -> (Vec<PathBuf>, Option<Skipped>) {
    let remark = |path: &Path, why: String| {
        let path = path.to_path_buf();
        (Vec::new(), Some(Skipped { path, why }))
    };
    if masks.is_empty() && have_masks && kind != Kind::Good {
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
            Err(e) => return remark(mask, e.to_string()),
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
