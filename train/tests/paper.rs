//! The `paper` profile end to end with narrow networks on a random backbone: from a rendered product to a bundle that
//! the runtime proves, resumed after an interruption, better than chance on logical anomalies it was not trained on.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use aecsad_inspect::branches::Branch;
use aecsad_inspect::bundle::{Bundle, Profile, Trust};
use aecsad_inspect::image_files::read_image;
use aecsad_inspect::inspector::Inspector;
use aecsad_train::fit::{
    ExportOptions, FitError, FitOptions, Networks, Precision, ProposalSource, export, fit,
};
use aecsad_train::lgst::LocalWidths;
use aecsad_train::metrics::auroc;
use aecsad_train::paper::backbone::{WideResNetConfig, random_state};
use aecsad_train::paper::{PaperError, PaperNetworks, PaperOptions};
use aecsad_train::pseudo_label::Clustering;
use aecsad_train::quantise::Signs;
use aecsad_train::region::RegionOptions;
use aecsad_train::segmentation::{Augmentation, DecoderWidths};

/// How far above a coin's 0.5 the AUROC on logical anomalies must be.
const MARGIN: f64 = 0.15;

fn render(folder: &Path) -> std::path::PathBuf {
    let rendered = Command::new(env!("CARGO_BIN_EXE_aecsad-train"))
        .args([
            "synth",
            folder.to_str().unwrap(),
            "--products",
            "fuse_box",
            "--train",
            "16",
        ])
        .args([
            "--validation",
            "6",
            "--test",
            "8",
            "--size",
            "192",
            "--seed",
            "3",
        ])
        .output()
        .unwrap();
    assert!(rendered.status.success(), "{rendered:?}");
    folder.join("fuse_box")
}

fn narrow(weights: std::path::PathBuf) -> PaperOptions {
    let mut networks = PaperNetworks {
        backbone: WideResNetConfig::new()
            .with_stem(8)
            .with_blocks([1, 1, 1, 1]),
        ..PaperNetworks::default()
    };
    let [stride4, _, stride16, _] = networks.backbone.channels();
    networks.decoder = networks.decoder.with_encoder([stride4, stride16]);
    networks.decoder.widths = DecoderWidths {
        branch: 16,
        trunk: 24,
        detail: 12,
    };
    networks.channels = 16;
    networks.local.widths = LocalWidths { stem: 4, trunk: 8 };
    networks.local.channels = 16;
    networks.global.encoder = [4, 4, 8, 8, 8];
    networks.global.width = 8;
    networks.global.head_width = 8;
    networks.global.key_channels = 4;
    networks.global.channels = 16;
    // Attention over 16×16 cells where the paper has 64×64: on a CPU that alone would take the time of all else.
    networks.global.decoder = vec![3, 8, 15, 16, 15, 32, 64];
    PaperOptions {
        epochs: 10,
        batch: 4,
        learning_rate: 5e-3,
        networks,
        ..PaperOptions::new(weights)
    }
}

fn options(category: &Path, folder: &Path, paper: PaperOptions) -> FitOptions {
    FitOptions {
        category: category.to_owned(),
        more_good: None,
        bad: None,
        out: folder.join("fuse_box.aecsad"),
        work: folder.join("work"),
        product: None,
        version: None,
        proposals: ProposalSource::Builtin,
        clustering: Clustering::Ward,
        false_reject_rate: 0.1,
        bit_depth: None,
        as_jpeg: false,
        light_counts: false,
        mono: false,
        seed: 1,
        key: None,
        effort_percent: 100,
        networks: Networks::Paper(Box::new(paper)),
        augmentation: Augmentation::default(),
        precision: Precision::F32,
        keep_outliers: false,
        keep_duplicates: false,
        region: RegionOptions::default(),
    }
}

#[test]
fn a_narrow_run_beats_chance_and_resumes_to_the_same_bundle() {
    let folder = tempfile::tempdir().unwrap();
    let category = render(&folder.path().join("products"));
    let weights = folder.path().join("weights.safetensors");
    let backbone = WideResNetConfig::new()
        .with_stem(8)
        .with_blocks([1, 1, 1, 1]);
    std::fs::write(
        &weights,
        random_state(&backbone, 5).to_safetensors().unwrap(),
    )
    .unwrap();
    let options = options(&category, folder.path(), narrow(weights));

    // Stopped once the students have begun, then run again.
    let cancel = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let run = scope.spawn(|| fit(&options, &cancel).map(drop));
        let begun = options.work.join("students.metrics.jsonl");
        while !begun.exists() && !run.is_finished() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        cancel.store(true, Ordering::Relaxed);
        match run.join().unwrap() {
            Err(FitError::Paper(PaperError::Students(_)) | FitError::Interrupted) => {}
            other => panic!("{:?}", other.map_err(|e| e.to_string())),
        }
    });
    // The students go on where fewer images fit into memory at once.
    let mut options = options;
    if let Networks::Paper(paper) = &mut options.networks {
        paper.at_once = Some(1);
    }
    let fitted = fit(&options, &AtomicBool::new(false)).unwrap();
    assert!(fitted.components.is_ok(), "{:?}", fitted.components);
    for picture in ["segmentation.losses.svg", "students.losses.svg"] {
        assert!(options.work.join(picture).is_file(), "{picture}");
    }

    let bundle = Bundle::read(&options.out, &Trust::Anyone).unwrap();
    assert_eq!(bundle.manifest.profile, Profile::Paper);
    let on: Vec<Branch> = bundle.manifest.branches.iter().map(|b| b.name).collect();
    assert_eq!(on, [Branch::Histogram, Branch::Lgst]);
    let mut inspector = Inspector::from_bundle(&bundle, None).unwrap();
    aecsad_inspect::golden::verify(&bundle, &mut inspector)
        .unwrap()
        .check()
        .unwrap();

    let mut scores = |kind: &str| scores_of(&category.join("test").join(kind), &mut inspector);
    let (good, logical) = (scores("good"), scores("logical_anomalies"));
    let found = auroc(&good, &logical).unwrap();
    assert!(found > 0.5 + MARGIN, "AUROC {found} on logical anomalies");

    // The same trained networks in int8: proven, smaller, and as good on the same images.
    let quantised = FitOptions {
        out: folder.path().join("int8.aecsad"),
        precision: Precision::Int8,
        ..options.clone()
    };
    let quantisation = fit(&quantised, &AtomicBool::new(false))
        .unwrap()
        .quantisation
        .unwrap();
    let networks: Vec<&str> = quantisation
        .networks
        .iter()
        .map(|n| n.network.as_str())
        .collect();
    assert_eq!(networks, ["encoder", "segmentation", "students"]);
    let int8 = Bundle::read(&quantised.out, &Trust::Anyone).unwrap();
    assert!(int8.bytes() < bundle.bytes());
    let mut inspector = Inspector::from_bundle(&int8, None).unwrap();
    let compared = aecsad_inspect::golden::verify(&int8, &mut inspector).unwrap();
    compared.check().unwrap();
    let mut scores = |kind: &str| scores_of(&category.join("test").join(kind), &mut inspector);
    let in_int8 = auroc(&scores("good"), &scores("logical_anomalies")).unwrap();
    assert!(in_int8 > found - 0.1, "AUROC {in_int8} instead of {found}");

    // And from the float bundle alone, without training.
    let export_options = ExportOptions {
        bundle: options.out.clone(),
        category: category.clone(),
        more_good: None,
        proposals: ProposalSource::Builtin,
        clustering: Clustering::Ward,
        out: folder.path().join("exported.aecsad"),
        work: folder.path().join("exported.work"),
        version: None,
        key: None,
        signs: Signs::WhereNeeded,
    };
    export(&export_options, &AtomicBool::new(false)).unwrap();
    let exported = Bundle::read(&export_options.out, &Trust::Anyone).unwrap();
    for (name, content) in int8.entries() {
        assert!(exported.entry(name).unwrap() == content, "{name} differs");
    }
}

fn scores_of(folder: &Path, inspector: &mut Inspector) -> Vec<f64> {
    let images = aecsad_inspect::image_files::list_images(folder).unwrap();
    let frames = images.iter().map(|path| read_image(path).unwrap());
    frames
        .map(|frame| inspector.inspect(&frame).unwrap().score.into())
        .collect()
}

#[test]
fn what_is_missing_for_the_paper_s_profile_is_said_first() {
    let folder = tempfile::tempdir().unwrap();
    let refusal = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_aecsad-train"))
            .args(["fit", "/nowhere", "--out"])
            .arg(folder.path().join("x.aecsad"))
            .args(arguments)
            .env("XDG_CACHE_HOME", folder.path())
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        (
            stderr.lines().last().unwrap_or_default().to_owned(),
            output.status.code().unwrap(),
        )
    };
    let (sentence, code) = refusal(&["--profile", "paper"]);
    assert!(
        sentence.contains("aecsad-train weights fetch") && code == 3,
        "{sentence} ({code})"
    );
    let (sentence, code) = refusal(&["--profile", "paper", "--weights", "/nowhere.pth"]);
    assert!(
        sentence.contains("/nowhere.pth") && code == 3,
        "{sentence} ({code})"
    );
    for option in [["--device", "cuda"], ["--batch", "16"]] {
        let (sentence, code) = refusal(&option);
        assert!(
            sentence.contains(option[0]) && sentence.contains("--profile paper") && code == 3,
            "{sentence} ({code})"
        );
    }
    let (sentence, code) = refusal(&["--profile", "paper", "--moved-copies", "2"]);
    assert!(
        sentence.contains("--moved-copies") && sentence.contains("--profile edge") && code == 3,
        "{sentence} ({code})"
    );
    let (_, code) = refusal(&["--device", "gpu"]);
    assert_eq!(code, 2);
    // Here without a GPU, or without CUDA in this build: either is one sentence that says what to do.
    let (sentence, code) = refusal(&[
        "--profile",
        "paper",
        "--weights",
        "/nowhere.pth",
        "--device",
        "cuda:99",
    ]);
    assert!(
        sentence.contains("cpu") || sentence.contains("choose another"),
        "{sentence}"
    );
    assert_eq!(code, 6, "{sentence}");
}

/// Here the CPU stands on both sides, so every difference must be 0: the weights do arrive on the other device.
#[test]
fn the_gpu_check_compares_the_same_networks() {
    let output = Command::new(env!("CARGO_BIN_EXE_aecsad-train"))
        .args(["gpu-check", "--device", "cpu", "--narrow"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let figures: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let differences = figures["relative_difference_from_cpu"].as_object().unwrap();
    assert_eq!(differences.len(), 9);
    assert!(
        differences.values().all(|d| d.as_f64() == Some(0.0)),
        "{figures}"
    );
    for step in [
        "students_step_ms",
        "students_step_in_two_turns_ms",
        "segmentation_step_ms",
    ] {
        assert!(figures[step].as_f64().unwrap() > 0.0);
    }
}
