#!/usr/bin/env bash
# Installs what the tests need and this machine lacks, beyond what the build needs: Debian packages where root runs it,
# cargo-nextest for anyone. What only some tests need may stay missing; they are skipped then, and the tests' own report
# says so.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install-build-tools.sh

nextest=0.9.143
packages=()
has() { command -v "$1" >/dev/null; }
has python3 || packages+=(python3)
python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)
has minisign || packages+=(minisign)
# The TensorRT plugin
has g++ || packages+=(g++)
# The virtual machine's drivers are built, by tools that read object files
has make || packages+=(make)
has xz || packages+=(xz-utils)
ldconfig -p | grep -q 'libelf\.so\.1' || packages+=(libelf1)

if [ ${#packages[@]} -gt 0 ]; then
    if [ "$(id -u)" -eq 0 ] && has apt-get; then
        echo "installing ${packages[*]}" >&2
        export DEBIAN_FRONTEND=noninteractive
        if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${packages[@]}"; } >&2; then
            echo "${packages[*]} could not be installed: look at what apt says above" >&2
        fi
    else
        echo "${packages[*]} are missing: install them as root, on Debian with: apt install ${packages[*]}" >&2
    fi
fi
if ! cargo nextest --version >/dev/null 2>&1; then
    echo "building cargo-nextest $nextest, once" >&2
    if ! cargo install --quiet --locked cargo-nextest --version "$nextest"; then
        echo "cargo-nextest could not be built: install it by hand as https://nexte.st says, then run this again" >&2
        exit 1
    fi
fi
