//! Writes the outputs that a user names, in both programs. A regular file is written beside its place and renamed into
//! it, so it is whole or unchanged, also after a failure. A device, a pipe or standard output is written to directly.

use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

use crate::{inputs, standard_streams};

/// The most symbolic links that the kernel follows.
const MAX_LINKS: usize = 40;
/// How long to wait for a named pipe's reader.
const READER_WITHIN: Duration = Duration::from_secs(30);

/// A file that is being written, readable by everyone. Dropped without a commit it leaves nothing behind.
pub struct WholeFile {
    sink: Sink,
    reader_exited: bool,
}

enum Sink {
    Unfinished { file: NamedTempFile, path: PathBuf },
    Stream(File),
    StandardOutput,
}

/// The kind of an output's place.
enum OutputKind {
    /// Nothing, or a regular file whose owner and permissions are kept; all links of the path are resolved.
    File {
        path: PathBuf,
        replaced: Option<Metadata>,
    },
    Device(PathBuf),
    Pipe(PathBuf),
    StandardOutput,
}

impl WholeFile {
    /// Makes the temporary file in the folder of `path`, which must be there, or opens the device or pipe that `path`
    /// is. `-` is standard output. A symbolic link is followed and stays.
    pub fn create(path: &Path) -> io::Result<Self> {
        let sink = match place(path)? {
            OutputKind::File { path, replaced } => Sink::Unfinished {
                file: beside(&path, replaced.as_ref())?,
                path,
            },
            OutputKind::Device(path) => Sink::Stream(OpenOptions::new().append(true).open(path)?),
            OutputKind::Pipe(path) => Sink::Stream(open_pipe(&path)?),
            OutputKind::StandardOutput => {
                standard_streams::carry_a_file();
                Sink::StandardOutput
            }
        };
        let reader_exited = false;
        Ok(WholeFile {
            sink,
            reader_exited,
        })
    }

    /// Renames it into place. A power cut soon after may still lose it.
    pub fn commit(self) -> io::Result<()> {
        match self.sink {
            Sink::Unfinished { file, path } => persist(file, &path).map(drop),
            Sink::Stream(_) | Sink::StandardOutput => Ok(()),
        }
    }

    /// Renames it into place durably.
    pub fn commit_durably(self) -> io::Result<()> {
        let Sink::Unfinished { file, path } = self.sink else {
            return self.commit();
        };
        file.as_file().sync_all()?;
        persist(file, &path)?;
        // The rename itself is durable only once the folder is.
        File::open(folder(&path))?.sync_all()
    }

    /// Renames it into place with its present content; later writes go directly into the file.
    pub fn commit_and_go_on(mut self) -> io::Result<Self> {
        self.sink = match self.sink {
            Sink::Unfinished { file, path } => Sink::Stream(persist(file, &path)?),
            stream => stream,
        };
        Ok(self)
    }

    /// Whether the reader of standard output has closed it, so that the rest need not be written.
    pub fn reader_exited(&self) -> bool {
        self.reader_exited
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.sink {
            Sink::Unfinished { file, .. } => file.write(bytes),
            Sink::Stream(file) => file.write(bytes).map_err(plain),
            Sink::StandardOutput => match standard_streams::write_all(bytes) {
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                    self.reader_exited = true;
                    Ok(bytes.len())
                }
                written => written.map(|()| bytes.len()),
            },
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.sink {
            Sink::Unfinished { file, .. } => file.flush(),
            Sink::Stream(_) | Sink::StandardOutput => Ok(()),
        }
    }
}

/// Writes all of a file at once, or nothing.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = WholeFile::create(path)?;
    file.write_all(content)?;
    file.commit()
}

/// Checks before long work whether its result can be written, and reserves standard output if it goes there.
pub fn check(path: &Path) -> io::Result<()> {
    match place(path)? {
        OutputKind::File { path, replaced } => beside(&path, replaced.as_ref()).map(drop),
        OutputKind::Device(path) | OutputKind::Pipe(path) => {
            nix::unistd::access(&path, nix::unistd::AccessFlags::W_OK).map_err(io::Error::from)
        }
        OutputKind::StandardOutput => {
            standard_streams::carry_a_file();
            Ok(())
        }
    }
}

/// Makes a folder for outputs with its parents, and checks whether files can be written there.
pub fn create_folder(path: &Path) -> io::Result<()> {
    match path.metadata() {
        Ok(found) if !found.is_dir() => {
            let why = "it is a file, and a folder is needed";
            return Err(io::Error::new(ErrorKind::NotADirectory, why));
        }
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {
            std::fs::create_dir_all(end_of_links(path)?)?;
        }
        Err(error) => return Err(plain(error)),
    }
    tempfile::tempfile_in(path).map(drop).map_err(without_place)
}

/// Whether `path` is a place that is written to instead of replaced: a device, a pipe or standard output.
pub fn is_stream(path: &Path) -> bool {
    matches!(
        place(path),
        Ok(OutputKind::Device(_) | OutputKind::Pipe(_) | OutputKind::StandardOutput)
    )
}

fn place(path: &Path) -> io::Result<OutputKind> {
    let named = ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];
    if named.iter().any(|name| path == Path::new(name)) {
        return Ok(OutputKind::StandardOutput);
    }
    let found = match path.metadata() {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let path = end_of_links(path)?;
            let replaced = None;
            return Ok(OutputKind::File { path, replaced });
        }
        Err(error) => return Err(plain(error)),
    };
    let kind = found.file_type();
    if kind.is_dir() {
        let why = "it is a folder, and a file is needed";
        return Err(io::Error::new(ErrorKind::IsADirectory, why));
    }
    if kind.is_char_device() || kind.is_block_device() {
        return Ok(OutputKind::Device(path.into()));
    }
    if is_stream_of_ours(&found, io::stdout().as_fd()) {
        return Ok(OutputKind::StandardOutput);
    }
    if is_stream_of_ours(&found, io::stderr().as_fd()) {
        return Ok(OutputKind::Device(path.into()));
    }
    if kind.is_fifo() {
        return Ok(OutputKind::Pipe(path.into()));
    }
    if kind.is_socket() {
        let why = "it is a socket, and a file is needed";
        return Err(io::Error::new(ErrorKind::InvalidInput, why));
    }
    if inputs::is_kept(&found) {
        let why = "this command reads it or has written it";
        return Err(io::Error::new(ErrorKind::InvalidInput, why));
    }
    Ok(OutputKind::File {
        path: path.canonicalize()?,
        replaced: Some(found),
    })
}

/// Whether a pipe or a regular file is the one that standard output or standard error goes to.
fn is_stream_of_ours(found: &Metadata, stream: BorrowedFd<'_>) -> bool {
    let ours = stream.try_clone_to_owned().map(File::from);
    let ours = ours.and_then(|file| file.metadata());
    ours.is_ok_and(|ours| (ours.dev(), ours.ino()) == (found.dev(), found.ino()))
}

/// The path at the end of all symbolic links, whether the file exists or not.
pub fn end_of_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_path_buf();
    for _ in 0..MAX_LINKS {
        match path.read_link() {
            Ok(target) => path = folder(&path).join(target),
            Err(_) => return Ok(path),
        }
    }
    Err(going_round())
}

fn going_round() -> io::Error {
    let why = "its symbolic links lead back to themselves";
    io::Error::other(why)
}

/// Replaces unhelpful error messages of the system.
fn plain(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) if code == nix::errno::Errno::ELOOP as i32 => going_round(),
        Some(code) if code == nix::errno::Errno::EPIPE as i32 => {
            let why = "the program that read it has closed it";
            io::Error::new(ErrorKind::BrokenPipe, why)
        }
        _ => error,
    }
}

/// A temporary file in the folder of `path`, with the permissions that the file there has.
fn beside(path: &Path, replaced: Option<&Metadata>) -> io::Result<NamedTempFile> {
    let mode = replaced.map_or(0o644, |found| found.mode() & 0o777);
    let file = tempfile::Builder::new()
        .prefix(".aecsad-")
        .permissions(Permissions::from_mode(mode | 0o200))
        .tempfile_in(folder(path))
        .map_err(without_place)?;
    if let Some(found) = replaced {
        // Only root may give a file to another user; for anyone else the file was the user's own already.
        let _ = std::os::unix::fs::fchown(&file, Some(found.uid()), Some(found.gid()));
        file.as_file()
            .set_permissions(Permissions::from_mode(mode))?;
    }
    Ok(file)
}

/// The error without the temporary file's name.
fn without_place(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::NotFound => io::Error::new(ErrorKind::NotFound, "its folder is not there"),
        ErrorKind::NotADirectory => {
            io::Error::new(ErrorKind::NotADirectory, "its folder is a file")
        }
        kind => kind.into(),
    }
}

fn persist(file: NamedTempFile, path: &Path) -> io::Result<File> {
    file.persist(path).map_err(|error| error.error)
}

/// Opens a named pipe once a program reads it. A plain open would wait forever, also after a signal.
fn open_pipe(path: &Path) -> io::Result<File> {
    let no_reader = nix::errno::Errno::ENXIO as i32;
    let since = Instant::now();
    let file = loop {
        let opened = OpenOptions::new()
            .write(true)
            .custom_flags(nix::libc::O_NONBLOCK)
            .open(path);
        match opened {
            Err(error) if error.raw_os_error() == Some(no_reader) => {
                if since.elapsed() >= READER_WITHIN {
                    let why = format!(
                        "it is a pipe, and no program reads it within {} s",
                        READER_WITHIN.as_secs()
                    );
                    return Err(io::Error::other(why));
                }
                thread::sleep(Duration::from_millis(20));
            }
            opened => break opened?,
        }
    };
    // From here on writes wait for a slow reader.
    nix::fcntl::fcntl(
        std::os::fd::AsRawFd::as_raw_fd(&file),
        nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::empty()),
    )?;
    Ok(file)
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests;
