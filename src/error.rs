//! The library's one error type. Each module has its own enum with the context in it; this one gathers them and
//! knows the exit code, so that a script can tell a bad image from a bad bundle.

/// What a failed command leaves with. 0 is success, 2 is the command line's own (unknown option).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// An image or a folder of images that can't be used.
    Input = 3,
    /// A bundle that is refused: damaged, unsigned, not ours, or its golden vectors differ here.
    Bundle = 4,
    /// A station file with an unknown or out-of-range key.
    Config = 5,
    /// A device that is missing, busy or not what it should be.
    Device = 6,
    /// A place that can't be written, or is full.
    Storage = 7,
    /// The inference engine failed.
    Engine = 8,
    /// Too few or unsuitable images to train on.
    Training = 9,
    /// Stopped by Ctrl-C or SIGTERM.
    Interrupted = 130,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub fn exit_code(&self) -> ExitCode {
        match *self {}
    }
}
