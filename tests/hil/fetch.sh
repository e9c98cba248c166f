#!/usr/bin/env bash
# Unpacks what the virtual machine needs into DIR, without installing any of it: qemu, a Debian kernel with its virtual
# camera, busybox, v4l2-ctl, udev. Leaves with 75 if it can't be fetched.
set -euo pipefail
dir=$1
wanted="qemu-system-x86 busybox-static v4l-utils udev"
[ "$(cat "$dir/complete" 2>/dev/null)" != "$wanted" ] || exit 0
command -v apt-get >/dev/null && command -v dpkg >/dev/null || { echo "hil: this is no Debian machine" >&2; exit 75; }
[ "$(dpkg --print-architecture)" = amd64 ] || { echo "hil: the virtual machine is for amd64 only" >&2; exit 75; }

rm -rf "$dir"
mkdir -p "$dir/debs" "$dir/root"
cd "$dir/debs"
[ "$(id -u)" -ne 0 ] || apt-get update -qq || true
# A simulated installation names what else is missing here
# shellcheck disable=SC2086
packages=$(apt-get install --simulate --no-install-recommends $wanted 2>/dev/null | awk '/^Inst/ { print $2 }') || true
packages+=" $wanted $(apt-cache depends linux-image-amd64 2>/dev/null | awk '/Depends: linux-image/ { print $2 }')"
# shellcheck disable=SC2086
apt-get download -qq $packages >&2 || { echo "hil: qemu and a kernel could not be fetched (no network?)" >&2; exit 75; }
for package in *.deb; do dpkg -x "$package" ../root; done
cd ..
rm -rf debs
echo "$wanted" >complete
