//! Walks a JPEG's structure and its coded blocks without computing pixels (ITU T.81). Decoders fill missing blocks with
//! grey and report nothing, even where a camera closed a truncated frame with an end marker. So the blocks are counted
//! here.

mod huffman;

use super::MAX_PIXELS;
use super::container::{Container, u16_at};
use huffman::{Bits, HuffmanTable, standard};

/// More scans than any encoder writes; it bounds the walk.
const MAX_SCANS: usize = 100;
/// A coefficient that no scan has brought yet.
const NOT_SENT: u8 = 255;

/// Why the coded blocks can't be read to the end of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ScanFault {
    /// The scan ends before its last block.
    Cut,
    Damaged(&'static str),
}

struct JpegComponent {
    id: u8,
    /// Sampling factors: blocks of this component in a unit of an interleaved scan.
    across: usize,
    down: usize,
    /// Blocks that a scan of this component alone codes.
    wide: usize,
    high: usize,
    /// Blocks from one row to the next, those that only fill an interleaved unit included.
    stride: usize,
    /// The lowest bit of each coefficient that has come so far.
    lowest_bit: [u8; 64],
    /// Progressive only: which coefficients of each block are not zero, as a set of bits.
    nonzero: Vec<u64>,
    dc_predicted_by: usize,
    ac_coded_by: usize,
}

struct JpegPicture {
    progressive: bool,
    units_across: usize,
    units_down: usize,
    components: heapless::Vec<JpegComponent, 3>,
}

struct Scan {
    first: usize,
    last: usize,
    /// Bits below this one come in later scans.
    low: u8,
    refines: bool,
}

/// Marker segments from SOI to EOI. A thumbnail's own markers lie inside an APP segment and are stepped over with it.
/// None where the bytes end first.
pub(super) fn examine(bytes: &[u8]) -> Option<Container> {
    let mut tables = standard();
    let mut picture = None;
    let mut restart_interval = 0;
    let mut scans = 0;
    let mut at = 2;
    loop {
        // Skips fill bytes before a marker, and other bytes between segments.
        while *bytes.get(at)? != 0xff {
            at += 1;
        }
        while *bytes.get(at)? == 0xff {
            at += 1;
        }
        let marker = bytes[at];
        at += 1;
        match marker {
            // A stuffed zero, TEM and the restart markers stand alone.
            0x00 | 0x01 | 0xd0..=0xd8 => continue,
            0xd9 => {
                let missing = picture.as_ref().is_some_and(JpegPicture::is_incomplete);
                return (!missing).then_some(Container::Whole);
            }
            _ => {}
        }
        let length = usize::from(u16_at(bytes, at, false)?).max(2);
        let segment = bytes.get(at + 2..at + length)?;
        at += length;
        match marker {
            0xc4 => {
                let read = huffman::read_tables(segment, &mut tables);
                if read.is_none() {
                    return Some(Container::Damaged("its Huffman tables"));
                }
            }
            0xc0..=0xcf | 0xf7 if !matches!(marker, 0xc8 | 0xcc) => {
                match JpegPicture::announced(marker, segment)? {
                    Ok(announced) => picture = announced,
                    Err(kind) => return Some(kind),
                }
            }
            0xdd => restart_interval = usize::from(u16_at(segment, 0, false)?),
            0xda => {
                scans += 1;
                if scans > MAX_SCANS {
                    return Some(Container::Unsupported("a JPEG of more than 100 scans"));
                }
                let Some(picture) = &mut picture else {
                    // The picture is too large, or its height comes later: the decoder refuses it by its header.
                    continue;
                };
                let walked = picture
                    .begin(segment)
                    .ok_or(ScanFault::Damaged("a scan's header"))
                    .and_then(|(members, scan)| {
                        let mut bits = Bits::new(bytes, at);
                        picture.walk(&members, &scan, &tables, restart_interval, &mut bits)
                    });
                match walked {
                    Ok(end) => at = end,
                    Err(ScanFault::Cut) => return None,
                    Err(ScanFault::Damaged(what)) => return Some(Container::Damaged(what)),
                }
            }
            _ => {}
        }
    }
}

impl JpegPicture {
    /// Reads a frame header: a picture, nothing where the decoder refuses its size, or an unsupported kind.
    fn announced(marker: u8, segment: &[u8]) -> Option<Result<Option<JpegPicture>, Container>> {
        let [bits, _, _, _, _, count, ..] = *segment else {
            return None;
        };
        let kind = match marker {
            0xc3 | 0xc7 | 0xcb | 0xcf => Some("a lossless JPEG"),
            0xf7 => Some("a JPEG-LS image"),
            0xc5 | 0xc6 | 0xcd | 0xce => Some("a hierarchical JPEG"),
            0xc9 | 0xca => Some("a JPEG with arithmetic coding"),
            _ if bits == 12 => Some("a JPEG of 12 bits"),
            _ if bits != 8 => Some("a JPEG of other than 8 bits"),
            _ if count == 2 || count > 4 => Some("a JPEG of neither one nor three components"),
            _ => None,
        };
        if let Some(kind) = kind {
            return Some(Err(Container::Unsupported(kind)));
        }
        if count == 4 {
            return Some(Err(Container::Cmyk));
        }
        let height = usize::from(u16_at(segment, 1, false)?);
        let width = usize::from(u16_at(segment, 3, false)?);
        if width == 0 || height == 0 || (width * height) as u64 >= MAX_PIXELS {
            return Some(Ok(None));
        }
        let stated = segment.get(6..6 + 3 * usize::from(count))?;
        let sampling = |factors: u8| (usize::from(factors >> 4), usize::from(factors & 15));
        let factors = stated.as_chunks::<3>().0.iter().map(|c| sampling(c[1]));
        if factors
            .clone()
            .any(|(across, down)| !(1..=4).contains(&across) || !(1..=4).contains(&down))
        {
            return Some(Err(Container::Damaged("its sampling factors")));
        }
        let most_across = factors.clone().map(|f| f.0).max()?;
        let most_down = factors.map(|f| f.1).max()?;
        let units_across = width.div_ceil(8 * most_across);
        let units_down = height.div_ceil(8 * most_down);
        let components = stated.as_chunks::<3>().0.iter().map(|&[id, factors, _]| {
            let (across, down) = sampling(factors);
            JpegComponent {
                id,
                across,
                down,
                wide: (width * across).div_ceil(most_across).div_ceil(8),
                high: (height * down).div_ceil(most_down).div_ceil(8),
                stride: units_across * across,
                lowest_bit: [NOT_SENT; 64],
                nonzero: Vec::new(),
                dc_predicted_by: 0,
                ac_coded_by: 0,
            }
        });
        Some(Ok(Some(JpegPicture {
            progressive: marker == 0xc2,
            units_across,
            units_down,
            components: components.collect(),
        })))
    }

    /// Whether scans are missing: some coefficients of a component have not come, or not down to their last bit.
    fn is_incomplete(&self) -> bool {
        let mut components = self.components.iter();
        components.any(|component| component.lowest_bit.iter().any(|&low| low != 0))
    }

    /// Reads a scan's header: its components and the range of their coefficients.
    fn begin(&mut self, segment: &[u8]) -> Option<(heapless::Vec<usize, 3>, Scan)> {
        let count = usize::from(*segment.first()?);
        let mut members = heapless::Vec::new();
        for &[id, tables] in segment.get(1..1 + 2 * count)?.as_chunks::<2>().0 {
            let index = self.components.iter().position(|c| c.id == id)?;
            if members.contains(&index) {
                return None;
            }
            self.components[index].dc_predicted_by = usize::from(tables >> 4) & 3;
            self.components[index].ac_coded_by = usize::from(tables & 3);
            members.push(index).ok()?;
        }
        let &[first, last, approximation] = segment.get(1 + 2 * count..)?.first_chunk()?;
        let scan = match self.progressive {
            true => Scan {
                first: first.into(),
                last: last.into(),
                low: approximation & 15,
                refines: approximation >> 4 != 0,
            },
            false => Scan {
                first: 0,
                last: 63,
                low: 0,
                refines: false,
            },
        };
        let alone_unless_dc = !self.progressive || scan.last == 0 || members.len() == 1;
        let band = scan.first <= scan.last && scan.last < 64;
        let dc_apart = !self.progressive || scan.first > 0 || scan.last == 0;
        (!members.is_empty() && alone_unless_dc && band && dc_apart).then_some((members, scan))
    }

    /// Follows a scan's bits through its last block. Returns where they end.
    fn walk(
        &mut self,
        members: &[usize],
        scan: &Scan,
        tables: &huffman::Tables,
        restart_interval: usize,
        bits: &mut Bits<'_>,
    ) -> Result<usize, ScanFault> {
        let interleaved = members.len() > 1;
        let (across, down) = match members {
            [alone] => (self.components[*alone].wide, self.components[*alone].high),
            _ => (self.units_across, self.units_down),
        };
        let mut end_of_band_run = 0;
        let mut unit = 0;
        for y in 0..down {
            for x in 0..across {
                if restart_interval > 0 && unit > 0 && unit % restart_interval == 0 {
                    bits.restart((unit / restart_interval - 1) % 8)?;
                    end_of_band_run = 0;
                }
                unit += 1;
                for &member in members {
                    let component = &mut self.components[member];
                    let (columns, rows) = match interleaved {
                        true => (component.across, component.down),
                        false => (1, 1),
                    };
                    let dc = &tables.dc[component.dc_predicted_by];
                    let ac = &tables.ac[component.ac_coded_by];
                    for block in 0..columns * rows {
                        if !self.progressive {
                            whole_block(dc, ac, bits)?;
                        } else if scan.first == 0 {
                            match scan.refines {
                                true => bits.skip(1)?,
                                false => dc_difference(dc, bits)?,
                            }
                        } else {
                            let (column, row) =
                                (x * columns + block % columns, y * rows + block / columns);
                            let nonzero = component.nonzero_at(row * component.stride + column);
                            band(scan, ac, nonzero, &mut end_of_band_run, bits)?;
                        }
                    }
                }
            }
        }
        for &member in members {
            let come = &mut self.components[member].lowest_bit[scan.first..=scan.last];
            come.fill(scan.low);
        }
        Ok(bits.end())
    }
}

impl JpegComponent {
    /// The set of block number `index`, which grows with the first scan that reaches it.
    fn nonzero_at(&mut self, index: usize) -> &mut u64 {
        if index >= self.nonzero.len() {
            self.nonzero.resize((index + 1).next_power_of_two(), 0);
        }
        &mut self.nonzero[index]
    }
}

fn dc_difference(dc: &HuffmanTable, bits: &mut Bits<'_>) -> Result<(), ScanFault> {
    let size = dc.decode(bits)?;
    bits.skip(u32::from(size.min(16)))
}

fn whole_block(dc: &HuffmanTable, ac: &HuffmanTable, bits: &mut Bits<'_>) -> Result<(), ScanFault> {
    dc_difference(dc, bits)?;
    let mut at = 1;
    while at < 64 {
        let (run, size) = ac.run_and_size(bits)?;
        match (run, size) {
            (15, 0) => at += 16,
            (_, 0) => break,
            _ => {
                at += run + 1;
                if at > 64 {
                    return Err(ScanFault::Damaged("a block with too many coefficients"));
                }
                bits.skip(size)?;
            }
        }
    }
    Ok(())
}

/// One block's part of a progressive scan: coefficients `scan.first` to `scan.last`.
fn band(
    scan: &Scan,
    ac: &HuffmanTable,
    nonzero: &mut u64,
    end_of_band_run: &mut u32,
    bits: &mut Bits<'_>,
) -> Result<(), ScanFault> {
    let mut at = scan.first;
    if *end_of_band_run == 0 {
        while at <= scan.last {
            let (mut zeros, size) = ac.run_and_size(bits)?;
            if size == 0 && zeros < 15 {
                *end_of_band_run = (1 << zeros) + bits.take(zeros as u32)?;
                break;
            }
            bits.skip(if scan.refines { size.min(1) } else { size })?;
            if scan.refines {
                // One correction bit for each coefficient that was not zero before.
                while at <= scan.last {
                    if *nonzero >> at & 1 == 1 {
                        bits.skip(1)?;
                    } else if zeros == 0 {
                        break;
                    } else {
                        zeros -= 1;
                    }
                    at += 1;
                }
            } else {
                at += zeros;
            }
            if size > 0 {
                if at > scan.last {
                    return Err(ScanFault::Damaged("a block with too many coefficients"));
                }
                *nonzero |= 1 << at;
            }
            at += 1;
        }
    }
    if *end_of_band_run > 0 {
        if scan.refines && at <= scan.last {
            let rest = (u64::MAX >> (63 - scan.last)) & (u64::MAX << at);
            for _ in 0..(*nonzero & rest).count_ones() {
                bits.skip(1)?;
            }
        }
        *end_of_band_run -= 1;
    }
    Ok(())
}
