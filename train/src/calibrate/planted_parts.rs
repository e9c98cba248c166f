//! Edited good images as the networks see them. There are several for each validation image, and in a fine view each takes
//! megabytes, so they are kept in a temporary file and read one after the other.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use aecsad_inspect::network::Percept;

use crate::dataset::Kind;

/// An edited good image; what the networks see of it lies in a [`PerceptFile`].
#[derive(Clone, Copy, Debug)]
pub struct PlantedPart {
    /// What is wrong with it; None after a harmless edit.
    pub anomaly: Option<Kind>,
    /// Index of the validation part it was planted on.
    pub source: usize,
    /// Where it lies in the file.
    pub record: u64,
}

/// All of them.
#[derive(Default)]
pub struct PlantedParts {
    parts: Vec<PlantedPart>,
    /// None of none.
    percepts: Option<PerceptFile>,
}

impl PlantedParts {
    /// `parts` were added to `percepts`.
    pub fn new(parts: Vec<PlantedPart>, percepts: PerceptFile) -> Self {
        PlantedParts {
            parts,
            percepts: Some(percepts),
        }
    }

    /// What is known of them without reading the file.
    pub fn parts(&self) -> &[PlantedPart] {
        &self.parts
    }

    /// Calls `of` with each in order; the percept is read anew into one buffer.
    ///
    /// # Errors
    /// If the file can't be read.
    pub fn each(&self, mut of: impl FnMut(&PlantedPart, &Percept)) -> io::Result<()> {
        let Some(percepts) = &self.percepts else {
            return Ok(());
        };
        let mut reader = percepts.reader();
        for part in &self.parts {
            of(part, reader.read(part.record)?);
        }
        Ok(())
    }
}

/// Percepts of one set of networks, all of one shape, in a file that has no name and goes with it.
pub struct PerceptFile {
    file: File,
    records: AtomicU64,
    /// The first one, which gives the shape.
    first: OnceLock<Percept>,
}

impl PerceptFile {
    /// # Errors
    /// If no file can be made in `folder`.
    pub fn new(folder: &Path) -> io::Result<Self> {
        Ok(PerceptFile {
            file: tempfile::tempfile_in(folder)?,
            records: AtomicU64::new(0),
            first: OnceLock::new(),
        })
    }

    /// Keeps one, and says where.
    ///
    /// # Errors
    /// If the disk is full, or it has another shape than the first one.
    pub fn add(&self, percept: &Percept) -> io::Result<u64> {
        let first = self.first.get_or_init(|| percept.clone());
        let maps = maps(percept).ok_or_else(other_shape)?;
        let mut bytes = Vec::with_capacity(length(first));
        bytes.extend(&percept.classes);
        for value in maps.into_iter().flatten() {
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        if bytes.len() != length(first) {
            return Err(other_shape());
        }
        let record = self.records.fetch_add(1, Ordering::Relaxed);
        let at = record * bytes.len() as u64;
        self.file.write_all_at(&bytes, at)?;
        Ok(record)
    }

    fn reader(&self) -> PerceptReader<'_> {
        let percept = self.first.get().cloned().unwrap_or_else(Percept::empty);
        PerceptReader {
            file: &self.file,
            bytes: vec![0; length(&percept)],
            percept,
        }
    }
}

/// Reads percepts into one buffer.
struct PerceptReader<'a> {
    file: &'a File,
    bytes: Vec<u8>,
    percept: Percept,
}

impl PerceptReader<'_> {
    fn read(&mut self, record: u64) -> io::Result<&Percept> {
        let at = record * self.bytes.len() as u64;
        self.file.read_exact_at(&mut self.bytes, at)?;
        let (classes, values) = self.bytes.split_at(self.percept.classes.len());
        for (to, from) in self.percept.classes.iter_mut().zip(classes) {
            *to = *from;
        }
        let mut values = values.as_chunks().0.iter();
        let maps = maps_mut(&mut self.percept).ok_or_else(other_shape)?;
        for map in maps {
            for (to, from) in map.iter_mut().zip(&mut values) {
                *to = f32::from_le_bytes(*from);
            }
        }
        Ok(&self.percept)
    }
}

fn other_shape() -> io::Error {
    io::Error::other("parts are seen in different shapes")
}

/// Bytes of a record.
fn length(percept: &Percept) -> usize {
    let values = maps(percept).into_iter().flatten().map(<[f32]>::len);
    percept.classes.len() + values.sum::<usize>() * size_of::<f32>()
}

/// Everything of a percept but its classes. None if an array is not in the order of its rows, which none of ours is.
fn maps(percept: &Percept) -> Option<[&[f32]; 9]> {
    let Percept {
        features,
        classes: _,
        probabilities,
        students,
        fine,
    } = percept;
    Some([
        features.stride4.as_slice()?,
        features.stride8.as_slice()?,
        features.stride16.as_slice()?,
        probabilities.as_slice()?,
        &students.local,
        &students.global,
        students.residuals.local.as_slice()?,
        students.residuals.global.as_slice()?,
        fine.vectors.as_slice()?,
    ])
}

/// The same, in the same order.
fn maps_mut(percept: &mut Percept) -> Option<[&mut [f32]; 9]> {
    let Percept {
        features,
        classes: _,
        probabilities,
        students,
        fine,
    } = percept;
    Some([
        features.stride4.as_slice_mut()?,
        features.stride8.as_slice_mut()?,
        features.stride16.as_slice_mut()?,
        probabilities.as_slice_mut()?,
        &mut students.local,
        &mut students.global,
        students.residuals.local.as_slice_mut()?,
        students.residuals.global.as_slice_mut()?,
        fine.vectors.as_slice_mut()?,
    ])
}

#[cfg(test)]
pub mod tests {
    use ndarray::{Array2, Array3};

    use super::*;

    /// These parts, kept as a fit keeps them.
    pub fn kept(parts: Vec<(Option<Kind>, usize, Percept)>) -> PlantedParts {
        let file = PerceptFile::new(&std::env::temp_dir()).unwrap();
        let parts = parts
            .into_iter()
            .map(|(anomaly, source, percept)| PlantedPart {
                anomaly,
                source,
                record: file.add(&percept).unwrap(),
            });
        PlantedParts::new(parts.collect(), file)
    }

    /// No two of its values are the same, nor are they those of another `seed`.
    fn percept(seed: usize) -> Percept {
        let mut next = (seed * 10_000_000) as f32;
        let mut value = || {
            next += 1.5;
            next
        };
        let mut percept = Percept::empty();
        percept.probabilities = Array3::zeros((3, 64, 64));
        percept.students.residuals.local = Array2::zeros((1024, 5));
        percept.fine.vectors = Array2::zeros((48, 7));
        (percept.fine.rows, percept.fine.columns) = (6, 8);
        for map in maps_mut(&mut percept).unwrap() {
            map.iter_mut().for_each(|v| *v = value());
        }
        for (at, class) in percept.classes.iter_mut().enumerate() {
            *class = ((at + seed) % 251) as u8;
        }
        percept
    }

    #[test]
    fn what_is_kept_is_read_again_in_order() {
        let parts = |seed| (Some(Kind::Logical), seed, percept(seed));
        let kept = kept([3, 1, 2].map(parts).to_vec());
        let mut seen = Vec::new();
        let each = |part: &PlantedPart, found: &Percept| {
            let expected = percept(part.source);
            assert_eq!(maps(found), maps(&expected));
            assert_eq!(found.classes, expected.classes);
            assert_eq!((found.fine.rows, found.fine.columns), (6, 8));
            seen.push(part.source);
        };
        kept.each(each).unwrap();
        assert_eq!(seen, [3, 1, 2]);
        PlantedParts::default()
            .each(|_, _| panic!("there is none"))
            .unwrap();
    }

    #[test]
    fn another_shape_is_refused() {
        let file = PerceptFile::new(&std::env::temp_dir()).unwrap();
        file.add(&percept(1)).unwrap();
        assert!(file.add(&Percept::empty()).is_err());
    }
}
