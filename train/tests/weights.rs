//! Weights fetched from a server that behaves, and from ones that don't; files that are not the network.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;

use aecsad_train::engine::Cpu;
use aecsad_train::paper::backbone::{WideResNetConfig, random_state};
use aecsad_train::paper::weights::{Download, StateDict, WeightsError, fetch};
use sha2::{Digest, Sha256};

/// What a server does with one request.
#[derive(Clone, Copy)]
enum Manner {
    /// Sends the file, from the requested offset.
    Serves,
    /// Sends the whole file whatever range was requested.
    KnowsNoRanges,
    /// Promises all and hangs up after so many bytes.
    BreaksOffAfter(usize),
    NotFound,
    Broken,
}

/// Answers as many requests as there are manners; gives the URL and the `Range` of each request.
fn server(content: Vec<u8>, manners: Vec<Manner>) -> (String, mpsc::Receiver<Option<usize>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/weights.pth", listener.local_addr().unwrap());
    let (requested, ranges) = mpsc::channel();
    std::thread::spawn(move || {
        for manner in manners {
            let (mut stream, _) = listener.accept().unwrap();
            let mut from = None;
            for line in BufReader::new(stream.try_clone().unwrap()).lines() {
                let line = line.unwrap().to_lowercase();
                if let Some(range) = line.strip_prefix("range: bytes=") {
                    from = range.trim_end_matches('-').parse().ok();
                }
                if line.is_empty() {
                    break;
                }
            }
            requested.send(from).unwrap();
            let (status, start, length) = match manner {
                Manner::Serves if from.is_some_and(|from| from >= content.len()) => {
                    ("416 Range Not Satisfiable", content.len(), 0)
                }
                Manner::Serves if from.is_some() => {
                    ("206 Partial Content", from.unwrap(), usize::MAX)
                }
                Manner::Serves | Manner::KnowsNoRanges => ("200 OK", 0, usize::MAX),
                Manner::BreaksOffAfter(count) => match from {
                    Some(from) => ("206 Partial Content", from, count),
                    None => ("200 OK", 0, count),
                },
                Manner::NotFound => ("404 Not Found", content.len(), 0),
                Manner::Broken => ("500 Internal Server Error", content.len(), 0),
            };
            let body = &content[start..];
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(head.as_bytes());
            let _ = stream.write_all(&body[..body.len().min(length)]);
        }
    });
    (url, ranges)
}

fn content() -> Vec<u8> {
    (0..300_000u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

fn download(url: &str, folder: &Path, content: &[u8]) -> Download {
    let digest: String = Sha256::digest(content)[..4]
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    Download {
        url: url.to_owned(),
        target: folder.join("weights.pth"),
        digest: digest.leak(),
    }
}

/// Bytes there and, if it is known, bytes in all, as often as they were reported.
type Reported = Vec<(u64, Option<u64>)>;

fn run(download: &Download) -> (Result<(), WeightsError>, Reported) {
    let mut reported = Vec::new();
    let result = fetch(download, &AtomicBool::new(false), &mut |done, total| {
        reported.push((done, total))
    });
    (result, reported)
}

#[test]
fn a_file_is_fetched_checked_and_not_fetched_again() {
    let folder = tempfile::tempdir().unwrap();
    let (url, ranges) = server(content(), vec![Manner::Serves]);
    let download = download(&url, folder.path(), &content());
    let (result, reported) = run(&download);
    result.unwrap();
    assert_eq!(std::fs::read(&download.target).unwrap(), content());
    assert_eq!(reported.last().unwrap(), &(300_000, Some(300_000)));
    assert_eq!(ranges.recv().unwrap(), None);
    // The server has ended by now.
    run(&download).0.unwrap();
}

#[test]
fn a_connection_that_breaks_is_taken_up_where_it_broke() {
    let folder = tempfile::tempdir().unwrap();
    let manners = vec![
        Manner::BreaksOffAfter(100_000),
        Manner::BreaksOffAfter(50_000),
        Manner::Serves,
    ];
    let (url, ranges) = server(content(), manners);
    let download = download(&url, folder.path(), &content());
    for at in [None, Some(100_000)] {
        let error = run(&download).0.unwrap_err();
        assert!(matches!(error, WeightsError::Fetch { .. }), "{error}");
        assert!(
            error.to_string().contains("run the same command again"),
            "{error}"
        );
        assert!(!download.target.exists());
        assert_eq!(ranges.recv().unwrap(), at);
    }
    run(&download).0.unwrap();
    assert_eq!(ranges.recv().unwrap(), Some(150_000));
    assert_eq!(std::fs::read(&download.target).unwrap(), content());
}

#[test]
fn a_server_without_ranges_is_read_from_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let (url, _ranges) = server(
        content(),
        vec![Manner::BreaksOffAfter(70_000), Manner::KnowsNoRanges],
    );
    let download = download(&url, folder.path(), &content());
    run(&download).0.unwrap_err();
    run(&download).0.unwrap();
    assert_eq!(std::fs::read(&download.target).unwrap(), content());
}

#[test]
fn all_but_the_name_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let (url, _ranges) = server(content(), vec![Manner::Serves]);
    let download = download(&url, folder.path(), &content());
    std::fs::write(folder.path().join("weights.pth.part"), content()).unwrap();
    run(&download).0.unwrap();
    assert!(download.target.exists());
}

#[test]
fn another_file_is_thrown_away() {
    let folder = tempfile::tempdir().unwrap();
    let (url, _ranges) = server(content(), vec![Manner::Serves]);
    let download = download(&url, folder.path(), b"what was expected");
    let error = run(&download).0.unwrap_err();
    assert!(matches!(error, WeightsError::Digest { .. }), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_server_that_has_it_not_or_is_gone_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (url, _ranges) = server(content(), vec![Manner::NotFound, Manner::Broken]);
    let download = download(&url, folder.path(), &content());
    for expected in ["404", "500", &url] {
        let error = run(&download).0.unwrap_err().to_string();
        assert!(
            error.contains(expected) && error.contains("weights import"),
            "{error}"
        );
    }
}

fn train(arguments: &[&str], cache: &Path) -> (String, i32) {
    let output = Command::new(env!("CARGO_BIN_EXE_aecsad-train"))
        .args(arguments)
        .env("XDG_CACHE_HOME", cache)
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    (
        stderr.lines().last().unwrap_or_default().to_owned(),
        output.status.code().unwrap(),
    )
}

#[test]
fn the_program_refuses_what_is_not_the_network() {
    let folder = tempfile::tempdir().unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let other = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/backbone.pth");
    let (sentence, code) = train(&["weights", "import", &text(&other)], folder.path());
    assert!(
        sentence.contains("95faca4d or 9ba9bcbe") && code == 3,
        "{sentence} ({code})"
    );
    let (sentence, code) = train(&["weights", "import", "/nowhere.pth"], folder.path());
    assert!(
        sentence.contains("/nowhere.pth") && code == 3,
        "{sentence} ({code})"
    );
    let (url, _ranges) = server(content(), vec![Manner::Serves]);
    let (sentence, code) = train(&["weights", "fetch", "--url", &url], folder.path());
    assert!(
        sentence.contains("SHA-256") && code == 3,
        "{sentence} ({code})"
    );
    let weights = folder.path().join("aecsad/weights");
    assert_eq!(std::fs::read_dir(weights).unwrap().count(), 0);
}

/// A small network's tensors in a file, after `change`.
fn refused(change: impl Fn(&mut StateDict), config: &WideResNetConfig) -> String {
    let mut state = random_state(config, 1);
    change(&mut state);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    std::fs::write(&path, state.to_safetensors().unwrap()).unwrap();
    let expected = WideResNetConfig::new()
        .with_stem(2)
        .with_blocks([1, 1, 1, 1]);
    let read = StateDict::read(&path).unwrap();
    match expected.load::<Cpu>(read, &Default::default()) {
        Ok(_) => "accepted".into(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn missing_extra_and_odd_tensors_are_named() {
    let small = WideResNetConfig::new()
        .with_stem(2)
        .with_blocks([1, 1, 1, 1]);
    assert_eq!(refused(|_| (), &small), "accepted");
    let missing = refused(
        |state| drop(state.take("layer2.0.conv3.weight", &[16, 8, 1, 1])),
        &small,
    );
    assert!(
        missing.contains("layer2.0.conv3.weight is missing"),
        "{missing}"
    );
    let extra = refused(|_| (), &small.clone().with_blocks([1, 2, 1, 1]));
    assert!(
        extra.contains("layer2.1") && extra.contains("more tensors"),
        "{extra}"
    );
    let wide = refused(|_| (), &small.clone().with_widening(3));
    assert!(wide.contains("has shape"), "{wide}");
}

#[test]
fn files_that_hold_no_tensors_are_refused_and_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.pth");
    let whole =
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/backbone.pth"))
            .unwrap();
    for length in [0, 3, 30, 1000, whole.len() / 2, whole.len() - 30] {
        std::fs::write(&path, &whole[..length]).unwrap();
        let error = StateDict::read(&path).unwrap_err();
        assert!(matches!(error, WeightsError::Format { .. }), "{error}");
    }
    // Flipped bytes may still be tensors; they must only not bring the program down.
    for seed in 0..2000usize {
        let mut damaged = whole.clone();
        for change in 0..1 + seed % 7 {
            let at = (seed * 7919 + change * 104_729 + seed * seed) % damaged.len();
            let at = if seed % 2 == 0 {
                at % 24_000
            } else {
                damaged.len() - 1 - at % 24_000
            };
            damaged[at] = (seed * 31 + change * 17) as u8;
        }
        std::fs::write(&path, &damaged).unwrap();
        let _ = StateDict::read(&path);
    }
}

#[test]
fn a_pickle_that_calls_anything_is_refused() {
    // A zip of one stored entry, `x/data.pkl`, whose pickle calls os.system("true").
    let pickle = b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.";
    let name = b"x/data.pkl";
    let sizes = [(pickle.len() as u32).to_le_bytes(); 2].concat();
    let mut file = [
        b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0".as_slice(),
        &sizes,
    ]
    .concat();
    file.extend([name.len() as u8, 0, 0, 0]);
    file.extend(name);
    file.extend(pickle);
    let list = file.len() as u32;
    file.extend(b"PK\x01\x02\x14\0\x14\0\0\0\0\0\0\0\0\0\0\0\0\0");
    file.extend(&sizes);
    file.extend([
        name.len() as u8,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
    ]);
    file.extend(name);
    let bytes = file.len() as u32 - list;
    file.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    file.extend(bytes.to_le_bytes());
    file.extend(list.to_le_bytes());
    file.extend([0, 0]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.pth");
    std::fs::write(&path, file).unwrap();
    let error = StateDict::read(&path).unwrap_err().to_string();
    assert!(error.contains("os system"), "{error}");
}
