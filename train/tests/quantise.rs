//! Int8 through the real program: `fit --precision int8` and `export` come to the same bundle, which the runtime
//! proves; and what `export` refuses.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::AtomicBool;

use aecsad_engine::onnx::{self, tensor_proto::DataType};
use aecsad_inspect::bundle::{Bundle, Trust};
use aecsad_inspect::image_files::{list_images, read_image};
use aecsad_inspect::inspector::Inspector;
use aecsad_inspect::optics::Optics;
use aecsad_train::quantise::{Requirement, Sample, Signs, quantise};
use prost::Message;

const ENCODER: &str = "networks/encoder.onnx";
const SEGMENTATION: &str = "networks/segmentation.onnx";

fn train(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_aecsad-train"))
        .args(arguments)
        .output()
        .unwrap()
}

/// Runs to its end and gives what it printed.
fn done(arguments: &[&str]) -> String {
    let output = train(arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// The one sentence of a refusal, and its exit code.
fn refusal(arguments: &[&str]) -> (String, i32) {
    let output = train(arguments);
    let stderr = String::from_utf8(output.stderr).unwrap();
    let last = stderr.lines().last().unwrap_or_default().to_owned();
    (last, output.status.code().unwrap())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Maps of a network that lie in bytes without a sign.
fn unsigned_maps(bundle: &Bundle, network: &str) -> usize {
    let model = onnx::ModelProto::decode(bundle.entry(network).unwrap()).unwrap();
    let constants = model.graph.unwrap().initializer;
    let kinds = constants.iter().map(|constant| constant.data_type);
    kinds.filter(|kind| *kind == DataType::Uint8 as i32).count()
}

/// The encoder of a float bundle in int8, as it is where verdicts require no more.
fn usual_encoder(float: &Bundle, category: &Path) -> Vec<u8> {
    let mut optics = Optics::new(float.manifest.input.clone(), None);
    let images = list_images(&category.join("train/good")).unwrap();
    let samples: Vec<Sample> = images
        .iter()
        .take(12)
        .map(|path| {
            let tensor = optics.tensor(&read_image(path).unwrap()).unwrap().to_vec();
            Sample {
                inputs: vec![(vec![1, 3, 256, 256], tensor)],
            }
        })
        .collect();
    let onnx = float.entry(ENCODER).unwrap();
    let requirement = Requirement::usual(Signs::WhereNeeded);
    let never = AtomicBool::new(false);
    let int8 = quantise(
        ENCODER,
        onnx,
        &samples[..8],
        &samples[8..],
        requirement,
        &never,
    );
    int8.unwrap().onnx
}

/// Trays, since shares of classes are active on them however little is trained: the bundle has a segmentation then.
fn render(folder: &Path, seed: &str) {
    let mut synth = vec![
        "synth",
        text(folder),
        "--products",
        "fastener_tray",
        "--size",
        "192",
    ];
    synth.extend([
        "--train",
        "24",
        "--validation",
        "6",
        "--test",
        "8",
        "--seed",
        seed,
    ]);
    done(&synth);
}

#[test]
fn a_bundle_in_int8_is_smaller_proven_and_judges_as_in_float() {
    let folder = tempfile::tempdir().unwrap();
    let (products, others_folder) = (folder.path().join("products"), folder.path().join("others"));
    render(&products, "3");
    render(&others_folder, "4");
    let category = products.join("fastener_tray");
    let [float, int8, exported] =
        ["float", "int8", "exported"].map(|name| folder.path().join(format!("{name}.aecsad")));
    let work = folder.path().join("work");
    let fit = |out: &Path, precision: &str| {
        let mut fit = vec![
            "fit",
            text(&category),
            "--out",
            text(out),
            "--work",
            text(&work),
        ];
        fit.extend(["--effort", "1", "--seed", "1", "--as-jpeg"]);
        fit.extend(["--precision", precision]);
        done(&fit)
    };
    fit(&float, "f32");
    let printed = fit(&int8, "int8");
    assert!(
        printed.contains("stride16") && printed.contains(" dB"),
        "{printed}"
    );
    assert!(printed.contains("rank correlation"), "{printed}");

    let [float_bundle, int8_bundle] =
        [&float, &int8].map(|path| Bundle::read(path, &Trust::Anyone).unwrap());
    let mut inspector = Inspector::from_bundle(&int8_bundle, None).unwrap();
    let compared = aecsad_inspect::golden::verify(&int8_bundle, &mut inspector).unwrap();
    compared.check().unwrap();
    assert_eq!(compared.images.len(), 8);
    let tolerance = &int8_bundle.manifest.tolerance;
    match aecsad_engine::fuses() {
        true => assert!(tolerance.golden == 1e-3 && tolerance.unfused >= Some(1e-3)),
        false => assert!(tolerance.golden >= 1e-3 && tolerance.unfused.is_none()),
    }
    let frame = read_image(&category.join("test/good/000.png")).unwrap();
    assert!(inspector.inspect(&frame).unwrap().score.is_finite());

    assert!(int8_bundle.bytes() < float_bundle.bytes());
    // `export` below has to see the same images as JPEG.
    let trained_on = int8_bundle.manifest.input.trained_on.as_ref();
    assert!(trained_on.unwrap().seen_as_jpeg);
    let provenance = &int8_bundle.manifest.provenance["precision"];
    assert!(
        provenance.as_str().unwrap().starts_with("int8: "),
        "{provenance}"
    );
    assert_eq!(
        float_bundle.manifest.provenance["precision"].as_str(),
        Some("f32")
    );

    let report = std::fs::read(work.join("quantisation.json")).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    // The networks are barely trained and verdicts lie close to the threshold: more than usual is required, and layers
    // of the encoder come back to float.
    let requirement = report["demand"]["least_sqnr_db"].as_f64().unwrap();
    assert!((25.0..=34.0).contains(&requirement), "{requirement}");
    let bytes = |bundle: &Bundle, network: &str| bundle.entry(network).unwrap().len();
    let [float_encoder, float_segmentation] =
        [ENCODER, SEGMENTATION].map(|network| bytes(&float_bundle, network));
    assert!(bytes(&int8_bundle, ENCODER) < float_encoder);
    assert!(3 * bytes(&int8_bundle, SEGMENTATION) < float_segmentation);
    assert!(3 * usual_encoder(&float_bundle, &category).len() < float_encoder);
    let encoder = &report["networks"][0];
    assert_eq!(
        encoder["layers"].as_array().unwrap().len(),
        33,
        "every convolution"
    );
    assert_eq!(encoder["layers"][0]["precision"], "float", "the stem");
    for output in encoder["outputs"].as_array().unwrap() {
        assert!(output["sqnr_db"].as_f64().unwrap() > 20.0, "{output}");
    }
    let scores = &report["scores"];
    assert!(
        scores["rank_correlation"].as_f64().unwrap() > 0.95,
        "{scores}"
    );
    assert!(
        scores["structural"]["points"].as_f64().unwrap().abs() < 3.0,
        "{scores}"
    );

    // The float bundle and its images are enough to come to the same int8 bundle.
    let mut export = vec!["export", text(&float), "--images", text(&category)];
    export.extend(["--out", text(&exported)]);
    done(&export);
    let export_bundle = Bundle::read(&exported, &Trust::Anyone).unwrap();
    assert_eq!(
        export_bundle.manifest.version,
        float_bundle.manifest.version + 1
    );
    for (name, content) in int8_bundle.entries() {
        assert!(
            export_bundle.entry(name).unwrap() == content,
            "{name} differs"
        );
    }
    assert_eq!(
        export_bundle.manifest.threshold,
        int8_bundle.manifest.threshold
    );

    let signed = folder.path().join("signed.aecsad");
    let mut export = vec!["export", text(&float), "--images", text(&category)];
    export.extend(["--out", text(&signed), "--precision", "int8-signed"]);
    done(&export);
    let signed = Bundle::read(&signed, &Trust::Anyone).unwrap();
    let mut inspector = Inspector::from_bundle(&signed, None).unwrap();
    let compared = aecsad_inspect::golden::verify(&signed, &mut inspector).unwrap();
    compared.check().unwrap();
    let provenance = signed.manifest.provenance["precision"].as_str().unwrap();
    assert!(provenance.starts_with("int8-signed: "), "{provenance}");
    for network in [ENCODER, SEGMENTATION] {
        assert!(unsigned_maps(&int8_bundle, network) > 0);
        assert_eq!(unsigned_maps(&signed, network), 0, "TensorRT reads none");
    }

    let evaluate = [
        "evaluate",
        "--bundle",
        text(&exported),
        "--against",
        text(&float),
        text(&category),
    ];
    let against = done(&evaluate);
    assert!(
        against.contains("against") && against.contains("points"),
        "{against}"
    );

    let others = others_folder.join("fastener_tray");
    let out = folder.path().join("refused.aecsad");
    let (sentence, code) = refusal(&[
        "export",
        text(&float),
        "--images",
        text(&others),
        "--out",
        text(&out),
    ]);
    assert!(
        sentence.contains("not the images") && code == 3,
        "{sentence} ({code})"
    );
    let (sentence, code) = refusal(&[
        "export",
        text(&int8),
        "--images",
        text(&category),
        "--out",
        text(&out),
    ]);
    assert!(
        sentence.contains("quantised already") && code == 4,
        "{sentence} ({code})"
    );
    assert!(!out.exists());
}
