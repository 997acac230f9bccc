# SPDX-License-Identifier: GPL-2.0
"""Everything a boot needs, made ready: QEMU, Xen, kernels and the image."""

import dataclasses
import gzip
import os
import re
from pathlib import Path

from rig import apt, image, kernel, paths, qemu_build
from rig.say import Problem

XEN_PACKAGES = ("xen-hypervisor-4.17-amd64", "xen-hypervisor-4.20-amd64")


@dataclasses.dataclass
class Parts:
    """The pieces a machine is put together from."""

    qemu: list
    xen: Path
    xen_version: str
    kernels: dict       # kind -> bzImage
    image: Path
    images: dict        # (kind, extras) -> image with more in it, for that kernel


def xen():
    """The distribution's hypervisor, unpacked for QEMU's multiboot loader."""
    local = os.environ.get("XEN")
    if local:
        packed = Path(local).expanduser().resolve()
        if not packed.is_file():
            raise Problem(f"XEN={local}: there is no such file.")
    else:
        name = apt.first_known(XEN_PACKAGES)
        packed = next((apt.unpacked(name) / "boot").glob("xen-*.gz"), None)
        if not packed:
            raise Problem(f"Package {name} holds no /boot/xen-*.gz.")
    data = packed.read_bytes()
    plain = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    target = paths.BUILD / "image" / "xen"
    paths.replace(target, plain)
    version = re.search(r"xen-(\d+\.\d+)", packed.name)
    return target, version.group(1) if version else packed.name


def toolstack(version):
    """The folder of Xen's programs, unpacked from the package beside the hypervisor's.

    Their libraries are this machine's: libxen-dev, which the rig wants, brings them.
    """
    folder = apt.unpacked(f"xen-utils-{version}") / "usr" / "lib" / f"xen-{version}" / "bin"
    if not folder.is_dir():
        raise Problem(f"Package xen-utils-{version} holds no {folder.name}/ of programs.")
    return folder


def image_with(extras, plain, kind, bzimage, version):
    """dom0's image with what a case wants besides: "tools" (of Xen), "bpftrace"."""
    if not extras:
        return plain
    archive = image.Cpio()
    for extra in extras:
        if extra == "tools":
            image.add_tools(archive, toolstack(version), bzimage)
        elif extra == "bpftrace":
            image.put(archive, image.tool("bpftrace"), "usr/bin/bpftrace")
        else:
            raise Problem(f"A case asks for an image with {extra!r}, which is not known.")
    return image.join(plain, archive, "-".join((*extras, kind)))


def parts(line, kinds, images=()):
    """All parts for these kinds of kernel, built if need be.

    ``images`` are pairs of such a kind and the extras that a case wants in its image.
    """
    wanted = {extra for _, extras in images for extra in extras}
    apt.ensure_tools()
    if "bpftrace" in wanted:
        apt.ensure(["bpftrace"])
    qemu = qemu_build.build()
    hypervisor, version = xen()
    kernels = {kind: kernel.build(kernel.Kernel(line, kind)) for kind in kinds}
    plain = image.build()
    return Parts(qemu, hypervisor, version, kernels, plain,
                 {(kind, extras): image_with(extras, plain, kind, kernels[kind], version)
                  for kind, extras in images})
