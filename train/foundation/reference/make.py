"""Makes the reference: small models with random weights, pictures, and what the whole pipeline gives for them.

    python reference/make.py DIR

The pipeline is numpy, ONNX Runtime and the libraries' own processors; nothing of it comes from the Rust code that is
compared with it. The models find nothing real. Thresholds lie in gaps between scores, so that some tags, boxes and
masks stay, some go, and none is close to its threshold.
"""

import sys
import warnings
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]
warnings.simplefilter("ignore")

import filter as stages
import margins
import masks
import models
import shapes
import small
import tags
from boxes import Detector
from pictures import draw
from runtime import Model, between, lines, rle, rounded

PICTURES = {"tray.png": (160, 120, 1), "square.png": (128, 128, 2)}
# What is run: models' folder, picture, and the run whose tags or boxes it takes instead of its own.
RUNS = (
    ("huggingface", "tray.png", None),
    ("huggingface", "square.png", None),
    ("original", "tray.png", "tags"),
    ("sam_hq", "tray.png", "boxes"),
)
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


def main(out):
    out.mkdir(parents=True, exist_ok=True)
    words = models.export(out)
    pictures = {name: draw(*shape) for name, shape in PICTURES.items()}
    for name, picture in pictures.items():
        picture.save(out / name)
    settings = dict(SETTINGS)
    whole = reference(out, words, pictures, settings)
    found = [
        entry
        for run in whole["runs"]
        for entry in margins.close(run, {**settings, **run.get("settings", {})}, whole["thresholds"])
    ]
    if found:
        raise SystemExit("too close to a threshold, take other seeds:\n" + "\n".join(map(str, found)))
    (out / "huggingface/ram/thresholds.txt").write_text("".join(f"{t}\n" for t in whole["thresholds"]))
    (out / "reference.json").write_text(lines(whole) + "\n")


def reference(out, words, pictures, settings):
    runs = [{"picture": picture, "models": folder} for folder, picture, _ in RUNS]
    own = [run for run, (_, _, given) in zip(runs, RUNS, strict=True) if given is None]
    thresholds = tag(own, pictures, Model(out / "huggingface/ram/model.onnx"))
    detect(
        own,
        pictures,
        Detector(Model(out / "huggingface/grounding_dino/model.onnx"), words, models.DETECTOR_SIZE),
        settings,
    )
    segment(own, pictures, segmenter(out / "huggingface/sam"), settings, settings)
    for run, (folder, picture, given) in zip(runs, RUNS, strict=True):
        if given is None:
            continue
        like = next(other for other in own if other["picture"] == picture)
        run["tags"] = {"prompted": like["tags"]["prompted"]}
        run["settings"] = {}
        if given == "tags":
            detector = Detector(Model(out / folder / "grounding_dino/model.onnx"), words, models.DETECTOR_SIZE)
            detect([run], pictures, detector, settings, settled=True)
        else:
            run["boxes"] = like["boxes"]
        segment([run], pictures, segmenter(out / folder / "sam"), settings, run["settings"])
    shared = {"settings": settings, "words": WORDS, "tags": small.TAGS, "thresholds": thresholds}
    return {**shared, "runs": runs, "shapes": shapes.run(settings)}


def segmenter(folder):
    names = ("encoder.onnx", "decoder.onnx")
    if not (folder / names[0]).exists():
        names = ("vision_encoder.onnx", "prompt_encoder_mask_decoder.onnx")
    return masks.Segmenter(*(Model(folder / name) for name in names))


def tag(runs, pictures, model):
    """Adds each run's tags; returns the thresholds."""
    logits = [tags.logits(model, pictures[run["picture"]]) for run in runs]
    thresholds = tag_thresholds(logits)
    for run, found in zip(runs, logits, strict=True):
        kept, prompted = tags.prompted(small.TAGS, tags.sigmoid(found), thresholds, WORDS)
        run["tags"] = {"logits": rounded(found), "kept": kept, "prompted": prompted}
    return thresholds


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


def detect(runs, pictures, detector, settings, settled=False):
    """Adds each run's boxes, and the thresholds unless they are `settled`."""
    raw = []
    for run in runs:
        names = [entry["tag"] for entry in run["tags"]["prompted"]]
        run["prompt"] = detector.prompt(names)
        raw.append(detector.raw(pictures[run["picture"]], run["prompt"]))
    if not settled:
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


def segment(runs, pictures, segmenter, settings, thresholds):
    """Adds each run's masks and what the filter makes of them; `thresholds` gets those of the masks' scores."""
    scores = []
    for run in runs:
        segmenter.encode(pictures[run["picture"]])
        scores += masks.automatic(segmenter, {**settings, "predicted_iou": -1e9, "stability": 0.0})[1]
    thresholds["predicted_iou"] = between([r["predicted_iou"] for r in scores], 0.3, MARGIN)
    thresholds["stability"] = between([r["stability"] for r in scores], 0.3, MARGIN)
    settings = {**settings, **thresholds}
    for run in runs:
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
                {
                    "query": record["query"],
                    "kind": kinds[record["tag"]],
                    "predicted_iou": round(float(score), 6),
                    "mask": rle(mask),
                }
            )
        run["objects"] = rle(union["object"])
        run["background"] = rle(union["background"])
        points, records, kept = masks.automatic(segmenter, settings)
        run["automatic"] = {"points": [[round(float(v), 3) for v in p] for p in points], "masks": records}
        candidates = [mask for _, mask in kept]
        decisions, regions = stages.two_stages(candidates, union["object"], union["background"], settings)
        run["candidates"] = [
            {"automatic": at, "mask": rle(mask), **decision}
            for (at, mask), decision in zip(kept, decisions, strict=True)
        ]
        run["regions"] = [
            {"candidate": at, "area": area, "kept": area > settings["smallest_piece"], "mask": rle(mask)}
            for at, area, mask in regions
        ]


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
