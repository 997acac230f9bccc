# SPDX-License-Identifier: GPL-2.0
"""The cases: what the head of a case script says about it, and what its run says."""

import dataclasses
import re

from rig import paths, processors, truth
from rig.say import Problem

FOLDER = paths.RIG / "cases"
LIBRARY = {"lib", "storm", "asleep"}     # scripts in that folder that are no cases
KERNELS = ("ours", "baseline")
STOCK = "stock"         # the distribution's kernel, with our module; where it is asked for
EAGER = "eager"         # ours without the laziness; by name only
KINDS = (*KERNELS, STOCK, EAGER)
KNOWN = {"about", "cpus", "kernels", "xen", "smp", "timeout", "boot", "linux", "kernel",
         "image", "xens", "run", "to"}

# What a healthy kernel never says. Xen's own "WARNING: ..." starts with (XEN).
FATAL = re.compile(r"^(?:\(XEN\) .*(?:Xen BUG|FATAL|Assertion|Xen call trace)|"
                   r"(?:\[[ \d.]+\] ?)?(?:BUG:|Oops:?|WARNING: CPU|general protection fault|"
                   r"Kernel panic|INFO: task|INFO: rcu|unchecked MSR|Call Trace:|"
                   r"kernel BUG|WARNING: possible)).*", re.M)


@dataclasses.dataclass(frozen=True)
class Case:
    """One script in rig/cases/."""

    name: str
    about: str
    cpus: tuple
    kernels: tuple
    kernel: str         # a variant of ours to boot instead, such as "ssp"
    xen: str
    linux: str
    smp: int
    timeout: float
    bare: bool
    image: tuple        # what the image has besides what all have, such as "tools"
    xens: tuple         # versions of Xen; none: the default one
    to: tuple           # (processor, place) pairs: it ends on another machine, of that place
    by: str             # what runs it, "machines" or "soak"; none: all who run cases

    def places(self, cpu):
        """Where it ends if it begins on a processor; None: on the same machine."""
        return [place for start, place in self.to if start == cpu] or [None]


def _read(path):
    head = {}
    for line in path.read_text().splitlines():
        if not line.startswith("#"):
            break
        found = re.match(r"# (\w+): +(.*\S)", line)
        if found and found[1] in KNOWN:
            head[found[1]] = found[2]
    if "about" not in head:
        raise Problem(f"{path} has no line '# about: ...' in its head, as every case must.")
    cpus, to = head.get("cpus", "amd intel"), head.get("to", "").split()
    return Case(name=path.stem, about=head["about"],
                cpus=tuple(processors.PROCESSORS if cpus == "all" else cpus.split()),
                kernels=tuple(head.get("kernels", "ours baseline").split()),
                kernel=head.get("kernel", "ours"),
                xen=head.get("xen", ""), linux=head.get("linux", ""),
                smp=int(head.get("smp", "1")), timeout=float(head.get("timeout", "240")),
                bare=head.get("boot", "xen") == "bare",
                image=tuple(head.get("image", "").split()),
                xens=tuple(head.get("xens", "").split()),
                to=tuple(zip(to[::2], to[1::2])), by=head.get("run", ""))


def every():
    """All cases, by name."""
    return {path.stem: _read(path) for path in sorted(FOLDER.glob("*.sh"))
            if path.stem not in LIBRARY}


def choose(name, cpu):
    """The cases asked for, as (case, cpu) pairs; an unknown name lists the known ones.

    A case by name runs on any processor that there is.
    """
    known = every()
    names = (name or "").split()
    for each in names:
        if each not in known:
            raise Problem(f"There is no case {each!r}. The cases are: {', '.join(known)}.")
    if names and cpu in processors.PROCESSORS:
        return [(known[each], cpu) for each in names]
    pairs = [(case, model) for case in ([known[each] for each in names] or known.values())
             for model in case.cpus if name or not case.by]
    models = sorted({model for _, model in pairs})
    if cpu and cpu not in models:
        raise Problem(f"CPU={cpu} is not modelled{' for ' + name if name else ''}; "
                      f"CPU= can be: {', '.join(models)}.")
    return [(case, model) for case, model in pairs if cpu in (None, "", model)]


@dataclasses.dataclass
class Verdict:
    """What a run of a case came to."""

    passed: list = dataclasses.field(default_factory=list)
    failed: list = dataclasses.field(default_factory=list)      # (name, why)
    skipped: list = dataclasses.field(default_factory=list)
    figures: dict = dataclasses.field(default_factory=dict)     # name -> "value unit"
    # (percent, name): how much of its tolerance a passed one took
    spent: list = dataclasses.field(default_factory=list)
    fatal: str | None = None

    def add(self, other):
        """What the next machine of the same run came to."""
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.figures |= other.figures
        self.spent += other.spent
        self.fatal = self.fatal or other.fatal


def _doubt(snapshots, claim):
    """Why QEMU, which knows, does not agree with a case, or None; what it spent if it does."""
    _, value, counter, labels, tolerance = claim.groups()
    truly = truth.added_up(snapshots, [int(label) for label in labels.split()], counter)
    if truly is None:
        return "QEMU's snapshots are missing", 0
    away, allowed = abs(int(value) - truly) * 100, truly * int(tolerance)
    if away > allowed:
        return f"got {value}, QEMU has {truly} +-{tolerance} %", 0
    return None, round(100 * away / allowed) if allowed else 0


def judge(console, snapshots, timed_out=False, limit=0):
    """Read a console: the TAP, the figures, and everything that must not be in it.

    ``snapshots`` are QEMU's, for what the case leaves to compare.
    """
    verdict = Verdict()
    plan, last, why = None, None, {}
    for line in console.splitlines():
        if found := re.match(r"(not )?ok (\d+) - (.*?)(?: # SKIP (.*))?$", line):
            last = (int(found[2]), found[3])
            if found[1]:
                verdict.failed.append(found[3])
            elif found[4] is not None:
                verdict.skipped.append(found[3])
            else:
                verdict.passed.append(found[3])
        elif found := re.match(r"# known \d+ - (.*): (-?\d+) is (\w+) of ([-\d ]+) \+-(\d+) %$",
                               line):
            doubt, spent = _doubt(snapshots, found)
            (verdict.failed if doubt else verdict.passed).append(found[1])
            verdict.spent.append((spent, found[1]))
            why[found[1]] = doubt
        elif found := re.match(r"# spent (\d+) % - (.*)", line):
            verdict.spent.append((int(found[1]), found[2]))
        elif found := re.match(r"# figure (\S+) (\S+) ?(.*)", line):
            verdict.figures[found[1]] = f"{found[2]} {found[3]}".strip()
        elif found := re.match(r"#   (.*)", line):
            if last:
                why.setdefault(last[1], found[1])
        elif found := re.match(r"1\.\.(\d+)$", line):
            plan = int(found[1])
    verdict.failed = [(name, why.get(name, "")) for name in verdict.failed]
    ran = len(verdict.passed) + len(verdict.failed) + len(verdict.skipped)
    bad = FATAL.search(console)
    if bad:
        verdict.fatal = bad[0].strip()
    if timed_out:
        verdict.failed.append(("ends in time", f"was stopped after {limit:.0f} s"))
    elif plan is None:
        verdict.failed.append(("ends with a plan", "the case stopped early"))
    elif plan != ran:
        verdict.failed.append(("shows all its results", f"{ran} of {plan} arrived"))
    return verdict
