# SPDX-License-Identifier: GPL-2.0
"""Builds the QEMU that has a PMU, once for every state of its sources.

What is built is named by the hash of what it is built from, and appears under
that name only when it is complete.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

from rig import apt, kernel, paths, say
from rig.say import Problem

TARBALL = "qemu_7.2+dfsg.orig.tar.xz"
SHA256 = "91aca71520040edc40b8d437aa3004dae614f58e286cf653ee8996c07af2962f"
SUITE = "bookworm"      # the Debian release whose pool has that tarball
CONFIGURE = ("--target-list=x86_64-softmmu", "--without-default-features", "--enable-tcg",
             "--enable-system", "--enable-fdt", "--disable-docs", "--disable-install-blobs")
MODEL = paths.RIG / "qemu"
PROGRAM = "qemu-system-x86_64"


def _tarball():
    """The pinned tarball, from QEMU_SRC= or from Debian's pool."""
    local = os.environ.get("QEMU_SRC")
    if local:
        file = Path(local).expanduser().resolve()
        if not file.is_file():
            raise Problem(f"QEMU_SRC={local}: there is no such file.")
        if paths.sha256(file) != SHA256:
            raise Problem(f"QEMU_SRC={local} has a wrong checksum: it is not the {TARBALL} "
                          f"the rig is written for (SHA-256 {SHA256}).")
        return file
    file = paths.DOWNLOADS / TARBALL
    if file.exists() and paths.sha256(file) != SHA256:
        say.line(f"   {file} is damaged (its checksum is wrong): fetching it again")
        file.unlink()
    if not file.exists():
        file = apt.source_tar("qemu", SUITE, TARBALL)
        if paths.sha256(file) != SHA256:
            file.unlink()
            raise Problem(f"{TARBALL} was downloaded with a wrong checksum and removed: the "
                          "mirror has another file than the one the rig is written for. "
                          f"QEMU_SRC=/path/to/{TARBALL} takes a local copy.")
    return file


def _objects(log):
    """Progress of a ninja log: the last [done/total]."""
    try:
        found = re.findall(rb"\[(\d+/\d+)\]", log.read_bytes()[-4096:])
    except OSError:
        return ""
    return f"{found[-1].decode()} steps" if found else ""


def _firmware():
    """The -L options for what the source package does not carry."""
    folders = [apt.unpacked("seabios") / "usr/share/seabios",
               apt.unpacked("qemu-system-data") / "usr/share/qemu"]
    return [word for folder in folders for word in ("-L", str(folder))]


def build():
    """QEMU's program and its -L options, as the start of a command line.

    QEMU= names one that was built by hand, for work on the model itself.
    """
    if by_hand := os.environ.get("QEMU"):
        return [by_hand, *_firmware()]
    sources = sorted(path for path in MODEL.glob("*") if path.suffix in (".c", ".h", ".patch"))
    mark = paths.digest(SHA256, CONFIGURE, *sources, *(path.name for path in sources))
    target = paths.CACHE / f"qemu-{mark}"
    if not (target / PROGRAM).exists():
        with paths.lock(paths.CACHE / ".qemu.lock",
                        lambda: say.line("   another run builds QEMU: waiting for it")):
            if not (target / PROGRAM).exists():
                _make(target, sources)
    return [str(target / PROGRAM), *_firmware()]


def _make(target, sources):
    """Unpack, add the model, compile; the result moves into place last."""
    tarball = _tarball()
    work = paths.CACHE / "qemu-work"
    shutil.rmtree(work, ignore_errors=True)
    tree, objects = work / "src", work / "build"
    tree.mkdir(parents=True)
    objects.mkdir()
    with say.Step("unpacking QEMU"):
        if subprocess.run(["tar", "-xJf", tarball, "--strip-components=1", "-C", tree],
                          capture_output=True, check=False).returncode:
            raise Problem(f"{tarball} does not unpack; is the disk full?")
    for source in sources:
        if source.suffix == ".patch":
            done = subprocess.run(["patch", "-p1", "--forward", "--fuzz=0", "-i", source],
                                  cwd=tree, capture_output=True, text=True, check=False)
            if done.returncode:
                raise Problem(f"{source} does not apply to QEMU:\n{done.stdout}")
        else:
            shutil.copy(source, tree / "target" / "i386" / source.name)
    # Debian's tarball has no firmware in it, and the build would look for it here.
    (tree / "pc-bios" / "meson.build").write_text("roms = []\n")
    env = kernel.environment()
    env.update(CC="ccache gcc", CXX="ccache g++", CCACHE_BASEDIR=str(work))
    log = paths.LOGS / "qemu.log"
    say.run("configuring QEMU", [str(tree / "configure"), *CONFIGURE], log, cwd=objects, env=env)
    say.run("building QEMU", ["ninja", f"-j{kernel.JOBS}", PROGRAM], log, cwd=objects, env=env,
            measure=_objects)
    finished = work / "finished"
    finished.mkdir()
    shutil.copy(objects / PROGRAM, finished / PROGRAM)
    subprocess.run(["strip", finished / PROGRAM], check=False)
    finished.rename(target)
    shutil.rmtree(work, ignore_errors=True)
