//! Files that somebody made to do harm, or that went wrong on their way: each is refused for its own reason, and the
//! station's slots are as before.

use aecsad::slots::{FlashRequest, Flashed, Slots, SlotsError};
use aecsad_inspect::bundle::{BundleFault, KeyRing, PublicKey, REVOKED_NAME, Trust};
use minisign::KeyPair;
use tempfile::TempDir;

use super::disk::SimulatedDisk;
use super::packing::{header, packed, sealed, unpacked};
use super::{bundle, sign};

/// A station with version 5 of gear at work, and the folder of keys that it trusts.
struct Station {
    disk: SimulatedDisk,
    keys: TempDir,
    key: KeyPair,
}

impl Station {
    fn new() -> Self {
        let station = Station {
            disk: SimulatedDisk::default(),
            keys: tempfile::tempdir().unwrap(),
            key: KeyPair::generate_unencrypted_keypair().unwrap(),
        };
        station.trust(&station.key, "first");
        station.flash(&station.signed(5)).unwrap();
        let slots = Slots::new(station.disk.clone());
        let started = slots.start(&station.ring().unwrap()).unwrap();
        slots.confirm(started.bundle.sha256()).unwrap();
        station
    }

    fn trust(&self, key: &KeyPair, name: &str) {
        let text = key.pk.to_box().unwrap().into_string();
        std::fs::write(self.keys.path().join(format!("{name}.pub")), text).unwrap();
    }

    fn revoke(&self, line: &str) {
        std::fs::write(self.keys.path().join(REVOKED_NAME), line).unwrap();
    }

    fn ring(&self) -> Result<Trust, aecsad_inspect::bundle::BundleError> {
        Ok(Trust::Keys(KeyRing::from_folder(self.keys.path())?))
    }

    /// `gear` in a version, signed with the station's key.
    fn signed(&self, version: u64) -> Vec<u8> {
        bundle(
            "gear",
            version,
            Some(&|manifest| Ok(sign(&self.key, manifest))),
        )
    }

    fn flash(&self, bytes: &[u8]) -> Result<Flashed, SlotsError> {
        let request = FlashRequest {
            trust: &self.ring()?,
            allow_downgrade: false,
            add_product: false,
        };
        let slots = Slots::new(self.disk.clone());
        slots.flash(bytes, "some.aecsad", &request, &mut |_| Ok(()))
    }

    /// The fault for which these bytes are refused; nothing on the station has changed.
    #[track_caller]
    fn fault(&self, bytes: &[u8]) -> BundleFault {
        let content = |disk: &SimulatedDisk| {
            let names = disk.names().into_iter();
            names.map(|n| (disk.content(&n), n)).collect::<Vec<_>>()
        };
        let before = content(&self.disk);
        let error = self.flash(bytes).unwrap_err();
        assert!(content(&self.disk) == before, "{error}");
        let printed = error.to_string();
        assert!(
            printed.starts_with("some.aecsad: ") && !printed.contains('\n'),
            "{printed}"
        );
        let SlotsError::Refused(aecsad_inspect::bundle::BundleError::Refused { fault, .. }) = error
        else {
            panic!("{error}")
        };
        fault
    }

    /// The files of a good bundle of version 6, changed by `change` and packed again.
    fn changed(&self, change: impl FnOnce(&mut Vec<(String, Vec<u8>)>)) -> Vec<u8> {
        let mut files = unpacked(&self.signed(6));
        change(&mut files);
        packed(&files)
    }

    /// Version 6 whose entry has another header.
    fn with_entry_header(&self, header: [u8; 512]) -> Vec<u8> {
        let mut bytes = self.signed(6);
        let at = bytes.len() - 1024 - 3000usize.next_multiple_of(512) - 512;
        bytes[at..at + 512].copy_from_slice(&header);
        bytes
    }
}

#[test]
fn what_is_in_order_is_accepted() {
    let station = Station::new();
    assert!(matches!(station.flash(&station.changed(|_| ())), Ok(flashed) if flashed.version == 6));
}

#[test]
fn unsigned() {
    assert!(matches!(
        Station::new().fault(&bundle("gear", 6, None)),
        BundleFault::Unsigned
    ));
}

#[test]
fn signed_with_an_unknown_key() {
    let station = Station::new();
    let unknown = KeyPair::generate_unencrypted_keypair().unwrap();
    let bytes = bundle("gear", 6, Some(&|manifest| Ok(sign(&unknown, manifest))));
    assert!(matches!(
        station.fault(&bytes),
        BundleFault::UnknownSigner { .. }
    ));
}

#[test]
fn signed_with_a_revoked_key() {
    let station = Station::new();
    let bytes = station.signed(6);
    let id = PublicKey::from_file(&station.keys.path().join("first.pub")).unwrap();
    station.revoke(&format!(
        "# lost in May\n{}  # laptop\n",
        id.id().to_lowercase()
    ));
    let BundleFault::Revoked { signer } = station.fault(&bytes) else {
        panic!()
    };
    assert_eq!(signer, id.id());
    // The new key was added before: its bundles are accepted.
    let next = KeyPair::generate_unencrypted_keypair().unwrap();
    station.trust(&next, "second");
    let again = bundle("gear", 6, Some(&|manifest| Ok(sign(&next, manifest))));
    station.flash(&again).unwrap();
    // What a revoked key signed is not started either; here the new bundle is there.
    let slots = Slots::new(station.disk.clone());
    let started = slots.start(&station.ring().unwrap()).unwrap();
    assert_eq!(started.bundle.manifest.version, 6);
    assert!(
        slots
            .fail_trial(started.bundle.sha256(), "no reason")
            .is_ok()
    );
    let error = slots.start(&station.ring().unwrap()).unwrap_err();
    assert!(error.to_string().contains("which is revoked"), "{error}");
}

#[test]
fn a_mistyped_revocation_is_an_error_not_a_trusted_key() {
    let station = Station::new();
    for line in [
        "9F81B88EFA0E64F",
        "9F81B88EFA0E64FBB",
        "the old key",
        "9F81B88EFA0E64FG",
    ] {
        station.revoke(&format!("\n{line}\n"));
        let error = station.flash(&station.signed(6)).unwrap_err().to_string();
        assert!(
            error.contains("revoked, line 2: this is not the id of a key"),
            "{error}"
        );
    }
    std::fs::remove_file(station.keys.path().join("first.pub")).unwrap();
    let error = station.ring().unwrap_err().to_string();
    assert!(error.contains("there are 0 public keys"), "{error}");
}

#[test]
fn a_changed_manifest() {
    let station = Station::new();
    let change = |text: &str| text.replace("value = 3.0", "value = 9.0");
    // As damage does it, and as somebody does who knows the format.
    let damaged = station.changed(|files| {
        files[0].1 = change(std::str::from_utf8(&files[0].1).unwrap()).into_bytes();
    });
    assert!(matches!(
        station.fault(&damaged),
        BundleFault::BadSignature { .. }
    ));
    let repaired = station.changed(|files| {
        let text = String::from_utf8(files[0].1.clone()).unwrap();
        let (above, _) = text.split_once("# sha256").unwrap();
        files[0].1 = sealed(&change(above));
    });
    assert!(matches!(
        station.fault(&repaired),
        BundleFault::BadSignature { .. }
    ));
}

#[test]
fn a_changed_entry() {
    let station = Station::new();
    let bytes = station.changed(|files| files[2].1[1500] ^= 1);
    assert!(matches!(
        station.fault(&bytes),
        BundleFault::WrongHash { .. }
    ));
}

#[test]
fn entries_in_another_order() {
    let station = Station::new();
    let bytes = station.changed(|files| files.swap(1, 2));
    // Where the signature belongs, something else stands.
    assert!(matches!(station.fault(&bytes), BundleFault::Unsigned));
    let bytes = station.changed(|files| files.swap(0, 2));
    assert!(matches!(
        station.fault(&bytes),
        BundleFault::WrongEntry { .. }
    ));
}

#[test]
fn another_bundle_s_entry_in_place_of_its_own() {
    let station = Station::new();
    let other = unpacked(&station.signed(7));
    let bytes = station.changed(|files| files[2] = other[2].clone());
    assert!(matches!(
        station.fault(&bytes),
        BundleFault::WrongHash { .. }
    ));
}

#[test]
fn the_same_name_twice() {
    let station = Station::new();
    for at in 0..3 {
        let bytes = station.changed(|files| files.insert(at, files[at].clone()));
        station.fault(&bytes);
    }
    let bytes = station.changed(|files| files.push(files[2].clone()));
    assert!(matches!(station.fault(&bytes), BundleFault::TrailingBytes));
}

#[test]
fn a_path_that_leaves_the_archive() {
    let station = Station::new();
    for name in ["../../etc/passwd", "/etc/passwd", "a/../../b"] {
        let bytes = station.with_entry_header(header(name, 3000, |_| ()));
        assert!(
            matches!(station.fault(&bytes), BundleFault::BadName { .. }),
            "{name}"
        );
    }
}

#[test]
fn links() {
    let station = Station::new();
    for kind in [tar::EntryType::Symlink, tar::EntryType::Link] {
        let bytes = station.with_entry_header(header("network.onnx", 3000, |h| {
            h.set_entry_type(kind);
            h.set_link_name("/etc/passwd").unwrap();
        }));
        assert!(matches!(
            station.fault(&bytes),
            BundleFault::NotPlainFile { .. }
        ));
    }
}

#[test]
fn absurd_sizes() {
    let station = Station::new();
    for bytes in [3001, 1 << 33, u64::MAX] {
        let archive = station.with_entry_header(header("network.onnx", bytes, |_| ()));
        assert!(matches!(
            station.fault(&archive),
            BundleFault::WrongSize { .. }
        ));
    }
    let manifest = header("manifest.toml", 1 << 40, |_| ());
    assert!(matches!(
        station.fault(&manifest),
        BundleFault::TooLarge { .. }
    ));
}

/// A stream that never ends is read no further than its header says.
#[test]
fn a_stream_without_end() {
    let station = Station::new();
    let slots = Slots::new(station.disk.clone());
    let request = FlashRequest {
        trust: &station.ring().unwrap(),
        allow_downgrade: false,
        add_product: false,
    };
    let endless = std::io::repeat(b'x');
    let error = slots
        .flash(endless, "some.aecsad", &request, &mut |_| Ok(()))
        .unwrap_err();
    assert!(error.to_string().contains("not a bundle"), "{error}");
    let whole = station.signed(6);
    let endless = std::io::Read::chain(&whole[..], std::io::repeat(0));
    let error = slots
        .flash(endless, "some.aecsad", &request, &mut |_| Ok(()))
        .unwrap_err();
    assert!(
        error.to_string().contains("something follows the end"),
        "{error}"
    );
}

#[test]
fn cut_short_anywhere() {
    let station = Station::new();
    let whole = station.signed(6);
    for cut in (0..whole.len()).step_by(7).chain([whole.len() - 1]) {
        let fault = station.fault(&whole[..cut]);
        let early = matches!(
            fault,
            BundleFault::Empty | BundleFault::NotABundle { .. } | BundleFault::Truncated { .. }
        );
        assert!(early, "{cut}: {fault}");
    }
}

#[test]
fn trailing_bytes() {
    let station = Station::new();
    for tail in [&[0][..], b"appended", &[0; 512]] {
        let mut bytes = station.signed(6);
        bytes.extend(tail);
        assert!(matches!(station.fault(&bytes), BundleFault::TrailingBytes));
    }
}

#[test]
fn an_older_version() {
    let station = Station::new();
    let error = station.flash(&station.signed(4)).unwrap_err();
    assert!(
        matches!(
            error,
            SlotsError::Older {
                version: 4,
                floor: 5,
                ..
            }
        ),
        "{error}"
    );
}

/// Somebody who can write to the station's disk, but not sign.
#[test]
fn a_bundle_exchanged_at_rest() {
    let station = Station::new();
    let names = station.disk.names();
    let name = names.iter().find(|name| name.ends_with(".aecsad")).unwrap();
    station.disk.put(name, &bundle("gear", 5, None));
    let error = Slots::new(station.disk.clone())
        .start(&station.ring().unwrap())
        .unwrap_err();
    assert!(error.to_string().contains("isn't signed"), "{error}");
    // Signed, but not the one that was flashed.
    station.disk.put(name, &station.signed(3));
    let error = Slots::new(station.disk.clone())
        .start(&station.ring().unwrap())
        .unwrap_err();
    assert!(error.to_string().contains("another bundle than"), "{error}");
}
