//! Fetches a published file over HTTPS. What has arrived stays in a `.part` file, so that a connection that breaks
//! costs nothing; only a file with the right digest gets its name.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aecsad_program::whole_file;

use super::{Published, WeightsError, check};

/// The most that is accepted from a server, in bytes.
const MAX_BYTES: u64 = 1 << 30;
/// A server that sends nothing for so long is disconnected.
const SILENCE: Duration = Duration::from_secs(30);

/// What is wanted, from where, and where it goes.
#[derive(Clone, Debug)]
pub struct Download {
    pub url: String,
    pub target: PathBuf,
    /// How the file's SHA-256 must begin.
    pub digest: &'static str,
}

impl Download {
    /// A published file into `folder`; from another server if `url` is given.
    pub fn new(known: Published, folder: &Path, url: Option<String>) -> Self {
        Self {
            url: url.unwrap_or_else(|| known.url.to_owned()),
            target: folder.join(known.file),
            digest: known.digest,
        }
    }

    fn failed(&self, why: impl Into<String>) -> WeightsError {
        WeightsError::Fetch {
            url: self.url.clone(),
            why: why.into(),
        }
    }
}

/// Fetches what isn't there yet, going on from what an earlier attempt left. `progress` gets the bytes there are
/// and, once known, how many there will be.
///
/// # Errors
/// [`WeightsError::Fetch`] if the server can't be reached, doesn't have the file or breaks off (what arrived is
/// kept); [`WeightsError::Digest`] if the whole file is another one (it is thrown away).
pub fn fetch(
    download: &Download,
    cancel: &AtomicBool,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> Result<(), WeightsError> {
    let unwritable = |source| WeightsError::Unwritable {
        path: download.target.clone(),
        source,
    };
    if download.target.is_file() && check(&download.target, download.digest).is_ok() {
        return Ok(());
    }
    if let Some(folder) = download.target.parent() {
        whole_file::create_folder(folder).map_err(unwritable)?;
    }
    // Beside the file itself, even where the name in the cache is a link to another disk.
    let target = whole_file::end_of_links(&download.target).map_err(unwritable)?;
    let mut part = target.clone().into_os_string();
    part.push(".part");
    let part = PathBuf::from(part);
    receive(download, &part, cancel, progress)?;
    if let Err(error) = check(&part, download.digest) {
        // To go on from a wrong file would never end.
        let _ = std::fs::remove_file(&part);
        return Err(error);
    }
    std::fs::rename(&part, &target).map_err(unwritable)
}

fn receive(
    download: &Download,
    part: &Path,
    cancel: &AtomicBool,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> Result<(), WeightsError> {
    let unwritable = |source| WeightsError::Unwritable {
        path: part.to_owned(),
        source,
    };
    let had = std::fs::metadata(part).map_or(0, |m| m.len());
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_connect(Some(SILENCE))
        .timeout_per_read(Some(SILENCE))
        .http_status_as_error(false)
        .build()
        .into();
    let mut request = agent.get(&download.url);
    if had > 0 {
        request = request.header("Range", format!("bytes={had}-"));
    }
    let mut response = request.call().map_err(|e| download.failed(e.to_string()))?;
    let resumed = match response.status().as_u16() {
        200 => false,
        206 => true,
        // All of it is there already.
        416 if had > 0 => return Ok(()),
        404 => return Err(download.failed("the server does not have it (404)")),
        code => return Err(download.failed(format!("the server answered {code}"))),
    };
    let mut done = if resumed { had } else { 0 };
    let total = response.body().content_length().map(|length| done + length);
    if total.is_some_and(|total| total > MAX_BYTES) {
        return Err(download.failed("the file is larger than any such network"));
    }
    let mut file = open(part, resumed).map_err(unwritable)?;
    let mut reader = response.body_mut().with_config().limit(MAX_BYTES).reader();
    let mut block = vec![0; 1 << 16];
    loop {
        progress(done, total);
        if cancel.load(Ordering::Relaxed) {
            return Err(WeightsError::Interrupted);
        }
        let count = reader.read(&mut block).map_err(|e| {
            download.failed(format!("the connection broke after {done} bytes: {e}"))
        })?;
        if count == 0 {
            break;
        }
        file.write_all(&block[..count]).map_err(unwritable)?;
        done += count as u64;
    }
    file.sync_all().map_err(unwritable)?;
    match total {
        Some(total) if done < total => {
            Err(download.failed(format!("only {done} of {total} bytes came")))
        }
        _ => Ok(()),
    }
}

fn open(part: &Path, append: bool) -> std::io::Result<File> {
    OpenOptions::new()
        .create(true)
        .write(true)
        .append(append)
        .truncate(!append)
        .open(part)
}
