//! Writes maps in NumPy's `.npy` format 1.0.

use std::io::{self, Write};

/// The bytes before the header's text: magic, version and the header's length.
const PREAMBLE: usize = 10;
/// NumPy's alignment of the values.
const ALIGNMENT: usize = 64;

/// Writes `values` as a float32 array `[height, width]`, row by row.
pub fn write(out: &mut impl Write, values: &[f32], height: u32, width: u32) -> io::Result<()> {
    let mut header =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({height}, {width}), }}");
    let end = (PREAMBLE + header.len() + 1).next_multiple_of(ALIGNMENT);
    header.extend(std::iter::repeat_n(' ', end - PREAMBLE - header.len() - 1));
    header.push('\n');
    out.write_all(b"\x93NUMPY\x01\x00")?;
    out.write_all(&(header.len() as u16).to_le_bytes())?;
    out.write_all(header.as_bytes())?;
    for value in values {
        out.write_all(&value.to_le_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_bytes_are_numpy_s_own() {
        let mut file = Vec::new();
        super::write(&mut file, &[0.5, -1.0], 1, 2).unwrap();
        // numpy.save of numpy.array([[0.5, -1.0]], dtype="<f4")
        let header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }";
        assert_eq!(&file[..10], b"\x93NUMPY\x01\x00\x76\x00");
        assert_eq!(&file[10..10 + header.len()], header);
        assert_eq!((file[127], file.len()), (b'\n', 128 + 8));
        assert!(file[10 + header.len()..127].iter().all(|b| *b == b' '));
        assert_eq!(&file[128..], [0, 0, 0, 0x3f, 0, 0, 0x80, 0xbf]);
    }
}
