//! A digest of everything a training run depends on, so that a checkpoint is only ever continued by the run that
//! wrote it.

use ndarray::{Array, Dimension};
use sha2::{Digest, Sha256};

/// SHA-256 over a configuration and its inputs, taken in a fixed order.
pub struct Fingerprint(Sha256);

impl Fingerprint {
    /// `config` is any text that changes whenever a setting does.
    pub fn new(config: &str) -> Self {
        let mut fingerprint = Self(Sha256::new());
        fingerprint.text(config);
        // Another version may build another network from the same settings.
        fingerprint.0.update(env!("CARGO_PKG_VERSION"));
        fingerprint
    }

    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    /// Takes in an array of any shape, and that shape.
    pub fn array<T: Copy + Into<f32>, D: Dimension>(&mut self, array: &Array<T, D>) {
        for &length in array.shape() {
            self.0.update((length as u64).to_le_bytes());
        }
        let mut block = Vec::with_capacity(4 * 4096);
        for &value in array {
            block.extend_from_slice(&value.into().to_le_bytes());
            if block.len() == block.capacity() {
                self.0.update(&block);
                block.clear();
            }
        }
        self.0.update(&block);
    }

    /// Lower-case hexadecimal digits.
    pub fn finish(self) -> String {
        let mut text = String::with_capacity(64);
        for byte in self.0.finalize() {
            text.push_str(&format!("{byte:02x}"));
        }
        text
    }
}
