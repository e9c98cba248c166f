#!/usr/bin/env bash
# Fetches ONNX Runtime, with which train/tests/foundation runs small networks. Leaves with 75 if it can't be fetched; the
# tests say so then.
set -uo pipefail
cd "$(dirname "$0")/../.."
version=1.32.0
folder=${CARGO_TARGET_DIR:-target}/onnxruntime
library=$folder/libonnxruntime.so

[ "$(cat "$folder/version" 2>/dev/null)" = "$version" ] && exit 0
mkdir -p "$folder" || exit 1
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest "$folder" \
    "onnxruntime==$version" || exit 75
# The library lies in the wheel beside Python's own module, under a name with its version.
python3 - "$folder" "$library" <<'PYTHON' || exit 1
import pathlib, sys, zipfile

folder, library = map(pathlib.Path, sys.argv[1:])
[wheel] = folder.glob("*.whl")
with zipfile.ZipFile(wheel) as archive:
    [name] = [n for n in archive.namelist() if "/libonnxruntime.so" in n]
    library.write_bytes(archive.read(name))
wheel.unlink()
PYTHON
# This mark comes last: what is there is whole.
echo "$version" >"$folder/version"
