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
    tools: dict         # kind -> image with Xen's tools and that kernel for domains


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


def parts(line, kinds, tools=()):
    """All parts for these kinds of kernel, built if need be.

    ``tools`` are the kinds that an image with Xen's tools is wanted for.
    """
    apt.ensure_tools()
    qemu = qemu_build.build()
    hypervisor, version = xen()
    kernels = {kind: kernel.build(kernel.Kernel(line, kind)) for kind in kinds}
    plain = image.build()
    return Parts(qemu, hypervisor, version, kernels, plain,
                 {kind: image.with_tools(plain, toolstack(version), kernels[kind], kind)
                  for kind in tools})
