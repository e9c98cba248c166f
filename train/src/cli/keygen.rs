//! `aecsad-train keygen DIR`: a key pair to sign bundles with.

use std::path::PathBuf;

use aecsad_program::standard_streams::print_line;

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
    print_line(format_args!("key {id}"));
    print_line(format_args!(
        "  secret: {}",
        args.folder.join(SECRET_KEY_NAME).display()
    ));
    print_line(format_args!(
        "  public: {}",
        args.folder.join(PUBLIC_KEY_NAME).display()
    ));
    Ok(())
}
