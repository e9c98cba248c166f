//! Keys made, bundles signed in place, and verified by the runtime.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use aecsad_inspect::bundle::{Bundle, PublicKey, Trust, write_bundle};
use aecsad_train::cli::{keygen::KeygenArgs, sign, sign::SignArgs};
use aecsad_train::export::signing::{
    PUBLIC_KEY_NAME, SECRET_KEY_NAME, SigningError, SigningKey, generate,
};
use clap::{Args, FromArgMatches};

const MANIFEST: &str = r#"
format = 1
product = "gear"
version = 1
profile = "edge"
created_by = "test"
classes = []
input = { width = 256, height = 256, mean = [0, 0, 0], std = [1, 1, 1], mono = true }
threshold = { value = 3.0, false_reject_rate = 0.01, calibration_parts = 40 }
tolerance = { golden = 0.001 }
[[branch]]
name = "pooled"
on = true
weight = 1.0
mean = 0.0
std = 1.0
why = "the only one"
"#;

fn unsigned(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("gear.aecsad");
    let entries = [("network.onnx".to_owned(), vec![7; 900])];
    write_bundle(&path, toml::from_str(MANIFEST).unwrap(), &entries, None).unwrap();
    path
}

fn parsed<A: Args + FromArgMatches>(words: &[&Path]) -> A {
    let command = A::augment_args(clap::Command::new("test"));
    let words = words.iter().map(|word| word.as_os_str().to_owned());
    let matches = command.get_matches_from(std::iter::once("test".into()).chain(words));
    A::from_arg_matches(&matches).unwrap()
}

fn keys(folder: &Path) -> Trust {
    Trust::Keys(vec![PublicKey::from_file(&folder.join(PUBLIC_KEY_NAME)).unwrap()].into())
}

#[test]
fn a_bundle_is_signed_in_place_and_again_with_another_key() {
    let root = tempfile::tempdir().unwrap();
    let bundle = unsigned(root.path());
    let before = Bundle::read(&bundle, &Trust::Anyone).unwrap();
    for name in ["one", "two"] {
        let folder = root.path().join(name);
        aecsad_train::cli::keygen::run(&parsed::<KeygenArgs>(&[&folder])).unwrap();
        let key = folder.join(SECRET_KEY_NAME);
        sign::run(&parsed::<SignArgs>(&[&bundle, "--key".as_ref(), &key])).unwrap();
        let signed = Bundle::read(&bundle, &keys(&folder)).unwrap();
        let id = SigningKey::from_file(&key).unwrap().id().to_owned();
        assert_eq!(signed.signed_by(), Some(id.as_str()));
        assert_eq!(signed.manifest, before.manifest);
        assert!(signed.entries().eq(before.entries()));
    }
    assert!(Bundle::read(&bundle, &keys(&root.path().join("one"))).is_err());
}

#[test]
fn keys_are_never_replaced_and_the_secret_one_is_private() {
    let root = tempfile::tempdir().unwrap();
    let id = generate(root.path()).unwrap();
    let secret = root.path().join(SECRET_KEY_NAME);
    let mode = fs::metadata(&secret).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(matches!(
        generate(root.path()),
        Err(SigningError::KeyExists { .. })
    ));
    fs::remove_file(&secret).unwrap();
    assert!(generate(root.path()).is_err());
    assert!(!secret.exists());
    let public = PublicKey::from_file(&root.path().join(PUBLIC_KEY_NAME)).unwrap();
    assert_eq!(public.id(), id);
}

#[test]
fn a_file_that_is_no_secret_key_is_refused() {
    let root = tempfile::tempdir().unwrap();
    generate(root.path()).unwrap();
    let path = root.path().join("some.key");
    assert!(matches!(
        SigningKey::from_file(&path),
        Err(SigningError::Read { .. })
    ));
    let public = fs::read(root.path().join(PUBLIC_KEY_NAME)).unwrap();
    let secret = fs::read(root.path().join(SECRET_KEY_NAME)).unwrap();
    let mut damaged = secret.clone();
    let middle = damaged.len() - 60;
    damaged[middle] = if damaged[middle] == b'A' { b'B' } else { b'A' };
    let half = &secret[..secret.len() / 2];
    for content in [
        b"".as_slice(),
        b"hello",
        b"\xff\xfe\n\xff",
        &public,
        &damaged,
        half,
    ] {
        fs::write(&path, content).unwrap();
        assert!(matches!(
            SigningKey::from_file(&path),
            Err(SigningError::NotAKey { .. })
        ));
    }
}

/// Where minisign itself is installed, it verifies the two files from the unpacked archive.
#[test]
fn the_stock_tool_verifies_the_manifest() {
    let root = tempfile::tempdir().unwrap();
    let bundle = unsigned(root.path());
    generate(root.path()).unwrap();
    let key = root.path().join(SECRET_KEY_NAME);
    sign::run(&parsed::<SignArgs>(&[&bundle, "--key".as_ref(), &key])).unwrap();
    tar::Archive::new(fs::File::open(&bundle).unwrap())
        .unpack(root.path())
        .unwrap();
    let verify = || {
        std::process::Command::new("minisign")
            .args([
                "-V",
                "-m",
                "manifest.toml",
                "-x",
                "manifest.minisig",
                "-p",
                PUBLIC_KEY_NAME,
            ])
            .current_dir(root.path())
            .output()
    };
    match verify() {
        Ok(output) => {
            assert!(output.status.success(), "{output:?}");
            fs::write(root.path().join("manifest.toml"), "format = 1").unwrap();
            assert!(!verify().unwrap().status.success());
        }
        Err(_) => eprintln!("minisign is not installed: skipped"),
    }
}
