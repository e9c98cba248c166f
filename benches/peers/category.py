"""A category folder in MVTec LOCO AD's layout: which images are good, which are bad, and where the defects lie."""
import dataclasses
import json
import pathlib

import numpy as np
from PIL import Image

IMAGES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}
KINDS = {"good": "good", "logical": "logical_anomalies", "structural": "structural_anomalies"}


@dataclasses.dataclass
class Region:
    """One annotated defect: its pixels (flat indices at the image's size) and how many of them suffice."""
    pixels: np.ndarray
    saturation_px: float


@dataclasses.dataclass
class Sample:
    path: pathlib.Path
    kind: str  # "good", "logical" or "structural"


class Category:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.name = self.folder.resolve().name
        self.train = images(self.folder / "train/good")
        if not self.train:
            raise SystemExit(f"{self.folder}: no images in train/good; expected MVTec LOCO AD's layout")
        self.test = [Sample(path, kind) for kind, name in KINDS.items()
                     for path in images(self.folder / "test" / name)]
        if len({sample.kind == "good" for sample in self.test}) < 2:
            raise SystemExit(f"{self.folder}: test/ needs good and anomalous images to measure on")
        config = self.folder / "defects_config.json"
        self.defects = None
        if config.exists():
            self.defects = {entry["pixel_value"]: entry for entry in json.loads(config.read_text())}

    def regions(self, sample):
        """The defects annotated for one anomalous image; none when it has no masks."""
        if sample.kind == "good":
            return []
        found = []
        for mask in images(self.folder / "ground_truth" / KINDS[sample.kind] / sample.path.stem):
            with Image.open(mask) as opened:
                values = np.asarray(opened)
            for value in np.unique(values[values > 0]):
                pixels = np.flatnonzero(values == value)
                found.append(Region(pixels, self.saturation_px(int(value), len(pixels))))
        return found

    def saturation_px(self, value, area):
        """The overlap that counts as full: without a config, the whole area."""
        if self.defects is None:
            return area
        entry = self.defects.get(value)
        if entry is None:
            raise SystemExit(f"{self.folder}: a mask holds the value {value}, which defects_config.json does not list")
        threshold = entry["saturation_threshold"]
        return max(round(threshold * area), 1) if entry["relative_saturation"] else min(threshold, area)


def images(folder):
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGES)


def size(path):
    """Height and width in pixels."""
    with Image.open(path) as opened:
        return opened.height, opened.width


def read_rgb(path, side):
    """[side, side, 3] in 0..255, bilinear with anti-alias; grey is replicated, 16 bits are scaled to 8."""
    with Image.open(path) as opened:
        if opened.mode.startswith("I;16"):
            opened = Image.fromarray((np.asarray(opened) / 257).round().astype(np.uint8))
        picture = opened.convert("RGB").resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(picture, np.float32)
