# SPDX-License-Identifier: GPL-2.0
"""Everything a boot needs, made ready: QEMU, Xen, kernels and the image."""

import dataclasses
import functools
import gzip
import os
import re
from pathlib import Path

from rig import apt, cases, image, kernel, paths, picture, qemu_build, stock
from rig.say import Problem

# Versions of Xen, and the Debian release to take one from that this machine's lacks
XENS = {"4.17": "bookworm", "4.20": "trixie"}
HYPERVISOR = "xen-hypervisor-{}-amd64"
# What Xen's programs of another release load that this machine's cannot be taken for
LIBRARIES = ("libc6", "libxenmisc{}", *(f"libxen{name}" for name in (
    "call1", "devicemodel1", "evtchn1", "foreignmemory1", "gnttab1", "hypfs1", "store4",
    "toolcore1", "toollog1")))


@dataclasses.dataclass
class Parts:
    """The pieces a machine is put together from."""

    qemu: list
    xen_version: str    # the default one
    xens: dict          # version -> hypervisor
    kernels: dict       # kind -> bzImage
    image: Path
    images: dict        # (kind, extras, Xen's version) -> image with more in it, for these

    @property
    def xen(self):
        return self.xens[self.xen_version]


def local_xen():
    """The file that XEN= names, or None."""
    local = os.environ.get("XEN")
    if not local:
        return None
    packed = Path(local).expanduser().resolve()
    if not packed.is_file():
        raise Problem(f"XEN={local}: there is no such file.")
    return packed


@functools.cache
def machines_xen():
    """The version that this machine's own release has."""
    first = apt.first_known([HYPERVISOR.format(version) for version in XENS])
    return next(version for version in XENS if HYPERVISOR.format(version) == first)


def default_xen():
    """The version that is meant where none is named: XEN='s, or the machine's own."""
    packed = local_xen()
    if not packed:
        return machines_xen()
    version = re.search(r"xen-(\d+\.\d+)", packed.name)
    return version.group(1) if version else packed.name


def suite_of(version):
    """The Debian release that has a version; None: the machine's own has it."""
    return None if version == machines_xen() else XENS.get(version)


def wanted_xens(usual=()):
    """The versions to run on: XEN='s alone, those of XENS=, or the usual ones."""
    asked = os.environ.get("XENS", "").split()
    if local_xen():
        if asked:
            raise Problem("XEN= names one Xen and XENS= others: take one of the two.")
        return [default_xen()]
    for version in asked or usual:
        if version not in XENS:
            raise Problem(f"Xen {version} is none of those known here; "
                          f"XENS= can be: {' '.join(XENS)}.")
    return list(asked or usual) or [default_xen()]


def hypervisor(version):
    """A distribution's hypervisor (or XEN='s), unpacked for QEMU's multiboot loader."""
    packed = local_xen()
    if not packed:
        name = HYPERVISOR.format(version)
        packed = next((apt.unpacked(name, suite_of(version)) / "boot").glob("xen-*.gz"), None)
        if not packed:
            raise Problem(f"Package {name} holds no /boot/xen-*.gz.")
    data = packed.read_bytes()
    plain = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    target = paths.BUILD / "image" / f"xen-{version}"
    paths.replace(target, plain)
    return target


def toolstack(version):
    """Xen's programs, from the package beside the hypervisor's, as an image.Tools.

    The machine's own release brings their libraries with libxen-dev, which the rig
    wants; those of another release come with theirs, the C library's included.
    """
    suite = suite_of(version)
    folder = apt.unpacked(f"xen-utils-{version}", suite) / "usr" / "lib" / f"xen-{version}" / "bin"
    if not folder.is_dir():
        raise Problem(f"Package xen-utils-{version} holds no {folder.name}/ of programs.")
    packages = [name.format(version) for name in LIBRARIES] if suite else []
    return image.Tools(folder, [apt.unpacked(name, suite) / "usr/lib/x86_64-linux-gnu"
                                for name in packages])


def image_with(extras, plain, kind, line, bzimage, version):
    """dom0's image with what a case wants besides: "tools" (of Xen), "bpftrace",
    "python" with xen-profile, whose page is without its library; and with our module
    and others, where the kernel is the distribution's."""
    if not extras and kind != cases.STOCK:
        return plain
    archive = image.Cpio()
    if kind == cases.STOCK:
        stock.add(archive, line)
    for extra in extras:
        if extra == "tools":
            image.add_tools(archive, toolstack(version), bzimage)
        elif extra == "python":
            image.add_python(archive, picture.TOOL, picture.template([]))
        elif extra == "bpftrace":
            image.put(archive, image.tool("bpftrace"), "usr/bin/bpftrace")
        else:
            raise Problem(f"A case asks for an image with {extra!r}, which is not known.")
    return image.join(plain, archive, "-".join((*extras, kind, line, version)))


def parts(line, kinds, images=(), xens=(), like=""):
    """All parts for these kinds of kernel and versions of Xen, built if need be.

    ``like`` is Kernel's. ``images`` are such a kind, the extras that a case wants in
    its image, and the Xen they are for; the default Xen is always there.
    """
    wanted = {extra for _, extras, _ in images for extra in extras}
    apt.ensure_tools()
    if "bpftrace" in wanted:
        apt.ensure(["bpftrace"])
    qemu = qemu_build.build()
    default = default_xen()
    hypervisors = {version: hypervisor(version) for version in {default, *xens}}
    kernels = {kind: stock.build(line) if kind == cases.STOCK else
               kernel.build(kernel.Kernel(line, kind, like)) for kind in kinds}
    plain = image.build()
    return Parts(qemu, default, hypervisors, kernels, plain,
                 {(kind, extras, version): image_with(
                     extras, plain, kind, line, kernels[kind], version)
                  for kind, extras, version in images})
