//! `aecsad-train sign BUNDLE --key FILE`: signs a bundle in place.

use std::path::PathBuf;

use aecsad_inspect::bundle::{Bundle, BundleError, Trust, write_bundle};
use aecsad_program::inputs::InputPath;
use aecsad_program::standard_streams::print_line;

use crate::export::signing::{SigningError, SigningKey};

/// Sign a bundle, replacing a signature it has
#[derive(Debug, clap::Args)]
pub struct SignArgs {
    /// The bundle; it is replaced as a whole or not at all
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,
    /// Secret key: aecsad.key of keygen, or minisign's own
    #[arg(long, value_name = "FILE")]
    key: InputPath,
}

#[derive(Debug, thiserror::Error)]
pub enum SignError {
    #[error(transparent)]
    Key(#[from] SigningError),
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

pub fn run(args: &SignArgs) -> Result<(), SignError> {
    let key = SigningKey::from_file(&args.key)?;
    let bundle = Bundle::read(&args.bundle, &Trust::Anyone)?;
    let entries: Vec<(String, Vec<u8>)> = bundle
        .entries()
        .map(|(path, content)| (path.to_owned(), content.to_vec()))
        .collect();
    let signer = |manifest: &[u8]| Ok(key.sign(manifest)?);
    write_bundle(&args.bundle, bundle.manifest, &entries, Some(&signer))?;
    print_line(format_args!(
        "{}: signed with key {}",
        args.bundle.display(),
        key.id()
    ));
    Ok(())
}
