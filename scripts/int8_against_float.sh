#!/usr/bin/env bash
# What int8 costs on test images: fits each category in float, then in int8 from the same trained networks, and measures
# one against the other. Takes as long as the fits in float and a few minutes more each. What is already there is kept, so
# a run that was stopped goes on; remove out/int8 to measure anew after a change.
#
#     scripts/int8_against_float.sh [CATEGORY_DIR...]     # the rendered products and solar cells of `make figures` if none
#     FIT="--effort 50" scripts/int8_against_float.sh data/figures/fuse_box
set -euo pipefail
cd "$(dirname "$0")/.."

out=out/int8
train=${TRAIN:-${CARGO_TARGET_DIR:-target}/release/aecsad-train}
read -r -a fit <<<"${FIT:---seed 1}"

categories=("$@")
if [ ${#categories[@]} -eq 0 ]; then
    for folder in data/figures/*/ data/solar-cells/; do
        [ ! -d "$folder/train" ] || categories+=("$folder")
    done
fi
if [ ${#categories[@]} -eq 0 ]; then
    echo "no category is here: name some, or make them with scripts/figures.sh" >&2
    exit 3
fi
[ -x "$train" ] || cargo build --release --workspace

mkdir -p "$out/f32" "$out/int8"
for folder in "${categories[@]}"; do
    name=$(basename "$folder")
    for precision in f32 int8; do
        bundle=$out/$precision/$name.aecsad
        [ -f "$bundle" ] || "$train" fit "$folder" --out "$bundle" --work "$out/$name.work" --precision "$precision" \
            "${fit[@]}" >"$out/$name-$precision.txt"
    done
    cp "$out/$name.work/quantisation.json" "$out/$name.json"
done
"$train" evaluate --bundle "$out/int8" --against "$out/f32" "${categories[@]}" --json "$out/summary.json" | tee "$out/summary.txt"
