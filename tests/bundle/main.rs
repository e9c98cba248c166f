//! Bundles as they reach a station: whole, damaged, signed by a stranger, or packed to do harm.

mod archive;
mod manifest;
mod random;
mod signature;
mod write;

use std::io::Write;

use aecsad::bundle::{
    BranchStats, Bundle, BundleError, Fault, Manifest, Profile, Threshold, Tolerance, Trust,
};
use aecsad::optics::InputGeometry;
use aecsad::score::Branch;
use sha2::{Digest, Sha256};

/// A manifest that is fit to be written; its entries are filled on writing.
fn manifest() -> Manifest {
    Manifest {
        format: 1,
        product: "gear box".into(),
        version: 3,
        profile: Profile::Edge,
        created_by: "aecsad-train 0.1.0".into(),
        classes: vec!["background".into(), "gear".into()],
        input: InputGeometry {
            width: 256,
            height: 256,
            mean: [0.485, 0.456, 0.406],
            std: [0.229, 0.224, 0.225],
            mono: false,
        },
        threshold: Threshold {
            value: 3.7,
            false_reject_rate: 0.01,
            calibration_parts: 42,
        },
        tolerance: Tolerance { golden: 1e-3 },
        branches: vec![BranchStats {
            name: Branch::Histogram,
            on: true,
            weight: 1.0,
            mean: 0.1,
            std: 0.3,
            planted_logical: Some(0.97),
            planted_structural: None,
            why: "finds planted missing parts".into(),
        }],
        provenance: [("seed".to_owned(), toml::Value::Integer(7))].into(),
        entries: Vec::new(),
    }
}

/// One entry that fills its last block and one that doesn't.
fn entries() -> Vec<(String, Vec<u8>)> {
    let bytes = |n: usize| (0..n).map(|i| (i * 7 % 251) as u8).collect();
    vec![
        ("networks/encoder.onnx".into(), bytes(1024)),
        ("stats.safetensors".into(), bytes(300)),
    ]
}

/// The bytes of an unsigned bundle.
fn unsigned() -> Vec<u8> {
    written(None)
}

fn written(sign: Option<aecsad::bundle::Signer>) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("part.aecsad");
    aecsad::bundle::write_bundle(&path, manifest(), &entries(), sign).unwrap();
    std::fs::read(path).unwrap()
}

fn read(bytes: &[u8]) -> Result<Bundle, BundleError> {
    Bundle::from_reader(bytes, "part.aecsad", &Trust::Anyone)
}

/// The fault for which these bytes are refused; its sentence names the file.
fn fault(bytes: &[u8]) -> Fault {
    match read(bytes) {
        Err(error @ BundleError::Refused { .. }) => {
            assert!(error.to_string().starts_with("part.aecsad: "), "{error}");
            let BundleError::Refused { fault, .. } = error else {
                unreachable!()
            };
            fault
        }
        other => panic!("expected a refusal, got {other:?}"),
    }
}

/// Name and content of each file in an archive, read by the tar crate.
fn unpacked(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(archive);
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let mut content = Vec::new();
        std::io::copy(&mut entry, &mut content).unwrap();
        (name, content)
    });
    entries.collect()
}

/// An archive of these files, each header as a bundle's is.
fn packed(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, content) in files {
        archive.extend(header(name, content.len() as u64, |_| ()));
        archive.extend(content);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.extend([0; 1024]);
    archive
}

/// A bundle's header, changed by `change` before its checksum is set. The name is put in as it is.
fn header(name: &str, bytes: u64, change: impl FnOnce(&mut tar::Header)) -> [u8; 512] {
    let mut header = tar::Header::new_ustar();
    (&mut header.as_mut_bytes()[..100])
        .write_all(name.as_bytes())
        .unwrap();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_size(bytes);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    change(&mut header);
    header.set_cksum();
    *header.as_bytes()
}

/// A bundle whose manifest says something else, with its own hash made right again.
fn with_manifest(change: impl FnOnce(&mut String)) -> Vec<u8> {
    let mut files = unpacked(&unsigned());
    let text = String::from_utf8(std::mem::take(&mut files[0].1)).unwrap();
    let (above, _) = text.split_once("# sha256").unwrap();
    let mut text = above.to_owned();
    change(&mut text);
    files[0].1 = sealed(&text);
    packed(&files)
}

fn sealed(text: &str) -> Vec<u8> {
    let digest = Sha256::digest(text.as_bytes());
    let hex: String = digest.iter().map(|b| format!("{b:02x}")).collect();
    format!("{text}# sha256 of all lines above: {hex}\n").into_bytes()
}
