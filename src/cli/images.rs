//! Lists the images in the files and folders that a user names, each with its name in every output.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use aecsad_inspect::image_files::{ImageError, list_images};

use super::inspect::InspectError;
use crate::cli::error::Result;

/// One image to be judged.
#[derive(Clone, Debug)]
pub struct InputImage {
    /// The path as the user can open it.
    pub file: PathBuf,
    /// Relative to the input folder; with several inputs, to the deepest folder that holds them all.
    pub name: PathBuf,
    /// The canonical path.
    pub absolute: PathBuf,
}

/// The images in `inputs`, folder by folder, each once.
pub fn gather(inputs: &[impl AsRef<Path>]) -> Result<Vec<InputImage>> {
    let mut images = Vec::new();
    let mut seen = BTreeSet::new();
    let mut root: Option<PathBuf> = None;
    for input in inputs {
        let (folder, files) = open(input.as_ref())?;
        for (file, below) in files {
            let absolute = folder.join(&below);
            if seen.insert(absolute.clone()) {
                images.push(InputImage {
                    file,
                    name: below,
                    absolute,
                });
            }
        }
        root = Some(match root {
            Some(root) => common(&root, &folder),
            None => folder,
        });
    }
    for image in &mut images {
        if let Some(name) = root
            .as_deref()
            .and_then(|root| image.absolute.strip_prefix(root).ok())
        {
            image.name = name.to_owned();
        }
    }
    Ok(images)
}

/// Refuses two images whose maps would be one file, such as `a.png` and `a.jpg`.
pub fn check_names(images: &[InputImage]) -> Result<(), InspectError> {
    let mut seen = BTreeSet::new();
    for image in images {
        let name = image.name.with_extension("");
        if !seen.insert(name.clone()) {
            return Err(InspectError::SameName { name });
        }
    }
    Ok(())
}

/// Refuses a folder for pictures in which one of the images itself would be overwritten.
pub fn check_apart(images: &[InputImage], pictures: &Path) -> Result<(), InspectError> {
    let Ok(real) = pictures.canonicalize() else {
        return Ok(());
    };
    let inputs: BTreeSet<&Path> = images.iter().map(|i| i.absolute.as_path()).collect();
    let over = |image: &&InputImage| {
        let picture = real.join(image.name.with_extension("png"));
        inputs.contains(picture.as_path())
    };
    match images.iter().find(over) {
        Some(image) => Err(InspectError::OverImages {
            folder: pictures.to_owned(),
            image: image.file.clone(),
        }),
        None => Ok(()),
    }
}

/// The canonical folder of an input, and its images: their paths, and relative to that folder.
fn open(input: &Path) -> Result<(PathBuf, Vec<(PathBuf, PathBuf)>)> {
    let unreadable = |source| ImageError::Unreadable {
        path: input.to_owned(),
        source,
    };
    if input.metadata().map_err(unreadable)?.is_dir() {
        let folder = input.canonicalize().map_err(unreadable)?;
        let files = list_images(input)?;
        if files.is_empty() {
            let folder = input.to_owned();
            return Err(InspectError::NoImages { folder }.into());
        }
        let below = |file: &PathBuf| file.strip_prefix(input).unwrap_or(file).to_owned();
        let named = files.into_iter().map(|file| (file.clone(), below(&file)));
        return Ok((folder, named.collect()));
    }
    let parent = match input.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let folder = parent.canonicalize().map_err(unreadable)?;
    let name = input.file_name().map(PathBuf::from).unwrap_or_default();
    Ok((folder, vec![(input.to_owned(), name)]))
}

/// The deepest folder above both.
fn common(a: &Path, b: &Path) -> PathBuf {
    let pairs = a.components().zip(b.components());
    pairs.take_while(|(a, b)| a == b).map(|(a, _)| a).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(images: &[InputImage]) -> Vec<String> {
        let names = images.iter().map(|i| i.name.display().to_string());
        names.collect()
    }

    #[test]
    fn names_are_relative_to_what_holds_all_inputs() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("test/good")).unwrap();
        std::fs::create_dir_all(at("test/bad")).unwrap();
        for name in ["test/good/0.png", "test/bad/0.png", "test/bad/1.jpg"] {
            std::fs::write(at(name), "").unwrap();
        }
        let gathered = |inputs: &[&str]| {
            let inputs: Vec<PathBuf> = inputs.iter().map(|i| at(i)).collect();
            names(&gather(&inputs).unwrap())
        };
        assert_eq!(gathered(&["test/bad"]), ["0.png", "1.jpg"]);
        assert_eq!(gathered(&["test/good/0.png"]), ["0.png"]);
        assert_eq!(
            gathered(&["test/good", "test/bad/../bad/0.png", "test"]),
            ["good/0.png", "bad/0.png", "bad/1.jpg"]
        );
    }

    #[test]
    fn two_images_with_one_map_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.png", "a.jpg"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let images = gather(&[folder.path()]).unwrap();
        let error = check_names(&images).unwrap_err();
        assert!(matches!(error, InspectError::SameName { .. }));
    }

    #[test]
    fn pictures_never_go_over_the_images() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.png"), "").unwrap();
        let images = gather(&[folder.path()]).unwrap();
        assert!(check_apart(&images, folder.path()).is_err());
        assert!(check_apart(&images, &folder.path().join("maps")).is_ok());
    }
}
