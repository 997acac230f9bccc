# SPDX-License-Identifier: GPL-2.0
"""`make soak`: what takes hours. Each part does something many times over.

PART= names the parts to run; SCALE=100 does a hundredth of each. A part that was
done at its full number gets its row in docs/reliability.md, and leaves the others'
as they are: nobody needs a machine for a whole day.
"""

import dataclasses
import os
import random
import re
import time

from rig import e2e, kernel, kunit, paths, say
from rig.say import Problem

PAGE = paths.ROOT / "docs" / "reliability.md"
NOT_YET = "not run yet"


@dataclasses.dataclass
class Outcome:
    """What one kernel on one processor, or one suite, came to."""

    where: str          # "ours amd", "unit tests", ...
    held: int
    broken: int
    counts: bool = True

    def __str__(self):
        return f"{self.held} held" + (f", {self.broken} did not" if self.broken else "")


def _add_up(outcomes):
    """One outcome for each place, in order."""
    places = {}
    for each in outcomes:
        sum_of = places.setdefault(each.where, Outcome(each.where, 0, 0, each.counts))
        sum_of.held += each.held
        sum_of.broken += each.broken
    return list(places.values())


def _boot(line, runs):
    most = max(run.rounds for run in runs)
    e2e.carry_out_all(line, runs)
    outcomes = []
    for run in runs:
        fewer = f" {run.rounds:,} times" if run.rounds < most else ""
        outcomes.append(Outcome(f"{run.kind} {run.cpu}{fewer}", len(run.verdict.passed),
                                len(run.verdict.failed), run.counts))
    return outcomes


@dataclasses.dataclass(frozen=True)
class Storm:
    """A case that does something in rounds."""

    case: str
    about: str
    times: int
    seconds: float      # for each, all its machines together
    kernels: str = "ours baseline"
    less: int = 1       # the baseline, which is only there to compare, does an n-th of it

    def run(self, line, times):
        runs = e2e.plan(line, self.case, "", self.kernels, True, rounds=times)
        for run in runs:
            if run.kind == "baseline":
                run.rounds = max(1, times // self.less)
        return _boot(line, runs)


@dataclasses.dataclass(frozen=True)
class Seeds:
    """A random case, with so many seeds; some of them in each boot."""

    case: str
    about: str
    times: int
    seconds: float
    batch: int

    def run(self, line, times):
        outcomes = []
        for done in range(0, times, self.batch):
            seeds = [str(random.SystemRandom().randrange(10**6))
                     for _ in range(min(self.batch, times - done))]
            outcomes += _boot(line, e2e.plan(line, self.case, "", "ours", True,
                                             seeds="+".join(seeds)))
        return outcomes


@dataclasses.dataclass(frozen=True)
class Units:
    """One suite of the unit tests, with a number that is one of its parameters."""

    case: str           # the suite
    about: str
    times: int
    seconds: float
    parameter: str
    name: str = "debug"
    kernels: int = 2    # at a time, which share the number

    def run(self, line, times):
        held, broken = kunit.run_suite(line, self.name, self.case,
                                       (f"{self.parameter}={-(-times // self.kernels)}",),
                                       max(kunit.TIMEOUT, 3 * times * self.seconds),
                                       self.kernels)
        return [Outcome("unit tests", held, broken)]


PARTS = {
    "hotplug": Storm("storm-hotplug", "a CPU goes and comes back", 10_000, 0.22, less=10),
    "mode": Storm("storm-mode", "Xen's mode goes round", 10_000, 0.025, less=10),
    "nmi": Storm("storm-nmi", "NMIs at any point, six a round", 200, 2, "ours"),
    "moves": Storm("storm-moves", "vCPUs, processors and CPU pools move, go and come back", 200, 3,
                   "ours"),
    "domains": Storm("storm-domains", "a domain comes and goes beside a profile in mode all", 100, 5,
                     "ours"),
    "suspend": Storm("suspend", "a domain is saved and restored, with perf in it", 100, 20),
    "ram": Storm("ram", "dom0 is suspended to RAM and wakes up, stock kernel", 100, 7, "stock"),
    "elsewhere": Storm("elsewhere-others", "a domain is restored on another machine: another "
                       "model, vendor or Xen, or one without a vPMU", 1, 400),
    "groups": Storm("groups", "a group begins and ends as one", 100, 8),
    "module": Storm("module", "the module comes and goes, stock kernel", 100, 6, "stock"),
    "fuzz": Seeds("fuzz", "random programs on perf_event_open(), Xen 4.17 and 4.20", 500, 3, 50),
    "checked": Seeds("fuzz-checked", "the same on a kernel that checks locks, sleeping and memory",
                     100, 9, 25),
    "mix": Seeds("mix", "random mixes of events, both Xens, four processors", 300, 7, 75),
    "page": Units("xen_pmu_hostile", "random writes to the page, under KASAN", 10**8, 1e-5,
                  "hostile_test.cases"),
    "races": Units("xen_pmu_hostile", "the same writes, where an access that the compiler may "
                   "make in pieces is found (KCSAN)", 10**7, 6e-5, "hostile_test.cases", "races"),
    "faults": Units("xen_pmu_fault", "random pairs of refused calls on each machine", 10_000, 0.025,
                    "fault_test.pairs"),
}


def _asked(names, scale):
    """The parts, and how often each: (name, part, times)."""
    for name in names:
        if name not in PARTS:
            raise Problem(f"PART={name} is none; the parts are: {', '.join(PARTS)}.")
    if not scale.isdigit() or scale == "0":
        raise Problem(f"SCALE={scale} is not a number to divide by.")
    return [(name, PARTS[name], max(1, PARTS[name].times // int(scale)))
            for name in names or PARTS]


def _told(page):
    """The rows of a docs/reliability.md that tell of a run: part -> row."""
    return {row[1]: row[0] for row in re.finditer(r"^\| `(\w+)` \|.*$", page, re.M)
            if NOT_YET not in row[0]}


def _row(line, name, times, took, outcomes):
    """The page's row of a part."""
    return (f"| `{name}` | {PARTS[name].about} | {line} | {times:,} | {took} | "
            f"{'; '.join(f'{each.where}: {each}' for each in outcomes)} |")


def _page(rows):
    """docs/reliability.md."""
    return "\n".join([
        "<!-- SPDX-License-Identifier: GPL-2.0 -->",
        "# What it has survived", "",
        "Written by `make soak`, each row by the last run of that part at its full number, on "
        "the rig's emulated processors. What held are the checks of the case or the suite: "
        "counts and samples of known programs afterwards, no warning, no page lost, every "
        "interrupt bound once. The baseline is upstream's own code.", "",
        "| part | what | kernel | how often | took | result |", "|---|---|---|---:|---:|---|",
        *(rows.get(name, f"| `{name}` | {part.about} | | {part.times:,} | | {NOT_YET} |")
          for name, part in PARTS.items())]) + "\n"


def _tell(name, row):
    """A row into the page, where the others stay."""
    told = _told(PAGE.read_text()) if PAGE.exists() else {}
    paths.replace(PAGE, _page(told | {name: row}).encode())
    say.line(f"Written to {PAGE.relative_to(paths.ROOT)}")


def run(line):
    """The parts asked for; returns (passed, failed)."""
    if not kernel.have_module():
        raise Problem("The module is not in this checkout: there is nothing to try.")
    names, scale = os.environ.get("PART", "").split(), os.environ.get("SCALE") or "1"
    asked = _asked(names, scale)
    say.section(f"soak, kernel {line}")
    for name, part, times in asked:
        say.line(f"   {name}: {part.about}, {times:,} times: about "
                 f"{say.clock(times * part.seconds)}")
    say.line("   all of it: about "
             f"{say.clock(sum(times * part.seconds for _, part, times in asked))}")
    counted = []
    for name, part, times in asked:
        start = time.monotonic()
        try:
            outcomes = _add_up(part.run(line, times))
        except Problem as problem:
            say.line(say.red("not ok ") + str(problem))
            outcomes = [Outcome(name, 0, 1)]
        for each in outcomes:
            say.line(f"{name}, {times:,} times, {each.where}: {each}")
        if times == part.times:
            _tell(name, _row(line, name, times, say.clock(time.monotonic() - start), outcomes))
        counted += [each for each in outcomes if each.counts]
    return sum(each.held for each in counted), sum(each.broken for each in counted)
