# SPDX-License-Identifier: GPL-2.0
"""Packages: the host's tools, and files that are unpacked but not installed.

Mirrors are those of the machine's own configuration, always.  What would change
how the machine boots (Xen), and what only our QEMU reads, is unpacked into the
cache and never installed.
"""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

from rig import paths, say
from rig.say import Problem

TOOLS = """
    bc bison build-essential busybox-static ccache cpio flex git libelf-dev libfdt-dev
    libglib2.0-dev libpixman-1-dev libssl-dev libxen-dev linux-perf meson ninja-build
    perl pkg-config sparse xz-utils zlib1g-dev
""".split()

# Suites in which Debian proper (not a third party) publishes, most of all for
# the source package of an older release.
DEBIAN_SUITES = {"bookworm", "trixie", "forky", "duke", "sid", "stable", "oldstable",
                 "oldoldstable", "testing", "unstable"}
NETWORK = re.compile(r"Could not resolve|Failed to fetch|Unable to connect|"
                     r"Connection (failed|refused|timed out)|Network is unreachable")
STALE = re.compile(r"Unable to locate package|Can't select|No packages found|404 +Not Found|"
                   r"has no installation candidate|Couldn't find package")


def _apt(command, what, *, cwd=None, log="apt.log"):
    """One apt-get run as a step; returns None, or apt's words if it failed."""
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive", LC_ALL="C")
    path = paths.LOGS / log
    try:
        say.run(what, command, path, cwd=cwd, env=env)
    except Problem:
        return path.read_text(errors="replace") if path.exists() else "apt-get is missing"
    return None


def _explain(words, wanted, instead=""):
    """apt's failure in one sentence."""
    if NETWORK.search(words):
        why = "the package mirror of this machine's apt configuration cannot be reached"
    elif STALE.search(words):
        why = "this machine's apt configuration does not offer it"
    else:
        why = "apt-get said: " + (re.findall(r"^E: .*", words, re.M) or ["nothing useful"])[0]
    return Problem(f"Cannot get {wanted}: {why}. {instead}".rstrip())


def missing(names):
    """Those packages that are not installed."""
    try:
        listing = subprocess.run(
            ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *names],
            capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        raise Problem("The rig finds its tools with dpkg and apt-get, and this system "
                      "has neither: use Debian 12 or 13 (a container will do).") from None
    present = {name for name, _, status in (line.partition(" ") for line in
               listing.splitlines()) if status == "installed"}
    return [name for name in names if name not in present]


_updated = False


def _update():
    """apt-get update, once a run."""
    global _updated  # pylint: disable=global-statement
    if not _updated and os.geteuid() == 0:
        _apt(["apt-get", "update"], "updating apt's package lists")
        _updated = True
        return True
    return False


def ensure_tools():
    """Install what the rig needs and the machine lacks."""
    ensure(TOOLS)


def ensure(names):
    """Install those packages that the machine lacks."""
    need = missing(names)
    if not need:
        return
    command = ["apt-get", "install", "-y", "--no-install-recommends", *need]
    if os.geteuid() != 0:
        raise Problem("These packages are missing and installing them needs root: "
                      f"{' '.join(need)}.\nRun as root, or first: sudo {shlex.join(command)}")
    if not any(Path("/var/lib/apt/lists").glob("*_Packages*")):
        _update()
    what = f"installing {len(need)} packages" if len(need) > 1 else f"installing {need[0]}"
    words = _apt(command, what)
    if words is not None and _update():
        words = _apt(command, what)
    if words is not None:
        raise _explain(words, "packages " + " ".join(need), f"See {paths.LOGS / 'apt.log'}.")


def _uris(options, *action):
    """What ``apt-get --print-uris`` would fetch: {file name: sha256}."""
    listing = say.output(["apt-get", *options, *action, "--print-uris"]) or ""
    return dict(re.findall(r"^'[^']+' (\S+) \d+ SHA256:([0-9a-f]{64})$", listing, re.M))


def _downloaded(record):
    """The file that an earlier download left a record of, if it is there and whole."""
    if not record.exists():
        return None
    mark, _, filename = record.read_text().strip().partition("  ")
    file = paths.DOWNLOADS / filename
    if not file.exists():
        return None
    if paths.sha256(file) == mark:
        return file
    say.line(f"   {file} is damaged (its checksum is wrong): fetching it again")
    file.unlink()
    return None


def _fetch(name, record, options=()):
    """Download a package that apt knows with these options: (file, None) or (None, why not)."""
    known = _uris(options, "download", name)
    file = next((paths.DOWNLOADS / entry for entry in known), None)
    if not file:
        return None, "Unable to locate package"
    mark = known[file.name]
    if file.exists() and paths.sha256(file) != mark:
        file.unlink()
    words = None if file.exists() else _apt(
        ["apt-get", *options, "-o", "APT::Sandbox::User=root", "download", name],
        f"downloading {file.name}", cwd=paths.DOWNLOADS)
    if words is not None:
        return None, words
    if paths.sha256(file) != mark:
        file.unlink()
        raise Problem(f"{file.name} was downloaded with a wrong checksum; "
                      "it was removed, try again.")
    paths.replace(record, f"{mark}  {file.name}\n".encode())
    return file, None


def deb(name, instead="", suite=None):
    """A package's file, downloaded once and verified; apt's own lists vouch for it.

    ``suite`` takes it from another Debian release than the machine's.
    """
    record = paths.DOWNLOADS / f"{name}{f'.{suite}' if suite else ''}.sha256"
    if file := _downloaded(record):
        return file
    paths.DOWNLOADS.mkdir(parents=True, exist_ok=True)
    options = private(suite, "deb", name, instead) if suite else []
    file, words = _fetch(name, record, options)
    if not file and suite:
        _read_lists(options, suite, name, instead)
        file, words = _fetch(name, record, options)
    elif not file and _update():
        file, words = _fetch(name, record)
    if not file:
        raise _explain(words, f"package {name}", instead)
    return file


def unpacked(name, suite=None):
    """A package's files in the cache, unpacked whole or not at all; ``suite`` as for deb()."""
    file = deb(name, suite=suite)
    target = paths.CACHE / "unpacked" / file.name.removesuffix(".deb")
    with paths.lock(paths.CACHE / ".unpack.lock", lambda: None):
        if not target.exists():
            fresh = target.with_name(f".{target.name}")
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(parents=True)
            subprocess.run(["dpkg-deb", "-x", file, fresh], check=True)
            fresh.rename(target)
    return target


def first_known(names):
    """The first of several package names that this machine's apt has."""
    for attempt in range(2):
        for name in names:
            if (paths.DOWNLOADS / f"{name}.sha256").exists() or _uris([], "download", name):
                return name
        if attempt or not _update():
            break
    return names[0]


def release(file=Path("/etc/os-release")):
    """The name of the machine's release, as it says itself: "bookworm", "trixie"."""
    text = file.read_text(errors="replace") if file.exists() else ""
    found = re.search(r"^VERSION_CODENAME=\"?(\w+)", text, re.M)
    return found[1] if found else ""


def debian_mirrors(folder=Path("/etc/apt")):
    """(URI, signed-by) of every Debian archive in the machine's configuration.

    Both formats count: deb822 (``*.sources``) and one-line (``*.list``).
    """
    mirrors = []

    def add(uri, suites, components, key):
        suites = {suite.strip("/").split("/")[0] for suite in suites}
        if suites & DEBIAN_SUITES and "main" in components and (uri, key) not in mirrors:
            mirrors.append((uri, key))

    for file in sorted(folder.glob("sources.list.d/*.sources")):
        text = "\n".join(row for row in file.read_text(errors="replace").splitlines()
                         if not row.startswith("#"))
        for stanza in re.split(r"\n\s*\n", text):
            field = {name.lower(): " ".join(value.split()) for name, value in re.findall(
                r"^([\w-]+):(.*(?:\n[ \t].*)*)", stanza, re.M)}
            if field.get("enabled", "yes") == "no" or "BEGIN PGP" in field.get("signed-by", ""):
                continue
            for uri in field.get("uris", "").split():
                add(uri, field.get("suites", "").split(), field.get("components", "").split(),
                    field.get("signed-by", ""))
    for file in [folder / "sources.list", *sorted(folder.glob("sources.list.d/*.list"))]:
        if not file.exists():
            continue
        for kind, options, uri, suite, components in re.findall(
                r"^(deb|deb-src)\s+(?:\[([^]]*)\]\s*)?(\S+)\s+(\S+)([^#\n]*)",
                file.read_text(errors="replace"), re.M):
            del kind
            key = re.search(r"signed-by=(\S+)", options)
            add(uri, [suite], components.split(), key.group(1) if key else "")
    return mirrors


def private(suite, kind, wanted, instead=""):
    """apt-get's options for another suite of the machine's mirror, "deb" or "deb-src".

    They make a private configuration, which leaves the machine's own lists alone.
    """
    mirrors = debian_mirrors()
    if not mirrors:
        raise Problem(f"Cannot get {wanted}: this machine's apt configuration names "
                      f"no Debian mirror. {instead}".rstrip())
    folder = paths.CACHE / "apt" / f"{suite}-{kind}"
    (folder / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    sources = folder / "sources.list"
    paths.replace(sources, "".join(
        f"{kind} {f'[signed-by={key}] ' if key else ''}{uri} {suite} main\n"
        for uri, key in mirrors).encode())
    return [word for setting in (
        f"Dir::Etc::sourcelist={sources}", "Dir::Etc::sourceparts=/dev/null",
        f"Dir::State::lists={folder / 'lists'}", "Dir::Cache::pkgcache=",
        "Dir::Cache::srcpkgcache=", "APT::Sandbox::User=root",
        "Acquire::Languages=none") for word in ("-o", setting)]


def _read_lists(options, suite, wanted, instead=""):
    """apt-get update for a private configuration."""
    words = _apt(["apt-get", *options, "update", "--error-on=any"],
                 f"reading the package lists of {suite}")
    if words is not None:
        raise _explain(words, wanted, instead)


def source_tar(package, suite, filename):
    """A source package's upstream tarball out of the pool of the machine's mirror.

    The caller checks the tarball against its pin.
    """
    instead = f"QEMU_SRC=/path/to/{filename} takes a local copy."
    options = private(suite, "deb-src", filename, instead)
    action = ["source", "--download-only", "--tar-only", "--only-source", package]
    if filename not in _uris(options, *action):
        _read_lists(options, suite, filename, instead)
    paths.DOWNLOADS.mkdir(parents=True, exist_ok=True)
    words = _apt(["apt-get", *options, *action], f"downloading {filename}",
                 cwd=paths.DOWNLOADS)
    if words is not None or not (paths.DOWNLOADS / filename).exists():
        raise _explain(words or "Unable to locate package", filename, instead)
    return paths.DOWNLOADS / filename
