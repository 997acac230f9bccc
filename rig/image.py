# SPDX-License-Identifier: GPL-2.0
"""dom0's initramfs: busybox, perf, the cases and our small programs.

Written straight in cpio's "newc" format, with fixed times and owners, so that
the same inputs give the same bytes and nothing needs root.
"""

import dataclasses
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

from rig import paths, say
from rig.say import Problem, output

GUEST = paths.RIG / "guest"
CASES = paths.RIG / "cases"
BENCH = paths.RIG / "bench"
# Every function is to stay one function with a frame, so that profiles are known,
# and the table that DWARF unwinding starts from is to be there in a static program too.
CFLAGS = ("-static", "-O2", "-g0", "-Wall", "-Wextra", "-fno-inline", "-fno-ipa-cp",
          "-fno-omit-frame-pointer", "-mno-omit-leaf-frame-pointer",
          "-Wl,--eh-frame-hdr")


# What it takes to start a domain from dom0, and the folders that these expect.
TOOLS = ("xl", "xenstored", "xen-init-dom0", "xenconsoled", "xen-hptool")
LOADER = "ld-linux-x86-64.so.2"
HELPER = "libxl-save-helper"    # xl expects it in the package's own folder
TOOLS_FOLDERS = ("run/xen", "run/xenstored", "var/lib/xen", "var/log/xen/console", "etc/xen")
# Runs a program's --help, and puts every Python module that is there then into a folder,
# compiled: what was imported only on the way is among them. Nobody there has the sources.
MODULES = """
import contextlib, encodings.ascii, encodings.latin_1, io, os, py_compile, runpy, shutil, sys
import sysconfig
program, folder = sys.argv[1:]
sys.argv = [program, "--help"]
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    runpy.run_path(program, run_name="__main__")
library = sysconfig.get_path("stdlib")
os.makedirs(f"{folder}/{os.path.basename(library)}/lib-dynload")
for module in list(sys.modules.values()):
    file = getattr(module, "__file__", None) or ""
    if not file.startswith(library):
        continue
    place = os.path.join(folder, os.path.basename(library), os.path.relpath(file, library))
    os.makedirs(os.path.dirname(place), exist_ok=True)
    if file.endswith(".py"):
        py_compile.compile(file, place + "c", os.path.basename(file), doraise=True,
                           invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    else:
        shutil.copyfile(file, place)
"""


@dataclasses.dataclass
class Tools:
    """Xen's programs, and the folders of their libraries if they are not this machine's."""

    programs: Path
    libraries: list


class Cpio:
    """A newc archive in the making."""

    def __init__(self):
        self.chunks = []
        self.size = 0
        self.inode = 0
        self.seen = set()

    def _put(self, data):
        self.chunks.append(data)
        self.size += len(data)
        self.chunks.append(bytes(-self.size % 4))
        self.size += -self.size % 4

    def _entry(self, name, mode, data=b"", device=(0, 0)):
        self.inode += 1
        raw = name.encode() + b"\0"
        fields = (self.inode, mode, 0, 0, 2 if stat.S_ISDIR(mode) else 1, 0, len(data),
                  0, 0, *device, len(raw), 0)
        self._put(b"070701" + b"".join(b"%08x" % field for field in fields) + raw)
        self._put(data)

    def folder(self, name):
        """A directory, with those above it."""
        name = str(name).strip("/")
        if name in self.seen or name in ("", "."):
            return
        self.folder(os.path.dirname(name))
        self.seen.add(name)
        self._entry(name, stat.S_IFDIR | 0o755)

    def file(self, name, data, mode=0o755):
        name = str(name).strip("/")
        if name not in self.seen:
            self.folder(os.path.dirname(name))
            self.seen.add(name)
            self._entry(name, stat.S_IFREG | mode, data)

    def link(self, name, target):
        name = str(name).strip("/")
        if name not in self.seen:
            self.folder(os.path.dirname(name))
            self.seen.add(name)
            self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def device(self, name, major, minor):
        self.folder(os.path.dirname(name.strip("/")))
        self._entry(name.strip("/"), stat.S_IFCHR | 0o600, device=(major, minor))

    def finish(self):
        self._entry("TRAILER!!!", 0)
        return b"".join(self.chunks)


def tool(name):
    """A program of this machine that goes into the image."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if not found:
        raise Problem(f"The program {name!r} is missing; it goes into dom0's image.")
    return Path(found).resolve()


def libraries(program, folders=()):
    """The shared libraries a program loads, its loader included.

    With ``folders`` they come from there first, by the loader of the first one.
    """
    if folders:
        listing = output([folders[0] / LOADER, "--library-path", ":".join(map(str, folders)),
                          "--list", program]) or "not found"
    else:
        listing = output(["ldd", str(program)]) or ""
    if "not found" in listing:
        raise Problem(f"{program} lacks a library:\n{listing}")
    return sorted(set(re.findall(r"(/\S+) \(0x", listing)))


def put(archive, program, name):
    """A program goes into an archive, with the libraries it loads."""
    archive.file(name, program.read_bytes())
    for library in libraries(program):
        archive.file(library, Path(library).read_bytes())


def compile_guest(source, to):
    """One of our programs, static: it must run in any dom0."""
    done = subprocess.run(["gcc", *CFLAGS, "-o", to, source], capture_output=True,
                          text=True, check=False)
    if done.returncode:
        raise Problem(f"{source} does not compile:\n{done.stderr}")


def build():
    """The image's path; made again only if something that goes into it changed."""
    perf, busybox = tool("perf"), tool("busybox")
    sources = sorted(GUEST.glob("*.c"))
    scripts = [path for folder in (CASES, BENCH) for path in sorted(folder.iterdir())
               if path.is_file()]
    scripts += [GUEST / "demo.sh"]
    inputs = [Path(__file__), GUEST / "init", busybox, perf, *sources,
              *sorted(GUEST.glob("*.h")), *scripts]
    image = paths.BUILD / "image" / "dom0.cpio"
    stamp = image.with_name("dom0.stamp")
    with paths.lock(image.with_name("lock"), lambda: None):
        mark = paths.digest(*inputs, *(path.name for path in inputs))
        if image.exists() and stamp.exists() and stamp.read_text() == mark:
            return image

        archive = Cpio()
        for folder in ("dev", "proc", "sys", "tmp", "root", "etc", "var", "usr/local/bin"):
            archive.folder(folder)
        archive.device("dev/console", 5, 1)
        archive.device("dev/null", 1, 3)
        archive.file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n", 0o644)
        archive.file("init", (GUEST / "init").read_bytes())
        archive.file("bin/busybox", busybox.read_bytes())
        put(archive, perf, "usr/bin/perf")
        for applet in (output([busybox, "--list"]) or "").split():
            archive.link(f"bin/{applet}", "busybox")
        for source in sources:
            program = image.with_name(source.stem)
            program.parent.mkdir(parents=True, exist_ok=True)
            compile_guest(source, program)
            archive.file(f"usr/local/bin/{source.stem}", program.read_bytes())
        for script in scripts:
            archive.file(f"cases/{script.name}", script.read_bytes())
        paths.replace(image, archive.finish())
        paths.replace(stamp, mark.encode())
    return image


def put_apart(archive, program, name, folders):
    """A program with libraries of its own, which no other program is to see.

    A script under its name starts it with them, and with the loader they belong to.
    """
    apart = f"usr/lib/apart/{program.name}"
    for library in libraries(program, folders):
        archive.file(f"{apart}/{Path(library).name}", Path(library).read_bytes())
    archive.file(f"{apart}/{LOADER}", (folders[0] / LOADER).read_bytes())
    archive.file(f"{apart}/program", program.read_bytes())
    archive.file(name, f"#!/bin/sh\nexec /{apart}/{LOADER} --library-path /{apart} "
                       f"/{apart}/program \"$@\"\n".encode())


def add_tools(archive, tools, kernel):
    """Xen's tools, and /boot/guest, a kernel for domains."""
    for folder in TOOLS_FOLDERS:
        archive.folder(folder)
    archive.link("var/run", "/run")
    archive.file("etc/xen/xl.conf", b"autoballoon=0\n", 0o644)
    names = {name: f"usr/local/bin/{name}" for name in TOOLS}
    names[HELPER] = f"usr/lib/{tools.programs.parent.name}/bin/{HELPER}"
    for name, path in names.items():
        if tools.libraries:
            put_apart(archive, tools.programs / name, path, tools.libraries)
        else:
            put(archive, tools.programs / name, path)
    archive.file("boot/guest", kernel.read_bytes(), 0o644)


def add_python(archive, program, page):
    """xen-profile with its page, and of Python what it imports."""
    python = Path("/usr/bin/python3")
    python = (python if python.exists() else Path(sys.executable)).resolve()
    put(archive, python, "usr/bin/python3")
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([python, "-ISc", MODULES, program, folder], capture_output=True,
                              text=True, check=False)
        if done.returncode:
            raise Problem(f"The modules of {program} are not found:\n{say.quote(done.stderr, -5)}")
        for file in sorted(path for path in Path(folder).rglob("*")):
            name = Path("usr/lib") / file.relative_to(folder)
            if file.is_dir():
                archive.folder(name)
            elif file.suffix == ".so":
                put(archive, file, name)
            else:
                archive.file(name, file.read_bytes(), 0o644)
    archive.link("usr/bin/env", "/bin/busybox")
    archive.file("usr/local/bin/xen-profile", program.read_bytes())
    archive.file("usr/local/share/xen-profile/page.html", page.encode(), 0o644)


def join(plain, archive, name):
    """An image of two archives, one behind the other: Linux unpacks both."""
    image = paths.BUILD / "image" / f"{name}.cpio"
    fresh = image.with_name(f".{image.name}.{os.getpid()}")
    shutil.copyfile(plain, fresh)
    with open(fresh, "ab") as file:
        file.write(archive.finish())
    fresh.replace(image)
    return image
