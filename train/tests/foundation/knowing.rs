//! Hand-made networks that know some pictures: they recognise one by its colours and return the boxes and masks that a test
//! chose for it. They have the inputs and outputs of GroundingDINO and SAM, in Hugging Face's layout, and of RAM++.

use std::path::Path;

use aecsad_engine::onnx::tensor_proto::DataType;
use aecsad_train::foundation::pipeline::picture;
use image::RgbImage;

use super::graph::{Graph, Wire};

/// Side of the pictures that the networks see, and of the masks that they give.
pub const SIDE: usize = 128;
/// Side of the thumbnails by which they know a picture.
const THUMBNAIL: usize = 8;
/// Word pieces that GroundingDINO's logits are for.
const PIECES: usize = 256;
/// Words of the hand-made BERT, of which the last two are the tags.
pub const WORDS: [&str; 7] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", ".", "part", "bench"];

/// A picture, and what the networks return for it.
pub struct Known {
    pub picture: RgbImage,
    /// What SAM gives in automatic mode and for boxes: pixels of the [`SIDE`]×[`SIDE`] picture.
    pub masks: Vec<Vec<bool>>,
    /// What GroundingDINO finds: a box of shares of the picture, centre and size, and which of the two tags in the prompt,
    /// `bench . part .`
    pub boxes: Vec<([f32; 4], usize)>,
}

/// Writes the models' folder.
pub fn write(folder: &Path, known: &[Known], words: &str, logits: &[f32]) {
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    put("ram/model.onnx", &ram(logits));
    put("ram/tags.txt", words.as_bytes());
    put(
        "ram/thresholds.txt",
        "0.5\n".repeat(logits.len()).as_bytes(),
    );
    put("grounding_dino/model.onnx", &grounding_dino(known));
    put("grounding_dino/vocab.txt", WORDS.join("\n").as_bytes());
    put("sam/vision_encoder.onnx", &encoder(known));
    put("sam/prompt_encoder_mask_decoder.onnx", &decoder(known));
}

/// The same words for every picture.
fn ram(logits: &[f32]) -> Vec<u8> {
    let mut graph = Graph::default();
    let side = SIDE as i64;
    let image = graph.input("image", DataType::Float, &[1, 3, side, side]);
    let mean = graph.op("GlobalAveragePool", &[&image], &[]);
    let mean = graph.reshape(&mean, &[1, 3]);
    let nothing = graph.floats(&[3, logits.len()], &vec![0.0; 3 * logits.len()]);
    let row = graph.op("MatMul", &[&mean, &nothing], &[]);
    let words = graph.floats(&[1, logits.len()], logits);
    let row = graph.op("Add", &[&row, &words], &[]);
    graph.output("logits", &row, &[1, logits.len() as i64]);
    graph.finish(&[])
}

/// The index of the known picture whose thumbnail is nearest, `[1]`.
fn recognised(graph: &mut Graph, image: &Wire, known: &[Known]) -> Wire {
    let cell = (SIDE / THUMBNAIL) as i64;
    let pooled = graph.op(
        "AveragePool",
        &[image],
        &[("kernel_shape", &[cell, cell]), ("strides", &[cell, cell])],
    );
    let length = 3 * THUMBNAIL * THUMBNAIL;
    let seen = graph.reshape(&pooled, &[1, length as i64]);
    let thumbnails: Vec<Vec<f32>> = known.iter().map(|k| thumbnail(&k.picture)).collect();
    // The nearest has the largest product less half of its own square.
    let columns = (0..length).flat_map(|i| thumbnails.iter().map(move |t| t[i]));
    let columns: Vec<f32> = columns.collect();
    let halves = thumbnails
        .iter()
        .map(|t| -t.iter().map(|v| v * v).sum::<f32>() / 2.0);
    let halves: Vec<f32> = halves.collect();
    let columns = graph.floats(&[length, known.len()], &columns);
    let halves = graph.floats(&[1, known.len()], &halves);
    let products = graph.op("MatMul", &[&seen, &columns], &[]);
    let closeness = graph.op("Add", &[&products, &halves], &[]);
    graph.op(
        "ArgMax",
        &[&closeness],
        &[("axis", &[1]), ("keepdims", &[0])],
    )
}

fn thumbnail(picture: &RgbImage) -> Vec<f32> {
    let seen = picture::scaled(picture, SIDE, SIDE);
    let tensor = picture::tensor(&seen, SIDE, SIDE);
    let values = tensor.as_floats();
    let cell = SIDE / THUMBNAIL;
    let mut means = Vec::new();
    for channel in 0..3 {
        for (row, column) in (0..THUMBNAIL).flat_map(|r| (0..THUMBNAIL).map(move |c| (r, c))) {
            let pixels =
                (0..cell * cell).map(|i| (row * cell + i / cell, column * cell + i % cell));
            let sum: f32 = pixels
                .map(|(y, x)| values[(channel * SIDE + y) * SIDE + x])
                .sum();
            means.push(sum / (cell * cell) as f32);
        }
    }
    means
}

fn grounding_dino(known: &[Known]) -> Vec<u8> {
    let mut graph = Graph::default();
    let side = SIDE as i64;
    let image = graph.input("pixel_values", DataType::Float, &[1, 3, side, side]);
    for name in ["input_ids", "token_type_ids", "attention_mask"] {
        graph.input(name, DataType::Int64, &[1, -1]);
    }
    graph.input("pixel_mask", DataType::Int64, &[1, side, side]);
    let index = recognised(&mut graph, &image, known);
    let queries = known.iter().map(|k| k.boxes.len()).max().unwrap().max(1);
    let mut logits = vec![-6.0; known.len() * queries * PIECES];
    let mut boxes = vec![0.0; known.len() * queries * 4];
    for (picture, known) in known.iter().enumerate() {
        for (query, (shares, tag)) in known.boxes.iter().enumerate() {
            let row = picture * queries + query;
            // A beginning, the first tag, its stop, the second tag.
            logits[row * PIECES + 1 + 2 * tag] = 3.0;
            boxes[row * 4..row * 4 + 4].copy_from_slice(shares);
        }
    }
    let logits = graph.floats(&[known.len(), queries, PIECES], &logits);
    let boxes = graph.floats(&[known.len(), queries, 4], &boxes);
    let logits = graph.op("Gather", &[&logits, &index], &[("axis", &[0])]);
    let boxes = graph.op("Gather", &[&boxes, &index], &[("axis", &[0])]);
    graph.output("logits", &logits, &[1, queries as i64, PIECES as i64]);
    graph.output("pred_boxes", &boxes, &[1, queries as i64, 4]);
    graph.finish(&[])
}

/// The embedding is the number of the known picture.
fn encoder(known: &[Known]) -> Vec<u8> {
    let mut graph = Graph::default();
    let side = SIDE as i64;
    let image = graph.input("pixel_values", DataType::Float, &[1, 3, side, side]);
    let index = recognised(&mut graph, &image, known);
    let index = graph.cast(&index, DataType::Float);
    let index = graph.reshape(&index, &[1, 1, 1, 1]);
    graph.output("image_embeddings", &index, &[1, 1, 1, 1]);
    graph.output("image_positional_embeddings", &index, &[1, 1, 1, 1]);
    graph.finish(&[])
}

/// A point gives the smallest mask that it lies in; a box gives the mask whose own box is nearest.
fn decoder(known: &[Known]) -> Vec<u8> {
    let mut graph = Graph::default();
    let pixels = SIDE * SIDE;
    let points = graph.input("input_points", DataType::Float, &[1, -1, -1, 2]);
    let labels = graph.input("input_labels", DataType::Int64, &[1, -1, -1]);
    let index = graph.input("image_embeddings", DataType::Float, &[1, 1, 1, 1]);
    graph.input(
        "image_positional_embeddings",
        DataType::Float,
        &[1, 1, 1, 1],
    );

    let count = known.iter().map(|k| k.masks.len()).max().unwrap().max(1);
    let (mut masks, mut ranks) = (vec![0; known.len() * count * pixels], Vec::new());
    let mut corners = vec![-1e4; known.len() * count * 4];
    for (picture, known) in known.iter().enumerate() {
        for number in 0..count {
            let place = picture * count + number;
            let Some(mask) = known.masks.get(number) else {
                ranks.push(0.0);
                continue;
            };
            let covered: Vec<usize> = (0..pixels).filter(|&p| mask[p]).collect();
            covered.iter().for_each(|p| masks[place * pixels + p] = 1);
            ranks.push(1.0 / (1.0 + covered.len() as f32));
            let span = |of: fn(usize) -> usize| {
                let places = || covered.iter().map(|p| of(*p) as f32);
                [places().fold(1e4, f32::min), places().fold(-1e4, f32::max)]
            };
            let ([left, right], [top, bottom]) = (span(|p| p % SIDE), span(|p| p / SIDE));
            corners[place * 4..place * 4 + 4].copy_from_slice(&[left, top, right, bottom]);
        }
    }
    let index = graph.reshape(&index, &[1]);
    let index = graph.cast(&index, DataType::Int64);
    let of_picture = |graph: &mut Graph, all: &Wire, shape: &[i64]| {
        let one = graph.op("Gather", &[all, &index], &[("axis", &[0])]);
        graph.reshape(&one, shape)
    };
    let masks = graph.bytes(&[known.len(), count, pixels], masks);
    let ranks = graph.floats(&[known.len(), count, 1], &ranks);
    let corners = graph.floats(&[known.len(), count, 1, 4], &corners);
    let (rows, wide) = (count as i64, pixels as i64);
    let masks = of_picture(&mut graph, &masks, &[rows, wide]);
    let masks = graph.cast(&masks, DataType::Float);
    let ranks = of_picture(&mut graph, &ranks, &[rows, 1]);
    let corners = of_picture(&mut graph, &corners, &[rows, 1, 4]);

    // [P, 2] each; of a point both are the point.
    let over_points: &[(&str, &[i64])] = &[("axes", &[2]), ("keepdims", &[0])];
    let first = graph.op("ReduceMin", &[&points], over_points);
    let last = graph.op("ReduceMax", &[&points], over_points);
    let bounds = graph.op("Concat", &[&first, &last], &[("axis", &[2])]);
    let bounds = graph.reshape(&bounds, &[1, -1, 4]);
    let apart = graph.op("Sub", &[&corners, &bounds], &[]);
    let apart = graph.op("Mul", &[&apart, &apart], &[]);
    let two = graph.whole(&[1], &[2]);
    let apart = graph.op("ReduceSum", &[&apart, &two], &[("keepdims", &[0])]);
    let nearest = graph.op("ArgMin", &[&apart], &[("axis", &[0]), ("keepdims", &[0])]);

    let pixel = graph.op("Floor", &[&first], &[]);
    let weights = graph.floats(&[2, 1], &[1.0, SIDE as f32]);
    let pixel = graph.op("MatMul", &[&pixel, &weights], &[]);
    let pixel = graph.reshape(&pixel, &[-1]);
    let pixel = graph.cast(&pixel, DataType::Int64);
    let (lowest, highest) = (graph.whole(&[1], &[0]), graph.whole(&[1], &[wide - 1]));
    let pixel = graph.op("Max", &[&pixel, &lowest], &[]);
    let pixel = graph.op("Min", &[&pixel, &highest], &[]);
    let inside = graph.op("Gather", &[&masks, &pixel], &[("axis", &[1])]);
    let ranked = graph.op("Mul", &[&inside, &ranks], &[]);
    let smallest = graph.op("ArgMax", &[&ranked], &[("axis", &[0]), ("keepdims", &[0])]);
    let found = graph.op(
        "ReduceMax",
        &[&inside],
        &[("axes", &[0]), ("keepdims", &[0])],
    );

    let most = graph.op(
        "ReduceMax",
        &[&labels],
        &[("axes", &[2]), ("keepdims", &[0])],
    );
    let most = graph.reshape(&most, &[-1]);
    let one = graph.whole(&[1], &[1]);
    let is_box = graph.op("Greater", &[&most, &one], &[]);
    let chosen = graph.op("Where", &[&is_box, &nearest, &smallest], &[]);
    let sure = graph.floats(&[1], &[1.0]);
    let found = graph.op("Where", &[&is_box, &sure, &found], &[]);

    let given = graph.op("Gather", &[&masks, &chosen], &[("axis", &[0])]);
    let (middle, steep) = (graph.floats(&[1], &[0.5]), graph.floats(&[1], &[40.0]));
    let given = graph.op("Sub", &[&given, &middle], &[]);
    let given = graph.op("Mul", &[&given, &steep], &[]);
    let side = SIDE as i64;
    let given = graph.reshape(&given, &[1, -1, 1, side, side]);
    let (scale, least) = (graph.floats(&[1], &[0.6]), graph.floats(&[1], &[0.36]));
    let quality = graph.op("Mul", &[&found, &scale], &[]);
    let quality = graph.op("Add", &[&quality, &least], &[]);
    let quality = graph.reshape(&quality, &[1, -1, 1]);
    graph.output("iou_scores", &quality, &[1, -1, 1]);
    graph.output("pred_masks", &given, &[1, -1, 1, side, side]);
    graph.finish(&[("box_prompts", "labels 2 and 3")])
}
