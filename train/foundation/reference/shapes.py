"""Drawn masks that meet every reason of the filter, which masks of random networks do only by luck."""

import numpy as np

import filter as stages
from runtime import rle

HEIGHT, WIDTH = 100, 140


def box(top, left, bottom, right):
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[top:bottom, left:right] = True
    return mask


# What each is for; 0.1 % of the image is 14 pixels.
CANDIDATES = (
    ("a part", box(20, 20, 40, 50)),
    ("the same part twice", box(20, 20, 40, 49)),
    ("two parts in one mask", box(20, 20, 40, 50) | box(20, 70, 40, 100)),
    ("the second of them", box(20, 70, 40, 100)),
    ("a hole that a smaller mask fills", box(60, 20, 90, 60)),
    ("the smaller mask", box(66, 30, 84, 50)),
    ("half outside the objects", box(60, 90, 90, 120)),
    ("the tray", box(0, 0, 12, 140)),
    ("a speck", box(75, 100, 78, 104)),
    ("a part with a detached scrap", box(60, 66, 80, 84) | box(82, 70, 86, 78)),
)


def run(settings):
    objects = box(15, 15, 45, 105) | box(55, 15, 95, 105)
    background = box(0, 0, 14, 140) | box(55, 118, 100, 140)
    masks = [mask for _, mask in CANDIDATES]
    decisions, regions = stages.two_stages(masks, objects, background, settings)
    return {
        "objects": rle(objects),
        "background": rle(background),
        "candidates": [
            {"what": what, "mask": rle(mask), **decision}
            for (what, mask), decision in zip(CANDIDATES, decisions, strict=True)
        ],
        "regions": [
            {"candidate": at, "area": area, "kept": area > settings["smallest_piece"], "mask": rle(mask)}
            for at, area, mask in regions
        ],
    }
