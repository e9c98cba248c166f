//! Keeps pictures of the parts that were not good, each with a second picture that shows its heat map, in a ring of
//! files: when the space is used up, the oldest are deleted.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use aecsad_inspect::branches::shared::heat::HeatMap;
use aecsad_inspect::frame::Frame;
use aecsad_inspect::heatmap;
use aecsad_inspect::optics::Region;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ImageEncoder, RgbImage};

use super::aside::put_aside;
use super::{JournalError, JournalRun, pictures_folder};
use crate::line::Part;
use crate::ownership::{create_folder, hand_over};
use crate::station::Album;
use crate::station::alarm::Alarm;

/// The most pictures on their way to the disk.
const IN_FLIGHT: usize = 4;

struct Picture {
    part: u32,
    frame: Frame,
    /// [`HeatMap`]'s values, or empty where the judge has none.
    heat: Vec<f32>,
    heat_columns: usize,
    /// What of the frame it covers; all of it if none.
    region: Option<Region>,
}

/// The engine's side. It exchanges a filled frame for an empty one.
pub struct Pictures {
    full: Option<SyncSender<Picture>>,
    empty: Receiver<Picture>,
    thread: Option<JoinHandle<()>>,
    /// Pictures not kept, because the disk was full or too slow.
    pub shed: Arc<AtomicU64>,
}

impl Pictures {
    /// Keeps pictures of this run under the journal's `folder`, in at most `bytes`.
    pub fn start(folder: &Path, run: &JournalRun, bytes: u64) -> Result<Self, JournalError> {
        let (full, inbox) = sync_channel(IN_FLIGHT);
        let (returns, empty) = sync_channel(IN_FLIGHT);
        for _ in 0..IN_FLIGHT {
            let picture = Picture {
                part: 0,
                frame: Frame::empty(),
                heat: Vec::new(),
                heat_columns: 1,
                region: None,
            };
            let _ = returns.try_send(picture);
        }
        let shed = Arc::new(AtomicU64::new(0));
        let mut worker = PictureThread {
            ring: None,
            folder: pictures_folder(folder),
            bytes,
            run: run.clone(),
            shed: Arc::clone(&shed),
            reported: None,
        };
        let thread = thread::Builder::new()
            .name("pictures".into())
            .spawn(move || {
                worker.attempt(|_| Ok(()));
                while let Ok(picture) = inbox.recv() {
                    worker.keep(&picture);
                    let _ = returns.try_send(picture);
                }
            })
            .map_err(JournalError::NoThread)?;
        Ok(Pictures {
            full: Some(full),
            empty,
            thread: Some(thread),
            shed,
        })
    }
}

impl Album for Pictures {
    fn keep(&mut self, part: Part, frame: &mut Frame, heat: Option<&HeatMap>) {
        let Ok(mut picture) = self.empty.try_recv() else {
            self.shed.fetch_add(1, Ordering::Relaxed);
            return;
        };
        picture.part = part.id;
        std::mem::swap(&mut picture.frame, frame);
        picture.heat.clear();
        if let Some(heat) = heat {
            picture.heat.extend_from_slice(&heat.values);
            picture.heat_columns = heat.columns;
            picture.region = heat.region;
        }
        if let Some(full) = &self.full {
            // The queue has room for every picture there is.
            let _ = full.try_send(picture);
        }
    }
}

impl Drop for Pictures {
    fn drop(&mut self) {
        self.full = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub fn picture_path(folder: &Path, run: i64, part: u32) -> PathBuf {
    folder.join(format!("{run:06}-{part:08}.png"))
}

/// The highest run number in the pictures' names.
pub(super) fn latest_run(folder: &Path) -> i64 {
    let entries = pictures_folder(folder).read_dir().into_iter().flatten();
    let numbers = entries.flatten().filter_map(|entry| {
        let name = entry.file_name();
        name.to_str()?.split_once('-')?.0.parse().ok()
    });
    numbers.max().unwrap_or(0)
}

struct PictureThread {
    /// None while the folder can't be used.
    ring: Option<Ring>,
    folder: PathBuf,
    bytes: u64,
    run: JournalRun,
    shed: Arc<AtomicU64>,
    /// The latest alarm, so that it is given once.
    reported: Option<String>,
}

impl PictureThread {
    fn keep(&mut self, picture: &Picture) {
        let run = self.run.number.load(Ordering::Relaxed);
        let path = picture_path(&self.folder, run, picture.part);
        let kept = self.attempt(|ring| {
            let (seen, heated) = encode(picture)?;
            ring.put(&path, &seen)?;
            match heated {
                Some(heated) => ring.put(&path.with_extension("heat.png"), &heated),
                None => Ok(()),
            }
        });
        if !kept {
            self.shed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Opens the ring if needed and runs `put` on it. A failure is an alarm, given once.
    fn attempt(&mut self, put: impl FnOnce(&mut Ring) -> io::Result<()>) -> bool {
        let mut ring = self.ring.take().filter(|_| self.folder.is_dir());
        let opened = match ring.as_mut() {
            Some(ring) => Ok(ring),
            None => self.open().map(|opened| ring.insert(opened)),
        };
        let Err(error) = opened.and_then(put) else {
            self.ring = ring;
            self.reported = None;
            return true;
        };
        // The ring is opened again for the next picture, as the folder may be another one then.
        if matches!(
            error.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        ) {
            self.ring = ring;
        }
        let why = super::database::unusable(&self.folder, &error).to_string();
        if self.reported.as_ref() != Some(&why) {
            self.reported = Some(why.clone());
            let alarm = Alarm::PicturesWait { why };
            let _ = self.run.alarms.send(alarm.to_string());
        }
        false
    }

    /// Opens the ring. A place that is no folder, or another user's, is put aside for a new one.
    fn open(&self) -> io::Result<Ring> {
        let folder = &self.folder;
        let usable = || {
            create_folder(folder)?;
            tempfile::tempfile_in(folder)?;
            Ring::open(folder, self.bytes)
        };
        usable().or_else(|error| {
            let of_folder = [
                io::ErrorKind::PermissionDenied,
                io::ErrorKind::NotADirectory,
                io::ErrorKind::AlreadyExists,
            ];
            if !of_folder.contains(&error.kind()) {
                return Err(error);
            }
            let aside = match put_aside(folder, "-pictures") {
                Ok(Some(aside)) => aside,
                _ => return Err(error),
            };
            let alarm = Alarm::PicturesReplaced {
                folder: folder.clone(),
                error,
                aside,
            };
            let _ = self.run.alarms.send(alarm.to_string());
            usable()
        })
    }
}

/// The picture, and the picture with its heat map over it, as PNG files.
fn encode(picture: &Picture) -> io::Result<(Vec<u8>, Option<Vec<u8>>)> {
    let Frame {
        width, height, rgb, ..
    } = &picture.frame;
    let png = |rgb: &[u8]| -> io::Result<Vec<u8>> {
        let mut file = Vec::new();
        PngEncoder::new_with_quality(&mut file, CompressionType::Fast, FilterType::Adaptive)
            .write_image(rgb, *width, *height, image::ExtendedColorType::Rgb8)
            .map_err(io::Error::other)?;
        Ok(file)
    };
    let seen = png(rgb)?;
    let heated = match RgbImage::from_raw(*width, *height, rgb.clone()) {
        Some(mut over) if !picture.heat.is_empty() => {
            let (map, columns) = (&picture.heat, picture.heat_columns);
            let heat = heatmap::over_frame(map, columns, picture.region, *width, *height);
            heatmap::overlay(&mut over, &heat);
            Some(png(over.as_raw())?)
        }
        _ => None,
    };
    Ok((seen, heated))
}

/// Files in the order of their creation, in a limited number of bytes.
struct Ring {
    files: VecDeque<(PathBuf, u64)>,
    used: u64,
    bytes: u64,
}

impl Ring {
    fn open(folder: &Path, bytes: u64) -> io::Result<Self> {
        let mut files = Vec::new();
        for entry in folder.read_dir()? {
            let entry = entry?;
            let path = entry.path();
            // The file was removed since it was listed.
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            if path.extension().is_some_and(|e| e == "part") {
                // A power cut left the file unfinished.
                let _ = fs::remove_file(path);
            } else if metadata.is_file() && path.extension().is_some_and(|e| e == "png") {
                files.push((path, metadata.len()));
            }
        }
        files.sort();
        let used = files.iter().map(|f| f.1).sum();
        let mut ring = Ring {
            files: files.into(),
            used,
            bytes,
        };
        ring.make_room(0);
        Ok(ring)
    }

    fn put(&mut self, path: &Path, content: &[u8]) -> io::Result<()> {
        let length = content.len() as u64;
        if length > self.bytes {
            return Ok(());
        }
        self.make_room(length);
        let part = path.with_extension("part");
        let written = fs::write(&part, content)
            .and_then(|()| hand_over(&part))
            .and_then(|()| fs::rename(&part, path));
        if let Err(error) = written {
            let _ = fs::remove_file(&part);
            // Other programs filled the disk, so the oldest picture is deleted for the next one.
            self.remove_oldest();
            return Err(error);
        }
        self.files.push_back((path.into(), length));
        self.used += length;
        Ok(())
    }

    fn make_room(&mut self, length: u64) {
        while self.used + length > self.bytes && !self.files.is_empty() {
            self.remove_oldest();
        }
    }

    fn remove_oldest(&mut self) {
        if let Some((path, length)) = self.files.pop_front() {
            self.used -= length;
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn files(folder: &Path) -> Vec<String> {
        let names = folder
            .join("pictures")
            .read_dir()
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    fn run(number: i64) -> (JournalRun, Receiver<String>) {
        let (alarms_in, alarms) = std::sync::mpsc::channel();
        let run = JournalRun {
            number: Arc::new(number.into()),
            alarms: alarms_in,
        };
        (run, alarms)
    }

    fn keep(pictures: &mut Pictures, id: u32) {
        let mut rng = fastrand::Rng::with_seed(u64::from(id));
        let mut frame = Frame {
            width: 32,
            height: 24,
            rgb: (0..32 * 24 * 3).map(|_| rng.u8(..)).collect(),
            captured: Instant::now(),
        };
        let captured = frame.captured;
        let mut heat = HeatMap::new();
        let half = heat.values.len() / 2;
        heat.values[half..].fill(1.0);
        pictures.keep(Part { id, captured }, &mut frame, Some(&heat));
        assert_eq!(frame.width, 0, "it got an empty one for it");
    }

    #[test]
    fn a_picture_is_kept_with_its_heat() {
        let folder = tempfile::tempdir().unwrap();
        let (run, _alarms) = run(3);
        let mut pictures = Pictures::start(folder.path(), &run, 1 << 20).unwrap();
        keep(&mut pictures, 1);
        drop(pictures);
        assert_eq!(
            files(folder.path()),
            ["000003-00000001.heat.png", "000003-00000001.png"]
        );
        let open = |name: &str| {
            image::open(folder.path().join("pictures").join(name))
                .unwrap()
                .to_rgb8()
        };
        let (seen, heated) = (
            open("000003-00000001.png"),
            open("000003-00000001.heat.png"),
        );
        assert_eq!(seen.dimensions(), (32, 24));
        let coloured = |x, y| {
            let image::Rgb([r, g, b]) = *heated.get_pixel(x, y);
            r != g || g != b
        };
        assert!(coloured(31, 23) && !coloured(0, 0));
    }

    #[test]
    fn the_oldest_files_go_when_the_room_is_used_up() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("pictures")).unwrap();
        let left = folder.path().join("pictures/000001-00000009.part");
        fs::write(&left, "torn").unwrap();
        let place = folder.path().join("pictures");
        let mut ring = Ring::open(&place, 1_000).unwrap();
        assert!(!left.exists());
        for part in 1..=5 {
            ring.put(&picture_path(&place, 1, part), &[0; 300]).unwrap();
        }
        assert_eq!(
            files(folder.path()),
            [
                "000001-00000003.png",
                "000001-00000004.png",
                "000001-00000005.png"
            ]
        );
        // A picture that never fits is none; a smaller room holds from the start.
        ring.put(&picture_path(&place, 1, 6), &[0; 2_000]).unwrap();
        assert_eq!(files(folder.path()).len(), 3);
        drop(Ring::open(&place, 300).unwrap());
        assert_eq!(files(folder.path()), ["000001-00000005.png"]);
    }

    #[test]
    fn a_folder_that_can_t_be_used_is_put_aside_or_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("pictures");
        fs::write(&place, "a file").unwrap();
        let (run, alarms) = run(1);
        let mut worker = PictureThread {
            ring: None,
            folder: place.clone(),
            bytes: 1_000,
            run,
            shed: Arc::default(),
            reported: None,
        };
        let put = |ring: &mut Ring| ring.put(&place.join("000001-00000001.png"), &[0; 10]);
        assert!(worker.attempt(put));
        let alarm = alarms.try_recv().unwrap();
        assert!(alarm.contains("damaged-1-pictures"), "{alarm}");
        assert_eq!(files(folder.path()).len(), 1);
        // Removed while it is at work.
        fs::remove_dir_all(&place).unwrap();
        assert!(worker.attempt(put));
        assert_eq!(files(folder.path()).len(), 1);
        // What is above it is no folder any more.
        worker.folder = folder.path().join("damaged-1-pictures/pictures");
        let stuck = |_: &mut Ring| Ok(());
        assert!(!worker.attempt(stuck) && !worker.attempt(stuck));
        assert_eq!(alarms.try_iter().count(), 1, "it is reported once");
    }
}
