"""Masks by SAM's graphs: prompted by boxes, and of a grid of points ("automatic mode"), as the original does it.

Processors and mask arithmetic are Hugging Face's and the original's own.
"""

import numpy as np
import torch
import torchvision
from scipy import ndimage
from segment_anything.utils import amg
from transformers import SamImageProcessorPil

EIGHT_NEIGHBOURS = np.ones((3, 3))


class Segmenter:
    """Either layout; `encode` first, then `boxes` or `points` in pixels of the picture."""

    def __init__(self, encoder, decoder):
        self.encoder, self.decoder = encoder, decoder
        self.original = "orig_im_size" in [i.name for i in decoder.session.get_inputs()]
        self.input = "image" if self.original else "pixel_values"
        self.side = encoder.shape(self.input)[2]
        self.processor = SamImageProcessorPil(
            size={"longest_edge": self.side}, pad_size={"height": self.side, "width": self.side}
        )

    def encode(self, picture):
        given = self.processor(picture, return_tensors="np")
        self.picture_size = tuple(int(v) for v in given["original_sizes"][0])
        self.reshaped = tuple(int(v) for v in given["reshaped_input_sizes"][0])
        self.pixels = given["pixel_values"].astype(np.float32)
        self.embeddings = self.encoder(**{self.input: self.pixels})

    def scale(self, places):
        """Pixels of the picture to pixels of the network's input."""
        height, width = self.picture_size
        return np.asarray(places, np.float64) * [self.reshaped[1] / width, self.reshaped[0] / height]

    def boxes(self, boxes):
        """Logits `[B, H, W]` and predicted IoU `[B]`: one mask a box."""
        corners = self.scale(np.reshape(boxes, (-1, 2, 2)))
        labels = np.tile([2, 3], (len(corners), 1))
        logits, scores = self.decode(corners, labels)
        if self.original:
            return logits[:, 0], scores[:, 0]
        best = scores.argmax(1)
        rows = np.arange(len(best))
        return logits[rows, best], scores[rows, best]

    def points(self, points):
        """Logits `[P, 3, H, W]` and predicted IoU `[P, 3]` of one point each."""
        places = self.scale(points)[:, None]
        labels = np.ones((len(places), 1), np.int64)
        if self.original:
            # The original's graph leaves the empty point after points without a box to its caller
            places = np.concatenate([places, np.zeros_like(places)], 1)
            labels = np.concatenate([labels, -labels], 1)
        logits, scores = self.decode(places, labels)
        return (logits[:, 1:], scores[:, 1:]) if self.original else (logits, scores)

    def decode(self, places, labels):
        if not self.original:
            found = self.decoder(
                input_points=places[None].astype(np.float32),
                input_labels=labels[None].astype(np.int64),
                **self.embeddings,
            )
            return self.upscaled(found["pred_masks"][0]), found["iou_scores"][0]
        masks, scores = [], []
        side = self.decoder.shape("mask_input")[2]
        for place, label in zip(places, labels, strict=True):
            found = self.decoder(
                point_coords=place[None].astype(np.float32),
                point_labels=label[None].astype(np.float32),
                mask_input=np.zeros((1, 1, side, side), np.float32),
                has_mask_input=np.zeros(1, np.float32),
                orig_im_size=np.array(self.picture_size, np.float32),
                **self.embeddings,
            )
            masks.append(found["masks"][0])
            scores.append(found["iou_predictions"][0])
        return np.stack(masks), np.stack(scores)

    def upscaled(self, masks):
        """Low-resolution logits `[P, M, h, w]` at the picture's size."""
        [logits] = self.processor.post_process_masks(
            [torch.tensor(masks)],
            [self.picture_size],
            [self.reshaped],
            binarize=False,
            pad_size={"height": self.side, "width": self.side},
        )
        return logits.numpy()


def automatic(segmenter, settings):
    """Every mask of the grid and why it was dropped, and those kept `[(record, mask)]` in the order of their final rank."""
    height, width = segmenter.picture_size
    points = amg.build_point_grid(settings["points_per_side"]) * [width, height]
    logits, scores = segmenter.points(points)
    logits = torch.tensor(logits).flatten(0, 1)
    scores = torch.tensor(scores).flatten()
    # 0 for a mask that stays empty under the lower threshold too, where the quotient is none
    stability = amg.calculate_stability_score(logits, 0.0, settings["stability_offset"]).nan_to_num(0.0)
    masks = logits > 0.0
    boxes = amg.batched_mask_to_box(masks)
    records = [
        {
            "point": at // 3,
            "mask": at % 3,
            "predicted_iou": round(float(scores[at]), 6),
            "stability": round(float(stability[at]), 6),
            "box": boxes[at].tolist(),
            "dropped": None,
        }
        for at in range(len(scores))
    ]
    for record in records:
        if not record["predicted_iou"] > settings["predicted_iou"]:
            record["dropped"] = "predicted IoU"
        elif not record["stability"] >= settings["stability"]:
            record["dropped"] = "stability"
    left = [at for at, record in enumerate(records) if record["dropped"] is None]
    kept = torchvision.ops.nms(boxes[left].float(), scores[left], settings["mask_nms_iou"]).tolist()
    for at in set(left) - {left[k] for k in kept}:
        records[at]["dropped"] = "box overlaps a better mask"
    left = [left[k] for k in kept]
    cleaned = [without_small_regions(masks[at].numpy(), settings["smallest_region"]) for at in left]
    changed = torch.tensor(
        [float(np.array_equal(mask, masks[at].numpy())) for mask, at in zip(cleaned, left, strict=True)]
    )
    boxes = amg.batched_mask_to_box(torch.tensor(np.stack(cleaned)))
    kept = torchvision.ops.nms(boxes.float(), changed, settings["mask_nms_iou"]).tolist()
    for at in set(range(len(left))) - set(kept):
        records[left[at]]["dropped"] = "box overlaps another after small regions went"
    for k, at in enumerate(left):
        records[at]["small_regions_removed"] = not bool(changed[k])
    return points, records, [(left[k], cleaned[k]) for k in kept]


def without_small_regions(mask, smallest):
    """Holes, then islands, under `smallest` pixels go; the largest island stays where all are smaller. 8-connected."""
    holes, count = ndimage.label(~mask, EIGHT_NEIGHBOURS)
    sizes = np.bincount(holes.ravel(), minlength=count + 1)
    small = np.flatnonzero(sizes < smallest)
    mask = mask | np.isin(holes, small[small > 0])
    islands, count = ndimage.label(mask, EIGHT_NEIGHBOURS)
    sizes = np.bincount(islands.ravel(), minlength=count + 1)
    keep = [i for i in range(1, count + 1) if sizes[i] >= smallest]
    if count and not keep:
        keep = [1 + int(sizes[1:].argmax())]
    return np.isin(islands, keep)
