//! How the files of the training images are coded: frames coded otherwise may look anomalous.

use std::path::Path;

use aecsad_inspect::optics::Encoding;

/// How the images in these files are coded.
pub fn of<'p>(paths: impl Iterator<Item = &'p Path>) -> Encoding {
    let (mut jpeg, mut lossless) = (0, 0);
    for path in paths {
        match aecsad_inspect::image_files::is_jpeg(path) {
            Ok(true) => jpeg += 1,
            Ok(false) => lossless += 1,
            // Named when it is loaded.
            Err(_) => {}
        }
    }
    match (jpeg, lossless) {
        (0, _) => Encoding::Lossless,
        (_, 0) => Encoding::Jpeg,
        _ => Encoding::Mixed,
    }
}
