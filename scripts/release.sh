#!/usr/bin/env bash
# Builds both programs and packs them with licence, documents and station files:
#     scripts/release.sh [FOLDER]     writes aecsad-VERSION-MACHINE.tar.gz and its .sha256 there [default: target/archive]
# Both are written whole or not at all. The same commit and the same programs give the same archive.
set -euo pipefail
out=$(realpath -m "${1:-$(dirname "$0")/../target/archive}")
cd "$(dirname "$0")/.."

scripts/install-build-tools.sh
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
name=aecsad-$version-$(rustc -vV | sed -n 's/^host: //p')
staging=$(mktemp -d)
trap 'rm -rf "$staging"' EXIT
folder=$staging/$name
mkdir -p "$folder" "$out"

# --no-track: the record of installed crates would name this machine's paths.
cargo install --locked --no-track --root "$folder" --path .
cargo install --locked --no-track --root "$folder" --path train
cp -R LICENSE NOTICE README.md CHANGELOG.md CONTRIBUTING.md docs deploy calibration "$folder/"
# The documents link to what was measured
mkdir "$folder/benches"
cp -R benches/results "$folder/benches/"
for program in aecsad aecsad-train; do
    "$folder/bin/$program" --version >/dev/null
done

date=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
tar -C "$staging" --sort=name --owner=0 --group=0 --numeric-owner --mode=u+w,go-w,a+rX --mtime="@$date" -cf - "$name" \
    | gzip -9n >"$staging/$name.tar.gz"
(cd "$staging" && sha256sum "$name.tar.gz" >"$name.tar.gz.sha256")
for file in "$name.tar.gz" "$name.tar.gz.sha256"; do
    cp "$staging/$file" "$out/.$file.new"
    mv "$out/.$file.new" "$out/$file"
done
echo "$out/$name.tar.gz"
