#!/usr/bin/env bash
# Makes what `make demo` plays: the bundle, trained on a rendered product, its networks in int8, and 60 parts of the
# same product that it never saw, good and bad in an order that is drawn once. Everything follows from the seeds. The
# bundle is signed with the demo key, whose secret half is public: no station takes it for a line's model.
set -euo pipefail
cd "$(dirname "$0")/.."
train=${TRAIN:-${CARGO_TARGET_DIR:-target}/release/aecsad-train}
work=${WORK:-out/make-demo}

"$train" synth "$work/train" --products juice_bottle --size 256 --seed 21 --validation 60 --test 10
"$train" synth "$work/parts" --products juice_bottle --size 256 --seed 22 --train 20 --validation 10 --test 45
"$train" fit "$work/train/juice_bottle" --out models/demo.aecsad --work "$work/fit" --seed 1 \
    --product "juice bottle (demo)" --effort 25 --precision int8 --false-reject-rate 0.05 \
    --key models/demo-key/aecsad.key

rm -rf models/demo-parts
mkdir -p models/demo-parts
python3 - "$work/parts/juice_bottle/test" models/demo-parts <<'PYTHON'
import pathlib, random, shutil, sys
source, target = map(pathlib.Path, sys.argv[1:])
counts = {"good": 45, "logical_anomalies": 8, "structural_anomalies": 7}
parts = [(kind, image) for kind, count in counts.items() for image in sorted((source / kind).glob("*.png"))[:count]]
random.Random(22).shuffle(parts)
with open(target / "parts.csv", "w") as table:
    table.write("image,label\n")
    for number, (kind, image) in enumerate(parts, 1):
        name = f"part-{number:02}.png"
        shutil.copy(image, target / name)
        table.write(f"{name},{kind.removesuffix('_anomalies')}\n")
PYTHON
