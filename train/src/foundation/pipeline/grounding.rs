//! GroundingDINO: where in an image the things are that tags name. Both common exports are read; the names of the inputs
//! distinguish them.

use std::path::Path;

use image::RgbImage;
use serde::{Deserialize, Serialize};

use super::FoundationError;
use super::boxes::{PixelBox, suppress};
use super::network::{Network, Tensor};
use super::picture;
use super::prompt::{Prompt, WordPieces};
use super::ram::sigmoid;
use super::runtime::Runtime;
use super::settings::BoxSettings;
use super::tags::Tag;

/// How large the network wants its pictures, beside it in Hugging Face's folders.
const PREPROCESSOR: &str = "preprocessor_config.json";
/// Sides of the picture where that is not there: the shorter one, unless the longer one gets too long.
const SHORTER: f64 = 800.0;
const LONGER: f64 = 1333.0;

/// How a network's inputs and outputs are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    HuggingFace,
    Original,
}

impl Layout {
    fn image(self) -> &'static str {
        match self {
            Layout::HuggingFace => "pixel_values",
            Layout::Original => "img",
        }
    }

    fn boxes(self) -> &'static str {
        match self {
            Layout::HuggingFace => "pred_boxes",
            Layout::Original => "boxes",
        }
    }
}

/// A box around what a tag names.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    pub bounds: PixelBox,
    /// The highest probability of any word piece.
    pub score: f32,
    /// Index of the tag.
    pub tag: usize,
}

pub struct GroundingDino {
    network: Network,
    layout: Layout,
    pieces: WordPieces,
    /// Shorter and longer side of the picture, in pixels.
    sides: (f64, f64),
}

impl GroundingDino {
    /// From `model.onnx` and `tokenizer.json` or `vocab.txt` of a folder.
    pub fn load(runtime: &Runtime, folder: &Path) -> Result<Self, FoundationError> {
        let network = Network::load(runtime, &folder.join("model.onnx"))?;
        let layouts = [Layout::HuggingFace, Layout::Original];
        let fits = |layout: &Layout| {
            network.takes(layout.image())
                && network.takes("input_ids")
                && network.gives("logits")
                && network.gives(layout.boxes())
        };
        let Some(layout) = layouts.into_iter().find(fits) else {
            return Err(network.layout_error(
                "GroundingDINO's, with pixel_values and pred_boxes (Hugging Face) or img and boxes (the original)",
            ));
        };
        Ok(Self {
            layout,
            network,
            pieces: WordPieces::load(folder)?,
            sides: sides(&folder.join(PREPROCESSOR))?,
        })
    }

    /// The things in a picture that the tags name, the most probable first.
    pub fn detect(
        &mut self,
        picture: &RgbImage,
        tags: &[Tag],
        settings: &BoxSettings,
    ) -> Result<Vec<Detection>, FoundationError> {
        let length = self.network.length("input_ids", 1);
        let prompts = self.pieces.prompts(tags, length.unwrap_or(usize::MAX))?;
        let (seen, input) = self.sizes(picture);
        let image = picture::tensor(&picture::scaled(picture, seen.0, seen.1), input.0, input.1);
        let mut found = Vec::new();
        for prompt in &prompts {
            let outputs = self.run(&image, seen, prompt, length)?;
            found.extend(self.read(&outputs, prompt, picture, settings)?);
        }
        let bounds: Vec<PixelBox> = found.iter().map(|d| d.bounds).collect();
        let scores: Vec<f32> = found.iter().map(|d| d.score).collect();
        let kept = suppress(&bounds, &scores, settings.overlap);
        Ok(kept.into_iter().map(|index| found[index]).collect())
    }

    /// Width and height that the picture is brought to, and those of the network's input, which has more to the right and
    /// below where its size is fixed.
    fn sizes(&self, picture: &RgbImage) -> ((usize, usize), (usize, usize)) {
        let image = self.layout.image();
        let (width, height) = (f64::from(picture.width()), f64::from(picture.height()));
        let fixed = (self.network.length(image, 3), self.network.length(image, 2));
        if let (Some(across), Some(down)) = fixed {
            let scale = (across as f64 / width).min(down as f64 / height);
            let scaled = |length: f64, most: usize| ((length * scale) as usize).clamp(1, most);
            return (
                (scaled(width, across), scaled(height, down)),
                (across, down),
            );
        }
        let (short, long) = (width.min(height), width.max(height));
        let side = self.sides.0.min((self.sides.1 * short / long).round());
        let scaled = |length: f64| match length == short {
            true => (side as usize).max(1),
            false => ((side * length / short) as usize).max(1),
        };
        let seen = (scaled(width), scaled(height));
        (seen, seen)
    }

    fn run(
        &mut self,
        image: &Tensor,
        (width, height): (usize, usize),
        prompt: &Prompt,
        length: Option<usize>,
    ) -> Result<Vec<Tensor>, FoundationError> {
        let [ids, mask] = prompt.ids_and_mask(length);
        let types = Tensor::whole(&ids.shape, vec![0; ids.shape[1]]);
        let [positions, attention] = prompt.positions_and_attention(length);
        let (down, across) = (image.shape[2], image.shape[3]);
        let inside = |pixel: usize| pixel % across < width && pixel / across < height;
        let seen = (0..down * across).map(|pixel| i64::from(inside(pixel)));
        let seen = Tensor::whole(&[1, down, across], seen.collect());
        let given = [
            (self.layout.image(), image),
            ("pixel_mask", &seen),
            ("input_ids", &ids),
            ("attention_mask", &mask),
            ("token_type_ids", &types),
            ("position_ids", &positions),
            ("text_token_mask", &attention),
        ];
        let taken = given
            .into_iter()
            .filter(|(name, _)| self.network.takes(name));
        let taken: Vec<(&str, &Tensor)> = taken.collect();
        self.network.run(&taken, &["logits", self.layout.boxes()])
    }

    /// The boxes above the thresholds, with the tag whose pieces are the most probable.
    fn read(
        &self,
        outputs: &[Tensor],
        prompt: &Prompt,
        picture: &RgbImage,
        settings: &BoxSettings,
    ) -> Result<Vec<Detection>, FoundationError> {
        let (logits, boxes) = (&outputs[0], &outputs[1]);
        let (&[1, queries, pieces], &[1, also, 4]) = (&logits.shape[..], &boxes.shape[..]) else {
            return Err(self.output_shapes(outputs));
        };
        if also != queries || pieces < prompt.pieces.len() {
            return Err(self.output_shapes(outputs));
        }
        let size = (picture.width() as usize, picture.height() as usize);
        let (logits, boxes) = (logits.as_floats(), boxes.as_floats());
        let rows = logits.chunks_exact(pieces).zip(boxes.chunks_exact(4));
        let best = |a: f32, b: &f32| a.max(sigmoid(*b));
        let detected = rows.filter_map(|(row, shares)| {
            let score = row[..prompt.pieces.len()].iter().fold(0.0, best);
            if score <= settings.threshold {
                return None;
            }
            let of_tag = |(tag, pieces): &(usize, std::ops::Range<usize>)| {
                (row[pieces.clone()].iter().fold(0.0, best), *tag)
            };
            // Of equally probable tags the first.
            let named = prompt.tags.iter().map(of_tag).rev();
            let (probability, tag) = named.max_by(|a, b| a.0.total_cmp(&b.0))?;
            (probability > settings.text_threshold).then(|| Detection {
                bounds: PixelBox::from_shares(
                    [shares[0], shares[1], shares[2], shares[3]],
                    size.0,
                    size.1,
                ),
                score,
                tag,
            })
        });
        Ok(detected.collect())
    }

    fn output_shapes(&self, outputs: &[Tensor]) -> FoundationError {
        FoundationError::Layout {
            path: self.network.path().to_owned(),
            expected: "GroundingDINO's, with logits [1, queries, 256] and boxes [1, queries, 4]",
            found: format!(
                "its outputs have shapes {:?} and {:?}",
                outputs[0].shape, outputs[1].shape
            ),
        }
    }
}

/// The sides that a preprocessor's file states; the usual ones without a file.
fn sides(path: &Path) -> Result<(f64, f64), FoundationError> {
    #[derive(Deserialize)]
    struct Preprocessor {
        size: Sides,
    }
    #[derive(Deserialize)]
    struct Sides {
        shortest_edge: Option<f64>,
        longest_edge: Option<f64>,
    }
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((SHORTER, LONGER)),
        Err(source) => {
            return Err(FoundationError::Unreadable {
                path: path.to_owned(),
                source,
            });
        }
    };
    let read: Preprocessor = serde_json::from_str(&text).map_err(|e| FoundationError::Line {
        path: path.to_owned(),
        line: e.line(),
        text: e.to_string(),
        wanted: "preprocessor of GroundingDINO",
    })?;
    // What would make pictures of no pixels, or of more than memory holds, is a mistake.
    let usable = |side: Option<f64>, usual: f64| match side {
        Some(side) if (16.0..=4096.0).contains(&side) => side,
        _ => usual,
    };
    Ok((
        usable(read.size.shortest_edge, SHORTER),
        usable(read.size.longest_edge, LONGER),
    ))
}
