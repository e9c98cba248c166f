//! Pictures of every stage for people: what was found, what was kept, and why the rest was not. A wrong tag is seen here
//! in a minute.

use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use aecsad_program::whole_file;
use aecsad_program::written_name::written;
use image::imageops::{self, FilterType};
use image::{ImageFormat, Rgb, RgbImage};

use super::FoundationError;
use super::grounding::Detection;
use super::mask::Mask;
use super::tags::Tag;
use super::two_stage::Verdict;
use crate::pseudo_label::overlay::{colour, fill, write_text};

/// Side of the picture of one stage, and of the line of text under it.
const PANEL: u32 = 256;
const TEXT: u32 = 14;
/// Stages, classes included.
const PANELS: u32 = 5;
/// Images on the sheet.
const MOST_ON_SHEET: usize = 16;
const TITLES: [&str; 5] = [
    "boxes of tags",
    "M_G, background dark",
    "candidates M_S",
    "kept, and why not",
    "classes",
];

/// What became of one image.
pub struct Strip<'a> {
    pub picture: &'a RgbImage,
    pub boxes: &'a [Detection],
    pub objects: &'a [Mask],
    pub background: &'a Mask,
    pub candidates: &'a [Mask],
    pub verdicts: &'a [Verdict],
}

/// Writes a strip for each image, and the list of all candidates.
pub struct Strips<'a> {
    folder: PathBuf,
    tags: &'a [Tag],
    list: String,
}

impl<'a> Strips<'a> {
    /// Into `stages` of a folder.
    pub fn new(folder: &Path, tags: &'a [Tag]) -> Self {
        Self {
            folder: folder.join("stages"),
            tags,
            list: String::from("image,candidate,left,top,right,bottom,pixels,kept,reason\n"),
        }
    }

    pub fn write(
        &mut self,
        index: usize,
        name: &OsStr,
        strip: &Strip<'_>,
    ) -> Result<(), FoundationError> {
        if index == 0 {
            whole_file::create_folder(&self.folder).map_err(|e| unwritable(&self.folder, e))?;
        }
        let text = written(Path::new(name)).replace('"', "\"\"");
        let candidates = strip.candidates.iter().zip(strip.verdicts).enumerate();
        for (number, (mask, verdict)) in candidates {
            let [left, top, right, bottom] = mask.bounds().unwrap_or_default();
            let pixels = mask.area();
            let kept = verdict.kept();
            // Writing to a text can't fail.
            let _ = writeln!(
                self.list,
                "\"{text}\",{number},{left},{top},{right},{bottom},{pixels},{kept},{verdict}"
            );
        }
        save(&self.picture(strip), &strip_path(&self.folder, name))
    }

    /// The list of all candidates.
    pub fn finish(self) -> Result<(), FoundationError> {
        let path = self.folder.join("candidates.csv");
        whole_file::write(&path, self.list.as_bytes()).map_err(|e| unwritable(&path, e))
    }

    /// The stages side by side; the place of the classes stays empty.
    fn picture(&self, strip: &Strip<'_>) -> RgbImage {
        let mut sheet = RgbImage::from_pixel(PANELS * PANEL, PANEL + 2 * TEXT, Rgb([24; 3]));
        for (panel, title) in TITLES.into_iter().enumerate() {
            write_text(&mut sheet, panel as u32 * PANEL + 4, 3, title);
        }
        let panels = [
            self.of_boxes(strip),
            of_prompted(strip),
            of_candidates(strip, |_| true),
            of_verdicts(strip),
        ];
        for (panel, (picture, line)) in panels.into_iter().enumerate() {
            let left = panel as u32 * PANEL;
            imageops::replace(&mut sheet, &picture, i64::from(left), i64::from(TEXT));
            let line: String = line.chars().take(PANEL as usize / 8 - 1).collect();
            write_text(&mut sheet, left + 4, PANEL + TEXT + 3, &line);
        }
        sheet
    }

    fn of_boxes(&self, strip: &Strip<'_>) -> (RgbImage, String) {
        let mut panel = small(strip.picture);
        let (width, height) = (strip.picture.width(), strip.picture.height());
        for detection in strip.boxes {
            let [left, top, right, bottom] = detection.bounds.0;
            let place = |value: f32, length: u32| {
                (value / length as f32 * PANEL as f32).clamp(0.0, PANEL as f32 - 1.0) as u32
            };
            let (left, right) = (place(left, width), place(right, width));
            let (top, bottom) = (place(top, height), place(bottom, height));
            let paint = colour(detection.tag + 1);
            let (across, down) = (right - left.min(right) + 1, bottom - top.min(bottom) + 1);
            fill(&mut panel, left, top, across, 1, paint);
            fill(&mut panel, left, bottom, across, 1, paint);
            fill(&mut panel, left, top, 1, down, paint);
            fill(&mut panel, right, top, 1, down, paint);
            let tag = self.tags.get(detection.tag).map_or("?", |tag| &tag.name);
            let letters = 8 * tag.chars().count() as u32 + 2;
            fill(&mut panel, left, top, letters, 10, [24; 3]);
            write_text(&mut panel, left + 1, top + 1, tag);
        }
        let count = |background: bool| {
            let of = |d: &&Detection| {
                self.tags
                    .get(d.tag)
                    .is_some_and(|tag| tag.background == background)
            };
            strip.boxes.iter().filter(of).count()
        };
        (
            panel,
            format!("{} parts, {} background", count(false), count(true)),
        )
    }
}

/// Puts the classes of each image beside its stages, and the first images on one sheet.
///
/// # Errors
/// If a picture can't be written.
pub(in crate::foundation) fn add_classes(
    folder: &Path,
    names: &[OsString],
    classes: impl Fn(usize) -> Option<RgbImage>,
) -> Result<(), FoundationError> {
    let stages = folder.join("stages");
    let mut on_sheet = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let path = strip_path(&stages, name);
        let (Ok(strip), Some(overlay)) = (image::open(&path), classes(index)) else {
            continue;
        };
        let mut strip = strip.to_rgb8();
        let left = i64::from((PANELS - 1) * PANEL);
        imageops::replace(&mut strip, &small(&overlay), left, i64::from(TEXT));
        save(&strip, &path)?;
        if on_sheet.len() < MOST_ON_SHEET {
            on_sheet.push(strip);
        }
    }
    let height = on_sheet.iter().map(RgbImage::height).sum();
    let mut sheet = RgbImage::new(PANELS * PANEL, height);
    let mut top = 0;
    for strip in &on_sheet {
        imageops::replace(&mut sheet, strip, 0, i64::from(top));
        top += strip.height();
    }
    match on_sheet.is_empty() {
        true => Ok(()),
        false => save(&sheet, &folder.join("stages_sheet.png")),
    }
}

fn strip_path(folder: &Path, name: &OsStr) -> PathBuf {
    let mut file = name.to_owned();
    file.push(".png");
    folder.join(file)
}

fn small(picture: &RgbImage) -> RgbImage {
    imageops::resize(picture, PANEL, PANEL, FilterType::Triangle)
}

/// Mixes a colour into the panel wherever the mask is, and draws its edge where `edge` is given.
fn tint(panel: &mut RgbImage, mask: &Mask, paint: [u8; 3], percent: u16) {
    let (width, height) = mask.size();
    let inside = |x: u32, y: u32| {
        let x = (2 * x as usize + 1) * width / (2 * PANEL as usize);
        let y = (2 * y as usize + 1) * height / (2 * PANEL as usize);
        mask.covers(y * width + x)
    };
    for y in 0..PANEL {
        for x in 0..PANEL {
            if !inside(x, y) {
                continue;
            }
            let edge = x == 0
                || y == 0
                || x + 1 == PANEL
                || y + 1 == PANEL
                || !(inside(x - 1, y) && inside(x + 1, y) && inside(x, y - 1) && inside(x, y + 1));
            let strength = if edge { 100 } else { percent };
            let pixel = panel.get_pixel_mut(x, y);
            for c in 0..3 {
                let mixed = u16::from(pixel[c]) * (100 - strength) + u16::from(paint[c]) * strength;
                pixel[c] = (mixed / 100) as u8;
            }
        }
    }
}

fn of_prompted(strip: &Strip<'_>) -> (RgbImage, String) {
    let mut panel = small(strip.picture);
    tint(&mut panel, strip.background, [0; 3], 60);
    for (number, mask) in strip.objects.iter().enumerate() {
        tint(&mut panel, mask, colour(number % 16 + 1), 40);
    }
    (panel, format!("{} objects", strip.objects.len()))
}

fn of_candidates(strip: &Strip<'_>, shown: impl Fn(Verdict) -> bool) -> (RgbImage, String) {
    let mut panel = small(strip.picture);
    let masks = strip.candidates.iter().zip(strip.verdicts).enumerate();
    let mut masks: Vec<_> = masks.filter(|(_, (_, verdict))| shown(**verdict)).collect();
    // Small ones lie on top.
    masks.sort_by_key(|(_, (mask, _))| std::cmp::Reverse(mask.area()));
    for (number, (mask, _)) in &masks {
        tint(&mut panel, mask, colour(number % 16 + 1), 40);
    }
    (panel, format!("{} candidates", masks.len()))
}

/// The kept masks in colour, and in the middle of each dropped one the letter of its reason.
fn of_verdicts(strip: &Strip<'_>) -> (RgbImage, String) {
    let (mut panel, _) = of_candidates(strip, Verdict::kept);
    let mut counts = [0; 4];
    for (mask, verdict) in strip.candidates.iter().zip(strip.verdicts) {
        let (reason, letter) = match verdict {
            Verdict::Kept => continue,
            Verdict::Background(_) => (0, "B"),
            Verdict::NoObject(_) => (1, "N"),
            Verdict::Covered(_) => (2, "C"),
            Verdict::Small(_) => (3, "S"),
        };
        counts[reason] += 1;
        let Some([left, top, right, bottom]) = mask.bounds() else {
            continue;
        };
        let (width, height) = mask.size();
        let middle = |a: usize, b: usize, length: usize| {
            ((a + b + 1) as u32 * PANEL / (2 * length as u32)).clamp(5, PANEL - 6)
        };
        let (x, y) = (middle(left, right, width), middle(top, bottom, height));
        fill(&mut panel, x - 5, y - 5, 10, 10, [24; 3]);
        write_text(&mut panel, x - 4, y - 4, letter);
    }
    let kept = strip.verdicts.iter().filter(|v| v.kept()).count();
    let [background, no_object, covered, small] = counts;
    let line = format!("{kept} kept, B{background} N{no_object} C{covered} S{small}");
    (panel, line)
}

fn save(picture: &RgbImage, path: &Path) -> Result<(), FoundationError> {
    let mut png = Vec::new();
    picture
        .write_to(&mut Cursor::new(&mut png), ImageFormat::Png)
        .map_err(std::io::Error::other)
        .and_then(|()| whole_file::write(path, &png))
        .map_err(|e| unwritable(path, e))
}

fn unwritable(path: &Path, source: std::io::Error) -> FoundationError {
    FoundationError::Unwritable {
        path: path.to_owned(),
        source,
    }
}
