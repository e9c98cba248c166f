//! What a new bundle is called: its product, and a version by which it can be distinguished from the one that it replaces.

use std::path::Path;

use aecsad_inspect::bundle::{Bundle, BundleError, Manifest, Trust};

use super::FitError;
use crate::progress::stage;

/// Folders are called so whatever lies in them.
const GENERIC: [&str; 22] = [
    "good",
    "ok",
    "okay",
    "normal",
    "train",
    "training",
    "validation",
    "test",
    "image",
    "images",
    "img",
    "imgs",
    "picture",
    "pictures",
    "photo",
    "photos",
    "frame",
    "frames",
    "sample",
    "samples",
    "data",
    "dataset",
];

/// Product and version of a bundle.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    pub product: String,
    pub version: u64,
}

/// What is requested, or the folder's name and one version more than `out` holds of that product.
pub fn of_new(
    category: &Path,
    out: &Path,
    product: Option<&str>,
    version: Option<u64>,
) -> Result<Identity, FitError> {
    let product = match product {
        Some(product) => product.to_owned(),
        None => named_by_folder(category).ok_or_else(|| FitError::NoProduct {
            path: category.into(),
        })?,
    };
    Manifest::check_product(&product).map_err(|fault| FitError::Product {
        product: product.clone(),
        why: fault.to_string(),
    })?;
    let version = next_version(out, &product, version, 0)?;
    stage("product", &format!("{product}, version {version}"));
    Ok(Identity { product, version })
}

/// `requested`, unless `out` holds that version already; else one more than both `out` and `before` have.
pub fn next_version(
    out: &Path,
    product: &str,
    requested: Option<u64>,
    before: u64,
) -> Result<u64, FitError> {
    let there = match Bundle::read(out, &Trust::Anyone) {
        Ok(bundle) => Some(bundle.manifest).filter(|there| there.product == product),
        Err(BundleError::Open { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            None
        }
        Err(error) => {
            log::warn!("{error}; it will be replaced, and its version is not known");
            None
        }
    };
    let there = there.map_or(0, |there| there.version);
    match requested {
        Some(version) if version == there => Err(FitError::VersionTaken {
            out: out.into(),
            product: product.into(),
            version,
        }),
        Some(version) => Ok(version),
        None => {
            if there > before {
                let out = out.display();
                stage(
                    "product",
                    &format!("{out} holds version {there} of {product}"),
                );
            }
            Ok(there.max(before) + 1)
        }
    }
}

/// The nearest folder's name that says something, from the images' own folder up.
fn named_by_folder(category: &Path) -> Option<String> {
    let path = category.canonicalize().ok()?;
    let names = path
        .ancestors()
        .filter_map(|folder| folder.file_name()?.to_str());
    let mut telling = names.filter(|name| !GENERIC.contains(&name.to_lowercase().as_str()));
    telling.next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_is_named_by_the_folder_that_says_something() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["gear", "gear/train/good", "gear/good", "gear/Images/OK"] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(&path).unwrap();
            assert_eq!(named_by_folder(&path).as_deref(), Some("gear"));
            assert_eq!(named_by_folder(&path.join(".")).as_deref(), Some("gear"));
        }
        assert_eq!(named_by_folder(Path::new("/")), None);
    }

    #[test]
    fn a_name_that_no_bundle_can_have_is_refused_before_training() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("x.aecsad");
        let hidden = folder.path().join(".hidden/good");
        std::fs::create_dir_all(&hidden).unwrap();
        for (category, product) in [
            (Path::new("/"), None),
            (hidden.as_path(), None),
            (Path::new("/"), Some("a/b")),
        ] {
            let error = of_new(category, &out, product, None)
                .unwrap_err()
                .to_string();
            assert!(error.contains("--product"), "{error}");
        }
    }
}
