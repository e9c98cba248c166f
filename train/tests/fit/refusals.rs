//! What `fit` and its sisters refuse, in one sentence and before anything is written.

use std::process::Command;

use super::{plate, refusal, text, train};

#[test]
fn unusable_input_is_refused_in_one_sentence_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("x.aecsad");
    let nowhere = folder.path().join("nowhere");
    let (sentence, code) = refusal(&["fit", text(&nowhere), "--out", text(&out)]);
    assert!(
        sentence.contains("nowhere") && code == 9,
        "{sentence} ({code})"
    );

    let few = folder.path().join("few");
    std::fs::create_dir(&few).unwrap();
    for i in 0..5 {
        image::RgbImage::new(64, 64)
            .save(few.join(format!("{i}.png")))
            .unwrap();
    }
    let (sentence, code) = refusal(&["fit", text(&few), "--out", text(&out)]);
    assert!(sentence.contains("20") && code == 9, "{sentence} ({code})");

    let (sentence, code) = refusal(&["fit", text(&few), "--out", "/proc/x.aecsad"]);
    assert!(
        sentence.contains("/proc/x.aecsad") && code == 7,
        "{sentence} ({code})"
    );

    let (sentence, code) = refusal(&["evaluate", "--bundle", text(&few.join("0.png")), text(&few)]);
    assert!(
        sentence.contains("0.png") && code == 4,
        "{sentence} ({code})"
    );
    assert!(!out.exists());
}

#[test]
fn a_region_and_what_to_ignore_are_checked_before_any_image_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("parts");
    std::fs::create_dir(&images).unwrap();
    let black = image::RgbImage::new(64, 48);
    for i in 0..24 {
        black.save(images.join(format!("{i:02}.png"))).unwrap();
    }
    let (out, ignore) = (
        folder.path().join("x.aecsad"),
        folder.path().join("ignore.png"),
    );
    black.save(&ignore).unwrap();
    let labels = folder.path().join("labels");
    for (option, value, printed, code) in [
        ("--region", "0,0,64", "left, top, width and height", 2),
        (
            "--region",
            "32,0,33,48",
            "64×48 pixels, since it reaches outside",
            3,
        ),
        ("--ignore", text(&ignore), "nothing is ignored", 3),
        ("--ignore", text(&images), "parts", 3),
    ] {
        let fit = train(&["fit", text(&images), "--out", text(&out), option, value]);
        let label = train(&[
            "label",
            text(&images),
            "--out",
            text(&labels),
            option,
            value,
        ]);
        for output in [fit, label] {
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert!(stderr.contains(printed), "{stderr}");
            assert_eq!(output.status.code(), Some(code), "{stderr}");
        }
    }
    assert!(!out.exists());
}

#[test]
fn no_command_ends_for_want_of_a_reader_and_a_full_disk_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let run = |arguments: &[&str], out: std::process::Stdio, err: std::process::Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aecsad-train"));
        let output = command.args(arguments).stdout(out).stderr(err).output();
        let output = output.unwrap();
        let printed = String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), printed)
    };
    let closed = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        std::process::Stdio::from(writer)
    };
    let full = || {
        let full = std::fs::File::options().write(true).open("/dev/full");
        std::process::Stdio::from(full.unwrap())
    };
    let small = ["--products", "woven_cloth", "--size", "96"];
    let few = ["--train", "1", "--validation", "1", "--test", "1"];
    let cloth = at("cloth");
    let synth = [&["synth", text(&cloth)][..], &small, &few].concat();
    assert_eq!(run(&synth, closed(), full()).0, 0);
    assert!(cloth.join("woven_cloth/defects_config.json").is_file());
    let (code, printed) = run(&synth, full(), std::process::Stdio::piped());
    assert!(code == 7 && printed.contains("is not empty"), "{printed}");

    assert_eq!(run(&["keygen", text(&at("one"))], closed(), closed()).0, 0);
    let (code, printed) = run(
        &["keygen", text(&at("two"))],
        full(),
        std::process::Stdio::piped(),
    );
    assert!(at("two/aecsad.pub").is_file());
    assert!(
        code == 7 && printed.starts_with("aecsad-train: standard output can't be written"),
        "{printed}"
    );

    // A bundle to a place that no work folder can stand beside.
    let (sentence, code) = refusal(&["fit", text(&at("cloth")), "--out", "-"]);
    assert!(
        sentence.contains("--work") && code == 3,
        "{sentence} ({code})"
    );
    let (sentence, code) = refusal(&["synth", text(&at("more")), "--train", "99999999999"]);
    assert!(code == 2, "{sentence} ({code})");
}

#[test]
fn more_images_than_the_memory_holds_are_refused_before_they_are_read() {
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap();
    let free = meminfo
        .lines()
        .find_map(|l| l.strip_prefix("MemAvailable:"));
    let free_kib: u64 = free
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    // An image takes 5 MiB at least.
    let many = free_kib / (5 << 10) + 100;
    if many > 60_000 {
        eprintln!("{free_kib} KiB are free: too many images would be needed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("parts");
    std::fs::create_dir(&images).unwrap();
    let first = images.join("0.png");
    image::RgbImage::new(64, 64).save(&first).unwrap();
    for number in 1..many {
        std::fs::hard_link(&first, images.join(format!("{number}.png"))).unwrap();
    }
    let out = folder.path().join("parts.aecsad");
    let (sentence, code) = refusal(&["fit", text(&images), "--out", text(&out)]);
    assert!(
        sentence.contains(&format!("{many} images need about")) && sentence.contains("GB are free"),
        "{sentence}"
    );
    assert_eq!(code, 9, "{sentence}");
}

#[test]
fn images_in_which_nothing_differs_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("parts");
    std::fs::create_dir(&images).unwrap();
    let wave = |at: u32, turns: f32| (at as f32 / 96.0 * turns).sin();
    let picture = image::RgbImage::from_fn(96, 96, |x, y| {
        image::Rgb([90, 120, 100].map(|level| level + (50.0 * wave(x, 6.0) * wave(y, 5.0)) as u8))
    });
    for number in 0..20 {
        picture
            .save(images.join(format!("{number:02}.png")))
            .unwrap();
    }
    let out = folder.path().join("parts.aecsad");
    let mut fit = vec![
        "fit",
        text(&images),
        "--out",
        text(&out),
        "--keep-duplicates",
    ];
    fit.extend(["--effort", "1"]);
    let (sentence, code) = refusal(&fit);
    assert!(
        sentence.contains("all 20 good images show the same part") && code == 9,
        "{sentence} ({code})"
    );
    assert!(!out.exists());
}

#[test]
fn no_output_of_training_takes_the_place_of_what_it_reads() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    train(&["keygen", text(&at("keys"))]);
    let key = at("keys/aecsad.key");
    std::fs::create_dir(at("parts")).unwrap();
    for number in 0..24u8 {
        let image = image::RgbImage::from_pixel(32, 32, image::Rgb([number; 3]));
        image.save(at(&format!("parts/{number:02}.png"))).unwrap();
    }
    let image = at("parts/07.png");
    let parts = at("parts");
    for input in [&key, &image] {
        let before = std::fs::read(input).unwrap();
        let fit = ["fit", text(&parts), "--key", text(&key), "--work"];
        let (sentence, code) =
            refusal(&[&fit[..], &[text(&at("work")), "--out", text(input)]].concat());
        assert!(
            sentence.contains("this command reads it") && code == 7,
            "{sentence} ({code})"
        );
        assert!(std::fs::read(input).unwrap() == before);
    }
}

#[test]
fn a_key_or_weights_that_are_none_are_refused_before_an_image_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("empty")).unwrap();
    let mkfifo = Command::new("mkfifo").arg(at("pipe")).status();
    assert!(mkfifo.unwrap().success());
    std::fs::write(at("text"), "no key").unwrap();
    let no_images = at("no images");
    for (option, file, words) in [
        ("--key", "pipe", "a pipe or a device"),
        ("--key", "empty", "it is a folder"),
        ("--key", "text", "not a minisign secret key"),
        ("--weights", "pipe", "a pipe or a device"),
        ("--weights", "empty", "it is a folder"),
        ("--weights", "text", "SHA-256"),
    ] {
        let file = at(file);
        let out = at("part.aecsad");
        let mut fit = vec!["fit", text(&no_images), "--out", text(&out)];
        fit.extend([option, text(&file)]);
        if option == "--weights" {
            fit.extend(["--profile", "paper"]);
        }
        let (sentence, code) = refusal(&fit);
        assert!(
            sentence.contains(text(&file)) && sentence.contains(words) && code == 3,
            "{option}: {sentence} ({code})"
        );
        assert!(!out.exists());
    }
}

#[test]
fn a_part_named_as_good_and_as_bad_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["parts", "copies", "empty"] {
        std::fs::create_dir(at(name)).unwrap();
    }
    for number in 0..24 {
        let path = at(&format!("parts/{number:02}.png"));
        plate(number).0.save(path).unwrap();
    }
    // Another file of the same picture.
    plate(7).0.save(at("copies/bad.bmp")).unwrap();
    let (parts, out) = (at("parts"), at("parts.aecsad"));
    let fit =
        |more: &[&str]| refusal(&[&["fit", text(&parts), "--out", text(&out)], more].concat());
    let (sentence, code) = fit(&["--bad", text(&at("copies"))]);
    assert!(
        sentence.contains("bad.bmp") && sentence.contains("07.png") && code == 9,
        "{sentence} ({code})"
    );
    let (sentence, code) = fit(&["--bad", text(&at("copies")), "--keep-duplicates"]);
    assert!(
        sentence.contains("07.png") && code == 9,
        "{sentence} ({code})"
    );
    let (sentence, code) = fit(&["--bad", text(&parts)]);
    assert!(
        sentence.contains("00.png: this file is named as a good part and as a known bad one"),
        "{sentence} ({code})"
    );
    let (sentence, code) = fit(&["--bad", text(&at("nowhere"))]);
    assert!(
        sentence.contains("nowhere") && code == 9,
        "{sentence} ({code})"
    );
    let (sentence, code) = fit(&["--more-good", text(&at("empty"))]);
    assert!(
        sentence.contains("empty") && code == 9,
        "{sentence} ({code})"
    );
    std::fs::write(at("empty/torn.png"), "torn").unwrap();
    let (sentence, code) = fit(&["--bad", text(&at("empty"))]);
    assert!(
        sentence.contains("none of the images of known bad parts") && code == 9,
        "{sentence} ({code})"
    );
    let paper = [
        "fit",
        text(&parts),
        "--out",
        text(&out),
        "--profile",
        "paper",
    ];
    let (sentence, code) = refusal(&[&paper[..], &["--bad", text(&at("copies"))]].concat());
    assert!(
        sentence.contains("the paper profile has no --bad") && code == 3,
        "{sentence} ({code})"
    );
    assert!(!out.exists());
}

/// As for the station's program.
#[test]
fn each_path_is_an_input_or_is_known_to_be_written() {
    use clap::CommandFactory;
    use std::any::TypeId;
    // `sign` replaces the bundle that it reads; `keygen`, `synth` and `models` make folders.
    let written = [
        "out",
        "work",
        "json",
        "html",
        "random_weights",
        "sign bundle",
        "keygen folder",
        "synth dir",
        "models models",
    ];
    fn walk(command: &clap::Command, written: &[&str]) {
        for argument in command.get_arguments() {
            let id = argument.get_id().as_str();
            let own = format!("{} {id}", command.get_name());
            let is_path =
                argument.get_value_parser().type_id() == TypeId::of::<std::path::PathBuf>();
            let known = written.contains(&id) || written.contains(&own.as_str());
            assert!(
                !is_path || known,
                "`{own}`: make it an `InputPath`, or name it here"
            );
        }
        command.get_subcommands().for_each(|c| walk(c, written));
    }
    walk(&aecsad_train::cli::Arguments::command(), &written);
}
