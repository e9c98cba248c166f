//! Lists the image files of a folder. They are listed to be read, so none of the command's outputs is written over one.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use aecsad_program::inputs;

use super::ImageError;

/// Extensions of image files, in lower case.
pub const EXTENSIONS: [&str; 6] = ["png", "jpg", "jpeg", "bmp", "tif", "tiff"];

/// The images in `folder` and its sub-folders, sorted. Hidden files and other extensions are skipped. A link to a
/// folder is followed, but each folder is entered once, so circular links end.
pub fn list_images(folder: &Path) -> Result<Vec<PathBuf>, ImageError> {
    let mut images = Vec::new();
    let mut entered = BTreeSet::new();
    // Folders before links, so that an image has its own name rather than a link's.
    let (mut folders, mut links) = (vec![folder.to_owned()], VecDeque::new());
    while let Some(folder) = folders.pop().or_else(|| links.pop_front()) {
        let identity = folder.metadata().map_err(|e| not_listed(&folder, e))?;
        if !entered.insert((identity.dev(), identity.ino())) {
            continue;
        }
        let found = read(&folder)?;
        images.extend(found.images);
        folders.extend(found.folders);
        links.extend(found.links);
    }
    images.sort();
    Ok(images)
}

/// The images in `folder` itself, sorted.
pub fn list_images_flat(folder: &Path) -> Result<Vec<PathBuf>, ImageError> {
    Ok(read(folder)?.images)
}

fn not_listed(folder: &Path, source: io::Error) -> ImageError {
    let path = folder.into();
    match source.kind() {
        io::ErrorKind::NotADirectory => ImageError::NotAFolder { path },
        _ => ImageError::Folder { path, source },
    }
}

/// The content of one folder, each list sorted.
struct Listing {
    images: Vec<PathBuf>,
    folders: Vec<PathBuf>,
    links: Vec<PathBuf>,
}

fn read(folder: &Path) -> Result<Listing, ImageError> {
    let failed = |source| not_listed(folder, source);
    let (mut images, mut folders, mut links) = (Vec::new(), Vec::new(), Vec::new());
    for entry in folder.read_dir().map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        if entry.file_name().as_bytes().starts_with(b".") {
            continue;
        }
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            folders.push(path);
        } else if kind.is_symlink() && path.is_dir() {
            links.push(path);
        } else if has_image_extension(&path) {
            images.push(path);
        }
    }
    for list in [&mut images, &mut folders, &mut links] {
        list.sort();
    }
    images.iter().for_each(|image| inputs::keep(image));
    Ok(Listing {
        images,
        folders,
        links,
    })
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

    use aecsad_program::written_name::written;

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
        let elsewhere = tempfile::tempdir().unwrap();
        fs::write(elsewhere.path().join("E.JPG"), "").unwrap();
        symlink(elsewhere.path(), root.join("a link")).unwrap();
        symlink(root.join("a link"), root.join("b/again")).unwrap();
        symlink("itself.png", root.join("itself.png")).unwrap();
        let named = |images: Vec<PathBuf>| -> Vec<String> {
            let names = images
                .iter()
                .map(|p| written(p.strip_prefix(root).unwrap()));
            names.collect()
        };
        assert_eq!(
            named(list_images(root).unwrap()),
            [
                "10.png",
                "9.bmp",
                "a link/E.JPG",
                "b/1.jpg",
                "b/c/2.TIFF",
                "b/link.bmp",
                "itself.png",
                r"\xff.png"
            ]
        );
        assert_eq!(
            named(list_images_flat(root).unwrap()),
            ["10.png", "9.bmp", "itself.png", r"\xff.png"]
        );
    }

    #[test]
    fn a_folder_that_isn_t_there_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let error = list_images(&folder.path().join("none")).unwrap_err();
        assert!(matches!(error, ImageError::Folder { .. }));
        let file = folder.path().join("a.png");
        std::fs::write(&file, "").unwrap();
        for listed in [list_images(&file), list_images_flat(&file)] {
            assert!(matches!(listed, Err(ImageError::NotAFolder { .. })));
        }
    }
}
