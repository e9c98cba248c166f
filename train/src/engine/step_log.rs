//! The log of a training, one JSON object for each step, so that a technician can plot a training that looks wrong.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use aecsad_program::whole_file::WholeFile;
use serde_json::{Map, Value, json};

use super::TrainingError;

pub struct StepLog {
    path: PathBuf,
    file: BufWriter<WholeFile>,
}

impl StepLog {
    /// Opens the file and drops the lines from `first_step` on: a resumed run writes those steps again.
    pub fn open(path: PathBuf, first_step: usize) -> Result<Self, TrainingError> {
        let kept: Vec<String> = match std::fs::read_to_string(&path) {
            Ok(text) => text
                .lines()
                .filter(|line| step_of(line).is_some_and(|step| step < first_step))
                .map(str::to_owned)
                .collect(),
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(TrainingError::WorkFolder { path, source }),
        };
        let rewritten = WholeFile::create(&path).and_then(|mut file| {
            let kept: String = kept.iter().map(|line| format!("{line}\n")).collect();
            file.write_all(kept.as_bytes())?;
            file.commit_and_go_on()
        });
        Ok(Self {
            file: BufWriter::new(rewritten.map_err(|source| failed(&path, source))?),
            path,
        })
    }

    pub fn record(
        &mut self,
        step: usize,
        learning_rate: f64,
        loss: f32,
        terms: &[(&'static str, f32)],
    ) -> Result<(), TrainingError> {
        let mut object = Map::new();
        object.insert("step".into(), json!(step));
        object.insert("learning_rate".into(), json!(learning_rate));
        object.insert("loss".into(), json!(loss));
        for (name, value) in terms {
            object.insert((*name).into(), json!(value));
        }
        self.line(&Value::Object(object).to_string())
    }

    pub fn flush(&mut self) -> Result<(), TrainingError> {
        self.file
            .flush()
            .map_err(|source| failed(&self.path, source))
    }

    fn line(&mut self, line: &str) -> Result<(), TrainingError> {
        writeln!(self.file, "{line}").map_err(|source| failed(&self.path, source))
    }
}

fn failed(path: &Path, source: std::io::Error) -> TrainingError {
    TrainingError::WorkFolder {
        path: path.to_owned(),
        source,
    }
}

/// `None` for a line cut short by a power failure.
fn step_of(line: &str) -> Option<usize> {
    let value: Value = serde_json::from_str(line).ok()?;
    Some(value.get("step")?.as_u64()? as usize)
}
