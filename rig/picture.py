# SPDX-License-Identifier: GPL-2.0
"""A flame graph of user, kernel and hypervisor, as one HTML file.

tools/xen-profile makes the file, and this the page that it puts the samples into.
The graph is drawn by d3-flame-graph in the reader's browser.  npm fetches it, as
picture/package-lock.json has it, into the cache; its scripts, our data and our
styles all go into the file, which then needs nothing else.
"""

import dataclasses
import html
import importlib.machinery
import importlib.util
import json
import re
import shutil
import string
import sys
from pathlib import Path

from rig import apt, paths, say
from rig.say import Problem

SOURCES = paths.RIG / "picture"
PAGE = SOURCES / "page.html"
TOOL = paths.ROOT / "tools" / "xen-profile"
BUILT = paths.BUILD / "xen-profile" / "page.html"
INPUTS = [SOURCES / name for name in ("package.json", "package-lock.json", ".npmrc")]
NETWORK = re.compile(r"ENOTFOUND|ECONN|ETIMEDOUT|EAI_AGAIN|ENETUNREACH|EHOSTUNREACH|"
                     r"network|timeout|socket", re.I)


@dataclasses.dataclass
class Library:
    """A package that goes into the page."""

    name: str
    version: str
    terms: str
    script: str
    licence: str


def _tool():
    """tools/xen-profile, as a module: it knows samples, stacks and pages."""
    loader = importlib.machinery.SourceFileLoader("xen_profile", str(TOOL))
    module = importlib.util.module_from_spec(
        importlib.util.spec_from_loader(loader.name, loader))
    sys.modules[loader.name] = module       # dataclasses look for it there
    loader.exec_module(module)
    return module


tool = _tool()
Profile, KINDS, shares, tree = tool.Profile, tool.KINDS, tool.shares, tool.tree


def fold(lines):
    """The stacks of what perf script has printed."""
    return tool.fold(tool.samples(lines))


def _npm(folder):
    """The packages of the lock file, into a folder's node_modules."""
    if not shutil.which("npm"):
        apt.ensure(["npm"])
    log = paths.LOGS / "npm.log"
    try:
        say.run("getting the flame graph's library from npm",
                ["npm", "ci", "--ignore-scripts", "--fetch-retries=1",
                 "--fetch-timeout=30000"], log, cwd=folder)
    except Problem:
        words = log.read_text(errors="replace") if log.exists() else ""
        said = re.findall(r"^npm (?:error|ERR!) (?!code)(.*\w.*)", words, re.M)
        if NETWORK.search(words):
            raise Problem("npm cannot reach the registry of its configuration, which has "
                          "d3-flame-graph; try again once `npm ping` succeeds.") from None
        raise Problem(f"npm cannot get d3-flame-graph; it says: {(said or ['nothing'])[0]}. "
                      f"See {log.relative_to(paths.ROOT)}.") from None


def _modules():
    """The folder the packages are in, made whole or not at all."""
    target = paths.CACHE / f"picture-{paths.digest(*INPUTS)}"
    with paths.lock(paths.CACHE / ".picture.lock",
                    lambda: say.line("   waiting: another run gets the same library")):
        if not target.exists():
            fresh = target.with_name(f".{target.name}")
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(parents=True)
            for file in INPUTS:
                shutil.copy(file, fresh)
            _npm(fresh)
            fresh.rename(target)
    return target / "node_modules"


def libraries():
    """The packages that the page needs, each after those that it builds on."""
    modules, found = _modules(), {}

    def add(name):
        if name in found:
            return
        package = json.loads((modules / name / "package.json").read_text(encoding="utf-8"))
        for other in package.get("dependencies", {}):
            add(other)
        script = modules / name / package.get("jsdelivr", package["main"])
        found[name] = Library(name, package["version"], package["license"],
                              script.read_text(encoding="utf-8"),
                              (modules / name / "LICENSE").read_text(encoding="utf-8"))

    for name in json.loads(INPUTS[0].read_text(encoding="utf-8"))["dependencies"]:
        add(name)
    return list(found.values())


def _inside_script(text):
    """JavaScript that does not end the element it is in; it means the same."""
    return re.sub(r"<(?=/script|!--)", r"\\x3c", text, flags=re.I)


def _credit(library):
    """A library's name and licence."""
    return (f"<h3>{html.escape(library.name)} {html.escape(library.version)}, "
            f"{html.escape(library.terms)}</h3>\n<pre>{html.escape(library.licence)}</pre>\n")


def template(drawn_by):
    """The page with the library in it; what xen-profile puts into it is left open."""
    def literally(parts):
        return "".join(parts).replace("$", "$$")

    return string.Template(PAGE.read_text(encoding="utf-8")).safe_substitute(
        licences=literally(map(_credit, drawn_by)),
        scripts=literally(f"<script>\n{_inside_script(library.script)}\n</script>\n"
                          for library in drawn_by))


def write(target, title, about, profiles, drawn_by):
    """A picture."""
    paths.replace(Path(target),
                  tool.page(template(drawn_by), title, about, profiles).encode())


def build():
    """The page that is installed with xen-profile."""
    paths.replace(BUILT, template(libraries()).encode())
    return BUILT


def draw(script, target):
    """A picture of what somebody's own perf script printed."""
    if not script:
        raise Problem("Of what? rig/run draw SAMPLES [PICTURE.html]; docs/samples.md has "
                      "how to make SAMPLES.")
    if not Path(script).is_file():
        raise Problem(f"{script}: there is no such file.")
    with open(script, encoding="utf-8", errors="replace") as lines:
        stacks = fold(lines)
    if not stacks:
        raise Problem(f"{script} holds no call chains. It is to be what this prints, of "
                      "samples that were recorded with -g:\nperf script "
                      "--guestkallsyms=/proc/xen/xensyms -F comm,tid,misc,ip,sym")
    profile = Profile(Path(script).name, f"{sum(stacks.values()):,} samples", stacks)
    write(target, "Time in user, kernel and hypervisor", "Sampled by perf.", [profile],
          libraries())
    say.line(f"{target}: " + ", ".join(f"{share:.1f} % {name}"
                                       for name, share in shares(stacks).items()))
