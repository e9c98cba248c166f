//! Archives that aren't what a bundle's archive must be.

use aecsad_inspect::bundle::{Bundle, BundleError, BundleFault, Trust};
use tar::EntryType;

use super::{fault, header, packed, read, unpacked, unsigned};

/// A bundle whose second entry has this header in place of its own.
fn with_second_header(header: [u8; 512]) -> Vec<u8> {
    let files = unpacked(&unsigned());
    let mut archive = packed(&files[..2]);
    archive.truncate(archive.len() - 1024);
    archive.extend(header);
    archive.extend([0; 2048]);
    archive
}

#[test]
fn a_whole_bundle_is_read() {
    let bundle = read(&unsigned()).unwrap();
    let entries: Vec<_> = bundle
        .entries()
        .map(|(n, c)| (n.to_owned(), c.to_vec()))
        .collect();
    assert_eq!(entries, super::entries());
    assert_eq!(bundle.entry("stats.safetensors").unwrap(), entries[1].1);
    assert_eq!(bundle.signed_by(), None);
    let error = bundle.entry("nothing.onnx").unwrap_err();
    assert!(matches!(error.fault(), Some(BundleFault::NoEntry { .. })));
}

#[test]
fn the_stock_order_and_names_are_in_the_archive() {
    let names: Vec<String> = unpacked(&unsigned()).into_iter().map(|f| f.0).collect();
    assert_eq!(
        names,
        [
            "manifest.toml",
            "networks/encoder.onnx",
            "stats.safetensors"
        ]
    );
}

#[test]
fn the_id_is_the_sha256_of_the_file() {
    use sha2::Digest;
    let bytes = unsigned();
    let digest = sha2::Sha256::digest(&bytes);
    let hex: String = digest.iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(read(&bytes).unwrap().sha256(), hex);
}

#[test]
fn cut_short_anywhere_it_is_refused() {
    let whole = unsigned();
    for cut in 0..whole.len() {
        match fault(&whole[..cut]) {
            BundleFault::Empty => assert_eq!(cut, 0),
            BundleFault::NotABundle { .. } => assert!(cut < 512, "{cut}"),
            BundleFault::Truncated { at } => assert_eq!(at, cut as u64),
            other => panic!("cut at {cut}: {other:?}"),
        }
    }
}

#[test]
fn no_flipped_bit_is_accepted() {
    let mut bytes = unsigned();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            bytes[at] ^= 1 << bit;
            assert!(read(&bytes).is_err(), "byte {at}, bit {bit}");
            bytes[at] ^= 1 << bit;
        }
    }
    assert!(read(&bytes).is_ok());
}

#[test]
fn an_archive_without_its_last_entry_says_which() {
    let files = unpacked(&unsigned());
    let BundleFault::EndsEarly { missing } = fault(&packed(&files[..2])) else {
        panic!()
    };
    assert_eq!(missing, "stats.safetensors");
}

#[test]
fn swapped_entries_are_refused() {
    let mut files = unpacked(&unsigned());
    files.swap(1, 2);
    assert!(matches!(
        fault(&packed(&files)),
        BundleFault::WrongEntry { .. }
    ));
}

#[test]
fn entries_that_trade_names_are_refused() {
    let mut files = unpacked(&unsigned());
    let name = files[1].0.clone();
    files[1].0 = files[2].0.clone();
    files[2].0 = name;
    assert!(matches!(
        fault(&packed(&files)),
        BundleFault::WrongEntry { .. }
    ));
}

#[test]
fn the_manifest_must_come_first() {
    let mut files = unpacked(&unsigned());
    files.swap(0, 1);
    assert!(matches!(
        fault(&packed(&files)),
        BundleFault::WrongEntry { .. }
    ));
}

#[test]
fn a_changed_entry_is_refused() {
    let mut files = unpacked(&unsigned());
    files[1].1[100] ^= 1;
    let BundleFault::WrongHash { name } = fault(&packed(&files)) else {
        panic!()
    };
    assert_eq!(name, "networks/encoder.onnx");
}

#[test]
fn an_entry_of_another_size_is_refused() {
    let mut files = unpacked(&unsigned());
    files[2].1.pop();
    assert!(matches!(
        fault(&packed(&files)),
        BundleFault::WrongSize {
            found: 299,
            expected: 300,
            ..
        }
    ));
}

#[test]
fn an_unnamed_entry_at_the_end_is_refused() {
    let mut files = unpacked(&unsigned());
    files.push(("extra.bin".into(), vec![1]));
    assert!(matches!(fault(&packed(&files)), BundleFault::TrailingBytes));
}

#[test]
fn a_second_entry_of_the_same_name_is_refused() {
    let mut files = unpacked(&unsigned());
    files.insert(2, files[1].clone());
    assert!(matches!(
        fault(&packed(&files)),
        BundleFault::WrongEntry { .. }
    ));
}

#[test]
fn trailing_bytes_are_refused() {
    for tail in [&[0u8][..], &[1], &[0; 512], b"appended"] {
        let mut bytes = unsigned();
        bytes.extend(tail);
        assert!(matches!(fault(&bytes), BundleFault::TrailingBytes));
    }
}

#[test]
fn names_that_leave_the_archive_are_refused() {
    for name in [
        "../stats",
        "/etc/passwd",
        "a/../../b",
        "a//b",
        "./a",
        "a/",
        "a\\b",
        "a b",
        "é",
        "con\u{1b}[2J",
    ] {
        let archive = with_second_header(header(name, 300, |_| ()));
        let BundleFault::BadName { name: shown } = fault(&archive) else {
            panic!("{name}")
        };
        assert!(shown.chars().all(|c| !c.is_control()), "{shown}");
    }
}

#[test]
fn anything_but_a_plain_file_is_refused() {
    let kinds = [
        (EntryType::Symlink, "a symbolic link"),
        (EntryType::Link, "a hard link"),
        (EntryType::Directory, "a folder"),
        (EntryType::Char, "a device"),
        (EntryType::Block, "a device"),
        (EntryType::Fifo, "a pipe"),
        (EntryType::GNULongName, "a GNU long-name header"),
        (EntryType::GNULongLink, "a GNU long-name header"),
        (EntryType::GNUSparse, "a sparse file"),
        (EntryType::XHeader, "a pax header"),
        (EntryType::XGlobalHeader, "a pax header"),
        (EntryType::new(b'Z'), "of an unknown kind"),
    ];
    for (kind, printed) in kinds {
        let archive = with_second_header(header("stats.safetensors", 300, |h| {
            h.set_entry_type(kind);
            h.set_link_name("/etc/passwd").unwrap();
        }));
        let BundleFault::NotPlainFile { kind, .. } = fault(&archive) else {
            panic!("{printed}")
        };
        assert_eq!(kind, printed);
    }
}

#[test]
fn huge_sizes_are_refused_before_anything_is_read() {
    for bytes in [301, 1 << 30, 1 << 40, u64::MAX] {
        let archive = with_second_header(header("stats.safetensors", bytes, |_| ()));
        assert!(matches!(fault(&archive), BundleFault::WrongSize { found, .. } if found == bytes));
    }
    let manifest = header("manifest.toml", (1 << 20) + 1, |_| ());
    assert!(matches!(
        fault(&manifest),
        BundleFault::TooLarge {
            limit: 1_048_576,
            ..
        }
    ));
}

#[test]
fn a_header_of_another_form_is_refused() {
    let changes: [fn(&mut tar::Header); 5] = [
        |h| h.set_mode(0o4755),
        |h| h.set_uid(1),
        |h| h.set_mtime(1),
        |h| h.set_username("root").unwrap(),
        |h| h.set_link_name("elsewhere").unwrap(),
    ];
    for change in changes {
        let archive = with_second_header(header("stats.safetensors", 300, change));
        assert!(matches!(fault(&archive), BundleFault::NotCanonical { .. }));
    }
}

#[test]
fn other_files_are_named_for_what_they_are() {
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    png.resize(2000, 7);
    let printed = fault(&png).to_string();
    assert!(printed.contains("a PNG picture"), "{printed}");
    assert!(matches!(fault(b""), BundleFault::Empty));
    assert!(matches!(fault(b"hello"), BundleFault::NotABundle { .. }));
    assert!(matches!(fault(&[0; 4096]), BundleFault::NotABundle { .. }));
}

#[test]
fn folders_missing_files_and_pipes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let error = Bundle::read(folder.path(), &Trust::Anyone).unwrap_err();
    assert!(matches!(error.fault(), Some(BundleFault::Folder)));
    let error = Bundle::read(&folder.path().join("none"), &Trust::Anyone).unwrap_err();
    assert!(matches!(error, BundleError::Open { .. }));
    let error = Bundle::read("/dev/zero".as_ref(), &Trust::Anyone).unwrap_err();
    assert!(matches!(error.fault(), Some(BundleFault::NotAFile)));
}
