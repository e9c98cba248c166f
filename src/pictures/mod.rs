//! Pictures of parts: those that were not good and a sample of those that were, each with a second picture that shows its
//! heat map, in rings of files; and the latest for who watches the page. The engine's thread hands a frame over and takes
//! an empty one for it; a thread of its own encodes and writes.

pub mod contact_sheet;
mod encode;
mod folder;
mod live_view;
mod ring;
mod selection;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use aecsad_inspect::branches::shared::heat::HeatMap;
use aecsad_inspect::frame::Frame;
use aecsad_inspect::inspector::Verdict;
use aecsad_inspect::optics::Region;

use crate::journal::{JournalError, JournalRun, unusable};
use crate::line::{Cause, Part};
use crate::station::config::JournalConfig;
use crate::station::system::lower_priority;
use crate::station::{Album, Inspection};
pub use encode::{jpeg_within, png};
use folder::PictureFolder;
pub use live_view::{LivePicture, LiveView};
pub use selection::{Kept, Selection};

/// The most pictures on their way to the disk.
const IN_FLIGHT: usize = 4;

/// A frame on its way, with what is known of the part.
struct Picture {
    part: u32,
    frame: Frame,
    /// [`HeatMap`]'s values, or empty where the judge has none.
    heat: Vec<f32>,
    heat_columns: usize,
    /// What of the frame it covers; all of it if none.
    region: Option<Region>,
    wanted: Wanted,
}

/// Why a picture is taken.
#[derive(Clone, Debug)]
struct Wanted {
    kept: Option<Kept>,
    live: bool,
    cause: Cause,
    verdict: Option<Verdict>,
}

/// The engine's side. It exchanges a filled frame for an empty one.
pub struct Pictures {
    full: Option<SyncSender<Picture>>,
    empty: Receiver<Picture>,
    thread: Option<JoinHandle<()>>,
    selection: Selection,
    live: Option<Arc<LiveView>>,
    wanted: Option<Wanted>,
    /// Pictures not kept, because the disk was full or too slow.
    pub shed: Arc<AtomicU64>,
}

impl Pictures {
    /// Keeps pictures of this run in the journal's folder, if there is one, and shows the latest in `live`.
    pub fn start(
        journal: Option<&JournalConfig>,
        run: &JournalRun,
        live: Option<Arc<LiveView>>,
    ) -> Result<Self, JournalError> {
        let (full, inbox) = sync_channel(IN_FLIGHT);
        let (returns, empty) = sync_channel(IN_FLIGHT);
        for _ in 0..IN_FLIGHT {
            let picture = Picture {
                part: 0,
                frame: Frame::empty(),
                heat: Vec::new(),
                heat_columns: 1,
                region: None,
                wanted: Wanted {
                    kept: None,
                    live: false,
                    cause: Cause::Good,
                    verdict: None,
                },
            };
            let _ = returns.try_send(picture);
        }
        let shed = Arc::new(AtomicU64::new(0));
        let folder = |kept: Kept| {
            let journal = journal?;
            let bytes = match kept {
                Kept::NotGood => journal.images_bytes,
                Kept::Sample => journal.samples_bytes,
            };
            Some(PictureFolder::new(kept.folder(&journal.path), bytes, run))
        };
        let mut worker = PictureThread {
            not_good: folder(Kept::NotGood),
            samples: folder(Kept::Sample),
            run: run.clone(),
            live: live.clone(),
            shed: Arc::clone(&shed),
        };
        let thread = thread::Builder::new()
            .name("pictures".into())
            .spawn(move || {
                lower_priority();
                worker.open();
                while let Ok(picture) = inbox.recv() {
                    worker.take(&picture);
                    let _ = returns.try_send(picture);
                }
            })
            .map_err(JournalError::NoThread)?;
        Ok(Pictures {
            full: Some(full),
            empty,
            thread: Some(thread),
            selection: journal.map(Selection::of).unwrap_or_default(),
            live,
            wanted: None,
            shed,
        })
    }
}

impl Album for Pictures {
    fn wants(&mut self, judged: &Inspection, idle: bool) -> bool {
        let verdict = match judged {
            Inspection::Verdict(verdict, _) => Some(verdict),
            _ => None,
        };
        let cause = judged.cause();
        let kept = self.selection.kept(cause, verdict);
        let live = self.live.as_ref().is_some_and(|live| live.wants(idle));
        self.wanted = (kept.is_some() || live).then(|| Wanted {
            kept,
            live,
            cause,
            verdict: verdict.cloned(),
        });
        self.wanted.is_some()
    }

    fn keep(&mut self, part: Part, frame: &mut Frame, heat: Option<&HeatMap>) {
        let Some(wanted) = self.wanted.take() else {
            return;
        };
        let Ok(mut picture) = self.empty.try_recv() else {
            if wanted.kept.is_some() {
                self.shed.fetch_add(1, Ordering::Relaxed);
            }
            return;
        };
        picture.part = part.id;
        picture.wanted = wanted;
        std::mem::swap(&mut picture.frame, frame);
        picture.heat.clear();
        picture.region = heat.and_then(|heat| heat.region);
        if let Some(heat) = heat {
            picture.heat.extend_from_slice(&heat.values);
            picture.heat_columns = heat.columns;
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

/// The file of a part's picture in one of the folders.
pub fn picture_path(folder: &Path, run: i64, part: u32) -> PathBuf {
    folder.join(format!("{run:06}-{part:08}.png"))
}

/// The file of the same picture with its heat map.
pub fn heat_path(picture: &Path) -> PathBuf {
    picture.with_extension("heat.png")
}

/// A part's picture, if it is still kept in the journal's folder.
pub fn find(journal: &Path, run: i64, part: u32) -> Option<PathBuf> {
    let places = [Kept::NotGood, Kept::Sample].map(|kept| kept.folder(journal));
    let paths = places.map(|folder| picture_path(&folder, run, part));
    paths.into_iter().find(|path| path.is_file())
}

/// Checks whether the folders of pictures that are there can be written.
pub fn check(journal: &Path) -> Result<(), JournalError> {
    for kept in [Kept::NotGood, Kept::Sample] {
        let folder = kept.folder(journal);
        if folder.symlink_metadata().is_ok() {
            tempfile::tempfile_in(&folder).map_err(|error| unusable(&folder, &error))?;
        }
    }
    Ok(())
}

/// The highest run number in the names of pictures.
pub fn latest_run(journal: &Path) -> i64 {
    let folders = [Kept::NotGood, Kept::Sample].map(|kept| kept.folder(journal));
    let entries = folders.iter().filter_map(|folder| folder.read_dir().ok());
    let numbers = entries.flatten().flatten().filter_map(|entry| {
        let name = entry.file_name();
        name.to_str()?.split_once('-')?.0.parse().ok()
    });
    numbers.max().unwrap_or(0)
}

struct PictureThread {
    not_good: Option<PictureFolder>,
    samples: Option<PictureFolder>,
    run: JournalRun,
    live: Option<Arc<LiveView>>,
    shed: Arc<AtomicU64>,
}

impl PictureThread {
    /// Makes the folder before the first part, so that a folder that can't be used is reported at once.
    fn open(&mut self) {
        if let Some(folder) = &mut self.not_good {
            folder.attempt(|_| Ok(()));
        }
    }

    fn take(&mut self, picture: &Picture) {
        let run = self.run.number.load(Ordering::Relaxed);
        if picture.wanted.live
            && let Some(live) = &self.live
        {
            live.show(picture, run);
        }
        let folder = match picture.wanted.kept {
            None => return,
            Some(Kept::NotGood) => &mut self.not_good,
            Some(Kept::Sample) => &mut self.samples,
        };
        let kept = folder.as_mut().is_some_and(|folder| {
            let path = picture_path(folder.path(), run, picture.part);
            folder.attempt(|ring| {
                ring.put(&path, &encode::png(&picture.frame)?)?;
                match encode::with_heat(picture)? {
                    Some(heated) => ring.put(&heat_path(&path), &encode::png(&heated)?),
                    None => Ok(()),
                }
            })
        });
        if !kept {
            self.shed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;
    use std::time::{Duration, Instant};

    use super::*;

    pub fn files(folder: &Path) -> Vec<String> {
        let names = folder.read_dir().unwrap();
        let mut names: Vec<String> = names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    pub fn run(number: i64) -> (JournalRun, Receiver<String>) {
        let (alarms_in, alarms) = std::sync::mpsc::channel();
        let run = JournalRun {
            number: Arc::new(number.into()),
            alarms: alarms_in,
        };
        (run, alarms)
    }

    pub fn journal(path: &Path) -> JournalConfig {
        JournalConfig {
            path: path.into(),
            records: 1_000,
            images_bytes: 1 << 20,
            samples_bytes: 1 << 20,
            sample_every: 3,
            borderline: 0.8,
        }
    }

    pub fn judged(score: f32) -> Inspection {
        let mut verdict = Verdict::passing(score, 0.0);
        verdict.decide_by(10.0);
        Inspection::Verdict(verdict, Arc::default())
    }

    fn keep(pictures: &mut Pictures, id: u32, score: f32) {
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
        if pictures.wants(&judged(score), true) {
            pictures.keep(Part { id, captured }, &mut frame, Some(&heat));
            assert_eq!(frame.width, 0, "it got an empty one for it");
        }
    }

    #[test]
    fn a_picture_is_kept_with_its_heat() {
        let folder = tempfile::tempdir().unwrap();
        let (run, _alarms) = run(3);
        let journal = journal(folder.path());
        let mut pictures = Pictures::start(Some(&journal), &run, None).unwrap();
        keep(&mut pictures, 1, 12.0);
        drop(pictures);
        let place = folder.path().join("pictures");
        assert_eq!(
            files(&place),
            ["000003-00000001.heat.png", "000003-00000001.png"]
        );
        let open = |name: &str| image::open(place.join(name)).unwrap().to_rgb8();
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
        assert_eq!(latest_run(folder.path()), 3);
        assert!(find(folder.path(), 3, 1).is_some() && find(folder.path(), 3, 2).is_none());
    }

    #[test]
    fn good_parts_are_sampled_in_a_ring_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let (run, _alarms) = run(1);
        let journal = journal(folder.path());
        let mut pictures = Pictures::start(Some(&journal), &run, None).unwrap();
        for (part, score) in [(1, 1.0), (2, 1.0), (3, 1.0), (4, 12.0), (5, 8.5), (6, 1.0)] {
            keep(&mut pictures, part, score);
            // The queue is short.
            std::thread::sleep(Duration::from_millis(20));
        }
        drop(pictures);
        let samples = files(&folder.path().join("samples"));
        // Every third good part, and the one near the threshold.
        assert_eq!(samples.len(), 4, "{samples:?}");
        assert!(find(folder.path(), 1, 3).is_some() && find(folder.path(), 1, 5).is_some());
        assert!(find(folder.path(), 1, 4).is_some() && find(folder.path(), 1, 1).is_none());
        fs::remove_dir_all(folder.path().join("samples")).unwrap();
        assert!(find(folder.path(), 1, 3).is_none());
    }

    #[test]
    fn without_a_journal_only_who_watches_gets_pictures() {
        let (run, _alarms) = run(1);
        let (shown_in, shown) = std::sync::mpsc::channel();
        let live = Arc::new(LiveView::new(move |picture| {
            let _ = shown_in.send(picture.part);
        }));
        let mut pictures = Pictures::start(None, &run, Some(Arc::clone(&live))).unwrap();
        keep(&mut pictures, 1, 12.0);
        let watcher = live.watch();
        keep(&mut pictures, 2, 1.0);
        // Too soon after the last one.
        keep(&mut pictures, 3, 1.0);
        drop(watcher);
        drop(pictures);
        assert_eq!(shown.try_iter().collect::<Vec<_>>(), [2]);
        let latest = live.latest().unwrap();
        assert!(latest.heat.is_some() && latest.seen.starts_with(&[0xff, 0xd8]));
    }
}
