#!/usr/bin/env bash
# The runtime built for aarch64 and run under qemu: the NEON kernels against loops and tract, then the demo bundle's golden images,
# whose scores were written on another CPU. Prints what it skipped, and leaves with 75, where the tools can't be had.
set -euo pipefail
cd "$(dirname "$0")/../.."
triple=aarch64-unknown-linux-gnu
sysroot=/usr/aarch64-linux-gnu

skip() {
    echo "skipped: the runtime on aarch64: $1"
    exit 75
}
if ! command -v aarch64-linux-gnu-gcc qemu-aarch64-static >/dev/null || [ ! -d "$sysroot/include" ]; then
    command -v apt-get >/dev/null && [ "$(id -u)" -eq 0 ] || skip "gcc-aarch64-linux-gnu, libc6-dev-arm64-cross and qemu-user-static are not installed"
    apt-get install -y -qq --no-remove --no-install-recommends gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static >&2 \
        || skip "a cross compiler and qemu could not be installed (no network?)"
fi
[ -d "$(rustc --print sysroot)/lib/rustlib/$triple" ] || rustup target add "$triple" >&2 \
    || skip "rust's library for $triple could not be fetched (no network?)"
scripts/install-build-tools.sh

export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64-static -L $sysroot"
export BINDGEN_EXTRA_CLANG_ARGS="--sysroot=$sysroot -I$sysroot/include"
# Nothing of training: it never runs on a camera. Each of the three builds has a test among its targets, since what only
# tests use changes features of shared dependencies, and tract would be built twice. What is not ours is barely optimised:
# to compile it would take longer than to run it.
runtime=(-p aecsad -p aecsad-engine --target "$triple" --config profile.dev.opt-level=1
    --config profile.dev.package.aecsad-engine.opt-level=3)
cargo test "${runtime[@]}" --lib -- kernels::
cargo test "${runtime[@]}" --test same_as_tract
cargo build "${runtime[@]}" --bin aecsad --test same_as_tract
$CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER "${CARGO_TARGET_DIR:-target}/$triple/debug/aecsad" verify models/demo.aecsad
