#!/usr/bin/env bash
# The plugin's C interface on the fake libraries under sanitizers: address and undefined behaviour, then threads.
set -euo pipefail
work=$(realpath -m "${CARGO_TARGET_DIR:-target}")/tensorrt
cd "$(dirname "$0")/../.."
headers=$work/headers/TRT-Enterprise-11.4

for sanitizer in address,undefined thread; do
    out=$work/sanitized/${sanitizer%%,*}
    flags="-fsanitize=$sanitizer -fno-sanitize-recover=all -fno-omit-frame-pointer"
    CXXFLAGS=$flags tests/tensorrt/build_fake.sh "$headers" "$out" >/dev/null
    # The fake libraries find what they compute with in the program itself.
    # shellcheck disable=SC2086
    ${CXX:-g++} -std=c++17 -O1 -g -Wall -Wextra -Werror $flags -rdynamic -Iplugins/tensorrt/src \
        tests/tensorrt/drive.cpp "$out/libaecsad_tensorrt.so" -Wl,-rpath,"$out" -o "$out/drive" -lpthread
    echo "$sanitizer:"
    LD_LIBRARY_PATH=$out "$out/drive"
done
