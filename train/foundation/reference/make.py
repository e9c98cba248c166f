"""Makes the reference: small models with random weights, pictures, and what the whole pipeline gives for them.

    python reference/make.py DIR

The pipeline is numpy, ONNX Runtime and the libraries' own processors; nothing of it comes from the Rust code that is
compared with it. The models find nothing real. Thresholds lie in gaps between scores, so that some tags, boxes and
masks stay, some go, and none is close to its threshold.
"""

import json
import sys
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

import export_files
import filter as stages
import grounding_dino
import masks
import ram_export
import sam_huggingface
import small
import tags
from boxes import Detector
from pictures import draw
from runtime import Model, between, rle, rounded

# Of the seeds tried, those with which every stage keeps some and drops some for most of its reasons.
RAM_SEED, DETECTOR_SEED, SEGMENTER_SEED = 26, 75, 72
# The image size that the small GroundingDINO takes; the first picture fills it, the second is padded at the right.
DETECTOR_SIZE = (96, 128)
PICTURES = {"tray.png": (160, 120, 1), "square.png": (128, 128, 2)}
WORDS = {"background": ["tray", "workbench"], "dropped": ["wire", "cable"]}
SETTINGS = {
    "box_nms_iou": 0.3,
    "points_per_side": 8,
    "stability_offset": 1.0,
    "mask_nms_iou": 0.7,
    "smallest_region": 12,
    "background_overlap": 0.95,
    "object_overlap": 0.9,
    "covered": 0.9,
    "smallest_share": 0.001,
    "smallest_piece": 50,
}
# No score lies closer to its threshold.
MARGIN = 1e-3


def export_models(out):
    """The folders that `--models` takes."""
    quiet = lambda _: None
    ram = small.ram(RAM_SEED)
    words = small.tokenizer(out)
    (out / "vocab.txt").unlink()
    detector = small.grounding_dino(DETECTOR_SEED, len(words))
    segmenter = small.sam(SEGMENTER_SEED)
    texts = {"tags.txt": "".join(f"{tag}\n" for tag in small.TAGS)}
    export_files.write(out / "huggingface/ram", ram_export.graphs(ram), texts, True, quiet)
    export_files.write(
        out / "huggingface/grounding_dino",
        grounding_dino.graphs(detector, words, "huggingface", *DETECTOR_SIZE),
        grounding_dino.companions(words, "huggingface", *DETECTOR_SIZE),
        True,
        quiet,
    )
    export_files.write(
        out / "huggingface/sam",
        sam_huggingface.graphs(segmenter),
        sam_huggingface.companions(segmenter.config.vision_config.image_size),
        True,
        quiet,
    )
    return words


def main(out):
    out.mkdir(parents=True, exist_ok=True)
    words = export_models(out)
    pictures = {name: draw(*shape) for name, shape in PICTURES.items()}
    for name, picture in pictures.items():
        picture.save(out / name)
    settings = dict(SETTINGS)
    ram = Model(out / "huggingface/ram/model.onnx")
    logits = {name: tags.logits(ram, picture) for name, picture in pictures.items()}
    thresholds = tag_thresholds(list(logits.values()))
    (out / "huggingface/ram/thresholds.txt").write_text("".join(f"{t}\n" for t in thresholds))
    runs = []
    for name, picture in pictures.items():
        probabilities = tags.sigmoid(logits[name])
        kept, prompted = tags.prompted(small.TAGS, probabilities, thresholds, WORDS)
        found = {"logits": rounded(logits[name]), "kept": kept, "prompted": prompted}
        runs.append({"picture": name, "models": "huggingface", "tags": found})
    detector = Detector(Model(out / "huggingface/grounding_dino/model.onnx"), words, DETECTOR_SIZE)
    detect(runs, pictures, detector, settings)
    segmenter = masks.Segmenter(
        Model(out / "huggingface/sam/vision_encoder.onnx"), Model(out / "huggingface/sam/prompt_encoder_mask_decoder.onnx")
    )
    segment(runs, pictures, segmenter, settings)
    whole = {"settings": settings, "words": WORDS, "tags": small.TAGS, "thresholds": thresholds, "runs": runs}
    (out / "reference.json").write_text(json.dumps(whole, indent=1) + "\n")


def tag_thresholds(logits):
    """A threshold for each tag, as RAM++ has; moved off where a picture's probability is near."""
    probabilities = tags.sigmoid(np.stack(logits))
    base = between(probabilities.ravel(), 0.55, MARGIN)
    thresholds = []
    for column in probabilities.T:
        wanted = base + 0.02 * (len(thresholds) % 3 - 1)
        offers = [wanted + step for step in np.arange(-0.05, 0.05, 0.005)]
        far = [o for o in offers if np.abs(column - o).min() > 10 * MARGIN]
        thresholds.append(round(float(min(far, key=lambda o: abs(o - wanted))), 4))
    return thresholds


def detect(runs, pictures, detector, settings):
    raw = []
    for run in runs:
        names = [entry["tag"] for entry in run["tags"]["prompted"]]
        run["prompt"] = detector.prompt(names)
        raw.append(detector.raw(pictures[run["picture"]], run["prompt"]))
    best = np.concatenate([tags.sigmoid(logits).max(1) for _, logits, _ in raw])
    settings["box_threshold"] = between(best, 0.5, MARGIN)
    over = [row for _, logits, _ in raw for row in tags.sigmoid(logits) if row.max() > settings["box_threshold"]]
    every = np.concatenate([row[1 : np.count_nonzero(row) - 1] for row in over])
    settings["text_threshold"] = between(every, 0.8, MARGIN)
    for run, (given, logits, shares) in zip(runs, raw, strict=True):
        names = [entry["tag"] for entry in run["tags"]["prompted"]]
        length = len(run["prompt"]["input_ids"])
        run["detector"] = {
            "resized": [int(given["pixel_mask"][0, :, 0].sum()), int(given["pixel_mask"][0, 0].sum())],
            "logits": [rounded(row[:length], 5) for row in logits],
            "shares": [rounded(row) for row in shares],
        }
        run["boxes"] = detector.boxes(pictures[run["picture"]], run["prompt"], names, logits, shares, settings)


def segment(runs, pictures, segmenter, settings):
    for run in runs:
        segmenter.encode(pictures[run["picture"]])
        points, records, kept = masks.automatic(segmenter, {**settings, "predicted_iou": -1e9, "stability": 0.0})
        run["_scores"] = records
    settings["predicted_iou"] = between([r["predicted_iou"] for run in runs for r in run["_scores"]], 0.3, MARGIN)
    settings["stability"] = between([r["stability"] for run in runs for r in run["_scores"]], 0.3, MARGIN)
    for run in runs:
        del run["_scores"]
        kinds = {entry["tag"]: entry["kind"] for entry in run["tags"]["prompted"]}
        segmenter.encode(pictures[run["picture"]])
        boxes = [record for record in run["boxes"] if record["dropped"] is None]
        logits, scores = segmenter.boxes([record["box"] for record in boxes])
        shape = logits.shape[1:]
        union = {"object": np.zeros(shape, bool), "background": np.zeros(shape, bool)}
        run["prompted_masks"] = []
        for record, mask, score in zip(boxes, logits > 0, scores, strict=True):
            union[kinds[record["tag"]]] |= mask
            run["prompted_masks"].append(
                {"query": record["query"], "kind": kinds[record["tag"]], "predicted_iou": round(float(score), 6), "mask": rle(mask)}
            )
        run["objects"] = rle(union["object"])
        run["background"] = rle(union["background"])
        points, records, kept = masks.automatic(segmenter, settings)
        run["automatic"] = {"points": [[round(float(v), 3) for v in p] for p in points], "masks": records}
        candidates = [mask for _, mask in kept]
        decisions, regions = stages.two_stages(candidates, union["object"], union["background"], settings)
        run["candidates"] = [
            {"automatic": at, "mask": rle(mask), **decision} for (at, mask), decision in zip(kept, decisions, strict=True)
        ]
        run["regions"] = [
            {"candidate": at, "area": area, "kept": area > settings["smallest_piece"], "mask": rle(mask)}
            for at, area, mask in regions
        ]


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
