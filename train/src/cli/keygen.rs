//! `aecsad-train keygen DIR`: a key pair to sign bundles with.

use std::path::PathBuf;

use crate::export::signing::{self, PUBLIC_KEY_NAME, SECRET_KEY_NAME, SigningError};

/// Make a key pair to sign bundles with
#[derive(Debug, clap::Args)]
pub struct KeygenArgs {
    /// Folder for aecsad.key (secret, no password) and aecsad.pub (for the stations)
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub fn run(args: &KeygenArgs) -> Result<(), SigningError> {
    let id = signing::generate(&args.folder)?;
    println!("key {id}");
    println!("  secret: {}", args.folder.join(SECRET_KEY_NAME).display());
    println!("  public: {}", args.folder.join(PUBLIC_KEY_NAME).display());
    Ok(())
}
