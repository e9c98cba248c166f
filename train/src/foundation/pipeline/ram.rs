//! RAM++: which of its thousands of words an image shows. Each word has a threshold of its own.

use std::path::Path;
use std::str::FromStr;

use image::RgbImage;

use super::FoundationError;
use super::network::Network;
use super::picture;
use super::runtime::Runtime;

/// Side of the picture that RAM++ is trained on, where the network leaves it open.
const SIDE: usize = 384;

pub struct Ram {
    network: Network,
    words: Vec<String>,
    /// On the probability.
    thresholds: Vec<f32>,
    side: (usize, usize),
}

impl Ram {
    /// From `model.onnx`, `tags.txt` and `thresholds.txt` of a folder.
    ///
    /// # Errors
    /// If a file is missing or another one than is wanted; the lengths of the lists are checked against each other here, and
    /// against the network when it runs.
    pub fn load(runtime: &Runtime, folder: &Path) -> Result<Self, FoundationError> {
        let (tags, thresholds) = (folder.join("tags.txt"), folder.join("thresholds.txt"));
        let words: Vec<String> = lines(&tags, "tag")?;
        let found: Vec<f32> = lines(&thresholds, "threshold, a number from 0 to 1")?;
        if let Some(line) = found.iter().position(|t| !(0.0..=1.0).contains(t)) {
            return Err(FoundationError::Line {
                path: thresholds,
                line: line + 1,
                text: found[line].to_string(),
                wanted: "threshold, a number from 0 to 1",
            });
        }
        if words.len() != found.len() {
            return Err(FoundationError::TagCount {
                path: thresholds,
                found: found.len(),
                expected: words.len(),
            });
        }
        let network = Network::load(runtime, &folder.join("model.onnx"))?;
        if !network.takes("image") || !network.gives("logits") {
            return Err(
                network.layout_error("RAM++'s, with an input `image` and an output `logits`")
            );
        }
        let side = |axis| network.length("image", axis).unwrap_or(SIDE);
        Ok(Self {
            side: (side(3), side(2)),
            network,
            words,
            thresholds: found,
        })
    }

    /// The words that the picture shows, in the list's order.
    pub fn words(&mut self, picture: &RgbImage) -> Result<Vec<&str>, FoundationError> {
        let (width, height) = self.side;
        let seen = picture::scaled(picture, width, height);
        let image = picture::tensor(&seen, width, height);
        let logits = self.network.run(&[("image", &image)], &["logits"])?;
        let logits = logits[0].as_floats();
        if logits.len() != self.words.len() {
            return Err(FoundationError::TagCount {
                path: self.network.path().with_file_name("tags.txt"),
                found: self.words.len(),
                expected: logits.len(),
            });
        }
        let rows = logits.iter().zip(&self.thresholds).zip(&self.words);
        let shown = rows.filter(|((logit, threshold), _)| sigmoid(**logit) > **threshold);
        Ok(shown.map(|(_, word)| word.as_str()).collect())
    }
}

pub(super) fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

/// One value a line; blank lines at the end don't count.
fn lines<T: FromStr>(path: &Path, wanted: &'static str) -> Result<Vec<T>, FoundationError> {
    let text = std::fs::read_to_string(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => FoundationError::Missing {
            path: path.to_owned(),
        },
        _ => FoundationError::Unreadable {
            path: path.to_owned(),
            source,
        },
    })?;
    let rows = text.trim_end().lines().enumerate();
    rows.map(|(index, line)| {
        let wrong = || FoundationError::Line {
            path: path.to_owned(),
            line: index + 1,
            text: line.chars().take(40).collect(),
            wanted,
        };
        let line = line.trim();
        match line.is_empty() {
            true => Err(wrong()),
            false => line.parse().map_err(|_| wrong()),
        }
    })
    .collect()
}
