//! What `verify` vouches for.

use aecsad_inspect::arrays::Arrays;
use aecsad_inspect::golden::EXPECTED;
use aecsad_program::ExitCode;
use ndarray::{Ix1, Ix2};

use crate::fixture::{Fixture, aecsad, assert_refused, stderr, stdout};

#[test]
fn a_bundle_holds_where_it_was_made() {
    let fixture = Fixture::new();
    let run = aecsad(&[&"verify", &fixture.bundle()]);
    assert!(run.status.success(), "{}", stderr(&run));
    let printed = stdout(&run);
    assert!(
        printed.contains("drawn part version 1, signature not checked"),
        "{printed}"
    );
    assert_eq!(printed.matches("golden/00").count(), 8, "{printed}");
    assert!(
        printed.ends_with("its scores hold on this machine (8 golden images)\n"),
        "{printed}"
    );
}

/// The bundle that ships was trained on another machine, or at least in another build.
#[test]
fn the_demo_bundle_holds_here_and_tells_its_bad_parts_from_good_ones() {
    let models = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let bundle = models.join("demo.aecsad");
    let run = aecsad(&[&"verify", &bundle]);
    assert!(run.status.success(), "{}", stderr(&run));

    let parts = models.join("demo-parts");
    let run = aecsad(&[&"inspect", &"--bundle", &bundle, &parts]);
    assert!(run.status.success(), "{}", stderr(&run));
    let verdict_of = |name: &str| {
        let row = stdout(&run)
            .lines()
            .find(|l| l.starts_with(name))
            .map(str::to_owned);
        row.and_then(|row| row.split(',').nth(2).map(str::to_owned))
    };
    let known = std::fs::read_to_string(parts.join("parts.csv")).unwrap();
    let (mut right, mut all) = (0, 0);
    for (name, label) in known
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(','))
    {
        let expected = if label == "good" { "good" } else { "bad" };
        right += (verdict_of(name).as_deref() == Some(expected)) as u32;
        all += 1;
    }
    assert!(
        all == 60 && right >= 54,
        "{right} of {all} verdicts are right"
    );
}

/// One bit in the stored expectation, as a copy that went wrong.
#[test]
fn a_flipped_bit_is_found_by_its_hash() {
    let mut fixture = Fixture::new();
    let mut bytes = std::fs::read(fixture.bundle()).unwrap();
    // The last entry ends in the last image's score; padding to 512 and the closing 1,024 bytes follow.
    let entry = fixture.entry(EXPECTED).len();
    let start = bytes.len() - 1024 - entry.next_multiple_of(512);
    bytes[start + entry - 2] ^= 0x10;
    let flipped = fixture.put("flipped.aecsad", &bytes);
    let run = aecsad(&[&"verify", &flipped]);
    assert_refused(
        &run,
        ExitCode::Bundle,
        "differs from the SHA-256 in the manifest",
    );
}

/// The same bit in a bundle that is whole: as if this machine computed something else.
#[test]
fn a_score_beyond_the_tolerance_is_named_by_image_and_branch() {
    let mut fixture = Fixture::new();
    let entry = fixture.entry(EXPECTED);
    let arrays = Arrays::from_bytes(entry, EXPECTED).unwrap();
    let raw = arrays.get::<f32>("raw").unwrap().clone();
    let score = arrays.get::<f32>("score").unwrap().clone();
    let mut raw = raw.into_dimensionality::<Ix2>().unwrap();
    let score = score.into_dimensionality::<Ix1>().unwrap();
    // Lowest bit of the exponent: twice or half the value.
    let flipped = &mut raw[[3, 4]];
    *flipped = f32::from_bits(flipped.to_bits() ^ 1 << 23);
    let mut changed = Arrays::new();
    changed.insert("raw", raw.clone());
    changed.insert("score", score.clone());
    *entry = changed.to_bytes().unwrap();
    let run = aecsad(&[&"verify", &fixture.bundle()]);
    let what = "on this machine golden/003.png has the position score";
    assert_refused(&run, ExitCode::Bundle, what);
    assert!(
        stdout(&run).contains("golden/007.png"),
        "the table is whole"
    );

    changed.insert("raw", raw.slice_move(ndarray::s![..7, ..]));
    *fixture.entry(EXPECTED) = changed.to_bytes().unwrap();
    let run = aecsad(&[&"verify", &fixture.bundle()]);
    assert_refused(&run, ExitCode::Bundle, "the golden vectors are incomplete");
}

#[test]
fn a_bundle_that_proves_nothing_is_refused() {
    let mut fixture = Fixture::new();
    fixture.remove_entries("golden/");
    let run = aecsad(&[&"verify", &fixture.bundle()]);
    assert_refused(&run, ExitCode::Bundle, "there are no golden vectors");
}

#[test]
fn with_a_key_an_unsigned_bundle_is_refused() {
    let fixture = Fixture::new();
    let pair = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
    let key = pair.pk.to_box().unwrap().to_string();
    let key = fixture.put("line.pub", key.as_bytes());
    let run = aecsad(&[&"verify", &fixture.bundle(), &"--key", &key]);
    assert_refused(&run, ExitCode::Bundle, "it isn't signed");
    let run = aecsad(&[
        &"verify",
        &fixture.bundle(),
        &"--key",
        &fixture.at("none.pub"),
    ]);
    assert_refused(&run, ExitCode::Bundle, "the public key can't be read");
}
