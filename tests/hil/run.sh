#!/usr/bin/env bash
# The station in a virtual machine, on the kernel's own interfaces to devices that are not there: V4L2 cameras (vivid,
# v4l2loopback), a GPIO chip (gpio-sim), serial lines, a USB adapter, a watchdog, all under udev.
# Prints what it skipped, and leaves with 75, where qemu can't be had.
#     tests/hil/run.sh            builds and tries the release binary
#     AECSAD=FILE tests/hil/run.sh --only parts gpio mjpg power_cuts --cuts 3
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target}
work=$target/hil

skip() {
    echo "skipped: the station in a virtual machine: $1"
    exit 75
}
command -v python3 >/dev/null || skip "there is no python3"
tests/hil/fetch.sh "$work" || skip "qemu and a kernel could not be fetched"
[ -n "${AECSAD:-}" ] || scripts/install-test-tools.sh
# Without these drivers their trials are skipped, which is printed at the end
tests/hil/build_modules.sh "$work" || true
if [ -z "${AECSAD:-}" ]; then
    cargo build --release
    AECSAD=$target/release/aecsad
fi
# What the machine works with is made by tests, which know how to make a small bundle
export AECSAD_HIL_BUNDLE=$work/plain.aecsad AECSAD_HIL_SLOTS=$work/slots
rm -rf "$AECSAD_HIL_SLOTS"
cargo nextest run --workspace --test inspect --test slots --run-ignored only -E 'test(for_the_virtual_machine)' >&2
exec python3 tests/hil/station.py --work "$work" --aecsad "$AECSAD" --bundle "$AECSAD_HIL_BUNDLE" --slots "$AECSAD_HIL_SLOTS" "$@"
