//! Reads the tar archive block by block, with every bound checked before the bytes behind it are read.
//!
//! Only one form of archive is accepted, the one of [`canonical_header`]. So one content has exactly one sequence of
//! bytes, and no field can contain a flipped bit, a link or a second name unnoticed.

use std::io::{self, Read};

use sha2::{Digest, Sha256};
use tar::{EntryType, Header};

use super::error::BundleFault;

const BLOCK: usize = 512;

/// Tar's `name` field; its `prefix` field is never used.
const MAX_NAME: usize = 100;

pub(super) struct ArchiveReader<R> {
    input: R,
    digest: Sha256,
    at: u64,
}

/// One entry's header, already known to be canonical.
#[derive(Debug)]
pub(super) struct EntryHeader {
    pub name: String,
    pub bytes: u64,
}

impl<R: Read> ArchiveReader<R> {
    pub fn new(input: R) -> Self {
        ArchiveReader {
            input,
            digest: Sha256::new(),
            at: 0,
        }
    }

    /// The next entry's header; `expected` names what should come, for the message if the archive ends.
    pub fn header(&mut self, expected: &str) -> Result<EntryHeader, BundleFault> {
        let at = self.at;
        let mut block = [0; BLOCK];
        self.fill(&mut block)?;
        let header = Header::from_byte_slice(&block);
        if at == 0 && !is_tar(&block) {
            return Err(BundleFault::NotABundle {
                what: looks_like(&block),
            });
        }
        if block == [0; BLOCK] {
            return Err(BundleFault::EndsEarly {
                missing: expected.into(),
            });
        }
        let bytes = match (is_tar(&block), header.cksum(), header.entry_size()) {
            (true, Ok(stated), Ok(bytes)) if stated == checksum(&block) => bytes,
            _ => return Err(BundleFault::HeaderDamaged { at }),
        };
        let raw_name = header.path_bytes();
        let name = String::from_utf8_lossy(&raw_name).into_owned();
        if let Some(kind) = not_plain(header.entry_type()) {
            return Err(BundleFault::NotPlainFile { name, kind });
        }
        check_name(&name)?;
        if canonical_header(&name, bytes)?.as_bytes() != &block {
            return Err(BundleFault::NotCanonical { name });
        }
        Ok(EntryHeader { name, bytes })
    }

    /// The entry's content and its padding. The caller has bounded `header.bytes`.
    pub fn body(&mut self, header: &EntryHeader) -> Result<Vec<u8>, BundleFault> {
        let at = self.at;
        let mut body = Vec::new();
        let length = usize::try_from(header.bytes).ok();
        if length.is_none_or(|length| body.try_reserve_exact(length).is_err()) {
            let source = io::ErrorKind::OutOfMemory.into();
            return Err(BundleFault::Read { at, source });
        }
        let read = (&mut self.input)
            .take(header.bytes)
            .read_to_end(&mut body)
            .map_err(|source| BundleFault::Read { at, source })?;
        self.at += read as u64;
        self.digest.update(&body);
        if (read as u64) < header.bytes {
            return Err(BundleFault::Truncated { at: self.at });
        }
        let mut padding = [0; BLOCK];
        let padding = &mut padding[..body.len().next_multiple_of(BLOCK) - body.len()];
        self.fill(padding)?;
        if padding.iter().any(|&b| b != 0) {
            return Err(BundleFault::NotCanonical {
                name: header.name.clone(),
            });
        }
        Ok(body)
    }

    /// Expects the two closing blocks and nothing behind them. Returns SHA-256 and size of the whole file.
    pub fn finish(mut self) -> Result<([u8; 32], u64), BundleFault> {
        for _ in 0..2 {
            let mut block = [0; BLOCK];
            self.fill(&mut block)?;
            if block != [0; BLOCK] {
                return Err(BundleFault::TrailingBytes);
            }
        }
        let at = self.at;
        let mut one = Vec::new();
        match (&mut self.input).take(1).read_to_end(&mut one) {
            Ok(0) => Ok((self.digest.finalize().into(), self.at)),
            Ok(_) => Err(BundleFault::TrailingBytes),
            Err(source) => Err(BundleFault::Read { at, source }),
        }
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), BundleFault> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.input.read(&mut buffer[filled..]) {
                Ok(0) if self.at == 0 => return Err(BundleFault::Empty),
                Ok(0) if self.at < BLOCK as u64 => {
                    return Err(BundleFault::NotABundle {
                        what: looks_like(&buffer[..filled]),
                    });
                }
                Ok(0) => return Err(BundleFault::Truncated { at: self.at }),
                Ok(n) => {
                    filled += n;
                    self.at += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(BundleFault::Read {
                        at: self.at,
                        source,
                    });
                }
            }
        }
        self.digest.update(buffer);
        Ok(())
    }
}

/// The one header that an entry may have: a plain ustar file, mode 644, owner 0, time 0.
pub(super) fn canonical_header(name: &str, bytes: u64) -> Result<Header, BundleFault> {
    check_name(name)?;
    let mut header = Header::new_ustar();
    header
        .set_path(name)
        .map_err(|_| BundleFault::BadName { name: shown(name) })?;
    header.set_entry_type(EntryType::Regular);
    header.set_size(bytes);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    Ok(header)
}

/// Zero bytes that follow a body of this length.
pub(super) fn padding(bytes: usize) -> &'static [u8] {
    const ZEROS: [u8; BLOCK] = [0; BLOCK];
    &ZEROS[..bytes.next_multiple_of(BLOCK) - bytes]
}

/// The two zero blocks that close an archive.
pub(super) const END_OF_ARCHIVE: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// Accepts `a`, `a/b.onnx`; refuses absolute paths, `.`, `..`, empty parts and any other character.
pub(super) fn check_name(name: &str) -> Result<(), BundleFault> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-/".contains(&b);
    let good = name.len() <= MAX_NAME
        && name.bytes().all(allowed)
        && name.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if good {
        Ok(())
    } else {
        Err(BundleFault::BadName { name: shown(name) })
    }
}

/// A name from the archive, made safe for a message.
fn shown(name: &str) -> String {
    name.chars()
        .take(MAX_NAME)
        .flat_map(char::escape_debug)
        .collect()
}

fn is_tar(block: &[u8]) -> bool {
    block.get(257..262) == Some(b"ustar")
}

/// Tar's header checksum: the sum of all bytes, its own field counted as spaces.
fn checksum(block: &[u8; BLOCK]) -> u32 {
    let sum = |bytes: &[u8]| bytes.iter().map(|&b| u32::from(b)).sum::<u32>();
    sum(&block[..148]) + 8 * u32::from(b' ') + sum(&block[156..])
}

fn not_plain(kind: EntryType) -> Option<&'static str> {
    Some(match kind {
        EntryType::Regular => return None,
        EntryType::Link => "a hard link",
        EntryType::Symlink => "a symbolic link",
        EntryType::Char | EntryType::Block => "a device",
        EntryType::Directory => "a folder",
        EntryType::Fifo => "a pipe",
        EntryType::GNUSparse => "a sparse file",
        EntryType::GNULongName | EntryType::GNULongLink => "a GNU long-name header",
        EntryType::XHeader | EntryType::XGlobalHeader => "a pax header",
        _ => "of an unknown kind",
    })
}

fn looks_like(start: &[u8]) -> &'static str {
    const MAGIC: [(&[u8], &str); 7] = [
        (b"\x89PNG", "a PNG picture"),
        (b"\xff\xd8\xff", "a JPEG picture"),
        (b"BM", "a BMP picture"),
        (b"II*\0", "a TIFF picture"),
        (b"MM\0*", "a TIFF picture"),
        (b"PK", "a zip archive"),
        (b"\x1f\x8b", "a gzip file"),
    ];
    MAGIC
        .iter()
        .find(|(magic, _)| start.starts_with(magic))
        .map_or("some other file", |(_, what)| what)
}
