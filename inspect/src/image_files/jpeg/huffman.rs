//! Huffman codes, and the bit reader for a scan.

use super::ScanFault;

/// Codes up to this length are looked up in one step.
const SHORT: u32 = 9;

pub(super) struct Tables {
    pub dc: [HuffmanTable; 4],
    pub ac: [HuffmanTable; 4],
}

pub(super) struct HuffmanTable {
    /// Length and symbol by the next [`SHORT`] bits; 0 for a longer code.
    short: [u16; 1 << SHORT],
    /// By length: one more than the largest code, and what to add to a code for its place among the symbols.
    beyond: [u32; 17],
    offset: [i32; 17],
    symbols: [u8; 256],
}

impl HuffmanTable {
    const EMPTY: HuffmanTable = HuffmanTable {
        short: [0; 1 << SHORT],
        beyond: [0; 17],
        offset: [0; 17],
        symbols: [0; 256],
    };

    /// `counts` are the numbers of codes of 1 to 16 bits. None if there are more than their lengths allow.
    fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<HuffmanTable> {
        let mut table = HuffmanTable::EMPTY;
        table
            .symbols
            .get_mut(..symbols.len())?
            .copy_from_slice(symbols);
        let (mut code, mut index) = (0u32, 0usize);
        for (length, &count) in (1u32..).zip(counts) {
            table.offset[length as usize] = index as i32 - code as i32;
            for _ in 0..count {
                if length <= SHORT {
                    let spare = SHORT - length;
                    let from = (code << spare) as usize;
                    let entry = (length as u16) << 8 | u16::from(*symbols.get(index)?);
                    table.short.get_mut(from..from + (1 << spare))?.fill(entry);
                }
                code += 1;
                index += 1;
            }
            if code > 1 << length {
                return None;
            }
            table.beyond[length as usize] = code;
            code <<= 1;
        }
        Some(table)
    }

    pub(super) fn decode(&self, bits: &mut Bits<'_>) -> Result<u8, ScanFault> {
        let next = bits.peek_16();
        let entry = self.short[(next >> (16 - SHORT)) as usize];
        if entry != 0 {
            bits.skip(u32::from(entry >> 8))?;
            return Ok(entry as u8);
        }
        for length in SHORT + 1..=16 {
            let code = next >> (16 - length);
            if code < self.beyond[length as usize] {
                bits.skip(length)?;
                let index = code as i32 + self.offset[length as usize];
                return Ok(self.symbols[(index & 255) as usize]);
            }
        }
        Err(match bits.left < 16 {
            true => ScanFault::Cut,
            false => ScanFault::Damaged("a code that none of its tables has"),
        })
    }

    /// Zeros before a coefficient, and its bits.
    pub(super) fn run_and_size(&self, bits: &mut Bits<'_>) -> Result<(usize, u32), ScanFault> {
        let symbol = self.decode(bits)?;
        Ok((usize::from(symbol >> 4), u32::from(symbol & 15)))
    }
}

/// Reads a DHT segment. None if it is damaged.
pub(super) fn read_tables(mut segment: &[u8], tables: &mut Tables) -> Option<()> {
    while let Some((&kind, rest)) = segment.split_first() {
        let counts: &[u8; 16] = rest.first_chunk()?;
        let total = counts.iter().map(|&c| usize::from(c)).sum::<usize>();
        let table = HuffmanTable::new(counts, rest.get(16..16 + total)?)?;
        let of_kind = match kind >> 4 {
            0 => &mut tables.dc,
            1 => &mut tables.ac,
            _ => return None,
        };
        *of_kind.get_mut(usize::from(kind & 15))? = table;
        segment = &rest[16 + total..];
    }
    Some(())
}

/// The standard tables of T.81, annex K, which Motion JPEG may omit.
pub(super) fn standard() -> Tables {
    let table = |counts: &[u8; 16], symbols: &[u8]| {
        HuffmanTable::new(counts, symbols).unwrap_or(HuffmanTable::EMPTY)
    };
    let dc_symbols: [u8; 12] = std::array::from_fn(|i| i as u8);
    Tables {
        dc: [
            table(
                &[0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0],
                &dc_symbols,
            ),
            table(
                &[0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0],
                &dc_symbols,
            ),
            HuffmanTable::EMPTY,
            HuffmanTable::EMPTY,
        ],
        ac: [
            table(&[0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125], LUMA_AC),
            table(
                &[0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119],
                CHROMA_AC,
            ),
            HuffmanTable::EMPTY,
            HuffmanTable::EMPTY,
        ],
    }
}

const LUMA_AC: &[u8; 162] = b"\
\x01\x02\x03\x00\x04\x11\x05\x12\x21\x31\x41\x06\x13\x51\x61\x07\x22\x71\x14\x32\x81\x91\xa1\x08\x23\x42\xb1\xc1\x15\x52\xd1\xf0\
\x24\x33\x62\x72\x82\x09\x0a\x16\x17\x18\x19\x1a\x25\x26\x27\x28\x29\x2a\x34\x35\x36\x37\x38\x39\x3a\x43\x44\x45\x46\x47\x48\x49\
\x4a\x53\x54\x55\x56\x57\x58\x59\x5a\x63\x64\x65\x66\x67\x68\x69\x6a\x73\x74\x75\x76\x77\x78\x79\x7a\x83\x84\x85\x86\x87\x88\x89\
\x8a\x92\x93\x94\x95\x96\x97\x98\x99\x9a\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xb2\xb3\xb4\xb5\xb6\xb7\xb8\xb9\xba\xc2\xc3\xc4\xc5\
\xc6\xc7\xc8\xc9\xca\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda\xe1\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\
\xf9\xfa";

const CHROMA_AC: &[u8; 162] = b"\
\x00\x01\x02\x03\x11\x04\x05\x21\x31\x06\x12\x41\x51\x07\x61\x71\x13\x22\x32\x81\x08\x14\x42\x91\xa1\xb1\xc1\x09\x23\x33\x52\xf0\
\x15\x62\x72\xd1\x0a\x16\x24\x34\xe1\x25\xf1\x17\x18\x19\x1a\x26\x27\x28\x29\x2a\x35\x36\x37\x38\x39\x3a\x43\x44\x45\x46\x47\x48\
\x49\x4a\x53\x54\x55\x56\x57\x58\x59\x5a\x63\x64\x65\x66\x67\x68\x69\x6a\x73\x74\x75\x76\x77\x78\x79\x7a\x82\x83\x84\x85\x86\x87\
\x88\x89\x8a\x92\x93\x94\x95\x96\x97\x98\x99\x9a\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xb2\xb3\xb4\xb5\xb6\xb7\xb8\xb9\xba\xc2\xc3\
\xc4\xc5\xc6\xc7\xc8\xc9\xca\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xf2\xf3\xf4\xf5\xf6\xf7\xf8\
\xf9\xfa";

/// The bits of a scan, up to the next marker.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The next bits, from the highest down; zeros below them.
    buffer: u64,
    left: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Bits {
            bytes,
            at,
            buffer: 0,
            left: 0,
        }
    }

    /// Fills the buffer with bytes up to a marker, or until it is full.
    fn fill(&mut self) {
        while self.left <= 56 {
            let byte = match self.bytes.get(self.at..) {
                Some([0xff, 0, ..]) => {
                    self.at += 2;
                    0xff
                }
                Some([0xff, 0xff, ..]) => {
                    self.at += 1;
                    continue;
                }
                Some([0xff, ..] | []) | None => return,
                Some([byte, ..]) => {
                    self.at += 1;
                    *byte
                }
            };
            self.buffer |= u64::from(byte) << (56 - self.left);
            self.left += 8;
        }
    }

    fn peek_16(&mut self) -> u32 {
        if self.left < 16 {
            self.fill();
        }
        (self.buffer >> 48) as u32
    }

    /// Skips up to 16 bits.
    pub(super) fn skip(&mut self, count: u32) -> Result<(), ScanFault> {
        self.take(count).map(drop)
    }

    /// Reads up to 16 bits as a number.
    pub(super) fn take(&mut self, count: u32) -> Result<u32, ScanFault> {
        if self.left < count {
            self.fill();
        }
        if self.left < count {
            return Err(ScanFault::Cut);
        }
        let value = (self.buffer >> 48) as u32 >> (16 - count);
        self.buffer <<= count;
        self.left -= count;
        Ok(value)
    }

    /// Skips the restart marker of this number, which must be the next marker.
    pub(super) fn restart(&mut self, number: usize) -> Result<(), ScanFault> {
        let at = self.end();
        if self.bytes.get(at + 1) != Some(&(0xd0 + number as u8)) {
            return Err(ScanFault::Cut);
        }
        *self = Bits::new(self.bytes, at + 2);
        Ok(())
    }

    /// The position of the next marker, after the scan's padding.
    pub(super) fn end(&self) -> usize {
        let is_marker = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0 | 0xff);
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let marker = rest.windows(2).position(is_marker);
        marker.map_or(self.bytes.len(), |position| self.at + position)
    }
}
