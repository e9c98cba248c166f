#!/usr/bin/env bash
# Compiles the plugin on the device that runs it, against the TensorRT that is installed there.
#
#   plugins/tensorrt/build.sh [OUT]          OUT is /usr/local/lib/aecsad/libaecsad_tensorrt.so by default
#   TENSORRT_HEADERS=DIR, CXX and CXXFLAGS choose other headers, another compiler and more options.
set -euo pipefail

out=$(realpath -m "${1:-/usr/local/lib/aecsad/libaecsad_tensorrt.so}")
headers=${TENSORRT_HEADERS:+$(realpath -m "$TENSORRT_HEADERS")}
cd "$(dirname "$0")"
if [ -z "$headers" ]; then
    for folder in "/usr/include/$(uname -m)-linux-gnu" /usr/include /usr/local/tensorrt/include; do
        [ -f "$folder/NvInfer.h" ] && headers=$folder && break
    done
fi
if [ ! -f "$headers/NvInfer.h" ] || [ ! -f "$headers/NvOnnxParser.h" ]; then
    echo "TensorRT's headers are not here: install libnvinfer-dev and libnvonnxparsers-dev, or name their folder as TENSORRT_HEADERS" >&2
    exit 1
fi
mkdir -p "$(dirname "$out")"
# One source serves TensorRT 8.5 to 10.16, and newer headers call deprecated what older ones need.
# shellcheck disable=SC2086
${CXX:-g++} -std=c++17 -O2 -fPIC -shared -fvisibility=hidden -Wall -Wextra -Wno-deprecated-declarations ${CXXFLAGS:-} \
    -Icuda -isystem "$headers" src/*.cpp -o "$out.new" -ldl
mv "$out.new" "$out"
echo "$out, for TensorRT as in $headers"
