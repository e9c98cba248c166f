//! The slots of a station: power cuts and failures at every storage operation, attacks, and the commands themselves.

mod attacks;
mod browser;
mod changeover;
mod commands;
mod disk;
// Each of the two uses a part of it.
#[allow(dead_code)]
#[path = "../inspect/fixture.rs"]
mod fixture;
mod live;
mod networks;
#[path = "../../inspect/tests/bundle/packing.rs"]
mod packing;
mod power_cut;
mod station;

use aecsad::slots::storage::Storage;
use aecsad::slots::{FlashRequest, Flashed, Slots, SlotsError};
use aecsad_inspect::branches::Branch;
use aecsad_inspect::bundle::{
    BranchStats, FORMAT, Manifest, Profile, Signer, Threshold, Tolerance, Trust, UNTRUSTED_COMMENT,
    write_bundle,
};
use aecsad_inspect::optics::InputGeometry;

fn manifest(product: &str, version: u64) -> Manifest {
    Manifest {
        format: FORMAT,
        product: product.into(),
        version,
        profile: Profile::Edge,
        created_by: "test".into(),
        classes: Vec::new(),
        input: InputGeometry::lite0(false),
        threshold: Threshold {
            value: 3.0,
            false_reject_rate: 0.01,
            calibration_parts: 99,
        },
        tolerance: Tolerance {
            golden: 1e-3,
            unfused: None,
            tensorrt: None,
        },
        branches: vec![BranchStats {
            name: Branch::Pooled,
            on: true,
            weight: 1.0,
            mean: 0.0,
            std: 1.0,
            planted_logical: None,
            planted_structural: None,
            why: "the only one".into(),
        }],
        provenance: Default::default(),
        entries: Vec::new(),
    }
}

/// The bytes of a bundle with nothing in it that could run.
fn bundle(product: &str, version: u64, sign: Option<Signer>) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.aecsad");
    let entries = [("network.onnx".to_owned(), vec![version as u8; 3000])];
    write_bundle(&path, manifest(product, version), &entries, sign).unwrap();
    std::fs::read(path).unwrap()
}

/// A flash without keys and without networks to prove.
fn flash<S: Storage>(slots: &Slots<S>, bytes: &[u8]) -> Result<Flashed, SlotsError> {
    let request = FlashRequest {
        trust: &Trust::Anyone,
        allow_downgrade: true,
        add_product: true,
    };
    slots.flash(bytes, "some.aecsad", &request, &mut |_| Ok(()))
}

/// The signature's text, as `aecsad-train sign` makes it.
fn sign(key: &minisign::KeyPair, manifest: &[u8]) -> String {
    let comment = Some("file:manifest.toml");
    let signature = minisign::sign(None, &key.sk, manifest, comment, Some(UNTRUSTED_COMMENT));
    signature.unwrap().into_string()
}
