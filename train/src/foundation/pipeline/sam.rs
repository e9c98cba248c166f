//! SAM, SAM-HQ and MobileSAM: masks for boxes and points. An encoder sees the image once; a decoder turns prompts into
//! masks. Both common exports are read; the files' names and their inputs' names distinguish them.

use std::borrow::Cow;
use std::path::Path;

use image::RgbImage;

use super::FoundationError;
use super::boxes::PixelBox;
use super::mask::Mask;
use super::network::{Network, Numbers, Tensor};
use super::picture;
use super::runtime::Runtime;

/// Side of the picture, where the encoder leaves it open.
const SIDE: usize = 1024;
/// Cells of the smaller masks to one of the embedding.
const MASK_TO_EMBEDDING: usize = 4;
/// Labels of points: one on the object, the two corners of its box, and one that says nothing.
const ON_OBJECT: i64 = 1;
const CORNERS: [i64; 2] = [2, 3];
const NO_POINT: i64 = -1;

const ORIGINAL: [&str; 2] = ["encoder.onnx", "decoder.onnx"];
const HUGGING_FACE: [&str; 2] = ["vision_encoder.onnx", "prompt_encoder_mask_decoder.onnx"];

/// Note in the metadata of a decoder that takes the corners of boxes.
const BOXES: &str = "box_prompts";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// One prompt at a time; masks come at the picture's size.
    Original,
    /// Many prompts at a time; masks come small.
    HuggingFace,
}

/// What a mask is wanted for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Prompt {
    Box(PixelBox),
    /// A pixel of the object: x, y.
    Point([f32; 2]),
}

pub struct Sam {
    encoder: Network,
    decoder: Network,
    layout: Layout,
    side: usize,
}

/// What the encoder says of one picture.
pub struct Encoded {
    maps: Vec<(&'static str, Tensor)>,
    /// Width and height of the picture, and of what the encoder saw of it.
    picture: (usize, usize),
    seen: (usize, usize),
    side: usize,
}

/// A mask that SAM offers for a prompt.
pub struct Offer<'a> {
    /// The intersection over union with the true mask that it expects.
    pub quality: f32,
    logits: &'a [f32],
    /// Width and height of the logits.
    size: (usize, usize),
    encoded: &'a Encoded,
}

impl Sam {
    /// From a folder with the files of either layout.
    pub fn load(runtime: &Runtime, folder: &Path) -> Result<Self, FoundationError> {
        let names = match folder.join(HUGGING_FACE[0]).is_file() {
            true => HUGGING_FACE,
            false => ORIGINAL,
        };
        let [encoder, decoder] = names.map(|name| Network::load(runtime, &folder.join(name)));
        let (encoder, decoder) = (encoder?, decoder?);
        let original = encoder.takes("image")
            && encoder.gives("image_embeddings")
            && decoder.takes("point_coords")
            && decoder.takes("orig_im_size");
        let hugging_face = encoder.takes("pixel_values")
            && encoder.gives("image_embeddings")
            && encoder.gives("image_positional_embeddings")
            && decoder.takes("input_points");
        let (layout, image) = match (original, hugging_face) {
            (true, _) => (Layout::Original, "image"),
            (false, true) => (Layout::HuggingFace, "pixel_values"),
            (false, false) => {
                return Err(encoder.layout_error(
                    "SAM's, with image and image_embeddings (the original) or pixel_values and image_positional_embeddings \
                     (Hugging Face) and a decoder of the same kind",
                ));
            }
        };
        // Public decoders of this layout take a box's corners for places that mean nothing, and give a mask all the same.
        if layout == Layout::HuggingFace && !decoder.notes(BOXES) {
            return Err(decoder.layout_error(
                "SAM's with a decoder that takes boxes (train/foundation/export.py writes one, and notes box_prompts in it)",
            ));
        }
        if decoder.takes("interm_embeddings") && !encoder.gives("interm_embeddings") {
            return Err(encoder.layout_error(
                "SAM-HQ's, whose encoder gives the interm_embeddings that the decoder takes",
            ));
        }
        let sides = [2, 3].map(|axis| encoder.length(image, axis));
        if let [Some(height), Some(width)] = sides
            && height != width
        {
            return Err(encoder.layout_error("SAM's, whose picture is a square"));
        }
        Ok(Self {
            side: sides[0].unwrap_or(SIDE),
            encoder,
            decoder,
            layout,
        })
    }

    pub fn encode(&mut self, picture: &RgbImage) -> Result<Encoded, FoundationError> {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let scale = self.side as f64 / width.max(height) as f64;
        let scaled = |length: usize| ((length as f64 * scale + 0.5) as usize).max(1);
        let seen = (scaled(width), scaled(height));
        let small = picture::scaled(picture, seen.0, seen.1);
        let image = picture::tensor(&small, self.side, self.side);
        let (input, wanted): (_, &[&'static str]) = match self.layout {
            Layout::HuggingFace => (
                "pixel_values",
                &["image_embeddings", "image_positional_embeddings"],
            ),
            Layout::Original if self.decoder.takes("interm_embeddings") => {
                ("image", &["image_embeddings", "interm_embeddings"])
            }
            Layout::Original => ("image", &["image_embeddings"]),
        };
        let maps = self.encoder.run(&[(input, &image)], wanted)?;
        Ok(Encoded {
            maps: wanted.iter().copied().zip(maps).collect(),
            picture: (width, height),
            seen,
            side: self.side,
        })
    }

    /// Hands on the masks that are offered for each prompt, by its index. All prompts must be of one kind.
    pub fn prompted(
        &mut self,
        encoded: &Encoded,
        prompts: &[Prompt],
        mut take: impl FnMut(usize, Vec<Offer<'_>>),
    ) -> Result<(), FoundationError> {
        match self.layout {
            Layout::Original => {
                for (index, prompt) in prompts.iter().enumerate() {
                    let outputs = self.original(encoded, prompt)?;
                    let offers = self.offers(encoded, &outputs, 1)?;
                    // The first of four is for a prompt that leaves no doubt, the others for one that does.
                    let single = usize::from(offers[0].len() == 4);
                    let chosen = offers.into_iter().next().unwrap_or_default();
                    take(
                        index,
                        match prompt {
                            Prompt::Box(_) if single == 1 => chosen.into_iter().take(1).collect(),
                            _ => chosen.into_iter().skip(single).collect(),
                        },
                    );
                }
            }
            Layout::HuggingFace => {
                let outputs = self.hugging_face(encoded, prompts)?;
                let offers = self.offers(encoded, &outputs, prompts.len())?;
                for (index, offers) in offers.into_iter().enumerate() {
                    take(index, offers);
                }
            }
        }
        Ok(())
    }

    /// The best mask for each box.
    pub fn of_boxes(
        &mut self,
        encoded: &Encoded,
        boxes: &[PixelBox],
        batch: usize,
    ) -> Result<Vec<Mask>, FoundationError> {
        let mut masks = Vec::with_capacity(boxes.len());
        for boxes in boxes.chunks(batch.max(1)) {
            let prompts: Vec<Prompt> = boxes.iter().map(|b| Prompt::Box(*b)).collect();
            self.prompted(encoded, &prompts, |_, offers| {
                // Of equally good ones the first.
                let best = offers
                    .iter()
                    .rev()
                    .max_by(|a, b| a.quality.total_cmp(&b.quality));
                let empty = || Mask::empty(encoded.picture.0, encoded.picture.1);
                masks.push(best.map_or_else(empty, |offer| offer.mask(&offer.logits(), 0.0)));
            })?;
        }
        Ok(masks)
    }

    fn original(
        &mut self,
        encoded: &Encoded,
        prompt: &Prompt,
    ) -> Result<Vec<Tensor>, FoundationError> {
        let (points, labels) = match prompt {
            Prompt::Box(bounds) => (encoded.corners(bounds).concat(), CORNERS.to_vec()),
            // A point without a box comes with one that says nothing.
            Prompt::Point(point) => (
                [encoded.seen_at(*point), [0.0; 2]].concat(),
                vec![ON_OBJECT, NO_POINT],
            ),
        };
        let coordinates = Tensor::floats(&[1, labels.len(), 2], points);
        let labels = Tensor::whole(&[1, labels.len()], labels);
        let cells = match self.decoder.length("mask_input", 2) {
            Some(cells) => cells,
            None => MASK_TO_EMBEDDING * encoded.maps[0].1.shape.get(2).copied().unwrap_or(64),
        };
        let no_mask = Tensor::floats(&[1, 1, cells, cells], vec![0.0; cells * cells]);
        let has_mask = Tensor::floats(&[1], vec![0.0]);
        let (width, height) = encoded.picture;
        let size = Tensor::floats(&[2], vec![height as f32, width as f32]);
        let mut given = vec![
            ("point_coords", &coordinates),
            ("point_labels", &labels),
            ("mask_input", &no_mask),
            ("has_mask_input", &has_mask),
            ("orig_im_size", &size),
        ];
        given.extend(encoded.maps.iter().map(|(name, map)| (*name, map)));
        given.retain(|(name, _)| self.decoder.takes(name));
        self.decoder.run(&given, &["masks", "iou_predictions"])
    }

    fn hugging_face(
        &mut self,
        encoded: &Encoded,
        prompts: &[Prompt],
    ) -> Result<Vec<Tensor>, FoundationError> {
        let count = prompts.len();
        let (mut points, mut labels) = (Vec::new(), Vec::new());
        for prompt in prompts {
            match prompt {
                Prompt::Point(point) => {
                    points.extend(encoded.seen_at(*point));
                    labels.push(ON_OBJECT);
                }
                Prompt::Box(bounds) => {
                    points.extend(encoded.corners(bounds).concat());
                    labels.extend(CORNERS);
                }
            }
        }
        let each = labels.len() / count.max(1);
        let points = Tensor::floats(&[1, count, each, 2], points);
        let labels = Tensor::whole(&[1, count, each], labels);
        let mut given: Vec<(&str, &Tensor)> =
            vec![("input_points", &points), ("input_labels", &labels)];
        given.extend(encoded.maps.iter().map(|(name, map)| (*name, map)));
        given.retain(|(name, _)| self.decoder.takes(name));
        self.decoder.run(&given, &["pred_masks", "iou_scores"])
    }

    /// What a decoder gives, prompt by prompt.
    fn offers<'a>(
        &self,
        encoded: &'a Encoded,
        outputs: &'a [Tensor],
        prompts: usize,
    ) -> Result<Vec<Vec<Offer<'a>>>, FoundationError> {
        let (masks, qualities) = (&outputs[0], &outputs[1]);
        let wrong = || FoundationError::Layout {
            path: self.decoder.path().to_owned(),
            expected: "SAM's, with a mask and a quality for each offer",
            found: format!(
                "its outputs have shapes {:?} and {:?}",
                masks.shape, qualities.shape
            ),
        };
        let &[.., height, width] = &masks.shape[..] else {
            return Err(wrong());
        };
        let (Numbers::Float(logits), Numbers::Float(expected)) = (&masks.values, &qualities.values)
        else {
            return Err(wrong());
        };
        let each = expected.len() / prompts.max(1);
        let right_size = self.layout == Layout::HuggingFace || (width, height) == encoded.picture;
        if each == 0 || logits.len() != each * prompts * width * height || !right_size {
            return Err(wrong());
        }
        let mut rows = logits.chunks_exact(width * height).zip(expected);
        let mut next = || {
            let offers = rows.by_ref().take(each);
            offers
                .map(|(logits, quality)| Offer {
                    quality: *quality,
                    logits,
                    size: (width, height),
                    encoded,
                })
                .collect()
        };
        Ok((0..prompts).map(|_| next()).collect())
    }
}

impl Encoded {
    /// Width and height of the picture.
    pub fn picture(&self) -> (usize, usize) {
        self.picture
    }

    /// A place of the picture as the encoder saw it.
    fn seen_at(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        let scale = |value: f32, from: usize, to: usize| {
            (f64::from(value) * to as f64 / from as f64) as f32
        };
        [
            scale(x, self.picture.0, self.seen.0),
            scale(y, self.picture.1, self.seen.1),
        ]
    }

    fn corners(&self, bounds: &PixelBox) -> [[f32; 2]; 2] {
        let [left, top, right, bottom] = bounds.0;
        [self.seen_at([left, top]), self.seen_at([right, bottom])]
    }
}

impl Offer<'_> {
    /// The logits at the picture's size; above 0 is the mask.
    pub fn logits(&self) -> Cow<'_, [f32]> {
        if self.size == self.encoded.picture {
            return Cow::Borrowed(self.logits);
        }
        // What the encoder saw of the square is the picture; the rest is padding.
        let side = self.encoded.side;
        let square = picture::resample(self.logits, self.size, (side, side));
        let (width, height) = self.encoded.seen;
        let seen: Vec<f32> = square
            .chunks_exact(side)
            .take(height)
            .flat_map(|row| &row[..width])
            .copied()
            .collect();
        Cow::Owned(picture::resample(
            &seen,
            (width, height),
            self.encoded.picture,
        ))
    }

    /// Pixels of the [`logits`](Self::logits) above a threshold.
    pub fn mask(&self, logits: &[f32], threshold: f32) -> Mask {
        let (width, height) = self.encoded.picture;
        Mask::new(width, height, |pixel| logits[pixel] > threshold)
    }
}
