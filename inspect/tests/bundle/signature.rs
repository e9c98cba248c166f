//! Signed bundles, and the stations that accept only those.

use aecsad_inspect::bundle::{
    Bundle, BundleError, BundleFault, PublicKey, Trust, UNTRUSTED_COMMENT,
};
use minisign::KeyPair;

use super::{packed, read, unpacked, unsigned, written};

fn pair() -> KeyPair {
    KeyPair::generate_unencrypted_keypair().unwrap()
}

fn sign(key: &KeyPair, manifest: &[u8]) -> String {
    minisign::sign(
        None,
        &key.sk,
        manifest,
        Some("file:manifest.toml"),
        Some(UNTRUSTED_COMMENT),
    )
    .unwrap()
    .into_string()
}

fn signed(key: &KeyPair) -> Vec<u8> {
    written(Some(&|manifest| Ok(sign(key, manifest))))
}

fn public(key: &KeyPair) -> PublicKey {
    let text = key.pk.to_box().unwrap().into_string();
    PublicKey::decode(&text, "aecsad.pub").unwrap()
}

fn fault(bytes: &[u8], keys: &[&KeyPair]) -> BundleFault {
    let trust = Trust::Keys(
        keys.iter()
            .map(|key| public(key))
            .collect::<Vec<_>>()
            .into(),
    );
    match Bundle::from_reader(bytes, "part.aecsad", &trust) {
        Err(BundleError::Refused { fault, .. }) => fault,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[test]
fn a_trusted_signature_is_accepted_and_named() {
    let (key, other) = (pair(), pair());
    let trust = Trust::Keys(vec![public(&other), public(&key)].into());
    let bundle = Bundle::from_reader(&signed(&key)[..], "part.aecsad", &trust).unwrap();
    assert_eq!(bundle.signed_by(), Some(public(&key).id()));
}

#[test]
fn with_no_keys_required_a_signature_counts_for_nothing() {
    assert_eq!(read(&signed(&pair())).unwrap().signed_by(), None);
}

#[test]
fn the_key_id_is_the_one_minisign_shows() {
    let key = pair();
    let text = key.pk.to_box().unwrap().into_string();
    assert!(text.lines().next().unwrap().ends_with(public(&key).id()));
}

#[test]
fn unsigned_is_refused_where_keys_are_set() {
    assert!(matches!(
        fault(&unsigned(), &[&pair()]),
        BundleFault::Unsigned
    ));
}

#[test]
fn an_unknown_key_is_refused_by_name() {
    let (key, other) = (pair(), pair());
    let BundleFault::UnknownSigner { signer, trusted } = fault(&signed(&key), &[&other]) else {
        panic!()
    };
    assert_eq!(signer, public(&key).id());
    assert_eq!(trusted, public(&other).id());
    assert!(fault(&signed(&key), &[]).to_string().contains("none"));
}

#[test]
fn a_manifest_changed_after_signing_is_refused() {
    let key = pair();
    let mut files = unpacked(&signed(&key));
    // The attacker repairs the manifest's own hash.
    let text = String::from_utf8(files[0].1.clone()).unwrap();
    let (above, _) = text.split_once("# sha256").unwrap();
    files[0].1 = super::sealed(&above.replace("value = 3.7", "value = 9.7"));
    assert!(read(&packed(&files)).is_ok());
    assert!(matches!(
        fault(&packed(&files), &[&key]),
        BundleFault::BadSignature { .. }
    ));
}

#[test]
fn another_bundle_s_signature_is_refused() {
    let key = pair();
    let mut files = unpacked(&signed(&key));
    files[1].1 = sign(&key, b"another manifest").into_bytes();
    assert!(matches!(
        fault(&packed(&files), &[&key]),
        BundleFault::BadSignature { .. }
    ));
}

#[test]
fn a_key_of_the_same_id_is_not_the_same_key() {
    let (key, other) = (pair(), pair());
    let mut forged = other.pk.to_bytes();
    forged[2..10].copy_from_slice(&key.pk.to_bytes()[2..10]);
    let forged = minisign::PublicKey::from_bytes(&forged).unwrap();
    let forged = PublicKey::decode(&forged.to_base64(), "forged").unwrap();
    let trust = Trust::Keys(vec![forged.clone()].into());
    let error = Bundle::from_reader(&signed(&key)[..], "part.aecsad", &trust).unwrap_err();
    assert!(matches!(
        error.fault(),
        Some(BundleFault::BadSignature { .. })
    ));
    let trust = Trust::Keys(vec![forged, public(&key)].into());
    assert!(Bundle::from_reader(&signed(&key)[..], "part.aecsad", &trust).is_ok());
}

#[test]
fn garbage_in_place_of_a_signature_is_refused() {
    let key = pair();
    let files = unpacked(&signed(&key));
    let good = String::from_utf8(files[1].1.clone()).unwrap();
    let lines: Vec<&str> = good.lines().collect();
    let bad = [
        String::new(),
        "untrusted comment: \n".into(),
        good.replace(UNTRUSTED_COMMENT, "approved by QA"),
        good.trim_end().to_owned(),
        format!("{good}\n"),
        good.replace('\n', "\r\n"),
        format!("{}\n{}\n", lines[0], lines[1]),
        good.replace(lines[1], "RUQ="),
        good.replace(lines[3], ""),
    ];
    for text in bad {
        let mut files = files.clone();
        files[1].1 = text.clone().into_bytes();
        assert!(
            matches!(
                fault(&packed(&files), &[&key]),
                BundleFault::SignatureDamaged
            ),
            "{text:?}"
        );
    }
    let mut files = files;
    files[1].1 = vec![b'x'; 5000];
    assert!(matches!(
        fault(&packed(&files), &[&key]),
        BundleFault::TooLarge { limit: 4096, .. }
    ));
}

#[test]
fn no_flipped_bit_of_a_signed_bundle_is_accepted() {
    let key = pair();
    let mut bytes = signed(&key);
    let trust = Trust::Keys(vec![public(&key)].into());
    let minisig = 512 + unpacked(&bytes)[0].1.len().next_multiple_of(512);
    for at in 0..bytes.len() {
        // Each bit of the signature, where several spellings could mean the same; elsewhere one of each byte.
        let all = (minisig..minisig + 1024).contains(&at);
        for bit in (0..8).filter(|bit| all || *bit == at % 8) {
            bytes[at] ^= 1 << bit;
            let accepted = Bundle::from_reader(&bytes[..], "part.aecsad", &trust).is_ok();
            assert!(!accepted, "byte {at}, bit {bit}");
            bytes[at] ^= 1 << bit;
        }
    }
    assert!(Bundle::from_reader(&bytes[..], "part.aecsad", &trust).is_ok());
}

#[test]
fn a_signed_bundle_cut_short_is_refused() {
    let key = pair();
    let bytes = signed(&key);
    let trust = Trust::Keys(vec![public(&key)].into());
    for cut in 0..bytes.len() {
        assert!(Bundle::from_reader(&bytes[..cut], "part.aecsad", &trust).is_err());
    }
}

#[test]
fn a_file_that_is_no_public_key_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("aecsad.pub");
    let error = PublicKey::from_file(&path).unwrap_err();
    assert!(matches!(error, BundleError::KeyFile { .. }));
    let key = pair();
    let secret = key.sk.to_box(None).unwrap().into_string();
    for text in ["", "hello", "untrusted comment: x\nRWQ=\n", &secret] {
        std::fs::write(&path, text).unwrap();
        let error = PublicKey::from_file(&path).unwrap_err();
        assert!(matches!(error, BundleError::KeyFormat { .. }), "{text}");
    }
}
