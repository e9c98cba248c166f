"""Finds decisions of a reference that hang on the last digits, which another runtime's rounding could turn."""

import numpy as np
import torch
import torchvision

SCORE = 1e-3
BOX_IOU = 5e-3
OVERLAP = 5e-3
PIXELS = 3


def close(run, settings, thresholds):
    """What lies too close to its threshold: `[(what, value, threshold)]`."""
    found = []

    def check(what, values, threshold, least):
        found.extend((what, float(v), threshold) for v in values if abs(float(v) - threshold) < least)

    if "logits" in run["tags"]:
        probabilities = 1 / (1 + np.exp(-np.array(run["tags"]["logits"])))
        for probability, threshold in zip(probabilities, thresholds, strict=True):
            check("tag", [probability], threshold, SCORE)
    if "detector" in run:
        detector(run, settings, check)
    masks = run["automatic"]["masks"]
    over = [m for m in masks if m["dropped"] != "predicted IoU"]
    ranked = [m for m in over if m["dropped"] != "stability"]
    check("predicted IoU", [m["predicted_iou"] for m in masks], settings["predicted_iou"], SCORE)
    check("stability", [m["stability"] for m in over], settings["stability"], SCORE)
    check("mask suppression", pairs([m["box"] for m in ranked]), settings["mask_nms_iou"], SCORE)
    candidates = run["candidates"]
    size = np.prod(run["objects"]["size"])
    check("area", [c["area"] for c in candidates], settings["smallest_share"] * size, PIXELS)
    check("background", [c["overlap_background"] for c in candidates], settings["background_overlap"], OVERLAP)
    inside = [c for c in candidates if c["dropped"] != "background"]
    check("objects", [c["overlap_objects"] for c in inside], settings["object_overlap"], OVERLAP)
    check("covered", [c["covered"] for c in candidates if c["covered"] is not None], settings["covered"], OVERLAP)
    check("piece", [r["area"] for r in run["regions"]], settings["smallest_piece"] + 0.5, PIXELS)
    return found


def detector(run, settings, check):
    probabilities = 1 / (1 + np.exp(-np.array(run["detector"]["logits"])))
    check("box", probabilities.max(1), settings["box_threshold"], SCORE)
    for record in run["boxes"]:
        check("tag of box", [record["tag_score"]], settings["text_threshold"], SCORE)
        row = probabilities[record["query"]]
        best = sorted((row[a:b].max() for a, b in run["prompt"]["spans"]), reverse=True)
        check("second tag of box", best[1:2], best[0], SCORE)
    tagged = [r["box"] for r in run["boxes"] if r["dropped"] != "no tag"]
    check("box suppression", pairs(tagged), settings["box_nms_iou"], BOX_IOU)


def pairs(boxes):
    """IoU of each pair of boxes."""
    corners = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    table = torchvision.ops.box_iou(corners, corners)
    return table[torch.triu(torch.ones_like(table), 1) > 0].tolist()
