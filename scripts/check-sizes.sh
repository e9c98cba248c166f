#!/usr/bin/env bash
# No file in the tree may be larger than its kind needs: source over 500 lines wants to be two files, and anything large
# that isn't a model or a demo picture belongs outside the repository.
set -euo pipefail
cd "$(dirname "$0")/.."

most_lines=500
most_bytes=$((256 * 1024))
most_model_bytes=$((24 * 1024 * 1024))
most_test_model_bytes=$((2 * 1024 * 1024))
found=0
complain() {
    echo "$1" >&2
    found=1
}

while IFS= read -r -d '' file; do
    [ -f "$file" ] || continue
    bytes=$(wc -c <"$file")
    case $file in
        models/*) limit=$most_model_bytes ;;
        tests/foundation/reference/*.onnx) limit=$most_test_model_bytes ;;
        *) limit=$most_bytes ;;
    esac
    [ "$bytes" -le "$limit" ] || complain "$file: $bytes bytes, at most $limit are allowed: keep it out of the tree"
    case $file in
        *.rs | *.py | *.sh | *.css)
            lines=$(wc -l <"$file")
            [ "$lines" -le "$most_lines" ] || complain "$file: $lines lines, at most $most_lines are allowed: split it"
            ;;
    esac
done < <(git ls-files -z)
exit "$found"
