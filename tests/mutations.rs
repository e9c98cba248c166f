//! Seeds changed at random, for each parser that an untrusted bundle reaches: read or refused, never a panic. A fixed
//! number of changes as a test; `AECSAD_FUZZ_SECONDS=300 cargo nextest run --workspace -E 'binary(mutations)'` goes on for
//! that long. On a nightly toolchain `fuzz/` does the same guided by coverage.

use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use aecsad::slots::storage::{DiskFolder, NewFile, Storage};
use aecsad::slots::{STATE_FILES, Slots};
use aecsad_inspect::bundle::{Bundle, Trust};
use aecsad_inspect::network::Network;
use sha2::{Digest, Sha256};

const CHANGES: u32 = 400;

/// Calls `parse` with changed seeds; says how often, and how many got through.
fn mutate(name: &str, seeds: &[Vec<u8>], mut parse: impl FnMut(&[u8]) -> bool) {
    let seconds = std::env::var("AECSAD_FUZZ_SECONDS").ok();
    let until = seconds
        .and_then(|seconds| seconds.parse().ok())
        .map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let seed = match until {
        Some(_) => fastrand::u64(..),
        None => 5,
    };
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut tried, mut accepted) = (0u32, 0u32);
    // Something that got through is a seed itself: the next change starts behind the first checks.
    let mut corpus = seeds.to_vec();
    for seed in seeds {
        assert!(parse(seed), "a seed of {name} is refused");
    }
    while until.map_or(tried < CHANGES, |until| Instant::now() < until) {
        let mut bytes = corpus[random.usize(..corpus.len())].clone();
        for _ in 0..random.u32(1..=4) {
            change(&mut bytes, &corpus, &mut random);
        }
        let fine = parse(&bytes);
        if fine && corpus.len() < 256 && bytes.len() < 1 << 16 {
            corpus.push(bytes);
        }
        tried += 1;
        accepted += u32::from(fine);
    }
    println!("{name}: {tried} changed files (seed {seed}), {accepted} accepted");
    assert!(accepted < tried, "{name}: nothing was refused");
}

fn change(bytes: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut fastrand::Rng) {
    const EXTREMES: [&[u8]; 5] = [
        &[0xff; 8],
        &[0; 8],
        &[0x80, 0x80, 0x80, 0x80, 0x08],
        &[0x7f, 0xff, 0xff, 0xff],
        b"9223372036854775807",
    ];
    if bytes.is_empty() {
        bytes.push(random.u8(..));
    }
    let at = random.usize(..bytes.len());
    let end = bytes.len().min(at + random.usize(1..32));
    match random.u8(..6) {
        0 => bytes[at] ^= 1 << random.u8(..8),
        1 => bytes[at] = random.u8(..),
        2 => drop(bytes.drain(at..end)),
        3 => {
            let piece = bytes[at..end].to_vec();
            bytes.splice(at..at, piece);
        }
        4 => {
            let other = &corpus[random.usize(..corpus.len())];
            let from = random.usize(..other.len().max(1)).min(other.len());
            let to = other.len().min(from + 64);
            bytes.splice(at..at, other[from..to].iter().copied());
        }
        _ => {
            let extreme = EXTREMES[random.usize(..EXTREMES.len())];
            let end = bytes.len().min(at + extreme.len());
            bytes.splice(at..end, extreme.iter().copied());
        }
    }
}

fn seeds(folder: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/seeds")
        .join(folder);
    let mut paths: Vec<_> = folder
        .read_dir()
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

/// The text above the hash line of a manifest or a state.
fn above(sealed: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(sealed).unwrap();
    text.split_once("# sha256").unwrap().0.as_bytes().to_vec()
}

fn sealed(text: &[u8]) -> Vec<u8> {
    let digest = Sha256::digest(text);
    let hex: String = digest.iter().map(|b| format!("{b:02x}")).collect();
    let mut bytes = text.to_vec();
    bytes.extend(format!("# sha256 of all lines above: {hex}\n").into_bytes());
    bytes
}

#[test]
fn networks() {
    mutate("network", &seeds("network"), |bytes| {
        Network::load("some.onnx", bytes)
            .is_ok_and(|mut network| network.run(&[(&[1, 1, 8, 8], &[0.5; 64])]).is_ok())
    });
}

#[test]
fn archives() {
    mutate("archive", &[demo_head()], |bytes| {
        // The demo's bundle goes on behind its head, so that what is whole gets through.
        let whole = bytes.chain(DEMO.get(HEAD..).unwrap_or_default());
        Bundle::from_reader(whole, "some.aecsad", &Trust::Anyone).is_ok()
    });
}

static DEMO: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| {
    std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/models/demo.aecsad")).unwrap()
});
/// Manifest, signature and the first entry's header lie in it.
const HEAD: usize = 8192;

fn demo_head() -> Vec<u8> {
    DEMO[..HEAD].to_vec()
}

#[test]
fn manifests() {
    let mut archive = tar::Archive::new(&DEMO[..]);
    let mut first = archive.entries().unwrap().next().unwrap().unwrap();
    let mut manifest = Vec::new();
    first.read_to_end(&mut manifest).unwrap();
    let rest = &DEMO[512 + manifest.len().next_multiple_of(512)..];
    mutate("manifest", &[above(&manifest)], |text| {
        let manifest = sealed(text);
        let mut head = tar::Header::new_ustar();
        head.set_path("manifest.toml").unwrap();
        head.set_entry_type(tar::EntryType::Regular);
        head.set_size(manifest.len() as u64);
        head.set_mode(0o644);
        head.set_uid(0);
        head.set_gid(0);
        head.set_cksum();
        let padding = vec![0; manifest.len().next_multiple_of(512) - manifest.len()];
        let whole = head
            .as_bytes()
            .chain(&manifest[..])
            .chain(&padding[..])
            .chain(rest);
        Bundle::from_reader(whole, "some.aecsad", &Trust::Anyone).is_ok()
    });
}

#[test]
fn states_of_the_slots() {
    let folder = tempfile::tempdir().unwrap();
    let put = |text: &[u8]| {
        let disk = DiskFolder::open_locked(folder.path()).unwrap();
        for name in STATE_FILES {
            let mut file: Box<dyn NewFile + '_> = disk.create(name).unwrap();
            file.write_all(&sealed(text)).unwrap();
        }
        let state = Slots::new(disk).state();
        state.is_ok_and(|state| state.check().is_ok())
    };
    let seeds: Vec<Vec<u8>> = seeds("state");
    mutate("state", &seeds, put);
}
