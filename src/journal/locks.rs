//! Whether another program holds a journal so that a station can't write it. SQLite locks bytes of its files for the whole
//! process (sqlite.org/fileformat2.html, "The Locking Page"; walformat.html, "WAL locks"), and the kernel says who holds them.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc::{self, off_t};

use super::aside::with_ending;
use super::database::BUSY_WAIT;

/// In the database: the pending byte, the reserved byte and the shared ones. Who writes holds one of them alone.
const DATABASE: (off_t, off_t) = (0x4000_0000, 512);
/// In the index of the log: the byte of the one who writes.
const LOG_INDEX: (off_t, off_t) = (120, 1);
const AGAIN: Duration = Duration::from_millis(20);

/// The process that keeps the journal from being written for longer than a station waits. A lock whose state can't be read
/// counts as not held.
pub(super) fn holder(path: &Path) -> Option<i32> {
    let files = [
        (path.to_path_buf(), DATABASE),
        (with_ending(path, "-shm"), LOG_INDEX),
    ];
    let held = || {
        let mut held = files.iter();
        held.find_map(|(path, bytes)| held_alone(path, *bytes))
    };
    let since = Instant::now();
    loop {
        let holder = held()?;
        if since.elapsed() > BUSY_WAIT {
            return Some(holder);
        }
        thread::sleep(AGAIN);
    }
}

/// The process that has locked one of these bytes for itself.
fn held_alone(path: &Path, (start, length): (off_t, off_t)) -> Option<i32> {
    // Closing a file lets go of the locks that this process has on it: it has none.
    let file = path.is_file().then(|| File::open(path))?.ok()?;
    let mut lock = libc::flock {
        l_type: libc::F_RDLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: start,
        l_len: length,
        l_pid: 0,
    };
    fcntl(file.as_raw_fd(), FcntlArg::F_GETLK(&mut lock)).ok()?;
    (lock.l_type != libc::F_UNLCK as libc::c_short).then_some(lock.l_pid)
}
