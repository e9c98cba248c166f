//! How much memory a fit needs, reported before it starts: all images stay in memory until the end, and what the networks
//! see of the good ones. What they see of planted anomalies lies on disk.

use aecsad_inspect::bundle::Profile;
use aecsad_inspect::frame::Size;
use aecsad_inspect::network::fine::cells;

use super::FitError;
use super::calibration::Rules;
use crate::dataset::Category;

const MIB: u64 = 1 << 20;
/// What the program and its networks take without an image.
const BASE: u64 = 400 * MIB;
/// Pixels and tensor of an image, and features and maps of it in the whole view, the features twice until training is over.
const IMAGE: u64 = 5 * MIB;
/// The vector of a cell of a fine view, twice where int8 networks see the parts as well.
const CELL: u64 = 2 * 64 * 4;
/// What the encoder holds for each pixel of a fine view while it runs, on each thread: measured at 1024×1024.
const ENCODED_PIXEL: u64 = 256;
/// Less than this needs no word.
const MENTIONED: u64 = 2048 * MIB;

/// The most memory that a fit on so many images takes, in bytes.
pub fn needed(train: usize, validation: usize, fine: Option<Size>) -> u64 {
    let cell = fine.map_or(0, |size| {
        let (rows, columns) = cells(size);
        CELL * (rows * columns) as u64
    });
    let rules = Rules::of(Profile::Edge);
    let planted = validation.min(rules.planted_images) as u64;
    let pixels = fine.map_or(0, Size::pixels) as u64;
    let frames = planted * 3 * pixels;
    let encoders = rayon::current_num_threads() as u64 * ENCODED_PIXEL * pixels;
    BASE + encoders + (train + validation) as u64 * (IMAGE + cell) + frames
}

/// Whether a fit with this fine view fits into what is free, with room for others.
pub fn allows(category: &Category, fine: Size) -> bool {
    let needed = needed(category.train.len(), category.validation.len(), Some(fine));
    available().is_none_or(|available| needed <= available / 4 * 3)
}

/// Says how much a large fit takes.
///
/// # Errors
/// If it is more than this machine has left.
pub fn check(train: usize, validation: usize, fine: Option<Size>) -> Result<(), FitError> {
    let needed = needed(train, validation, fine);
    let available = available();
    if let Some(available) = available
        && needed > available
    {
        let images = train + validation;
        let share = available.saturating_sub(BASE) as f64 / (needed - BASE).max(1) as f64;
        return Err(FitError::Memory {
            images,
            needed_gb: gigabytes(needed),
            available_gb: gigabytes(available),
            fitting: (images as f64 * share) as usize,
        });
    }
    if needed > MENTIONED {
        let needed = gigabytes(needed);
        crate::progress::stage(
            "images",
            &format!("so many need up to {needed:.1} GB of memory"),
        );
    }
    Ok(())
}

fn gigabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e9
}

/// What the kernel can still give, within the limit of a container. None where neither can be read.
fn available() -> Option<u64> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    let number = |name: &str| -> Option<u64> {
        let text = std::fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok()?;
        text.trim().parse().ok()
    };
    let container = number("memory.max").zip(number("memory.current"));
    let container = container.map_or(u64::MAX, |(most, used)| most.saturating_sub(used));
    Some((kib * 1024).min(container))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fine_view_needs_room_for_its_maps_and_its_encoders() {
        let size = |side| {
            Some(Size {
                width: side,
                height: side,
            })
        };
        let whole = needed(80, 40, None);
        let (fine, finer) = (needed(80, 40, size(512)), needed(80, 40, size(1024)));
        assert!(whole < fine && finer - whole > 3 * (fine - whole));
    }

    #[test]
    fn a_hundred_images_fit_and_a_billion_do_not() {
        assert!(available().is_none_or(|bytes| bytes > BASE));
        assert!(check(80, 40, None).is_ok());
        let error = check(700_000_000, 300_000_000, None)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("1000000000 images need about"), "{error}");
    }
}
