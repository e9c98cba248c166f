"""The paper's two-stage filter, as ALGORITHM.md and CSAD give it."""

import numpy as np
from scipy import ndimage

FOUR_NEIGHBOURS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]])


def overlap(a, b):
    """The part of the smaller mask that lies in the other; 0 where either is empty."""
    smaller = min(a.sum(), b.sum())
    return float((a & b).sum() / smaller) if smaller else 0.0


def two_stages(candidates, objects, background, settings):
    """A record for each candidate with the reason it was dropped, and the regions that remain.

    `candidates`: masks `[H, W]`; `objects`, `background`: unions of the masks that boxes prompted.
    """
    records = []
    for mask in candidates:
        record = {
            "area": int(mask.sum()),
            "overlap_background": round(overlap(mask, background), 6),
            "overlap_objects": round(overlap(mask, objects), 6),
            "covered": None,
            "dropped": None,
        }
        records.append(record)
        if record["area"] < settings["smallest_share"] * mask.size:
            record["dropped"] = "too small"
        elif record["overlap_background"] >= settings["background_overlap"]:
            record["dropped"] = "background"
        elif not record["overlap_objects"] > settings["object_overlap"]:
            record["dropped"] = "outside the objects"
    left = [at for at, record in enumerate(records) if record["dropped"] is None]
    taken = np.zeros_like(objects)
    regions = []
    for at in sorted(left, key=lambda at: records[at]["area"]):
        free = candidates[at] & ~taken
        records[at]["covered"] = round(1 - float(free.sum() / records[at]["area"]), 6)
        if records[at]["covered"] >= settings["covered"]:
            records[at]["dropped"] = "covered by smaller masks"
            continue
        taken |= candidates[at]
        pieces, count = ndimage.label(free, FOUR_NEIGHBOURS)
        for piece in range(1, count + 1):
            area = int((pieces == piece).sum())
            regions.append((at, area, pieces == piece))
    return records, regions
