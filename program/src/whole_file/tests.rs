use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use super::*;

fn names(folder: &Path) -> Vec<String> {
    let entries = folder.read_dir().unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_given_up_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scores.csv");
    fs::write(&path, "before").unwrap();
    let mut file = WholeFile::create(&path).unwrap();
    file.write_all(b"half").unwrap();
    drop(file);
    assert_eq!(fs::read(&path).unwrap(), b"before");
    let mut file = WholeFile::create(&path).unwrap();
    file.write_all(b"whole").unwrap();
    file.commit_durably().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"whole");
    assert_eq!(names(folder.path()), ["scores.csv"]);
}

#[test]
fn a_replaced_file_keeps_its_permissions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scores.csv");
    for mode in [0o600, 0o664, 0o444] {
        fs::write(folder.path().join("new"), "before").unwrap();
        fs::rename(folder.path().join("new"), &path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        write(&path, b"after").unwrap();
        let found = path.metadata().unwrap();
        assert_eq!(found.mode() & 0o777, mode);
        assert_eq!(fs::read(&path).unwrap(), b"after");
    }
}

#[test]
fn links_are_followed_and_stay() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("real")).unwrap();
    fs::write(at("real/there"), "before").unwrap();
    symlink("real/there", at("to a file")).unwrap();
    symlink("real/new", at("dangling")).unwrap();
    symlink("dangling", at("twice")).unwrap();
    for (link, target) in [("to a file", "real/there"), ("twice", "real/new")] {
        check(&at(link)).unwrap();
        write(&at(link), link.as_bytes()).unwrap();
        assert!(at(link).is_symlink(), "{link}");
        assert_eq!(fs::read_to_string(at(target)).unwrap(), link);
    }
    assert_eq!(names(&at("real")), ["new", "there"]);
}

#[test]
fn a_folder_is_made_where_a_link_leads() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    symlink("real/maps", at("link")).unwrap();
    create_folder(&at("link")).unwrap();
    create_folder(&at("link")).unwrap();
    assert!(at("real/maps").is_dir() && at("link").is_symlink());
    fs::write(at("file"), "").unwrap();
    let refused = create_folder(&at("file")).unwrap_err().to_string();
    assert_eq!(refused, "it is a file, and a folder is needed");
    assert_eq!(names(&at("real/maps")), [""; 0]);
}

#[test]
fn what_is_no_file_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    symlink("b", at("a")).unwrap();
    symlink("a", at("b")).unwrap();
    fs::write(at("file"), "").unwrap();
    for (name, words) in [
        ("a", "lead back to themselves"),
        (".", "it is a folder"),
        ("none/x", "its folder is not there"),
        ("file/x", "ot a directory"),
    ] {
        for refused in [check(&at(name)), write(&at(name), b"")] {
            let sentence = refused.unwrap_err().to_string();
            assert!(sentence.contains(words), "{name}: {sentence}");
            assert!(!sentence.contains(".aecsad-"), "{sentence}");
        }
    }
    assert_eq!(names(folder.path()), ["a", "b", "file"]);
}

#[test]
fn a_pipe_is_written_to() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let reader = {
        let pipe = pipe.clone();
        thread::spawn(move || fs::read_to_string(pipe).unwrap())
    };
    check(&pipe).unwrap();
    // More than a pipe holds: the writer waits for the reader.
    let long = "x".repeat(200_000);
    write(&pipe, long.as_bytes()).unwrap();
    assert!(reader.join().unwrap() == long);
    assert!(pipe.metadata().unwrap().file_type().is_fifo());
    assert_eq!(names(folder.path()), ["pipe"]);
}

#[test]
fn a_device_is_written_to() {
    let folder = tempfile::tempdir().unwrap();
    let device = folder.path().join("null");
    let made = Command::new("mknod")
        .arg(&device)
        .args(["c", "1", "3"])
        .output();
    if !made.unwrap().status.success() {
        // Only root may make one.
        return;
    }
    let link = folder.path().join("link");
    symlink("null", &link).unwrap();
    for path in [&device, &link] {
        check(path).unwrap();
        write(path, b"gone").unwrap();
        let mut rows = WholeFile::create(path).unwrap().commit_and_go_on().unwrap();
        rows.write_all(b"row").unwrap();
        rows.commit_durably().unwrap();
    }
    let kind = device.symlink_metadata().unwrap().file_type();
    assert!(kind.is_char_device(), "the device was replaced");
    assert!(link.is_symlink());
    assert_eq!(names(folder.path()), ["link", "null"]);
}

#[test]
fn what_a_command_reads_is_not_replaced_by_its_output() {
    let folder = tempfile::tempdir().unwrap();
    let (input, link) = (folder.path().join("input"), folder.path().join("link"));
    fs::write(&input, "read").unwrap();
    symlink("input", &link).unwrap();
    crate::inputs::keep(&link);
    for path in [&input, &link] {
        assert!(check(path).is_err());
        let error = write(path, b"output").unwrap_err();
        assert!(error.to_string().contains("reads it"), "{error}");
    }
    assert_eq!(fs::read_to_string(&input).unwrap(), "read");
}
