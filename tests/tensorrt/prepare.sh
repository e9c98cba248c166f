#!/usr/bin/env bash
# What tests/tensorrt/ needs: TensorRT's headers out of a crate's source, the plugin compiled against each version of them
# with warnings as errors, and the fake libraries. Leaves with 75 where the headers can't be fetched; the tests
# say so then.
#
# TENSORRT_HEADERS="DIR..." adds other folders of headers.
set -uo pipefail
cd "$(dirname "$0")/../.."
work=$(realpath -m "${CARGO_TARGET_DIR:-target}")/tensorrt
crate=trtx-sys
version=0.9.1

mkdir -p "$work/fetch/src"
printf '[package]\nname = "fetch"\nversion = "0.0.0"\nedition = "2024"\n[workspace]\n[dependencies]\n%s = { version = "=%s", default-features = false }\n' \
    "$crate" "$version" >"$work/fetch/Cargo.toml"
: >"$work/fetch/src/lib.rs"
cargo fetch --quiet --manifest-path "$work/fetch/Cargo.toml" || exit 75
headers=$(cargo metadata --format-version 1 --manifest-path "$work/fetch/Cargo.toml" \
    | python3 -c 'import json, pathlib, sys
for package in json.load(sys.stdin)["packages"]:
    if package["name"] == sys.argv[1]:
        print(pathlib.Path(package["manifest_path"]).parent / "TensorRT-Headers")' "$crate") || exit 75
ln -sfn "$headers" "$work/headers"

set -e
# 11.4 is TensorRT as Jetsons have it; RTX 1.7 has the interface of 10.x
for folder in "$headers/TRT-RTX-1.3" "$headers/TRT-RTX-1.7" ${TENSORRT_HEADERS:-}; do
    TENSORRT_HEADERS=$folder CXXFLAGS=-Werror plugins/tensorrt/build.sh "$work/compiled/$(basename "$folder").so"
done
tests/tensorrt/build_fake.sh "$headers/TRT-Enterprise-11.4" "$work/fake"
