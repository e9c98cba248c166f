#!/usr/bin/env bash
# Fetches the Modbus server that tests/modbus/main.rs talks to. Leaves with 75 if it can't be fetched; the test says so then.
set -uo pipefail
cd "$(dirname "$0")/../.."
venv=${CARGO_TARGET_DIR:-target}/modbus-venv

"$venv/bin/python" -c 'import pymodbus, serial' 2>/dev/null && exit 0
python3 -m venv "$venv" && "$venv/bin/pip" install --quiet --requirement tests/modbus/requirements.txt || exit 75
