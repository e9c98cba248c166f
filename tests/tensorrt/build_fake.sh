#!/usr/bin/env bash
# Compiles the plugin and the fake libraries against TensorRT's headers in HEADERS into OUT, for tests alone.
#
#   tests/tensorrt/build_fake.sh HEADERS OUT        CXXFLAGS adds options, such as a sanitizer
set -euo pipefail
headers=$(realpath "$1")
out=$(realpath -m "$2")
cd "$(dirname "$0")/../.."
mkdir -p "$out"

major=$(sed -nE 's/^#define (NV_TENSORRT_MAJOR|TRT_MAJOR_ENTERPRISE|TRT_MAJOR_RTX) ([0-9]+).*/\2/p' "$headers/NvInferVersion.h" | head -n 1)
infer=libnvinfer.so.$major
parser=libnvonnxparser.so.$major
if grep -q '^#define TRT_MAJOR_RTX' "$headers/NvInferVersion.h"; then
    infer=libtensorrt_rtx.so.$major
    parser=libtensorrt_onnxparser_rtx.so.$major
fi
python3 tests/tensorrt/fake/complete.py "$headers" "$out/all_functions.h"
compile() {
    # shellcheck disable=SC2086
    ${CXX:-g++} -std=c++17 -O1 -g -fPIC -shared -Wall -Wextra -Werror -Wno-deprecated-declarations ${CXXFLAGS:-} \
        -Iplugins/tensorrt/cuda -I"$out" -Itests/tensorrt/fake -isystem "$headers" "$2" -o "$out/$1"
}
compile "$infer" tests/tensorrt/fake/nvinfer.cpp
compile "$parser" tests/tensorrt/fake/parser.cpp
compile libcuda.so.1 tests/tensorrt/fake/cuda.cpp
TENSORRT_HEADERS=$headers CXXFLAGS="-Werror -g ${CXXFLAGS:-}" plugins/tensorrt/build.sh "$out/libaecsad_tensorrt.so"
