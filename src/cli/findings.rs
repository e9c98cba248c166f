//! Reports the result of each image as a table, CSV or JSON lines on standard output, and in a CSV file. Everything else
//! goes to standard error.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use aecsad_inspect::branches::Branch;
use aecsad_inspect::branches::inventory::Count;
use aecsad_inspect::image_files::ImageError;
use aecsad_inspect::inspector::Verdict;
use aecsad_program::counted;
use aecsad_program::standard_streams::{failure, note, print};
use aecsad_program::whole_file::WholeFile;
use aecsad_program::written_name::{on_one_line, written};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::cli::error::{Error, Result};

const COLUMNS: [&str; 6] = [
    "path",
    "score",
    "verdict",
    "p_value",
    "branch",
    "latency_ms",
];

/// One image and its result.
pub struct Finding {
    pub name: PathBuf,
    pub outcome: Result<Verdict, ImageError>,
    /// Of an image that was judged.
    pub size: Option<(u32, u32)>,
    pub is_jpeg: bool,
    /// A warning although the image was judged.
    pub warning: Option<String>,
}

impl Finding {
    fn verdict_name(&self) -> &'static str {
        match &self.outcome {
            Ok(verdict) if verdict.reject => "bad",
            Ok(_) => "good",
            Err(_) => "unreadable",
        }
    }

    /// The fields of [`header`].
    fn record(&self) -> Vec<String> {
        let verdict = self.outcome.as_ref().ok();
        let mut fields = vec![
            written(&self.name),
            verdict.map(|v| v.score.to_string()).unwrap_or_default(),
            self.verdict_name().to_owned(),
            verdict.map(|v| v.p_value.to_string()).unwrap_or_default(),
            verdict.map(|v| v.branch.to_string()).unwrap_or_default(),
            verdict
                .map(|v| format!("{:.3}", v.latency.as_secs_f64() * 1e3))
                .unwrap_or_default(),
        ];
        fields.extend(Branch::ALL.map(|branch| {
            let mut scores = verdict.into_iter().flat_map(|v| &v.branches);
            let score = scores.find(|(of, _)| *of == branch);
            score.map(|(_, z)| z.to_string()).unwrap_or_default()
        }));
        let threshold = verdict.map(|v| v.limits.threshold.to_string());
        fields.push(threshold.unwrap_or_default());
        fields
    }

    fn table_line(&self) -> String {
        let (name, verdict) = (on_one_line(&self.name), self.verdict_name());
        match &self.outcome {
            Ok(v) => {
                let line = format!(
                    "{verdict:<10}  {:>9.3}  {:>9.3}  {:>7}  {:<9}  {:>7.1} ms  {name}",
                    v.score,
                    v.limits.threshold,
                    v.p_in_words(),
                    v.branch,
                    v.latency.as_secs_f64() * 1e3,
                );
                match v.counted() {
                    Some(words) => format!("{line}; {words}"),
                    None => line,
                }
            }
            Err(_) => format!(
                "{verdict:<10}  {:>9}  {:>9}  {:>7}  {:<9}  {:>10}  {name}",
                "-", "-", "-", "-", "-"
            ),
        }
    }

    fn json_line(&self) -> String {
        let verdict = self.outcome.as_ref().ok();
        let line = JsonLine {
            path: written(&self.name),
            verdict: self.verdict_name(),
            score: verdict.map(|v| v.score),
            threshold: verdict.map(|v| v.limits.threshold),
            p_value: verdict.map(|v| v.p_value),
            branch: verdict.map(|v| v.branch),
            latency_ms: verdict.map(|v| v.latency.as_secs_f64() * 1e3),
            branches: verdict.map(|v| v.branches.iter().copied().collect()),
            counts: verdict
                .into_iter()
                .flat_map(|v| &v.counts)
                .map(JsonCount::from)
                .collect(),
            error: self.outcome.as_ref().err().map(ImageError::to_string),
        };
        // Strings and numbers only, which always serialise.
        serde_json::to_string(&line).unwrap_or_default()
    }
}

/// A score that is not finite is `null`, because JSON has no such numbers.
#[derive(Serialize)]
struct JsonLine {
    path: String,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p_value: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    branch: Option<Branch>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    branches: Option<BTreeMap<Branch, f32>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    counts: Vec<JsonCount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// A kind of part with another count than in the most similar good image.
#[derive(Serialize)]
struct JsonCount {
    /// From 1; parts that the segmentation mixes up are one component.
    component: u16,
    /// Shares of the image's side.
    length: f32,
    width: f32,
    found: u16,
    usual: u16,
}

impl From<&Count> for JsonCount {
    fn from(count: &Count) -> Self {
        JsonCount {
            component: count.component + 1,
            length: count.length,
            width: count.width,
            found: count.found,
            usual: count.usual,
        }
    }
}

fn header() -> Vec<&'static str> {
    let branches = Branch::ALL.iter().map(|b| b.name());
    let columns = COLUMNS.into_iter().chain(branches);
    columns.chain(["threshold"]).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Table,
    Csv,
    Json,
}

impl Format {
    /// Chooses the format: a table on a terminal, else CSV unless a CSV file is written.
    pub fn choose(json: bool, csv_file: bool) -> Option<Self> {
        match (json, io::stdout().is_terminal()) {
            (true, _) => Some(Format::Json),
            (false, true) => Some(Format::Table),
            (false, false) => (!csv_file).then_some(Format::Csv),
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub struct FindingCounts {
    pub good: usize,
    pub bad: usize,
    pub unreadable: usize,
}

/// Where findings go.
pub struct Findings {
    /// `None` once its reader has exited.
    stdout: Option<Format>,
    csv: Option<(PathBuf, csv::Writer<WholeFile>)>,
    bar: ProgressBar,
    pub counts: FindingCounts,
}

impl Findings {
    pub fn open(stdout: Option<Format>, csv: Option<&Path>, images: usize) -> Result<Self> {
        let csv = match csv {
            None => None,
            Some(path) => {
                let file = WholeFile::create(path).map_err(|e| unwritable(path, e))?;
                Some((path.to_owned(), csv::Writer::from_writer(file)))
            }
        };
        let bar = ProgressBar::new(images as u64);
        if let Ok(style) =
            ProgressStyle::with_template("{bar:30} {pos}/{len} images, {eta} left {msg}")
        {
            bar.set_style(style);
        }
        let mut findings = Findings {
            stdout,
            csv,
            bar,
            counts: FindingCounts::default(),
        };
        findings.write_csv(&header())?;
        match stdout {
            Some(Format::Table) => findings.print_line(format!(
                "{:<10}  {:>9}  {:>9}  {:>7}  {:<9}  {:>10}  {}",
                "verdict", "score", "threshold", "p", "branch", "latency", "image"
            ))?,
            Some(Format::Csv) => findings.print(&csv_line(&header()))?,
            _ => {}
        }
        Ok(findings)
    }

    pub fn write(&mut self, finding: &Finding) -> Result<()> {
        match &finding.outcome {
            Ok(verdict) if verdict.reject => self.counts.bad += 1,
            Ok(_) => self.counts.good += 1,
            Err(error) => {
                self.counts.unreadable += 1;
                self.aside(&error.to_string());
            }
        }
        if let Some(warning) = &finding.warning {
            self.aside(&format!("warning: {warning}"));
        }
        self.write_csv(&finding.record())?;
        match self.stdout {
            Some(Format::Table) => self.print_line(finding.table_line())?,
            Some(Format::Csv) => self.print(&csv_line(&finding.record()))?,
            Some(Format::Json) => self.print_line(finding.json_line())?,
            None => {}
        }
        self.bar.inc(1);
        Ok(())
    }

    /// Whether an output still has a reader.
    pub fn wanted(&self) -> bool {
        let csv = self.csv.as_ref();
        self.stdout.is_some() || csv.is_some_and(|(_, csv)| !csv.get_ref().reader_exited())
    }

    /// Puts the CSV file in its place.
    pub fn close(mut self) -> Result<FindingCounts> {
        if let Some((path, csv)) = self.csv.take() {
            let flushed = csv.into_inner().map_err(|e| e.into_error());
            flushed
                .and_then(WholeFile::commit_durably)
                .map_err(|e| unwritable(&path, e))?;
        }
        self.bar.finish_and_clear();
        let FindingCounts {
            good,
            bad,
            unreadable,
        } = self.counts;
        let total = good + bad + unreadable;
        self.aside(&format!(
            "{}: {good} good, {bad} bad, {unreadable} unreadable",
            counted(total, "image")
        ));
        Ok(self.counts)
    }

    fn write_csv<T: AsRef<[u8]>>(&mut self, record: &[T]) -> Result<()> {
        match &mut self.csv {
            Some((path, csv)) => csv
                .write_record(record)
                .map_err(|e| unwritable(path, io_error(e))),
            None => Ok(()),
        }
    }

    fn print_line(&mut self, line: String) -> Result<()> {
        self.print(&(line + "\n"))
    }

    fn print(&mut self, text: &str) -> Result<()> {
        if !self.bar.suspend(|| print(text)) {
            self.stdout = None;
        }
        failure().map_or(Ok(()), |source| Err(Error::unprinted(source)))
    }

    fn aside(&self, text: &str) {
        self.bar.suspend(|| note(format_args!("aecsad: {text}")));
    }
}

fn csv_line<T: AsRef<[u8]>>(record: &[T]) -> String {
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    // Writing to memory can't fail.
    let _ = writer.write_record(record);
    let bytes = writer.into_inner().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The system's error behind a CSV writer's error.
pub(super) fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        // Records of other lengths are not written here.
        _ => io::ErrorKind::Other.into(),
    }
}

pub(super) fn unwritable(path: &Path, source: io::Error) -> Error {
    let path = path.to_owned();
    Error::Unwritable { path, source }
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn a_rejected_part_says_what_is_too_many() {
        let finding = |reject| Finding {
            name: "a.png".into(),
            outcome: Ok(Verdict {
                reject,
                p_value: 0.1,
                branch: Branch::Inventory,
                counts: [Count {
                    component: 1,
                    length: 0.25,
                    width: 0.0625,
                    found: 3,
                    usual: 2,
                }]
                .into_iter()
                .collect(),
                ..Verdict::passing(3.0, 0.0)
            }),
            size: None,
            is_jpeg: false,
            warning: None,
        };
        let reported = finding(true).table_line();
        assert!(
            reported.ends_with("a.png; found 3 of 2 (25×6 %)"),
            "{reported}"
        );
        assert!(finding(false).table_line().ends_with("a.png"));
        let json = finding(true).json_line();
        let counts =
            r#""counts":[{"component":2,"length":0.25,"width":0.0625,"found":3,"usual":2}]"#;
        assert!(json.contains(counts), "{json}");
    }

    #[test]
    fn a_path_is_one_field_whatever_is_in_it() {
        assert_eq!(
            csv_line(&["a,\"b\".png", "", "x"]),
            "\"a,\"\"b\"\".png\",,x\n"
        );
    }
}
