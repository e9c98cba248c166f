//! A small real bundle: the product's encoder and a position branch fitted on five drawn parts, written as training
//! writes it, golden vectors and all.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

use aecsad_inspect::branches::position::Position;
use aecsad_inspect::branches::scorer::Scorer;
use aecsad_inspect::branches::shared::aligned_part::vectors;
use aecsad_inspect::branches::shared::heat::Range;
use aecsad_inspect::branches::shared::low_rank::{GRID, LowRank, STACKED};
use aecsad_inspect::branches::shared::position_gaussian::{PositionGaussian, Positions};
use aecsad_inspect::branches::shared::registration::Pose;
use aecsad_inspect::branches::statistics::Statistics;
use aecsad_inspect::branches::{Branch, View};
use aecsad_inspect::bundle::{
    BranchStats, Bundle, FORMAT, Manifest, Profile, Signer, Threshold, Tolerance, Trust,
    write_bundle,
};
use aecsad_inspect::decision::conformal::Conformal;
use aecsad_inspect::decision::trimmed_z::{TrimmedZ, quantile};
use aecsad_inspect::frame::Frame;
use aecsad_inspect::golden;
use aecsad_inspect::inspector::{CALIBRATION, ENCODER, Inspector, STATISTICS};
use aecsad_inspect::network::{Encoder, Percept};
use aecsad_inspect::optics::{InputGeometry, Optics};
use ndarray::{Array1, Array2};
use tempfile::TempDir;

const RANK: usize = 6;
const PARTS: u64 = 8;
/// Largest difference of a score between machines.
pub const TOLERANCE: f32 = 1e-3;

/// A folder with a bundle in it, and a place for everything else.
pub struct Fixture {
    folder: TempDir,
    manifest: Manifest,
    entries: Vec<(String, Vec<u8>)>,
}

impl Fixture {
    pub fn new() -> Self {
        Self::of(&(0..PARTS).map(part).collect::<Vec<_>>())
    }

    /// A bundle to which these frames are good parts.
    pub fn of(frames: &[Frame]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let onnx =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("models/efficientnet-lite0/encoder.onnx");
        let onnx = std::fs::read(onnx).unwrap();
        let (statistics, scores) = fit(&onnx, frames);
        let z = TrimmedZ::fit(&scores).unwrap();
        let scores: Vec<f32> = scores.iter().map(|score| z.apply(*score)).collect();
        let mut arrays = statistics.to_arrays();
        arrays.insert(CALIBRATION, Array1::from(scores.clone()));
        let mut fixture = Fixture {
            folder,
            manifest: manifest(z, scores),
            entries: vec![
                (ENCODER.to_owned(), onnx),
                (STATISTICS.to_owned(), arrays.to_bytes().unwrap()),
            ],
        };
        let draft = fixture.write("draft.aecsad");
        let bundle = Bundle::read(&draft, &Trust::Anyone).unwrap();
        let mut inspector = Inspector::from_bundle(&bundle, None).unwrap();
        let golden = golden::write(frames, &mut inspector).unwrap();
        fixture.entries.extend(golden);
        fixture
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str) -> PathBuf {
        self.write_signed(name, None)
    }

    pub fn write_signed(&self, name: &str, sign: Option<Signer>) -> PathBuf {
        let path = self.at(name);
        write_bundle(&path, self.manifest.clone(), &self.entries, sign).unwrap();
        path
    }

    /// The bundle as training would hand it over.
    pub fn bundle(&self) -> PathBuf {
        self.write("parts.aecsad")
    }

    pub fn entry(&mut self, name: &str) -> &mut Vec<u8> {
        let entry = self.entries.iter_mut().find(|(n, _)| n == name);
        &mut entry.unwrap().1
    }

    pub fn manifest(&mut self) -> &mut Manifest {
        &mut self.manifest
    }

    pub fn remove_entries(&mut self, folder: &str) {
        self.entries.retain(|(name, _)| !name.starts_with(folder));
    }

    /// Puts a drawn part there as PNG; seeds below 8 are those of the fitted parts.
    pub fn draw(&self, name: &str, seed: u64) -> PathBuf {
        let path = self.at(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let frame = part(seed);
        let image = image::RgbImage::from_raw(frame.width, frame.height, frame.rgb).unwrap();
        image.save(&path).unwrap();
        path
    }

    pub fn put(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.at(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Every file below a folder, relative and sorted, temporary ones included.
    pub fn files(&self, folder: &str) -> Vec<String> {
        let root = self.at(folder);
        let mut files = Vec::new();
        walk(&root, &root, &mut files);
        files.sort();
        files
    }
}

fn walk(root: &Path, folder: &Path, files: &mut Vec<String>) {
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(root, &path, files);
        } else {
            files.push(path.strip_prefix(root).unwrap().display().to_string());
        }
    }
}

/// A bright disc on a noisy ground; from seed 1000 on with a dark bar that good parts don't have.
pub fn part(seed: u64) -> Frame {
    let (width, height) = (200u32, 150u32);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut rgb = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let (dx, dy) = (x as f32 - 100.0, y as f32 - 75.0);
            let inside = dx * dx + dy * dy < 2500.0;
            let bar = seed >= 1000 && (60..90).contains(&x) && (20..130).contains(&y);
            let level = match (bar, inside) {
                (true, _) => 5,
                (_, true) => 200,
                _ => 70,
            };
            let noise = random.u8(0..24);
            rgb.extend([level + noise, level + noise / 2, level]);
        }
    }
    Frame {
        width,
        height,
        rgb,
        captured: Instant::now(),
    }
}

/// Statistics of these parts, and the raw position scores they have under them.
fn fit(onnx: &[u8], frames: &[Frame]) -> (Statistics, Vec<f32>) {
    let mut optics = Optics::new(InputGeometry::lite0(false), None);
    let mut encoder = Encoder::load(onnx).unwrap();
    let percepts: Vec<Percept> = frames
        .iter()
        .map(|frame| {
            let mut percept = Percept::empty();
            let tensor = optics.tensor(frame).unwrap().to_vec();
            encoder.encode(&tensor, &mut percept.features).unwrap();
            percept
        })
        .collect();
    let mut random = fastrand::Rng::with_seed(7);
    let low_rank = LowRank {
        matrix: Array2::from_shape_simple_fn((STACKED, RANK), || random.f32() - 0.5),
        offset: Array1::zeros(RANK),
    };
    let mut mean = Array2::<f32>::zeros((GRID * GRID, RANK));
    for percept in &percepts {
        mean += &(vectors(percept, &Pose::default(), &low_rank) / frames.len() as f32);
    }
    let identity: Vec<f32> = (0..RANK)
        .flat_map(|row| (0..=row).map(move |column| (column == row) as u8 as f32))
        .collect();
    let whitening = Array2::from_shape_fn((GRID * GRID, identity.len()), |(_, i)| identity[i]);
    let mut statistics = Statistics {
        low_rank: Some(low_rank),
        ..Statistics::default()
    }
    .with(Box::new(Position::new(
        PositionGaussian::new(Positions::WHOLE, mean, whitening).unwrap(),
        View::Whole,
    )));
    let mut scorer = Scorer::new(statistics.clone());
    let (mut scores, mut cells) = (Vec::new(), Vec::new());
    for percept in &percepts {
        scores.push(scorer.score(percept)[Branch::Position as usize].unwrap());
        let map = scorer.map(Branch::Position).unwrap().values;
        cells.extend(map.iter().map(|v| f64::from(*v)));
    }
    cells.sort_by(f64::total_cmp);
    let range = Range {
        q900: quantile(&cells, 0.9) as f32,
        q995: quantile(&cells, 0.995) as f32,
    };
    statistics.ranges.push((Branch::Position, range));
    (statistics, scores)
}

/// `scores` are those of the good parts that the threshold is set on.
fn manifest(z: TrimmedZ, scores: Vec<f32>) -> Manifest {
    let calibration_parts = scores.len() as u32;
    let calibration = Conformal::new(scores);
    let highest = calibration.scores().last().copied().unwrap();
    Manifest {
        format: FORMAT,
        product: "drawn part".into(),
        version: 1,
        profile: Profile::Edge,
        created_by: "test".into(),
        classes: Vec::new(),
        input: InputGeometry::lite0(false),
        threshold: Threshold {
            value: highest + 10.0,
            false_reject_rate: 0.2,
            calibration_parts,
        },
        tolerance: Tolerance {
            golden: TOLERANCE,
            unfused: None,
            tensorrt: None,
        },
        branches: vec![BranchStats {
            name: Branch::Position,
            on: true,
            weight: 1.0,
            mean: z.mean,
            std: z.std,
            planted_logical: None,
            planted_structural: None,
            why: "the only one".into(),
        }],
        provenance: Default::default(),
        entries: Vec::new(),
    }
}

/// The real program.
pub fn aecsad(arguments: &[&dyn AsRef<std::ffi::OsStr>]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_aecsad"))
        .args(arguments.iter().map(|a| a.as_ref()))
        .output()
        .unwrap()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Asserts the exit code, and that the last line says `what` in one sentence.
#[track_caller]
pub fn assert_refused(output: &Output, code: aecsad_program::ExitCode, what: &str) {
    let printed = stderr(output);
    assert_eq!(output.status.code(), Some(code as i32), "{printed}");
    let last = printed.lines().last().unwrap_or_default();
    assert!(
        last.starts_with("aecsad: ") && last.contains(what),
        "{printed}"
    );
    assert!(!printed.contains("panicked"), "{printed}");
}
