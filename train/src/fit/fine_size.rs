//! How large the fine view is: as large as small damage needs, within the images' own size and the time for a part.

use std::path::Path;

use aecsad_inspect::frame::Size;
use aecsad_inspect::image_files::read_image_of_depth;
use aecsad_program::whole_file;

use super::fine_trial::{FineTrial, SizeResult, WIDTHS};
use super::part_time::PartTime;
use super::precision::Precision;
use super::{FitError, memory};
use crate::dataset::Category;
use crate::progress::stage;

/// What decides the size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FineSize {
    /// The largest whose part takes no more than so many milliseconds on one core of this machine.
    Budget(f64),
    /// The longer side in pixels; one that the whole view has anyway means no fine view.
    Side(u32),
}

/// Longer sides that are tried, beside the images' own.
const SIDES: [u32; 8] = [384, 512, 640, 768, 1024, 1280, 1536, 2048];
/// Sides are multiples of it: the encoder's deepest map has a cell for 16 pixels, and an even number of them.
const STEP: u32 = 32;
/// The engine refuses larger convolutions than those of the encoder on so many pixels.
const MOST_PIXELS: f64 = 1_430_000.0;
/// A longer side up to this is no finer than the whole view.
const NOT_FINER: u32 = 288;
/// Images whose size is read.
const SIZED_IMAGES: usize = 5;
/// A size whose AUROC is lower by no more than this sees as much: another choice of parts differs by more.
const AS_GOOD: f64 = 0.01;
/// In the work folder: the size that was chosen, and by what.
const CHOSEN: &str = "fine_view.txt";

/// The size for these images, or the `region` of them: of those that time and memory allow, the smallest at which damage is
/// seen as well as at any of them. None where that is the whole view's. The answer lies in the folder `work`, so that the
/// same command goes on with it on a busier day.
pub fn choose(
    category: &Category,
    wanted: FineSize,
    precision: Precision,
    work: &Path,
    mut trial: FineTrial<'_>,
) -> Result<Option<Size>, FitError> {
    let own = trial.region().map(|region| region.area.size());
    let Some(own) = own.or_else(|| common_size(category)) else {
        return Ok(None);
    };
    let ms = match wanted {
        FineSize::Side(side) => return Ok(sized(own, side)),
        FineSize::Budget(ms) => ms,
    };
    let sizes = sizes(own);
    if sizes.is_empty() {
        return Ok(None);
    }
    let question = format!("of {own} in {ms} ms, {precision:?}");
    let file = work.join(CHOSEN);
    if let Some(chosen) = recall(&file, &question, &sizes) {
        return Ok(chosen);
    }
    trial.keep_readable();
    let time = PartTime::measure(precision)?;
    let in_memory = |size: &&Size| memory::allows(category, **size);
    let in_time = sizes.iter().filter(|size| time.of(**size) <= ms).count();
    // One more than time allows: it shows what that would gain.
    let tried: Vec<Size> = sizes
        .iter()
        .take_while(in_memory)
        .take(in_time + 1)
        .copied()
        .collect();
    stage(
        "fine view",
        &format!("trying {} sizes on damaged parts", tried.len() + 1),
    );
    let mut rows = Vec::new();
    for size in std::iter::once(Size::WHOLE).chain(tried) {
        rows.extend(trial.of(size)?);
    }
    let allowed = rows
        .iter()
        .take_while(|row| row.size == Size::WHOLE || time.of(row.size) <= ms);
    let chosen = smallest(&allowed.collect::<Vec<_>>()).filter(|size| *size != Size::WHOLE);
    for line in table(own, chosen, &rows, &time, ms) {
        stage("fine view", &line);
    }
    let answer = chosen.map_or("none".to_owned(), |size| size.to_string());
    whole_file::write(&file, format!("{question}\n{answer}\n").as_bytes())
        .map_err(|source| FitError::WorkFolder { path: file, source })?;
    Ok(chosen)
}

/// The smallest size that sees damage of each width nearly as well as the best one does.
fn smallest(rows: &[&SizeResult]) -> Option<Size> {
    let best = |width: usize| rows.iter().map(|row| row.auroc[width]).fold(0.0, f64::max);
    let is_enough = |row: &&&SizeResult| {
        let mut widths = row.auroc.iter().enumerate();
        widths.all(|(width, auroc)| *auroc >= best(width) - AS_GOOD)
    };
    // The best for one width may not be the best for another.
    let mean = |row: &&&SizeResult| row.mean();
    let finest = rows.iter().max_by(|a, b| mean(a).total_cmp(&mean(b)))?;
    Some(rows.iter().find(is_enough).unwrap_or(finest).size)
}

/// What the file answers to the same question; None where it does not.
fn recall(file: &Path, question: &str, sizes: &[Size]) -> Option<Option<Size>> {
    let text = std::fs::read_to_string(file).ok()?;
    let answer = text.strip_prefix(question)?.trim();
    if answer == "none" {
        return Some(None);
    }
    let size = sizes.iter().find(|size| size.to_string() == answer)?;
    Some(Some(*size))
}

/// What was chosen and why, with a line for each size.
fn table(
    own: Size,
    chosen: Option<Size>,
    rows: &[SizeResult],
    time: &PartTime,
    ms: f64,
) -> Vec<String> {
    let mut head = "size       ms a part".to_owned();
    for width in WIDTHS {
        head += &format!("{:>9}", format!("{width} px"));
    }
    let mut lines = vec![
        match chosen {
            Some(size) => format!("{size} pixels of the images' {own}"),
            None => format!(
                "none, the images of {own} are seen at {} alone",
                Size::WHOLE
            ),
        },
        "AUROC of planted damage, by its width in pixels of the images".to_owned(),
        head,
    ];
    for row in rows {
        let takes = time.of(row.size);
        let mut line = format!("{:10}{takes:>10.0}", row.size.to_string());
        for auroc in row.auroc {
            line += &format!("{auroc:>9.3}");
        }
        line += match chosen.unwrap_or(Size::WHOLE) == row.size {
            true => "  chosen",
            false if takes > ms => "  takes longer than --budget-ms",
            false => "",
        };
        lines.push(line);
    }
    lines
}

/// The size that most of the first images have.
fn common_size(category: &Category) -> Option<Size> {
    let read = category.train.iter().filter_map(|path| {
        let frame = read_image_of_depth(path, None).ok()?;
        Some((frame.width, frame.height))
    });
    let found: Vec<(u32, u32)> = read.take(SIZED_IMAGES).collect();
    let count = |size: &(u32, u32)| found.iter().filter(|other| *other == size).count();
    let (width, height) = *found.iter().max_by_key(|size| count(size))?;
    Some(Size { width, height })
}

/// Those that are tried, ascending: in the images' shape, and never above their own resolution.
fn sizes(own: Size) -> Vec<Size> {
    let longest = own.width.max(own.height);
    let sides = SIDES.into_iter().filter(|side| *side < longest);
    let most = longest.min(SIDES[SIDES.len() - 1]);
    let mut sizes: Vec<Size> = sides
        .chain([most])
        .flat_map(|side| sized(own, side))
        .collect();
    sizes.dedup();
    sizes
}

/// The size of this longer side, or the largest that the engine runs, if it is finer than the whole view.
fn sized(own: Size, side: u32) -> Option<Size> {
    let longest = own.width.max(own.height);
    let most = f64::from(longest) * (MOST_PIXELS / own.pixels() as f64).sqrt();
    let side = side.min(longest).min(most as u32);
    if side <= NOT_FINER {
        return None;
    }
    let scaled = |length: u32| {
        let pixels = u64::from(length) * u64::from(side) / u64::from(longest);
        ((pixels as u32 / STEP) * STEP).max(2 * STEP)
    };
    Some(Size {
        width: scaled(own.width),
        height: scaled(own.height),
    })
}

#[cfg(test)]
mod tests {
    use aecsad_inspect::network::{Cpu, Encoder};

    use super::*;
    use crate::networks::ENCODER;

    fn own(width: u32, height: u32) -> Vec<(u32, u32)> {
        let sizes = sizes(Size { width, height });
        sizes.iter().map(|s| (s.width, s.height)).collect()
    }

    #[test]
    fn sizes_keep_the_shape_and_end_at_the_images_own() {
        assert_eq!(own(512, 512), [(384, 384), (512, 512)]);
        assert_eq!(own(640, 480), [(384, 288), (512, 384), (640, 480)]);
        assert_eq!(own(4096, 512).last(), Some(&(2048, 256)));
        assert_eq!(own(600, 600).last(), Some(&(576, 576)));
        assert!(own(256, 256).is_empty() && own(280, 100).is_empty());
    }

    #[test]
    fn the_engine_runs_the_largest() {
        for (width, height) in [(2000, 2000), (4000, 3000), (6000, 500)] {
            let own = Size { width, height };
            let largest = *sizes(own).last().unwrap();
            assert!(
                Encoder::load_at(&Cpu, ENCODER, largest).is_ok(),
                "{largest}"
            );
        }
        assert_eq!(own(2000, 2000).last(), Some(&(1184, 1184)));
    }

    #[test]
    fn the_answer_is_kept_for_the_same_question() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(CHOSEN);
        let sizes = sizes(Size {
            width: 640,
            height: 480,
        });
        assert_eq!(recall(&file, "a", &sizes), None);
        std::fs::write(&file, "a\n512×384\n").unwrap();
        assert_eq!(recall(&file, "a", &sizes), Some(Some(sizes[1])));
        assert_eq!(recall(&file, "b", &sizes), None);
        std::fs::write(&file, "a\nnone\n").unwrap();
        assert_eq!(recall(&file, "a", &sizes), Some(None));
    }

    #[test]
    fn the_smallest_that_sees_as_much_is_taken() {
        let row = |side, auroc| SizeResult {
            size: Size {
                width: side,
                height: side,
            },
            auroc,
        };
        let rows = [
            row(256, [0.6, 0.8, 1.0]),
            row(384, [0.8, 0.995, 1.0]),
            row(512, [0.9, 1.0, 1.0]),
            row(640, [0.905, 1.0, 1.0]),
        ];
        let found = |count: usize| smallest(&rows.iter().take(count).collect::<Vec<_>>());
        assert_eq!(found(4).unwrap().width, 512);
        assert_eq!(found(2).unwrap().width, 384);
        assert_eq!(found(1).unwrap().width, 256);
        assert_eq!(found(0), None);
    }

    #[test]
    fn each_size_has_a_line_with_its_time() {
        let size = |side| Size {
            width: side,
            height: side,
        };
        let rows = [256, 512].map(|side| SizeResult {
            size: size(side),
            auroc: [0.5, 0.75, 1.0],
        });
        let time = PartTime::of_whole(10.0);
        let lines = table(size(512), None, &rows, &time, 50.0);
        assert_eq!(lines.len(), 5);
        assert_eq!(
            lines[3],
            "256×256           10    0.500    0.750    1.000  chosen"
        );
        assert!(
            lines[4].contains("66") && lines[4].ends_with("--budget-ms"),
            "{}",
            lines[4]
        );
    }

    #[test]
    fn a_side_is_never_finer_than_the_images() {
        let own = Size {
            width: 800,
            height: 400,
        };
        let side = |side| sized(own, side).map(|s| (s.width, s.height));
        assert_eq!(side(512), Some((512, 256)));
        assert_eq!(side(9000), Some((800, 384)));
        assert_eq!(side(256), None);
    }
}
