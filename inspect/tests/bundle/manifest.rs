//! Manifests that contradict themselves, or that this version doesn't know.

use aecsad_inspect::bundle::BundleFault;

use super::{fault, manifest, packed, read, unpacked, unsigned, with_manifest};

#[test]
fn it_is_read_as_it_was_written() {
    let mut expected = manifest();
    let bundle = read(&unsigned()).unwrap();
    expected.entries = bundle.manifest.entries.clone();
    assert_eq!(bundle.manifest, expected);
    assert_eq!(bundle.manifest.entries[1].bytes, 300);
}

#[test]
fn resealed_without_a_change_it_is_still_accepted() {
    assert!(read(&with_manifest(|_| ())).is_ok());
}

#[test]
fn a_changed_manifest_is_refused_without_any_key() {
    let mut files = unpacked(&unsigned());
    let text = String::from_utf8(files[0].1.clone()).unwrap();
    files[0].1 = text.replace("value = 3.7", "value = 9.7").into_bytes();
    assert!(matches!(
        fault(&packed(&files)),
        BundleFault::ManifestDamaged
    ));
}

#[test]
fn a_later_format_says_so_even_with_fields_unknown_here() {
    let bytes = with_manifest(|text| {
        *text = text.replace("format = 1", "format = 2\nnovelty = true");
    });
    assert!(matches!(
        fault(&bytes),
        BundleFault::Format { found: 2, known: 1 }
    ));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let changes = [
        ("format = 1", "form = 1", "no `format`"),
        ("version = 3", "version = -3", "line 3: "),
        ("version = 3", "version = 3\nnew = 1", "unknown field `new`"),
        ("mono = false", "mono = 0", "true or false"),
        (
            "mono = false",
            "mono = false\nfine = { width = 300, height = 320 }",
            "input.fine",
        ),
        (
            "mono = false",
            "mono = false\nregion = { area = [9, 0, 64, 64], frame = { width = 64, height = 64 } }",
            "input.region reaches outside",
        ),
        (
            "mono = false",
            "mono = false\nregion = { area = [0, 0, 64], frame = { width = 64, height = 64 } }",
            "line ",
        ),
        (
            "mono = false",
            "mono = false\nregion = { area = [0, 0, 64, 64], frame = { width = 64, height = 64 }, ignored = { colour = [0, 0, 0], \
             areas = [[0, 0, 64, 65]] } }",
            "input.region ignores areas outside itself",
        ),
        (
            "mono = false",
            "mono = false\nregion = { area = [0, 0, 64, 64], frame = { width = 64, height = 64 }, ignored = { colour = [0, 0, 0], \
             areas = [[0, 0, 64, 64]] } }",
            "input.region is ignored as a whole",
        ),
        (
            "mono = false",
            "mono = false\nregion = { area = [0, 0, 64, 64], frame = { width = 64, height = 64 } }\n\
             trained_on = { width = 64, height = 60, narrowest = 1.0, widest = 1.0 }",
            "input.region has another size than input.trained_on",
        ),
        (
            "mono = false",
            "mono = false\nexposure = { level = [4.0, 3.0], contrast = [0.5, 0.6] }",
            "input.exposure",
        ),
        ("width = 256", "width = 0", "input size"),
        ("width = 256", "width = 4294967296", "u32"),
        ("height = 256", "height = 5000", "input size"),
        ("product = \"gear box\"", "product = \"../gear\"", "product"),
        ("product = \"gear box\"", "product = \"\"", "product"),
        ("value = 3.7", "value = nan", "threshold.value"),
        ("value = 3.7", "value = inf", "threshold.value"),
        ("rate = 0.01", "rate = 1.5", "false_reject_rate"),
        ("rate = 0.01", "rate = nan", "false_reject_rate"),
        ("golden = 0.001", "golden = -1.0", "tolerance"),
        (
            "golden = 0.001",
            "golden = 0.001\nunfused = 0.0",
            "tolerance.unfused",
        ),
        ("weight = 1.0", "weight = -1.0", "weight"),
        ("weight = 1.0", "weight = inf", "weight"),
        ("on = true", "on = false", "no branch is on"),
        ("name = \"histogram\"", "name = \"guess\"", "guess"),
        ("profile = \"edge\"", "profile = \"best\"", "best"),
        ("bytes = 300", "bytes = -1", "u64"),
        ("product = \"gear box\"", "product = \"gear", "refused"),
    ];
    for (old, new, printed) in changes {
        let bytes = with_manifest(|text| {
            assert!(text.contains(old), "{old} is not in {text}");
            *text = text.replacen(old, new, 1);
        });
        let sentence = fault(&bytes).to_string();
        assert!(sentence.contains(printed), "{new}: {sentence}");
        assert!(!sentence.contains('\n'), "{sentence}");
    }
}

#[test]
fn entries_are_bounded_before_they_are_read() {
    let bytes = with_manifest(|text| *text = text.replace("bytes = 300", "bytes = 209715201"));
    assert!(matches!(
        fault(&bytes),
        BundleFault::TooLarge {
            limit: 209_715_200,
            ..
        }
    ));
    // Each below its own limit, but not the two together.
    let bytes = with_manifest(|text| {
        *text = text.replace("bytes = 300", "bytes = 199000000");
        *text = text.replace("bytes = 1024", "bytes = 199000000");
    });
    assert!(matches!(
        fault(&bytes),
        BundleFault::TooLarge {
            limit: 268_435_456,
            ..
        }
    ));
}

#[test]
fn the_list_of_entries_is_checked() {
    let named = |name: &str| {
        let name = name.to_owned();
        with_manifest(|text| *text = text.replace("stats.safetensors", &name))
    };
    for name in ["../up", "/root", "a b"] {
        assert!(matches!(fault(&named(name)), BundleFault::BadName { .. }));
    }
    for name in ["manifest.toml", "manifest.minisig"] {
        assert!(matches!(fault(&named(name)), BundleFault::Manifest { .. }));
    }
    let twice = named("networks/encoder.onnx");
    assert!(matches!(fault(&twice), BundleFault::Duplicate { .. }));
    let many = with_manifest(|text| {
        let at = text.find("[[entry]]").unwrap();
        let first = text[at..].split("[[entry]]").nth(1).unwrap().to_owned();
        for i in 0..63 {
            text.push_str("\n[[entry]]");
            text.push_str(&first.replace("encoder", &format!("encoder{i}")));
        }
    });
    assert!(matches!(
        fault(&many),
        BundleFault::TooManyEntries {
            found: 65,
            limit: 64
        }
    ));
    let none = with_manifest(|text| {
        let at = text.find("[[entry]]").unwrap();
        text.truncate(at);
    });
    assert!(fault(&none).to_string().contains("no entries"));
    let short_hash = with_manifest(|text| *text = text.replacen("sha256 = \"", "sha256 = \"0", 1));
    assert!(fault(&short_hash).to_string().contains("64 lower-case hex"));
}
