# SPDX-License-Identifier: GPL-2.0
"""A flame graph of user, kernel and hypervisor, as one HTML file.

The graph is drawn by d3-flame-graph in the reader's browser.  npm fetches it, as
picture/package-lock.json has it, into the cache; its scripts, our data and our
styles all go into the file, which then needs nothing else.
"""

import dataclasses
import html
import json
import re
import shutil
import string
import subprocess
from pathlib import Path

from rig import apt, paths, say
from rig.say import Problem

SOURCES = paths.RIG / "picture"
FOLD = SOURCES / "fold.awk"
PAGE = SOURCES / "page.html"
INPUTS = [SOURCES / name for name in ("package.json", "package-lock.json", ".npmrc")]
KINDS = {"u": "user", "k": "kernel", "h": "hypervisor"}
NETWORK = re.compile(r"ENOTFOUND|ECONN|ETIMEDOUT|EAI_AGAIN|ENETUNREACH|EHOSTUNREACH|"
                     r"network|timeout|socket", re.I)


@dataclasses.dataclass
class Profile:
    """What one machine's graph is made of."""

    name: str
    facts: str
    stacks: dict        # ("command", "u:main", ...) -> samples


@dataclasses.dataclass
class Library:
    """A package that goes into the page."""

    name: str
    version: str
    terms: str
    script: str
    licence: str


def read(lines):
    """The stacks of fold.awk's output."""
    stacks = {}
    for line in lines:
        stack, _, count = line.rpartition(" ")
        if stack and count.isdigit():
            key = tuple(stack.split(";"))
            stacks[key] = stacks.get(key, 0) + int(count)
    return stacks


def fold(script):
    """The stacks of what perf script has printed into a file."""
    try:
        done = subprocess.run(["awk", "-f", FOLD, script], capture_output=True, text=True,
                              errors="replace", check=True)
    except FileNotFoundError:
        raise Problem("The program awk is missing.") from None
    except subprocess.CalledProcessError as error:
        raise Problem(f"awk cannot read {script}: {error.stderr.strip()}") from None
    return read(done.stdout.splitlines())


def shares(stacks):
    """The time in user, kernel and hypervisor, in percent; together exactly 100."""
    total, sofar, edge, result = sum(stacks.values()), 0, 0, {}
    for kind, name in KINDS.items():
        sofar += sum(count for stack, count in stacks.items() if stack[-1].startswith(kind + ":"))
        result[name] = round(1000 * sofar / total) - edge
        edge += result[name]
    return {name: tenths / 10 for name, tenths in result.items()}


def tree(stacks):
    """The stacks as d3-flame-graph wants them: what was called is inside of its caller."""
    root = {"name": "all", "kind": "", "value": 0, "children": {}}
    for stack, count in stacks.items():
        node = root
        node["value"] += count
        for frame in (":" + stack[0], *stack[1:]):
            kind, _, name = frame.partition(":")
            node = node["children"].setdefault(
                frame, {"name": name, "kind": kind, "value": 0, "children": {}})
            node["value"] += count

    def listed(node):
        children = sorted(node["children"].values(),
                          key=lambda child: (child["kind"] == "h", -child["value"]))
        return dict(node, children=[listed(child) for child in children])

    return listed(root)


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


def _bar(stacks):
    """The bar of one machine."""
    return "".join(f'<span class="{name}" style="width:{share:.1f}%" title="{share:.1f} % {name}">'
                   f'<b>{share:.1f}&nbsp;%</b> {name}</span>'
                   for name, share in shares(stacks).items())


def _section(profile):
    """One machine: a heading, the bar, and the place for the graph."""
    return (f"<section><h2>{html.escape(profile.name)}</h2>\n"
            f"<p>{html.escape(profile.facts)}</p>\n"
            f'<div class="bar">{_bar(profile.stacks)}</div>\n'
            '<div class="graph"></div>\n<p class="detail">&nbsp;</p></section>\n')


def _credit(library):
    """A library's name and licence."""
    return (f"<h3>{html.escape(library.name)} {html.escape(library.version)}, "
            f"{html.escape(library.terms)}</h3>\n<pre>{html.escape(library.licence)}</pre>\n")


def page(title, about, profiles, drawn_by):
    """The file's text."""
    data = json.dumps([tree(profile.stacks) for profile in profiles], separators=(",", ":"))
    return string.Template(PAGE.read_text(encoding="utf-8")).substitute(
        title=html.escape(title), about=html.escape(about),
        sections="".join(map(_section, profiles)),
        licences="".join(map(_credit, drawn_by)),
        scripts="".join(f"<script>\n{_inside_script(library.script)}\n</script>\n"
                        for library in drawn_by),
        data=data.replace("<", "\\u003c"))


def write(target, title, about, profiles, drawn_by):
    """The file itself."""
    paths.replace(Path(target), page(title, about, profiles, drawn_by).encode())


def draw(script, target):
    """A picture of what somebody's own perf script printed."""
    if not script:
        raise Problem("Of what? rig/run draw SAMPLES [PICTURE.html]; docs/samples.md has "
                      "how to make SAMPLES.")
    if not Path(script).is_file():
        raise Problem(f"{script}: there is no such file.")
    stacks = fold(script)
    if not stacks:
        raise Problem(f"{script} holds no call chains. It is to be what this prints, of "
                      "samples that were recorded with -g:\nperf script "
                      "--guestkallsyms=/proc/xen/xensyms -F comm,tid,misc,ip,sym")
    profile = Profile(Path(script).name, f"{sum(stacks.values()):,} samples", stacks)
    write(target, "Time in user, kernel and hypervisor", "Sampled by perf.", [profile],
          libraries())
    say.line(f"{target}: " + ", ".join(f"{share:.1f} % {name}"
                                       for name, share in shares(stacks).items()))
