//! Pictures of reviewed parts. They are kept apart from the rings, so that they wait for the next training, in `good` and
//! `bad` as `aecsad-train fit --more-good` and `--bad` take them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::access::Viewer;
use super::answer::Refusal;
use super::context::Context;
use super::support::{Archive, streamed};
use crate::operator::Mark;
use crate::ownership::{create_folder, folder_of, hand_over};
use crate::pictures::{self, picture_path};

const MARKS: [Mark; 2] = [Mark::Good, Mark::Bad];

/// Where the pictures of this mark lie in the journal's folder.
pub fn folder(journal: &Path, mark: Mark) -> PathBuf {
    journal.join("reviewed").join(mark.name())
}

/// A reviewed part's picture.
pub fn find(journal: &Path, run: i64, part: u32) -> Option<PathBuf> {
    let paths = MARKS.map(|mark| picture_path(&folder(journal, mark), run, part));
    paths.into_iter().find(|path| path.is_file())
}

/// Puts a part's picture where its mark says, in at most `room` bytes. A part without a picture has only a mark.
pub fn place(
    journal: &Path,
    run: i64,
    part: u32,
    mark: Option<Mark>,
    room: u64,
) -> Result<(), Refusal> {
    let from = find(journal, run, part);
    let Some(mark) = mark else {
        return match from {
            Some(path) => {
                fs::remove_file(&path).map_err(|error| Refusal::unwritable(&path, &error))
            }
            None => Ok(()),
        };
    };
    let to = picture_path(&folder(journal, mark), run, part);
    if from.as_ref() == Some(&to) {
        return Ok(());
    }
    let placed = match from {
        Some(from) => create_folder(folder_of(&to)).and_then(|()| fs::rename(from, &to)),
        None => match pictures::find(journal, run, part) {
            None => return Ok(()),
            Some(picture) => {
                let used = used(journal);
                if used + picture.metadata().map_or(0, |found| found.len()) > room {
                    return Err(Refusal::bad_request(format!(
                        "the pictures of reviewed parts use {} of {} MB: move them away with `aecsad export --reviewed DIR --clear`",
                        used / 1_000_000,
                        room / 1_000_000
                    )));
                }
                copy(&picture, &to)
            }
        },
    };
    placed.map_err(|error| Refusal::unwritable(&to, &error))
}

/// A second name of the file where that is possible, else a copy.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    create_folder(folder_of(to))?;
    let unfinished = to.with_extension("part");
    let _ = fs::remove_file(&unfinished);
    fs::hard_link(from, &unfinished)
        .or_else(|_| fs::copy(from, &unfinished).map(drop))
        .and_then(|()| hand_over(&unfinished))
        .and_then(|()| fs::rename(&unfinished, to))
}

fn used(journal: &Path) -> u64 {
    let files = MARKS.map(|mark| pictures_in(&folder(journal, mark)));
    let sizes = files
        .iter()
        .flatten()
        .filter_map(|path| path.metadata().ok());
    sizes.map(|found| found.len()).sum()
}

/// The pictures of a folder, in the order of their names.
pub fn pictures_in(folder: &Path) -> Vec<PathBuf> {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "png"))
        .collect();
    paths.sort();
    paths
}

pub async fn download(
    State(context): State<Arc<Context>>,
    _viewer: Viewer,
) -> Result<Response, Refusal> {
    let journal = context.journal()?;
    Ok(streamed("reviewed.tar", move |archive: &mut Archive| {
        for mark in MARKS {
            for path in pictures_in(&folder(&journal, mark)) {
                let name = path
                    .file_name()
                    .map(Path::new)
                    .unwrap_or(Path::new("part.png"));
                archive.append_path_with_name(&path, Path::new(mark.name()).join(name))?;
            }
        }
        Ok(())
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_follows_its_mark_and_outlives_the_ring() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path();
        let ring = journal.join("pictures");
        fs::create_dir(&ring).unwrap();
        let kept = picture_path(&ring, 3, 14);
        fs::write(&kept, "picture").unwrap();
        let put = |mark, room| place(journal, 3, 14, mark, room).map_err(|e| e.sentence);
        let names = |mark| pictures_in(&super::folder(journal, mark)).len();
        assert!(put(Some(Mark::Bad), 3).unwrap_err().contains("--clear"));
        put(Some(Mark::Bad), 1_000).unwrap();
        fs::remove_file(&kept).unwrap();
        assert_eq!((names(Mark::Good), names(Mark::Bad)), (0, 1));
        put(Some(Mark::Good), 1_000).unwrap();
        assert_eq!((names(Mark::Good), names(Mark::Bad)), (1, 0));
        assert!(find(journal, 3, 14).is_some());
        put(None, 1_000).unwrap();
        assert!(find(journal, 3, 14).is_none());
        // Its picture is not kept any more, so only the mark stays.
        put(Some(Mark::Bad), 1_000).unwrap();
    }
}
