#!/usr/bin/env bash
# `make gpu-check`: does the CUDA build compute what the CPU computes, how long does a training step take beside PyTorch on
# the same GPU, and what does a whole paper-profile fit of a rendered product reach, take and need?
#
# AECSAD_TRAIN names a binary that was built elsewhere with `--features aecsad-train/cuda`; without it one is built
# here. PYTHON is a Python with torch (default python3); without torch that column stays empty. EFFORT is the percent
# of the training steps of the fit. Results go to benches/results/gpu-NAME.json.
set -euo pipefail
cd "$(dirname "$0")/../.."

train=${AECSAD_TRAIN:-}
python=${PYTHON:-python3}
effort=${EFFORT:-100}
results=${RESULTS:-benches/results}
work=$(mktemp -d)
watcher=
trap '[ -z "$watcher" ] || kill "$watcher" 2>/dev/null; rm -rf "$work"' EXIT

if [ -z "$train" ]; then
    cargo build --release --workspace --features aecsad-train/cuda
    train=${CARGO_TARGET_DIR:-target}/release/aecsad-train
fi

# cuDNN, the kernels' compiler and headers: the machine's, or what came with PyTorch.
packages=$("$python" -c 'import nvidia; print(list(nvidia.__path__)[0])' 2>/dev/null || true)
for lib in "$packages"/*/lib; do
    [ ! -d "$lib" ] || LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$lib"
done
export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:-}
if [ -z "${CUDA_PATH:-}" ] && [ ! -d /usr/local/cuda/include ] && [ -n "$packages" ]; then
    export CUDA_PATH="$work/cuda"
    mkdir -p "$CUDA_PATH/include" "$CUDA_PATH/lib64"
    for include in "$packages"/*/include; do cp -rsn "$include"/. "$CUDA_PATH/include/" 2>/dev/null || true; done
    # PyTorch's packages have libnvrtc.so.12 or .13, and libnvrtc.so is what is looked for.
    compiler=$(find "$packages" -name 'libnvrtc.so.*' ! -name '*builtins*' | head -n 1)
    [ -z "$compiler" ] || ln -sf "$compiler" "$CUDA_PATH/lib64/libnvrtc.so"
    LD_LIBRARY_PATH="$CUDA_PATH/lib64:$LD_LIBRARY_PATH"
fi

plugins/tensorrt/check.sh

if ! nvidia-smi >/dev/null 2>&1; then
    echo "no GPU here: nothing was measured"
    if sentence=$("$train" gpu-check 2>&1 >/dev/null); then
        echo "gpu-check should have failed without a GPU" >&2
        exit 1
    fi
    case $sentence in
        *panicked* | *"built without CUDA"* | "") echo "not a polite refusal: $sentence" >&2; exit 1 ;;
    esac
    echo "the CUDA build says: $sentence"
    exit 0
fi

name=$(nvidia-smi --query-gpu=name --format=csv,noheader | head -n 1)
echo "GPU: $name"

echo "== outputs, losses and step times"
"$train" gpu-check >"$work/burn.json"
cat "$work/burn.json"

echo "== the same without cuDNN"
"$train" gpu-check --no-cudnn >"$work/without.json"
cat "$work/without.json"

echo "== the same steps in PyTorch"
if "$python" -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null; then
    "$python" benches/gpu/torch_steps.py >"$work/torch.json"
else
    echo null >"$work/torch.json"
fi
cat "$work/torch.json"

# What is measured is kept, should the fit be cut off.
collect() {
    "$python" benches/gpu/collect.py --name "$name" --burn "$work/burn.json" --without "$work/without.json" \
        --torch "$work/torch.json" --results "$results" --effort "$effort" \
        --weights "$([ -n "${WEIGHTS:-}" ] && basename "$WEIGHTS" || echo random)" "$@"
}
collect

echo "== a whole fit"
"$train" synth "$work/products" --products fuse_box --seed 5
"$train" gpu-check --random-weights "$work/random.safetensors"
weights=${WEIGHTS:-$work/random.safetensors}
: >"$work/memory"
(while :; do nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits >>"$work/memory"; sleep 0.5; done) &
watcher=$!
began=$(date +%s)
"$train" fit "$work/products/fuse_box" --out "$work/fuse_box.aecsad" --profile paper --device cuda --weights "$weights" \
    --effort "$effort"
seconds=$(($(date +%s) - began))
kill "$watcher"
watcher=
collect --memory "$work/memory" --seconds "$seconds"
"$train" evaluate --bundle "$work/fuse_box.aecsad" "$work/products/fuse_box" --json "$work/report.json"

collect --memory "$work/memory" --seconds "$seconds" --report "$work/report.json"
