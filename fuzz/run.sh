#!/usr/bin/env bash
# Fuzzes every parser that bytes from outside reach, guided by coverage, on the stable toolchain: libFuzzer with the flags
# that cargo-fuzz sets, without the address sanitizer, which only nightly links (our own code has next to no `unsafe`).
#     fuzz/run.sh                 every target for three minutes
#     SECONDS_EACH=600 fuzz/run.sh link manifest
# It starts from fuzz/seeds and tests/seeds; what it finds new goes into fuzz/corpus, which git ignores.
# `fuzz/run.sh --keep TARGET...` minimises a corpus to the seeds that git keeps, in fuzz/seeds.
set -euo pipefail
cd "$(dirname "$0")"
# The versions that the product is built with
[ -e Cargo.lock ] || cp ../Cargo.lock .
host=$(rustc -vV | sed -n 's/^host: //p')
flags=(-Cpasses=sancov-module --cfg=fuzzing -Ccodegen-units=16
    -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares)
# With --target the flags don't reach build scripts, which have no fuzzer to report to
RUSTFLAGS="${flags[*]}" cargo build --target "$host" --bins
bin=target/$host/debug

keep=
[ "${1:-}" != --keep ] || { keep=1; shift; }
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(sed -n 's/^name = "\(.*\)"$/\1/p' Cargo.toml | grep -v '^aecsad-fuzz$')

failed=()
for target in "${targets[@]}"; do
    seeds=seeds/$target corpus=corpus/$target
    mkdir -p "$seeds" "$corpus" artifacts
    given=("$seeds")
    [ ! -d "../tests/seeds/$target" ] || given+=("../tests/seeds/$target")
    common=(-timeout=20 -rss_limit_mb=2048 -max_len=65536 -artifact_prefix="artifacts/$target-")
    if [ -n "$keep" ]; then
        # The smallest inputs that reach what the whole corpus reaches; those over 4 KB would weigh more than they tell
        rm -rf smallest && mkdir smallest
        "$bin/$target" -merge=1 "${common[@]}" -max_len=4096 smallest "${given[@]}" "$corpus" 2>&1 | tail -n 1
        mapfile -d '' -t kept < <(find smallest -type f -size -4096c -print0 | sort -z)
        [ ${#kept[@]} -gt 0 ] || { echo "$target: nothing was merged, its seeds stay as they are" >&2; continue; }
        # Those that somebody named are somebody's; the others are named by their hash
        find "$seeds" -type f -regextype posix-extended -regex '.*/[0-9a-f]{40}' -delete
        cp -t "$seeds" "${kept[@]:0:64}"
        rm -rf smallest
        continue
    fi
    echo "== $target"
    "$bin/$target" "${common[@]}" -max_total_time="${SECONDS_EACH:-180}" -print_final_stats=1 "$corpus" "${given[@]}" 2>&1 \
        | grep -E 'ERROR|panicked|SUMMARY|DONE|Done|stat::number_of_executed|stat::peak_rss|cov: .* DONE' | tail -n 8 \
        || true
    compgen -G "artifacts/$target-*" >/dev/null && failed+=("$target") || true
done
[ ${#failed[@]} -eq 0 ] || { echo "found something: ${failed[*]}; the inputs are in fuzz/artifacts" >&2; exit 1; }
