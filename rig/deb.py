# SPDX-License-Identifier: GPL-2.0
"""The Debian packages, xen-pmu-dkms and xen-profile, built by debhelper."""

import os
import re
import shutil
import subprocess
from email.utils import formatdate

from rig import apt, paths, picture, say
from rig.say import Problem

TOOLS = ["debhelper", "dh-dkms", "lintian"]
STAGE = paths.BUILD / "deb"
# What the packages are made of
PARTS = ("LICENSE", "arch", "debian", "dkms.conf", "docs", "include", "module",
         "tools/xen-profile")


def version():
    """Of the packages, as DKMS has it."""
    return re.search(r'^PACKAGE_VERSION="(.*)"', (paths.ROOT / "dkms.conf").read_text(),
                     re.M)[1]


def git(*words):
    """What git says in this checkout; nothing if it is none."""
    done = subprocess.run(["git", *words], cwd=paths.ROOT, capture_output=True, text=True,
                          check=False)
    return done.stdout.strip()


def maintainer():
    """Who builds the packages: as Debian's own tools are told, or git's user."""
    name = os.environ.get("DEBFULLNAME") or git("config", "user.name")
    address = os.environ.get("DEBEMAIL") or git("config", "user.email")
    if not name or not address:
        raise Problem("The packages name who built them: set DEBFULLNAME= and DEBEMAIL=.")
    return f"{name} <{address}>"


def changelog(number, who):
    """Debian's, of one entry: what changed is in git."""
    commit = git("log", "-1", "--format=%h") or "a release"
    date = git("log", "-1", "--format=%cd", "--date=rfc2822") or formatdate()
    return (f"xen-pmu ({number}) unstable; urgency=medium\n\n"
            f"  * Built from {commit}.\n\n -- {who}  {date}\n")


def stage(number):
    """A copy of the sources, with what `make page` makes."""
    folder = STAGE / f"xen-pmu-{number}"
    shutil.rmtree(STAGE, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in PARTS:
        source, target = paths.ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, target)
    shutil.copy(picture.build(), folder / "page.html")
    who, control = maintainer(), folder / "debian/control"
    control.write_text(control.read_text().replace("@MAINTAINER@", who))
    (folder / "debian/changelog").write_text(changelog(number, who))
    return folder


def lintian(files):
    """Its errors."""
    done = subprocess.run(["lintian", "--fail-on", "none", "--tag-display-limit", "0",
                           "--allow-root", *files], capture_output=True, text=True, check=False)
    return [line for line in done.stdout.splitlines() if line.startswith("E:")]


def run(line):
    """Both packages; returns (passed, failed)."""
    del line
    apt.ensure(TOOLS)
    folder = stage(version())
    say.run("packages", ["dpkg-buildpackage", "-us", "-uc", "-b"], paths.LOGS / "deb.log",
            cwd=folder, env=dict(os.environ, LC_ALL="C"))
    files = sorted(STAGE.glob("*.deb"))
    if len(files) != 2:
        raise Problem(f"dpkg-buildpackage made {len(files)} packages; "
                      f"see {paths.LOGS / 'deb.log'}.")
    for file in files:
        say.line(f"{file.relative_to(paths.ROOT)}")
    errors = lintian(files)
    for error in errors:
        say.line(f"     {error}")
    say.line(f"{say.red('not ok') if errors else say.green('ok')} lintian: {len(errors)} errors")
    return len(files), len(errors)
