//! Which files of a folder are images.

use std::path::{Path, PathBuf};

use super::decode::ImageError;

/// Extensions that are taken for images, in lower case.
pub const EXTENSIONS: [&str; 6] = ["png", "jpg", "jpeg", "bmp", "tif", "tiff"];

/// Deeper than any data set; bounds the walk.
const MAX_DEPTH: usize = 16;

/// The images in `folder` and its sub-folders, sorted. Hidden files, other extensions and links to folders are
/// passed over; a name that isn't UTF-8 is too, with a warning.
pub fn list_images(folder: &Path) -> Result<Vec<PathBuf>, ImageError> {
    list(folder, MAX_DEPTH)
}

/// The images in `folder` itself, sorted.
pub fn list_images_flat(folder: &Path) -> Result<Vec<PathBuf>, ImageError> {
    list(folder, 1)
}

fn list(folder: &Path, depth: usize) -> Result<Vec<PathBuf>, ImageError> {
    let mut images = Vec::new();
    walk(folder, depth, &mut images)?;
    images.sort();
    Ok(images)
}

fn walk(folder: &Path, depth: usize, images: &mut Vec<PathBuf>) -> Result<(), ImageError> {
    let failed = |source| ImageError::Folder {
        path: folder.into(),
        source,
    };
    for entry in folder.read_dir().map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            log::warn!(
                "{}: the name isn't UTF-8, so the file is passed over; rename it",
                path.display()
            );
            continue;
        };
        if name.starts_with('.') {
            continue;
        }
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            if depth > 1 {
                walk(&path, depth - 1, images)?;
            }
        } else if has_image_extension(&path) && !(kind.is_symlink() && path.is_dir()) {
            images.push(path);
        }
    }
    Ok(())
}

fn has_image_extension(path: &Path) -> bool {
    path.extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| EXTENSIONS.iter().any(|e| extension.eq_ignore_ascii_case(e)))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn images_are_found_by_name_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("b/c")).unwrap();
        fs::create_dir(root.join("folder.png")).unwrap();
        fs::create_dir(root.join(".hidden")).unwrap();
        for name in [
            "b/c/2.TIFF",
            "b/1.jpg",
            "10.png",
            "9.bmp",
            ".hidden/1.png",
            "._9.bmp",
            "Thumbs.db",
            "notes.txt",
            "png",
        ] {
            fs::write(root.join(name), "").unwrap();
        }
        fs::write(root.join(OsStr::from_bytes(b"\xff.png")), "").unwrap();
        symlink(root, root.join("b/loop.png")).unwrap();
        symlink(root.join("9.bmp"), root.join("b/link.bmp")).unwrap();
        let named = |images: Vec<PathBuf>| -> Vec<String> {
            let names = images
                .iter()
                .map(|p| p.strip_prefix(root).unwrap().display().to_string());
            names.collect()
        };
        assert_eq!(
            named(list_images(root).unwrap()),
            ["10.png", "9.bmp", "b/1.jpg", "b/c/2.TIFF", "b/link.bmp"]
        );
        assert_eq!(named(list_images_flat(root).unwrap()), ["10.png", "9.bmp"]);
    }

    #[test]
    fn a_folder_that_isn_t_there_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let error = list_images(&folder.path().join("none")).unwrap_err();
        assert!(matches!(error, ImageError::Folder { .. }));
    }
}
