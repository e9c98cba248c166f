//! Places of a region that are neither learnt nor judged: a printed date, a fixture, a glare spot. A fixed colour lies
//! there in every view, so that no branch sees what does.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::region::Region;
use crate::frame::Size;

/// A drawing of more rectangles is made coarser.
const MOST_AREAS: usize = 2048;
/// The places grow by at least this many pixels of a view: a pixel of a reduced view mixes its neighbours.
const MARGIN: u64 = 2;

/// Rectangles, and what is seen there instead.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ignored {
    /// RGB.
    pub colour: [u8; 3],
    /// In pixels of the region that they lie in.
    pub areas: Vec<Region>,
}

impl Ignored {
    /// What a drawing marks in a region of `size`. One of too many rectangles is made coarser, so that more is ignored.
    ///
    /// *Shapes*: `marked` is `[height, width]`, row by row.
    pub fn of_drawing(marked: &[bool], size: Size, colour: [u8; 3]) -> Self {
        let mut block = 1;
        loop {
            let coarse = coarser(marked, size, block);
            if let Some(areas) = rectangles(&coarse.0, coarse.1 as usize) {
                let areas = areas.into_iter().map(|area| enlarged(area, block, size));
                return Ignored {
                    colour,
                    areas: areas.collect(),
                };
            }
            block *= 2;
        }
    }

    /// Why it can't be in a region of this size; none if it can.
    pub(super) fn fault(&self, size: Size) -> Option<&'static str> {
        if !(1..=MOST_AREAS).contains(&self.areas.len()) {
            return Some("does not ignore 1 to 2048 areas");
        }
        let outside = self.areas.iter().any(|area| !area.is_inside(size));
        outside.then_some("ignores areas outside itself")
    }

    /// The pixels of a view, row by row, that see anything of the areas of a region of `size`, and one more on each
    /// side.
    pub(super) fn covered(&self, size: Size, view: Size) -> Vec<bool> {
        let (width, height) = (view.width as usize, view.height as usize);
        // Where areas begin and end; a running sum of it says how many lie on a pixel.
        let stride = width + 1;
        let mut edges = vec![0i32; stride * (height + 1)];
        for area in &self.areas {
            let x = grown(area.left, area.width, size.width, view.width);
            let y = grown(area.top, area.height, size.height, view.height);
            edges[y.start * stride + x.start] += 1;
            edges[y.start * stride + x.end] -= 1;
            edges[y.end * stride + x.start] -= 1;
            edges[y.end * stride + x.end] += 1;
        }
        let mut above = vec![0i32; stride];
        let mut covered = Vec::with_capacity(width * height);
        for row in edges.chunks_exact(stride).take(height) {
            let mut here = 0;
            for (x, edge) in row.iter().enumerate() {
                above[x] += edge;
                here += above[x];
                if x < width {
                    covered.push(here > 0);
                }
            }
        }
        covered
    }
}

/// The pixels of a view's side that `length` pixels from `start` of a region's side reach.
fn grown(start: u32, length: u32, side: u32, view: u32) -> Range<usize> {
    let (start, length, side, view) = (
        u64::from(start),
        u64::from(length),
        u64::from(side.max(1)),
        u64::from(view),
    );
    let margin = MARGIN.max(view.div_ceil(side) + 1);
    let first = (start * view / side).saturating_sub(margin);
    let end = ((start + length) * view).div_ceil(side) + margin;
    first.min(view) as usize..end.min(view) as usize
}

/// A drawing in blocks, each marked where any of its pixels is, and how many are in a row.
fn coarser(marked: &[bool], size: Size, block: u32) -> (Vec<bool>, u32) {
    let (columns, rows) = (size.width.div_ceil(block), size.height.div_ceil(block));
    let mut coarse = vec![false; columns as usize * rows as usize];
    for (y, row) in marked.chunks_exact(size.width.max(1) as usize).enumerate() {
        for (x, marked) in row.iter().enumerate() {
            let at = (y / block as usize) * columns as usize + x / block as usize;
            coarse[at] |= marked;
        }
    }
    (coarse, columns)
}

fn enlarged(area: Region, block: u32, size: Size) -> Region {
    let (left, top) = (area.left * block, area.top * block);
    Region {
        left,
        top,
        width: (area.width * block).min(size.width - left),
        height: (area.height * block).min(size.height - top),
    }
}

/// The drawing as rectangles: runs of one row, joined with equal ones of the row above. None if there are too many.
fn rectangles(marked: &[bool], columns: usize) -> Option<Vec<Region>> {
    let mut areas: Vec<Region> = Vec::new();
    // Of the row above, in the order of their columns: start, end, index of the rectangle.
    let mut above: Vec<(usize, usize, usize)> = Vec::new();
    for (y, row) in marked.chunks_exact(columns.max(1)).enumerate() {
        let mut runs = Vec::new();
        for run in runs_of(row) {
            let key = (run.start, run.end);
            let same = above.binary_search_by_key(&key, |(start, end, _)| (*start, *end));
            let index = match same {
                Ok(at) => {
                    areas[above[at].2].height += 1;
                    above[at].2
                }
                Err(_) if areas.len() == MOST_AREAS => return None,
                Err(_) => {
                    areas.push(Region {
                        left: run.start as u32,
                        top: y as u32,
                        width: run.len() as u32,
                        height: 1,
                    });
                    areas.len() - 1
                }
            };
            runs.push((run.start, run.end, index));
        }
        above = runs;
    }
    Some(areas)
}

/// The runs of marked pixels.
fn runs_of(row: &[bool]) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + row[at..].iter().position(|marked| *marked)?;
        let length = row[start..].iter().position(|marked| !marked);
        at = length.map_or(row.len(), |length| start + length);
        Some(start..at)
    })
}

/// What lies over the ignored pixels of one view.
pub(super) struct IgnoredFill {
    colour: [u8; 3],
    /// Of pixels, row by row.
    runs: Vec<Range<usize>>,
}

impl IgnoredFill {
    pub fn new(ignored: &Ignored, size: Size, view: Size) -> Self {
        let covered = ignored.covered(size, view);
        IgnoredFill {
            colour: ignored.colour,
            runs: runs_of(&covered).collect(),
        }
    }

    /// Covers the ignored pixels of the view.
    ///
    /// *Shapes*: `rgb` is `[height, width, 3]` of the view, 8 bits per value.
    pub fn cover(&self, rgb: &mut [u8]) {
        for run in &self.runs {
            for pixel in rgb[3 * run.start..3 * run.end].chunks_exact_mut(3) {
                pixel.copy_from_slice(&self.colour);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(width: u32, height: u32) -> Size {
        Size { width, height }
    }

    /// What the rectangles mark, pixel by pixel.
    fn drawn(ignored: &Ignored, size: Size) -> Vec<bool> {
        let mut marked = vec![false; size.pixels()];
        for area in &ignored.areas {
            assert!(area.is_inside(size));
            for y in area.top..area.top + area.height {
                for x in area.left..area.left + area.width {
                    let pixel = &mut marked[(y * size.width + x) as usize];
                    assert!(!*pixel, "no pixel is in two");
                    *pixel = true;
                }
            }
        }
        marked
    }

    #[test]
    fn a_drawing_is_kept_to_the_pixel() {
        let size = size(90, 70);
        let marked: Vec<bool> = (0..size.pixels() as i32)
            .map(|i| (i % 90, i / 90))
            .map(|(x, y)| {
                (x - 30).pow(2) + (y - 40).pow(2) < 200 || (x > 80 && y < 9) || (x == 3 && y == 3)
            })
            .collect();
        let ignored = Ignored::of_drawing(&marked, size, [1, 2, 3]);
        assert_eq!(drawn(&ignored, size), marked);
        assert!(ignored.areas.contains(&[81, 0, 9, 9].into()));
        assert_eq!(ignored.fault(size), None);
    }

    #[test]
    fn a_drawing_of_too_many_areas_ignores_more() {
        let size = size(301, 203);
        let marked: Vec<bool> = (0..size.pixels())
            .map(|i| i % 2 == 0 && i % 7 < 4)
            .collect();
        let ignored = Ignored::of_drawing(&marked, size, [0; 3]);
        assert_eq!(ignored.fault(size), None);
        let drawn = drawn(&ignored, size);
        assert!(
            marked
                .iter()
                .zip(&drawn)
                .all(|(marked, drawn)| !marked || *drawn)
        );
    }

    #[test]
    fn it_grows_by_what_a_views_pixels_mix() {
        let one = Ignored {
            colour: [0; 3],
            areas: vec![[40, 0, 20, 10].into()],
        };
        let covered = one.covered(size(100, 100), size(50, 50));
        let runs = |row: &[bool]| -> Vec<_> {
            let runs = runs_of(row).map(|run| (run.start, run.end));
            runs.collect()
        };
        let row = |y: usize| runs(&covered[50 * y..][..50]);
        assert_eq!((row(0), row(6)), (vec![(18, 32)], vec![(18, 32)]));
        assert_eq!(row(7), []);
        // A pixel of a view that is larger than the region reaches over several.
        let covered = one.covered(size(100, 100), size(800, 100));
        assert_eq!(runs(&covered[..800]), [(311, 489)]);
    }

    #[test]
    fn hostile_areas_are_refused() {
        let fault = |areas: Vec<[u32; 4]>| {
            let areas = areas.into_iter().map(Region::from).collect();
            let colour = [0; 3];
            Ignored { colour, areas }.fault(size(64, 64))
        };
        assert_eq!(fault(vec![[0, 0, 64, 64]]), None);
        for areas in [
            vec![],
            vec![[0, 0, 0, 4]],
            vec![[60, 60, 5, 1]],
            vec![[u32::MAX, 0, u32::MAX, 1]],
            vec![[0, 0, 1, 1]; MOST_AREAS + 1],
        ] {
            assert!(fault(areas).is_some());
        }
    }
}
