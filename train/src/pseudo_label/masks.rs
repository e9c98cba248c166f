//! Masks drawn or generated elsewhere, as a source of regions. `NAME.png` beside image `NAME.*` is an indexed or
//! grey PNG in which 0 is background and each other value one mask; a folder `NAME/` of such files holds masks that
//! may overlap. Images without a mask stay unlabelled.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use aecsad_inspect::image_files::EXTENSIONS;
use aecsad_inspect::optics::TrainedRegion;

use super::LabelError;
use super::filter::without_overlap;
use super::regions::Regions;
use super::square_image::SIDE;
use crate::dataset::{mask_size, read_mask};

/// Name without extension, and size, of an image that masks may belong to.
#[derive(Clone, Debug)]
pub struct MaskTarget {
    pub stem: OsString,
    pub width: u32,
    pub height: u32,
}

/// Regions of each target in the order given; `None` where no mask was drawn. Masks of `others`, good images that are
/// not labelled, are left alone. Where the targets are a region of their images, a mask has the size of either.
///
/// # Errors
/// The folder or a mask can't be read; a mask belongs to no target, has another size than its image, or isn't an
/// indexed or grey PNG of at most 8 bits; no target has a mask.
pub fn read(
    folder: &Path,
    targets: &[MaskTarget],
    others: &[OsString],
    region: Option<&TrainedRegion>,
) -> Result<Vec<Option<Regions>>, LabelError> {
    let mut found: Vec<Option<Regions>> = vec![None; targets.len()];
    let by_stem: BTreeMap<&OsStr, usize> = targets
        .iter()
        .enumerate()
        .map(|(i, t)| (t.stem.as_os_str(), i))
        .collect();
    for path in sorted_entries(folder)? {
        let stem = path.file_stem().unwrap_or_default();
        let is_picture = path
            .extension()
            .is_some_and(|extension| EXTENSIONS.iter().any(|e| extension.eq_ignore_ascii_case(e)));
        let files = if path.is_dir() {
            sorted_entries(&path)?
        } else if is_picture {
            vec![path.clone()]
        } else {
            continue;
        };
        let Some(&index) = by_stem.get(stem) else {
            if others.iter().any(|other| *other == stem) {
                continue;
            }
            return Err(LabelError::MaskWithoutImage { path });
        };
        let masks = found[index].get_or_insert_default();
        for file in files {
            masks.extend(masks_in(&file, &targets[index], region)?);
        }
    }
    if found.iter().all(Option::is_none) {
        return Err(LabelError::NoMasks {
            folder: folder.to_owned(),
        });
    }
    Ok(found
        .into_iter()
        .map(|masks| masks.map(without_overlap))
        .collect())
}

fn sorted_entries(folder: &Path) -> Result<Vec<PathBuf>, LabelError> {
    let unreadable = |source| LabelError::MaskFolder {
        folder: folder.to_owned(),
        source,
    };
    let mut paths = fs::read_dir(folder)
        .map_err(unreadable)?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<std::io::Result<Vec<_>>>()
        .map_err(unreadable)?;
    paths.sort();
    Ok(paths)
}

/// One mask for each value above 0, sampled at the nearest pixel of the square.
fn masks_in(
    path: &Path,
    target: &MaskTarget,
    region: Option<&TrainedRegion>,
) -> Result<Regions, LabelError> {
    let found = mask_size(path)?;
    let target = (target.width, target.height);
    let of_whole = region.filter(|region| found == (region.frame.width, region.frame.height));
    if found != target && of_whole.is_none() {
        return Err(LabelError::MaskSize {
            path: path.to_owned(),
            found,
            expected: target,
        });
    }
    let (left, top) = of_whole.map_or((0, 0), |region| {
        (region.area.left as usize, region.area.top as usize)
    });
    let (width, height) = (target.0 as usize, target.1 as usize);
    let row = found.0 as usize;
    let mask = read_mask(path)?;
    let mut masks: BTreeMap<u8, Vec<u32>> = BTreeMap::new();
    for y in 0..SIDE {
        for x in 0..SIDE {
            let source_y = top + (2 * y + 1) * height / (2 * SIDE);
            let source_x = left + (2 * x + 1) * width / (2 * SIDE);
            let value = mask.values[source_y * row + source_x];
            if value > 0 {
                masks.entry(value).or_default().push((y * SIDE + x) as u32);
            }
        }
    }
    Ok(masks.into_values().collect())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;

    use png::{BitDepth, ColorType};

    use super::*;

    fn target(stem: &str) -> MaskTarget {
        MaskTarget {
            stem: stem.into(),
            width: 64,
            height: 32,
        }
    }

    /// An indexed PNG of 4 bits: left quarter 1, right quarter 3.
    fn write_mask(path: &Path, width: u32, height: u32) {
        let mut encoder = png::Encoder::new(File::create(path).unwrap(), width, height);
        encoder.set_color(ColorType::Indexed);
        encoder.set_depth(BitDepth::Four);
        encoder.set_palette((0..48u8).collect::<Vec<_>>());
        let row: Vec<u8> = (0..width / 2)
            .map(|pair| match pair * 8 / width {
                0 => 0x11,
                3 => 0x33,
                _ => 0,
            })
            .collect();
        let mut writer = encoder.write_header().unwrap();
        writer
            .write_image_data(&row.repeat(height as usize))
            .unwrap();
    }

    #[test]
    fn indices_are_read_as_masks_and_missing_ones_stay_unlabelled() {
        let folder = tempfile::tempdir().unwrap();
        write_mask(&folder.path().join("a.png"), 64, 32);
        fs::create_dir(folder.path().join("c")).unwrap();
        write_mask(&folder.path().join("c/0.png"), 64, 32);
        write_mask(&folder.path().join("c/1.png"), 64, 32);
        write_mask(&folder.path().join("d.png"), 8, 8);
        let found = read(
            folder.path(),
            &[target("a"), target("b"), target("c")],
            &["d".into()],
            None,
        )
        .unwrap();
        let sizes = |i: usize| found[i].as_ref().map(|r| r.iter().map(Vec::len).collect());
        assert_eq!(sizes(0), Some(vec![SIDE * SIDE / 4; 2]));
        assert_eq!(sizes(1), None);
        assert_eq!(
            sizes(2),
            Some(vec![SIDE * SIDE / 4; 2]),
            "the same mask twice counts once"
        );
    }

    #[test]
    fn a_mask_of_the_whole_image_is_cropped_with_it() {
        use aecsad_inspect::frame::Size;
        let folder = tempfile::tempdir().unwrap();
        write_mask(&folder.path().join("a.png"), 128, 64);
        // The region is the left half but for some of its left quarter, which has the value 1.
        let region = TrainedRegion {
            area: [16, 8, 64, 32].into(),
            frame: Size {
                width: 128,
                height: 64,
            },
            ignored: None,
        };
        let found = read(folder.path(), &[target("a")], &[], Some(&region)).unwrap();
        let sizes: Vec<usize> = found[0].iter().flatten().map(Vec::len).collect();
        assert_eq!(sizes, [SIDE * SIDE / 4]);
    }

    #[test]
    fn each_bad_mask_has_its_own_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        let message = || {
            read(folder.path(), &[target("a")], &[], None)
                .unwrap_err()
                .to_string()
        };
        assert!(message().contains("holds no mask"));

        write_mask(&path, 32, 32);
        assert!(message().contains("32×32") && message().contains("64×32"));

        let coloured = image::RgbImage::from_pixel(64, 32, image::Rgb([1, 2, 3]));
        coloured.save(&path).unwrap();
        assert!(message().contains("it has colours"));

        File::create(&path)
            .unwrap()
            .write_all(b"no picture")
            .unwrap();
        assert!(message().contains("a.png"));

        fs::remove_file(&path).unwrap();
        write_mask(&folder.path().join("z.png"), 64, 32);
        assert!(message().contains("z.png") && message().contains("no image"));
    }
}
