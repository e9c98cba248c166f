#!/bin/sh
# Times the networks and whole frames against ONNX Runtime, in turns in one run:
#     benches/speed/run.sh [--runs N] [--paper-runs N] [--json FILE]
# Prints text and writes target/bench/summary.json. The Python environment lives under target/, built on the first call.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
venv=$target/speed-venv

# Rebuilt when the requirements change; the stamp is written last, so an interrupted install starts over
if ! cmp -s "$here/requirements.txt" "$venv/requirements.txt"; then
    echo "speed: building the Python environment in $venv" >&2
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$venv/requirements.txt"
fi

cd "$root"
scripts/install-build-tools.sh
cargo build --release --workspace --bin aecsad --example time_network >&2
# Untrained weights are the same each time, what int8 makes of them is not.
cargo build --workspace --example untrained_networks >&2
"$target/debug/examples/untrained_networks" "$target/bench/networks" >&2

PYTHONDONTWRITEBYTECODE=1 exec "$venv/bin/python" "$here/speed.py" --target "$target" --root "$root" "$@"
