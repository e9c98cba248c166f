//! Judges one image with a bundle: `judge BUNDLE IMAGE`

use std::env::args_os;
use std::error::Error;
use std::path::PathBuf;

use aecsad_inspect::bundle::{Bundle, Trust};
use aecsad_inspect::image_files::read_image;
use aecsad_inspect::inspector::Inspector;

fn main() -> Result<(), Box<dyn Error>> {
    let paths: Vec<PathBuf> = args_os().skip(1).map(PathBuf::from).collect();
    let [bundle, image] = &paths[..] else {
        return Err("usage: judge BUNDLE IMAGE".into());
    };
    let bundle = Bundle::read(bundle, &Trust::Anyone)?;
    let mut inspector = Inspector::from_bundle(&bundle, None)?;
    let verdict = inspector.inspect(&read_image(image)?)?;
    let word = if verdict.reject { "bad" } else { "good" };
    let threshold = inspector.decision().threshold;
    println!("{word}: {:.3}, rejected from {threshold:.3}", verdict.score);
    Ok(())
}
