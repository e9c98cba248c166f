"""What runs in the virtual machine, packed into its initramfs."""
import gzip
import os
import pathlib
import re
import shutil
import subprocess

from machine import Hil, environment

HERE = pathlib.Path(__file__).parent
DEPLOY = HERE.parent.parent / "deploy"
# In the order of loading.
MODULES = (
    "mc videodev videobuf2-common videobuf2-v4l2 rc-core cec v4l2-dv-timings v4l2-tpg videobuf2-memops "
    "videobuf2-dma-contig videobuf2-vmalloc vivid watchdog i6300esb "
    "virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk crc16 mbcache jbd2 "
    "crc32c_generic ext4 usb-common usbcore xhci-hcd xhci-pci usbserial ftdi_sio configfs"
).split()
# By build_modules.sh, where it could.
BUILT = ["gpio-simulated", "v4l2loopback"]
# The distribution's own rules, which ours come after, and the groups that both name.
RULES = ["50-udev-default", "60-persistent-v4l", "60-serial"]
GROUPS = "root tty dialout kmem input video audio lp disk cdrom tape kvm render sgx gpio aecsad".split()


def libraries(root, program):
    """The program with the libraries that it needs, as the dynamic linker finds them."""
    listed = subprocess.run(["ldd", program], env=environment(root), capture_output=True, text=True).stdout
    return [pathlib.Path(path) for path in re.findall(r"(/\S+)", listed) if os.path.exists(path)]


def build(work, aecsad, bundle, files):
    """Packs it all into work/initramfs.gz; `files` has the text or bytes of each further file by its path."""
    root, tree = work / "root", work / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    for folder in ["bin", "modules", "lib", "lib64"]:
        (tree / folder).mkdir(parents=True)
    shutil.copy(root / "bin/busybox", tree / "bin/busybox")
    shutil.copy(HERE / "init", tree / "init")
    shutil.copy(bundle, tree / "bundle.aecsad")
    for name, content in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content.encode() if isinstance(content, str) else content)
    stripped = tree / "bin/aecsad"
    if subprocess.run(["strip", "-o", stripped, aecsad], capture_output=True).returncode != 0:
        shutil.copy(aecsad, stripped)
    programs = [stripped]
    for program in ["usr/bin/v4l2-ctl", "bin/udevadm"]:
        shutil.copy(root / program, tree / "bin")
        programs.append(tree / "bin" / pathlib.Path(program).name)
    for program in programs:
        for library in libraries(root, program):
            place = "lib64" if library.name.startswith("ld-linux") else "lib"
            shutil.copy(library, tree / place / library.name)
    put_device_manager(root, tree)
    put_modules(work, tree)
    names = "\n".join(str(p.relative_to(tree)) for p in sorted(tree.rglob("*")))
    packed = subprocess.run(
        [tree / "bin/busybox", "cpio", "-o", "-H", "newc"], cwd=tree, input=names.encode(), capture_output=True, check=True
    )
    image = work / "initramfs.gz"
    image.write_bytes(gzip.compress(packed.stdout, 1))
    shutil.rmtree(tree)
    return image


def put_device_manager(root, tree):
    rules = tree / "lib/udev/rules.d"
    rules.mkdir(parents=True)
    for name in RULES:
        shutil.copy(root / f"lib/udev/rules.d/{name}.rules", rules)
    shutil.copytree(DEPLOY, tree / "deploy")
    (tree / "etc").mkdir(exist_ok=True)
    (tree / "etc/passwd").write_text(f"root:x:0:0::/:/bin/sh\naecsad:x:{GROUPS.index('aecsad')}:{GROUPS.index('aecsad')}::/:\n")
    members = {"video", "dialout", "gpio"}
    lines = [f"{name}:x:{number}:{'aecsad' if name in members else ''}\n" for number, name in enumerate(GROUPS)]
    (tree / "etc/group").write_text("".join(lines))


def put_modules(work, tree):
    order = []
    for module in MODULES + BUILT:
        places = [work / "modules", work / "root/lib/modules"]
        found = next((file for place in places for file in place.rglob(f"{module}.ko*")), None)
        if found:
            shutil.copy(found, tree / "modules" / f"{module}.ko")
            order.append(module)
        elif module not in BUILT:
            raise Hil(f"the kernel has no module {module}")
    (tree / "modules/order").write_text(" ".join(order))
