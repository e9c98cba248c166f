#!/usr/bin/env bash
# Fetches the browser and the packages with which tests/page/drive.mjs looks at the station's page. Leaves with 75 if
# they can't be fetched; the test says so then.
set -uo pipefail
cd "$(dirname "$0")"
tools=${CARGO_TARGET_DIR:-../../target}/page-tools

if ! command -v "${CHROMIUM:-chromium}" >/dev/null; then
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || {
        echo "tests/page needs chromium: install Debian's package of that name" >&2
        exit 75
    }
    { apt-get update && apt-get install -y --no-install-recommends chromium; } >/dev/null 2>&1 || exit 75
fi
cmp -s package-lock.json "$tools/installed.json" && exit 0
command -v npm >/dev/null || {
    echo "tests/page needs node and npm, 20 or later" >&2
    exit 75
}
mkdir -p "$tools" && cp package.json package-lock.json "$tools/" || exit 1
npm --prefix "$tools" ci --silent --no-audit --no-fund >/dev/null || exit 75
# This mark comes last: what is installed is whole.
cp package-lock.json "$tools/installed.json"
