//! Bundles as they reach a station: whole, damaged, signed with an unknown key, or packed to do harm.

mod archive;
mod manifest;
mod packing;
mod random;
mod signature;
mod write;

use aecsad_inspect::branches::Branch;
use aecsad_inspect::bundle::{
    BranchStats, Bundle, BundleError, BundleFault, Manifest, Profile, Threshold, Tolerance, Trust,
};
use aecsad_inspect::optics::InputGeometry;

use packing::{header, packed, sealed, unpacked};

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
            bit_depth: None,
            fine: None,
            trained_on: None,
            region: None,
            exposure: None,
        },
        threshold: Threshold {
            value: 3.7,
            false_reject_rate: 0.01,
            calibration_parts: 42,
        },
        tolerance: Tolerance {
            golden: 1e-3,
            unfused: None,
            tensorrt: None,
        },
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

fn written(sign: Option<aecsad_inspect::bundle::Signer>) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("part.aecsad");
    aecsad_inspect::bundle::write_bundle(&path, manifest(), &entries(), sign).unwrap();
    std::fs::read(path).unwrap()
}

fn read(bytes: &[u8]) -> Result<Bundle, BundleError> {
    Bundle::from_reader(bytes, "part.aecsad", &Trust::Anyone)
}

/// The fault for which these bytes are refused; its sentence names the file.
fn fault(bytes: &[u8]) -> BundleFault {
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
