#!/usr/bin/env bash
# Runs the plugin on this machine's TensorRT and GPU, where it has both: a float network and an int8 one must give what the
# CPU gives. Prints a line where one of them is missing.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if ! ldconfig -p | grep -q 'libcuda\.so\.1' || ! plugins/tensorrt/build.sh "$work/plugin.so" 2>"$work/why"; then
    echo "no TensorRT and GPU here: the plugin was not run ($(cat "$work/why" 2>/dev/null || echo 'there is no NVIDIA driver'))"
    exit 0
fi
target=${CARGO_TARGET_DIR:-target}
cargo build --workspace --example compare_engines --example untrained_networks
"$target/debug/examples/untrained_networks" "$work/networks" signed
AECSAD_TENSORRT_PLUGIN=$work/plugin.so "$target/debug/examples/compare_engines" "$work/plans" \
    "$work"/networks/{edge-encoder,edge-students,paper-encoder,edge-encoder-int8}.onnx
