# SPDX-License-Identifier: GPL-2.0
"""Kernels: ours, the unpatched one beside it, and variants of ours.

One unpacked tree each in build/src/<name>/, with its objects in a folder inside
and build/<name> a link to that; one configuration for all that are compared, so
that a difference between two kernels is a difference of the code.

The objects are inside the tree because kbuild then calls its sources "..": all
trees compile with the same words, and the second one comes out of ccache.
"""

import contextlib
import dataclasses
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

from rig import apt, paths, say
from rig.say import Problem

CONFIGS = paths.RIG / "kernel"
PATCHES = paths.ROOT / "patches"
DEFAULT_LINE = "6.12"
# Lines that the machine's own release has not, and which Debian release has
SUITES = {"bookworm": {"7.3": "trixie-backports"},
          "trixie": {"6.1": "bookworm", "7.3": "trixie-backports"}}
# Kinds whose tree is the line's own source, without scripts/apply.
UNPATCHED = ("baseline", "series")
OBJECTS = "objects-"     # folders of objects inside a source tree start so
JOBS = os.environ.get("JOBS") or str(os.cpu_count())


@dataclasses.dataclass(frozen=True)
class Kernel:
    """One kernel of one line: "ours", "baseline", or a variant of ours by name.

    ``like`` is a fragment that its configuration has besides, with one for the line
    where lines call its options otherwise.
    """

    line: str
    kind: str = "ours"
    like: str = ""

    @property
    def name(self):
        return "-".join(part for part in (self.line, self.kind, self.like)
                        if part not in ("", "ours"))

    @property
    def tree(self):
        own = self.kind in UNPATCHED or self.kind in VARIANTS
        return f"{self.line}-{self.kind}" if own else self.line

    @property
    def source(self):
        return paths.BUILD / "src" / self.tree

    @property
    def objects(self):
        return self.source / f"{OBJECTS}{self.name}"

    @property
    def image(self):
        return paths.BUILD / self.name / "arch" / "x86" / "boot" / "bzImage"


def make_objects(folder):
    """A folder for objects inside a tree, and the link to it in build/."""
    folder.mkdir(exist_ok=True)
    link = paths.BUILD / folder.name.removeprefix(OBJECTS)
    target = folder.relative_to(paths.BUILD)
    if link.is_symlink() and link.readlink() != target:
        link.unlink()
    if not link.is_symlink():
        if link.exists():
            shutil.rmtree(link)
        link.symlink_to(target)


def lines():
    """The kernel lines there are patches for."""
    return sorted({path.parent.name for path in PATCHES.glob("*/*.patch")},
                  key=lambda name: [int(part) for part in name.split(".")])


def have_module():
    """Is our module in this checkout at all?"""
    return bool(lines())


def environment():
    """For every compiler run: a shared cache, and no trace of where or when."""
    return dict(os.environ, LC_ALL="C", CCACHE_DIR=str(paths.CACHE / "ccache"),
                CCACHE_NOHASHDIR="1", CCACHE_MAXSIZE="4G",
                KBUILD_BUILD_TIMESTAMP="2026-01-01", KBUILD_BUILD_USER="rig",
                KBUILD_BUILD_HOST="localhost", KBUILD_BUILD_VERSION="1")


def _archive(line):
    """The kernel's source as a file: KSRC=, or the distribution's package."""
    local = os.environ.get("KSRC")
    if not local:
        return apt.deb(f"linux-source-{line}",
                       "KSRC=/path/to/linux-VERSION.tar.xz takes a local copy.",
                       suite=SUITES.get(apt.release(), SUITES["bookworm"]).get(line))
    file = Path(local).expanduser().resolve()
    if not file.is_file():
        raise Problem(f"KSRC={local}: there is no such file.")
    return file


def version(tree):
    """The line of a kernel tree, such as "6.12", from its Makefile; None if it is none."""
    try:
        text = (tree / "Makefile").read_text(errors="replace")
    except OSError:
        return None
    found = dict(re.findall(r"^(VERSION|PATCHLEVEL) = (\d+)$", text, re.M))
    return f"{found['VERSION']}.{found['PATCHLEVEL']}" if len(found) == 2 else None


def _unpack(archive, target, line):
    """Unpack a tarball, or the tarball in a .deb, whole or not at all."""
    fresh = target.with_name(f".{target.name}.unpacking")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    unpack = f"tar -x --strip-components=1 -C {shlex.quote(str(fresh))}"
    name = shlex.quote(str(archive))
    if archive.suffix == ".deb":
        # What goes wrong in front makes the last of them fail.
        pipe = (f"dpkg-deb --fsys-tarfile {name} | "
                f"tar -xO --wildcards './usr/src/linux-source-*.tar.xz' | {unpack} -J")
    else:
        pipe = f"{unpack} -f {name}"
    say.run(f"unpacking {archive.name} for {target.name}", ["sh", "-c", pipe],
            paths.LOGS / f"unpack-{target.name}.log",
            hint="Is it a kernel source tarball (.tar.xz, .tar.gz) or a linux-source package, "
                 "and is the disk not full?")
    if version(fresh) != line:
        raise Problem(f"{archive} is not a kernel {line} source "
                      f"(it says {version(fresh) or 'nothing'}); LINE= names another line.")
    if target.exists():
        shutil.rmtree(target)
    fresh.rename(target)


def _tree(kernel):
    """The kernel's own unpacked tree."""
    archive = _archive(kernel.line) if os.environ.get("KSRC") else None
    stamp = kernel.source / ".rig"
    mark = paths.sha256(archive) if archive else None
    if not stamp.exists() or mark and stamp.read_text().strip() != mark:
        archive = archive or _archive(kernel.line)
        _unpack(archive, kernel.source, kernel.line)
        stamp.write_text((mark or paths.sha256(archive)) + "\n")


def _renew(kernel):
    """Unpack the tree afresh and keep its objects.

    What was changed in the old tree gets a new time in the new one, so that make
    does not take an object of the changed file for one of the original.
    """
    old = kernel.source.with_name(f".{kernel.source.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    kernel.source.rename(old)
    _tree(kernel)
    for folder, _, names in os.walk(kernel.source):
        for name in names:
            fresh = Path(folder) / name
            before = old / fresh.relative_to(kernel.source)
            if not fresh.is_symlink() and (not before.exists() or
                                           before.stat().st_mtime != fresh.stat().st_mtime):
                os.utime(fresh)
    for objects in old.glob(f"{OBJECTS}*"):
        objects.rename(kernel.source / objects.name)
    shutil.rmtree(old)


def apply(tree):
    """scripts/apply: our module into a tree."""
    done = subprocess.run([paths.ROOT / "scripts" / "apply", tree], capture_output=True,
                          text=True, check=False)
    if done.returncode:
        raise Problem(done.stderr.strip() or f"scripts/apply {tree} failed")


def _overlay(base, tree, changed):
    """A variant's tree: symbolic links into ours, but for the files in ``changed``.

    So a variant costs nothing and always has the newest sources.
    """
    folders = {Path(".")}
    for name in changed:
        folders.update(Path(name).parents)
    for folder in folders:
        if (tree / folder).is_symlink():
            (tree / folder).unlink()
        (tree / folder).mkdir(parents=True, exist_ok=True)
        names = {entry.name for entry in (base / folder).iterdir()
                 if not entry.name.startswith(OBJECTS)}
        for stale in [entry for entry in (tree / folder).iterdir()
                      if entry.name not in names and not entry.name.startswith(OBJECTS)]:
            stale.unlink() if stale.is_symlink() else shutil.rmtree(stale)
        for name in names:
            link = tree / folder / name
            if folder / name in folders or str(folder / name) in changed:
                continue
            if not link.is_symlink():
                link.symlink_to(base / folder / name)
    for name, text in changed.items():
        paths.replace(tree / name, text.encode())


# A variant is ours with a patch: rig/kernel/NAME.patch, the same for all lines.
VARIANTS = {path.stem: path for path in CONFIGS.glob("*.patch")}


def _patched(base, patch):
    """The files of ``base`` that a patch names, as it leaves them: {path: text}."""
    names = re.findall(r"^\+\+\+ b/(\S+)", patch.read_text(), re.M)
    with tempfile.TemporaryDirectory() as scratch:
        for name in names:
            copy = Path(scratch) / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(base / name, copy)
        done = subprocess.run(["patch", "-p1", "--batch", "-i", patch], cwd=scratch,
                              capture_output=True, text=True, check=False)
        if done.returncode:
            raise Problem(f"{patch.relative_to(paths.ROOT)} does not fit {base.name}: "
                          f"{done.stdout.strip()}")
        return {name: (Path(scratch) / name).read_text() for name in names}


def configure(kernel, make):
    """tinyconfig and our fragments; every line of them must hold."""
    fragments = [path for path in (CONFIGS / f"{name}.config"
                                   for name in ("base", kernel.kind, kernel.like,
                                                f"{kernel.like}-{kernel.line}"))
                 if path.exists()]
    mark = paths.digest(*fragments, kernel.source / "Makefile",
                        *sorted(paths.ROOT.glob("Kconfig")),
                        *sorted((PATCHES / kernel.line).glob("*.patch")),
                        *CONFIGS.glob(f"{kernel.kind}.patch"))
    stamp = kernel.objects / ".rig-config"
    config = kernel.objects / ".config"
    if stamp.exists() and config.exists() and stamp.read_text() == mark:
        return
    make_objects(kernel.objects)
    log = paths.LOGS / f"config-{kernel.name}.log"
    merge = [kernel.source / "scripts" / "kconfig" / "merge_config.sh", "-m",
             "-O", kernel.objects, config, *fragments]
    steps = " && ".join(shlex.join(str(word) for word in command) for command in (
        [*make, "tinyconfig"], merge, [*make, "olddefconfig"]))
    say.run(f"configuring kernel {kernel.name}", ["sh", "-c", steps], log,
            cwd=kernel.source, env=environment())
    check_config(config, fragments, kernel.name)
    stamp.write_text(mark)


def check_config(config, fragments, name):
    """A request that Kconfig dropped silently is an error here; the last one counts."""
    have = set(config.read_text().splitlines())
    wanted = {line.removeprefix("# ").split("=")[0].split()[0]: line
              for path in fragments for line in path.read_text().splitlines()
              if re.match(r"(# )?CONFIG_", line)}
    lost = [line for line in wanted.values() if line not in have
            and not (line.endswith(" is not set") and
                     not any(row.startswith(line.split()[1] + "=") for row in have))]
    if lost:
        config.unlink()
        raise Problem(f"The configuration of {name} does not keep what the rig asks for: "
                      f"{', '.join(lost)} (a dependency is off, or the symbol is gone).")


def objects_built(log):
    """Progress of a kbuild log."""
    try:
        count = log.read_bytes().count(b"\n  CC ")
    except OSError:
        return ""
    return f"{count} compiled" if count else ""


def make_command(kernel, *targets):
    """make for this kernel, with our compiler."""
    return ["make", "-C", str(kernel.source), f"O={kernel.objects}", f"-j{JOBS}",
            "CC=ccache gcc", "HOSTCC=ccache gcc", *targets]


def prepare_tree(kernel):
    """The kernel's tree, with all that belongs in it."""
    if kernel.kind in UNPATCHED:
        _tree(kernel)
        return
    if kernel.line not in lines():
        raise Problem(f"There are no patches for kernel line {kernel.line}; "
                      f"LINE= can be: {', '.join(lines()) or '(none yet)'}.")
    ours = Kernel(kernel.line)
    _tree(ours)
    hunks = paths.digest(*sorted((PATCHES / kernel.line).glob("*.patch")))
    stamp = ours.source / ".rig-patches"
    was = stamp.read_text() if stamp.exists() else None
    # Hunks of another checkout may seem to fit over one another.
    if was != hunks and (ours.source / "arch/x86/xen/pmu").is_dir():
        _renew(ours)
    apply(ours.source)
    stamp.write_text(hunks)
    if kernel.kind in VARIANTS:
        _overlay(ours.source, kernel.source, _patched(ours.source, VARIANTS[kernel.kind]))


def prepare(kernel):
    """The kernel's tree and its configuration."""
    prepare_tree(kernel)
    configure(kernel, make_command(kernel))


def _lock_file(kernel):
    """Those without us stand alone; ours and its variants share a tree, and so a lock."""
    name = kernel.tree if kernel.kind in UNPATCHED else kernel.line
    return paths.BUILD / f".{name}.lock"


@contextlib.contextmanager
def reserved(kernel):
    """Nobody else touches this kernel's tree and objects meanwhile."""
    with paths.lock(_lock_file(kernel), lambda: say.line(
            f"   another run builds kernel {kernel.name}: waiting for it")):
        yield


def build(kernel):
    """The kernel's bzImage, up to date."""
    name = f"kernel {kernel.name}"
    with reserved(kernel):
        prepare(kernel)
        say.run(name, make_command(kernel, "bzImage"),
                paths.LOGS / f"kernel-{kernel.name}.log", measure=objects_built,
                env=environment())
    return kernel.image
