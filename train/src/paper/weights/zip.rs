//! Enough of zip to read what PyTorch writes: entries stored as they are, listed at the end of the file. Everything
//! is bounded by the file itself, which is in memory.

use std::collections::BTreeMap;

const END: &[u8] = b"PK\x05\x06";
const END_BYTES: usize = 22;
const LISTED: &[u8] = b"PK\x01\x02";
const LISTED_BYTES: usize = 46;
const LOCAL_BYTES: usize = 30;
/// A size or place that does not fit in 32 bits stands elsewhere; no file that is read here is that large.
const ZIP64: u32 = u32::MAX;

/// Each stored entry by its name.
pub fn entries(file: &[u8]) -> Result<BTreeMap<String, &[u8]>, String> {
    // A comment of up to 64 KiB may follow.
    let last = file.len().checked_sub(END_BYTES).ok_or("it is cut short")?;
    let end = (last.saturating_sub(0xffff)..=last)
        .rev()
        .find(|&at| file[at..].starts_with(END))
        .ok_or("the list of its entries is missing: it is cut short")?;
    let count = u16_at(file, end + 10)?;
    let mut at = u32_at(file, end + 16)? as usize;
    let mut entries = BTreeMap::new();
    for _ in 0..count {
        let listed = slice(file, at, LISTED_BYTES)?;
        if !listed.starts_with(LISTED) {
            return Err("the list of its entries is damaged".into());
        }
        let method = u16_at(listed, 10)?;
        let [bytes, local] = [u32_at(listed, 24)?, u32_at(listed, 42)?];
        let [name_bytes, extra, comment] = [28, 30, 32].map(|field| u16_at(listed, field));
        let name = slice(file, at + LISTED_BYTES, name_bytes? as usize)?;
        at += LISTED_BYTES + name.len() + extra? as usize + comment? as usize;
        if method != 0 || bytes == ZIP64 || local == ZIP64 {
            return Err(
                "an entry is compressed or larger than 4 GiB, which PyTorch doesn't write".into(),
            );
        }
        let local = local as usize;
        let header = slice(file, local, LOCAL_BYTES)?;
        let skipped = u16_at(header, 26)? as usize + u16_at(header, 28)? as usize;
        let content = slice(file, local + LOCAL_BYTES + skipped, bytes as usize)?;
        entries.insert(String::from_utf8_lossy(name).into_owned(), content);
    }
    Ok(entries)
}

fn slice(file: &[u8], at: usize, bytes: usize) -> Result<&[u8], String> {
    at.checked_add(bytes)
        .and_then(|end| file.get(at..end))
        .ok_or_else(|| "an entry reaches beyond its end: it is cut short".into())
}

fn u16_at(file: &[u8], at: usize) -> Result<u16, String> {
    slice(file, at, 2).map(|b| u16::from_le_bytes([b[0], b[1]]))
}

fn u32_at(file: &[u8], at: usize) -> Result<u32, String> {
    slice(file, at, 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
}
