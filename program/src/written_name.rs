//! File names in CSV and JSON. These formats are UTF-8, but a name need not be: an invalid byte is written `\xHH`, and
//! a backslash before text that looks like such a byte is written `\x5c`. Replacing each `\xHH` by its byte restores
//! the name.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The whole path as text.
pub fn written(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        let valid = chunk.valid();
        for (at, letter) in valid.char_indices() {
            match letter {
                '\\' if reads_as_byte(&valid.as_bytes()[at + 1..]) => text += r"\x5c",
                letter => text.push(letter),
            }
        }
        for byte in chunk.invalid() {
            text += &format!(r"\x{byte:02x}");
        }
    }
    text
}

/// On one line of a terminal: control characters, a line's end among them, are written likewise.
pub fn on_one_line(path: &Path) -> String {
    let mut line = String::new();
    for letter in written(path).chars() {
        match letter {
            letter if letter.is_ascii_control() => line += &format!(r"\x{:02x}", letter as u8),
            letter => line.push(letter),
        }
    }
    line
}

/// Whether this, after a backslash, reads as a byte.
fn reads_as_byte(rest: &[u8]) -> bool {
    matches!(rest, [b'x', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn each_name_can_be_had_again() {
        for (name, text) in [
            (&b"parts/a, \"b\".png"[..], "parts/a, \"b\".png"),
            (b"a\xff\xc3.png", r"a\xff\xc3.png"),
            ("größe\n.png".as_bytes(), "größe\n.png"),
            (br"a\b.png", r"a\b.png"),
            (br"a\xff.png", r"a\x5cxff.png"),
            (br"a\\xFF.png", r"a\\x5cxFF.png"),
        ] {
            assert_eq!(written(Path::new(OsStr::from_bytes(name))), text);
        }
        assert_eq!(on_one_line(Path::new("a\nb\x1b.png")), r"a\x0ab\x1b.png");
    }
}
