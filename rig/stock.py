# SPDX-License-Identifier: GPL-2.0
"""The distribution's own kernel, and our module built for it.

The kernel is a package, unpacked and not changed; the module is built against the
package of its headers, as `make module` does on any machine.
"""

import lzma
import os
import re
import shutil
import subprocess

from rig import apt, image, paths, say
from rig.say import Problem

# The lines that the module is for and the machine's release has, and how it calls their
# packages: linux-image- and linux-headers- with this behind
PACKAGES = {"bookworm": {"6.1": "amd64", "6.12": "6.12-amd64"}, "trixie": {"6.12": "amd64"}}
LINES = PACKAGES.get(apt.release(), PACKAGES["bookworm"])
# What it boots with: the lockup detector would take a counter, and sees nothing in dom0.
LINUX = "nmi_watchdog=0 "
# What dom0 needs of the kernel's modules, in the order in which they load
MODULES = ("xen-privcmd", "xenfs", "xen-evtchn", "xen-gntdev")
OURS = "xen_pmu.ko"


def _root(line):
    """Where the packages of a line are unpacked; the module is built in it, too."""
    return paths.BUILD / "stock" / line


def _packages(name):
    """A package of a kernel's, and those of the same kernel that it depends on."""
    names, found = [name], []
    for package in names:
        file = apt.deb(package)
        found.append(file)
        depends = say.output(["dpkg-deb", "-f", str(file), "Depends"]) or ""
        names += [other for other in re.findall(
            r"(?:^|, )(linux-(?:image|headers|kbuild)-\S+)(?: \([^)]*\))?(?=,|$)", depends)
            if other not in names]
    return found


def _unpack(line):
    """The kernel and its headers below one folder; returns the kernel's release."""
    root = _root(line)
    files = [file for kind in ("image", "headers")
             for file in _packages(f"linux-{kind}-{LINES[line]}")]
    stamp, mark = root / ".rig", paths.digest(*(file.name for file in files))
    if not stamp.exists() or stamp.read_text() != mark:
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        for file in files:
            subprocess.run(["dpkg-deb", "-x", file, root], check=True)
        # The headers find one another where they would be installed.
        for makefile in root.glob("usr/src/linux-headers-*-amd64/Makefile"):
            makefile.write_text(makefile.read_text().replace(" /usr/", f" {root}/usr/"))
        stamp.write_text(mark)
    folder = next(root.glob(f"usr/src/linux-headers-{line}.*-amd64"), None)
    if not folder:
        raise Problem(f"Package linux-headers-{LINES[line]} brings no headers of {line}.")
    return folder.name.removeprefix("linux-headers-")


def build(line):
    """The unchanged kernel's image; the module is in the same folder, up to date."""
    with paths.lock(paths.BUILD / ".stock.lock", lambda: say.line(
            "   another run builds the module: waiting for it")):
        root, release = _root(line), _unpack(line)
        say.run(f"module for {release}", ["nice", paths.ROOT / "module" / "build",
                                          root / "usr/src" / f"linux-headers-{release}",
                                          root / "module"],
                paths.LOGS / f"module-{line}.log", env=dict(os.environ, LC_ALL="C"))
    return root / "boot" / f"vmlinuz-{release}"


def add(archive, line):
    """Its modules and ours go into dom0's image, with the list of those to load."""
    root = _root(line)
    for name in MODULES:
        file = next((file for top in ("lib", "usr/lib") for file in
                     root.glob(f"{top}/modules/*/kernel/drivers/xen/**/{name}.ko*")), None)
        if not file:
            raise Problem(f"The kernel's package has no module {name}.")
        data = file.read_bytes()
        archive.file(f"modules/{name}.ko",
                     lzma.decompress(data) if file.suffix == ".xz" else data)
    lean = root / OURS
    subprocess.run([image.tool("strip"), "--strip-debug", "-o", lean, root / "module" / OURS],
                   check=True)
    archive.file(f"modules/{OURS}", lean.read_bytes())
    archive.file("modules/list", "".join(f"{name}.ko\n" for name in MODULES).encode() +
                 f"{OURS}\n".encode())
