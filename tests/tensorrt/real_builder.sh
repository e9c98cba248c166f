#!/usr/bin/env bash
# The real parser and builder of TensorRT, which need no GPU, on every network that training writes: of the edge profile in
# float and in int8 with signs, and of the paper profile in float. Leaves with 75 where NVIDIA's libraries can't be fetched (95 MB).
#
# tests/tensorrt/prepare.sh and the workspace's examples come first.
set -uo pipefail
cd "$(dirname "$0")/../.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
work=$target/tensorrt
[ -d "$work/headers" ] || exit 75

python3 -m venv "$work/venv" && "$work/venv/bin/pip" install --quiet --no-deps tensorrt-rtx-cu13-libs==1.7.1.116 || exit 75
set -e
libraries=$(dirname "$(find "$work/venv" -name libtensorrt_rtx.so.1 | head -n 1)")
${CXX:-g++} -std=c++17 -O1 -Wall -Wextra -Werror -Wno-deprecated-declarations -Iplugins/tensorrt/cuda -Iplugins/tensorrt/src \
    -isystem "$work/headers/TRT-RTX-1.7" plugins/tensorrt/src/{builder,device,logger,shared_library,cuda_driver}.cpp \
    tests/tensorrt/real_builder.cpp -o "$work/real_builder" -ldl
"$target/debug/examples/untrained_networks" "$work/networks" signed

# Name, inputs, outputs, at least so many layers: a file that is not understood may be read as an empty network.
expected="edge-encoder 1 3 50
edge-decoder 2 1 25
edge-students 3 2 90
edge-encoder-int8 1 3 200
edge-decoder-int8 2 1 80
edge-students-int8 3 2 250
paper-encoder 1 3 80
paper-decoder 2 1 25
paper-local 1 2 12
paper-global 1 1 250"
cd "$work/networks"
# shellcheck disable=SC2046
built=$(LD_LIBRARY_PATH=$libraries "$work/real_builder" $(cut -d ' ' -f 1 <<<"$expected" | sed 's/$/.onnx/')) || {
    echo "$built"
    exit 1
}
echo "$built"
while read -r name inputs outputs layers; do
    read -r found_inputs found_outputs found_layers < <(
        sed -nE "s/^$name\.onnx inputs ([0-9]+) outputs ([0-9]+) layers ([0-9]+) bytes [1-9][0-9]{4,}$/\1 \2 \3/p" <<<"$built")
    if [ "$found_inputs $found_outputs" != "$inputs $outputs" ] || [ "$found_layers" -lt "$layers" ]; then
        echo "$name: expected $inputs inputs, $outputs outputs and at least $layers layers" >&2
        exit 1
    fi
done <<<"$expected"
