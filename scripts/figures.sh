#!/usr/bin/env bash
# Produces the table of figures in README.md: renders the products, fetches the real solar cells, fits a bundle for each,
# measures it on the test images and the two peers on the same ones. Takes hours on two cores. What is already there is
# kept, so a run that was stopped goes on; remove out/figures to measure anew after a change.
set -euo pipefail
cd "$(dirname "$0")/.."

render_seed=5
fit_seed=${FIT_SEED:-1}
# Percent of the training steps; the table says which
fit_effort=${FIT_EFFORT:-100}
# PaDiM depends on the channels that its seed draws: the table has the mean
peer_seeds=${PEER_SEEDS:-1 2 3}
data=data/figures
cells=data/solar-cells
out=out/figures

say() { echo "figures: $*" >&2; }

cargo build --release --workspace
train=${CARGO_TARGET_DIR:-target}/release/aecsad-train
mkdir -p "$out"

if [ ! -f "$data/.complete" ]; then
    say "rendering the products"
    "$train" synth "$data" --seed "$render_seed" --force
    touch "$data/.complete"
fi
categories=("$data"/*/)
if [ -d "$cells" ] || python3 benches/peers/solar_cells.py "$cells" >&2; then
    categories+=("$cells/")
else
    say "the solar cells could not be fetched: their line is missing below"
fi

for folder in "${categories[@]}"; do
    name=$(basename "$folder")
    bundle=$out/$name.aecsad
    if [ ! -f "$bundle" ]; then
        say "fitting $name"
        "$train" fit "$folder" --out "$bundle" --seed "$fit_seed" --effort "$fit_effort" >"$out/$name-fit.txt"
    fi
    if [ ! -f "$out/$name.json" ]; then
        say "evaluating $name"
        "$train" evaluate --bundle "$bundle" "$folder" --json "$out/$name.json" >"$out/$name.txt"
    fi
    for seed in $peer_seeds; do
        peers=$out/$name-peers-$seed.json
        if [ ! -f "$peers" ]; then
            say "measuring the peers on $name, seed $seed"
            benches/peers/run.sh "$folder" --seed "$seed" --json "$peers.part" >&2
            mv "$peers.part" "$peers"
        fi
    done
done
python3 scripts/figures_table.py "$out" "${categories[@]}"
