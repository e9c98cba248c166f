//! SHA-256 as text.

use sha2::{Digest, Sha256};

/// The digest of `bytes` in hexadecimal digits, lower case.
pub fn hex_sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Bytes in hexadecimal digits, lower case.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
