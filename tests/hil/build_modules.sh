#!/usr/bin/env bash
# Builds two drivers that Debian's kernel comes without, for the kernel that fetch.sh has unpacked into DIR and from
# Debian's own sources of it: gpio-sim, a GPIO chip whose lines are pulled by writing to a file, and v4l2loopback, a
# camera that gives what a program writes to it. Installs nothing. Leaves with 75 if it can't.
set -euo pipefail
dir=$(realpath "$1")
built=$dir/modules
[ -e "$built/complete" ] && exit 0
unable() {
    echo "hil: gpio-sim and v4l2loopback could not be built: $1" >&2
    exit 75
}
for tool in make cc xz strip; do command -v "$tool" >/dev/null || unable "there is no $tool"; done

release=$(basename "$dir"/root/boot/vmlinuz-*)
release=${release#vmlinuz-}
series=$(cut -d. -f1,2 <<<"$release")
# The headers must be those of this very build: a module that was made with others does not load
version=$(apt-cache show "linux-image-$release" 2>/dev/null | awk '/^Version:/ { print $2; exit }')
[ -n "$version" ] || unable "Debian no longer has kernel $release; delete $dir to fetch the present one"

work=$dir/modules-build
rm -rf "$work" "$built"
mkdir -p "$work/debs" "$work/source" "$built"
cd "$work/debs"
apt-get download -qq "linux-headers-$release=$version" "linux-headers-${release%-*}-common=$version" \
    "linux-kbuild-$series=$version" "linux-source-$series=$version" v4l2loopback-dkms >&2 \
    || unable "its headers or sources could not be fetched (no network?)"
for package in linux-headers-* linux-kbuild-* v4l2loopback-*; do dpkg -x "$package" ../root; done
# Of 138 MB of source three files are wanted
dpkg --fsys-tarfile linux-source-*.deb | tar -xO --wildcards '*/linux-source-*.tar.xz' \
    | tar -xJ -C ../source --strip-components=3 --wildcards '*/drivers/gpio/gpio-sim.c' '*/drivers/gpio/gpiolib.h' \
        '*/kernel/irq/irq_sim.c' || unable "the kernel's source does not hold gpio-sim"
cd ../source
cp ../root/usr/src/v4l2loopback-*/*.[ch] .
# The kernel can find an interrupt's descriptor by its number, but does not let modules call that
sed -i 's/irq_to_desc(irqnum)/irq_data_to_desc(irq_get_irq_data(irqnum))/' irq_sim.c
cat >Kbuild <<'EOF'
obj-m := gpio-simulated.o v4l2loopback.o
gpio-simulated-y := gpio-sim.o irq_sim.o
EOF
headers=$work/root/usr/src/linux-headers-$release
sed -i "s#^include /usr#include $work/root/usr#" "$headers/Makefile"
make -C "$headers" M="$PWD" CC=cc modules >../make.txt 2>&1 || unable "$(grep -m 3 -iE 'error|not found' ../make.txt)"
strip --strip-debug ./*.ko
cp ./*.ko "$built"
cd "$dir"
rm -rf "$work"
touch "$built/complete"
