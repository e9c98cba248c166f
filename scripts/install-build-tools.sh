#!/usr/bin/env bash
# Installs what the build needs and this machine lacks, as Debian packages where root runs it.
set -euo pipefail

packages=()
has() { command -v "$1" >/dev/null; }
# Not libclang-cpp, which is another library
has_libclang() { ldconfig -p | grep -qE '^\s*libclang(-[0-9.]+)?\.so'; }

if ! has cargo; then
    echo "cargo is missing: install Rust 1.90 or later from https://rustup.rs, then run this again" >&2
    exit 1
fi
# The inference engine has kernels in assembly, which the C compiler's driver translates
has cc || packages+=(gcc libc6-dev)
# The camera's interface is read from the kernel's header, by libclang
has_libclang || packages+=(libclang1)
[ -e /usr/include/linux/videodev2.h ] || packages+=(linux-libc-dev)

if [ ${#packages[@]} -gt 0 ]; then
    if [ "$(id -u)" -eq 0 ] && has apt-get; then
        echo "installing ${packages[*]}" >&2
        export DEBIAN_FRONTEND=noninteractive
        if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${packages[@]}"; } >&2; then
            echo "${packages[*]} could not be installed: look at what apt says above" >&2
            exit 1
        fi
    else
        echo "${packages[*]} are missing: install them as root, on Debian with: apt install ${packages[*]}" >&2
        exit 1
    fi
fi
