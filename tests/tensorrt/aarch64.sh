#!/usr/bin/env bash
# The plugin compiled for a Jetson: aarch64 with the glibc of JetPack 5, by the compiler that PyPI has (90 MB). Leaves with
# 75 where that can't be fetched. tests/tensorrt/prepare.sh comes first.
set -uo pipefail
cd "$(dirname "$0")/../.."
work=$(realpath -m "${CARGO_TARGET_DIR:-target}")/tensorrt
[ -d "$work/headers" ] || exit 75
python3 -m venv "$work/venv" && "$work/venv/bin/pip" install --quiet --no-deps ziglang==0.13.0 || exit 75

set -e
glibc=2.31
plugin=$work/aarch64/libaecsad_tensorrt.so
export ZIG_GLOBAL_CACHE_DIR=$work/zig-cache
CXX="$work/venv/bin/python -m ziglang c++ -target aarch64-linux-gnu.$glibc" CXXFLAGS=-Werror \
    TENSORRT_HEADERS="$work/headers/TRT-Enterprise-11.4" plugins/tensorrt/build.sh "$plugin"
newest=$(grep -aoE 'GLIBC_[0-9]+\.[0-9]+' "$plugin" | cut -d _ -f 2 | sort -V | tail -n 1)
[ "$(printf '%s\n' "$newest" "$glibc" | sort -V | tail -n 1)" = "$glibc" ] || {
    echo "the plugin needs glibc $newest, and JetPack 5 has $glibc" >&2
    exit 1
}
