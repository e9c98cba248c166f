//! Text that carries its own SHA-256: its last line is a comment with the hash of all lines above, so that a flipped bit
//! is found where there is no signature to find it.

use crate::sha256::hex_sha256;

const PREFIX: &str = "# sha256 of all lines above: ";
const LINE_BYTES: usize = PREFIX.len() + 64 + 1;

/// Adds the last line to `text`.
pub fn seal(mut text: String) -> String {
    let digest = hex_sha256(text.as_bytes());
    text.push_str(PREFIX);
    text.push_str(&digest);
    text.push('\n');
    text
}

/// The bytes above the last line, if its hash is right.
pub fn unseal(bytes: &[u8]) -> Option<&[u8]> {
    let (above, line) = bytes.split_at_checked(bytes.len().checked_sub(LINE_BYTES)?)?;
    let expected = format!("{PREFIX}{}\n", hex_sha256(above));
    (line == expected.as_bytes()).then_some(above)
}
