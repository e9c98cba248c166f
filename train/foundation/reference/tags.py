"""Tags of an image by RAM++'s graph, and the words among them that name parts or background."""

import numpy as np
from PIL import Image

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)


def prepare(picture, side):
    """`[1, 3, side, side]`: stretched by Pillow's bilinear filter, to 8 bits, then normalised."""
    pixels = np.asarray(picture.resize((side, side), Image.Resampling.BILINEAR), np.float32) / 255
    return ((pixels - MEAN) / STD).transpose(2, 0, 1)[None]


def logits(model, picture):
    side = model.shape("image")[2]
    return model(image=prepare(picture, side))["logits"][0]


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, np.float64)))


def prompted(tags, probabilities, thresholds, words):
    """Tags over their thresholds in the list's order; those to prompt with, each an object or background."""
    kept = [tag for tag, p, threshold in zip(tags, probabilities, thresholds, strict=True) if p > threshold]
    kinds = [
        (tag, "background" if tag in words["background"] else "object") for tag in kept if tag not in words["dropped"]
    ]
    return kept, [{"tag": tag, "kind": kind} for tag, kind in kinds]
