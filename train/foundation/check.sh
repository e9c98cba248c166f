#!/bin/sh
# Checks that every network exports, and that tests/foundation/reference is what its Python pipeline gives today.
# For use by hand: PyTorch alone is a download of gigabytes, so `make test` leaves it out.
# Leaves with 75 where the packages can't be fetched, so that a caller can tell that from a failure.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../../target}
venv=$target/foundation-venv
unfetched=75

# Rebuilt when the requirements change; the stamp is written last, so an interrupted install starts over
if ! cmp -s "$here/requirements.txt" "$venv/requirements.txt"; then
    rm -rf "$venv"
    python3 -m venv "$venv" || exit $unfetched
    "$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: \
        -r "$here/requirements.txt" || exit $unfetched
    cp "$here/requirements.txt" "$venv/requirements.txt"
fi
scratch=$(mktemp -d "$target/foundation-reference.XXXXXX")
trap 'rm -rf "$scratch"' EXIT INT TERM
export PYTHONDONTWRITEBYTECODE=1 PYTHONWARNINGS=ignore TQDM_DISABLE=1
"$venv/bin/python" "$here/test_export.py"
"$venv/bin/python" "$here/reference/make.py" "$scratch/reference"
"$venv/bin/python" "$here/reference/compare.py" "$here/../../tests/foundation/reference" "$scratch/reference"
