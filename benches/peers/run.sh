#!/bin/sh
# Measures PaDiM and PatchCore on category folders, on our backbone and the same images:
#     benches/peers/run.sh CATEGORY_DIR… [--json FILE] [--csv DIR]
# The Python environment lives under target/ and is built on the first call.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
venv=${CARGO_TARGET_DIR:-$root/target}/peers-venv

# Rebuilt when the requirements change; the stamp is written last, so an interrupted install starts over
if ! cmp -s "$here/requirements.txt" "$venv/requirements.txt"; then
    echo "peers: building the Python environment in $venv" >&2
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$venv/requirements.txt"
fi

# One thread, as the product is measured
OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} OPENBLAS_NUM_THREADS=${OPENBLAS_NUM_THREADS:-1} PYTHONDONTWRITEBYTECODE=1 \
    exec "$venv/bin/python" "$here/peers.py" --encoder "$root/models/efficientnet-lite0/encoder.onnx" "$@"
