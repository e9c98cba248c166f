//! Bytes at random: refused, and never a panic.

use super::{read, unsigned};

/// xorshift64*: the same bytes on each run.
struct Bytes(u64);

impl Bytes {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 16) as usize % bound
    }
}

#[test]
fn noise_is_refused() {
    let mut bytes = Bytes(1);
    for _ in 0..2000 {
        let length = bytes.below(4096);
        let noise: Vec<u8> = (0..length).map(|_| bytes.next() as u8).collect();
        assert!(read(&noise).is_err());
    }
}

#[test]
fn a_bundle_mangled_at_random_is_refused() {
    let whole = unsigned();
    let mut random = Bytes(2);
    for _ in 0..5000 {
        let mut mangled = whole.clone();
        for _ in 0..1 + random.below(6) {
            let at = random.below(mangled.len());
            match random.below(4) {
                0 => mangled[at] = random.next() as u8,
                1 => mangled.truncate(at.max(1)),
                2 => {
                    let piece = mangled[at..mangled.len().min(at + 600)].to_vec();
                    mangled.splice(at..at, piece);
                }
                _ => {
                    mangled.drain(at..mangled.len().min(at + random.below(600)));
                    mangled.push(0);
                }
            }
        }
        assert!(mangled == whole || read(&mangled).is_err());
    }
}
