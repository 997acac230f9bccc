# SPDX-License-Identifier: GPL-2.0
"""Runs the cases, two machines at a time, and prints ours beside upstream's.

The unpatched kernel runs the same cases for comparison: what it fails at is
shown, and does not count.
"""

import concurrent.futures
import contextlib
import dataclasses
import functools
import os
import random
import re
import tempfile

from rig import boot, cases, host, kernel, paths, processors, say, several, stock, truth
from rig.say import Problem

AT_ONCE = 2
ROUND = 30          # seconds that one may take, beside other work
SEEDS = "SEEDS"     # in what a case adds to Linux's command line: those of seeds()
FIXED_SEED = 1
CARRIED = 256       # MiB of what a case may carry from one machine to the next
CLOSE = 85          # percent of a tolerance, from which on a check is worth a look


@dataclasses.dataclass
class Run:
    """One boot of one case."""

    case: cases.Case
    cpu: str
    kind: str           # "ours", "baseline", "stock" or "eager"
    xen: str            # its version
    line: str           # the kernel's
    counts: bool        # or is it here for comparison only?
    rounds: int = 0     # of a case that does something many times; 0: as many as it says
    seeds: str = ""     # of a random one, with + between them
    to: str = None      # PROCESSOR, with /XEN or /WORD of Xen's: the machine where it ends
    verdict: cases.Verdict = None
    seconds: float = 0
    log: object = None

    @property
    def stations(self):
        """The machines it is on, one after the other: (processor, Xen's version, its options)."""
        here = [(self.cpu, self.xen, self.case.xen)]
        if not self.to:
            return here
        cpu, *words = self.to.split("/")
        xen = next((word for word in words if word in host.XENS), host.default_xen())
        return [*here, (cpu, xen, " ".join(word for word in words if word not in host.XENS))]

    @property
    def title(self):
        """Of its rows in the table."""
        return f"{self.case.name} to {self.to}" if self.to else self.case.name

    @property
    def name(self):
        parts = [self.case.name, self.cpu, self.kind]
        if self.to:
            parts.append("to-" + re.sub(r"[^\w.]", "-", self.to))
        if self.xen != host.default_xen():
            parts.append(self.xen)
        if self.line != kernel.DEFAULT_LINE:
            parts.append(f"linux-{self.line}")
        return "-".join(parts)


def plan(line, name, cpu, wanted, ours, **times):
    """The boots to make. Without our module only the baseline has anything to run.

    ``times`` are Run's rounds and seeds, if not ROUNDS= and SEEDS= are to say.
    """
    times = {"rounds": rounds(), "seeds": seeds()} | times
    asked = wanted.split() if wanted else cases.KINDS
    for kind in asked:
        if kind not in cases.KINDS:
            raise Problem(f"KERNELS={kind} is none; it can be: {', '.join(cases.KINDS)}.")
    kinds = [kind for kind in asked if ours or kind == "baseline"]
    if line not in stock.LINES:
        kinds = [kind for kind in kinds if kind != cases.STOCK]
    runs = [Run(case, model, kind, xen, line, kind != "baseline" or "ours" not in kinds, to=place,
                **times)
            for case, model in cases.choose(name, cpu) for place in case.places(model)
            for xen in ([host.default_xen()] if case.bare else host.wanted_xens(case.xens))
            for kind in kinds if runs_on(case, kind, wanted)]
    if not runs:
        raise Problem("There is nothing to run: that case is not for that kernel, "
                      "or the module is not in this checkout.")
    return runs


def runs_on(case, kind, wanted):
    """Is a case for a kernel? When another is asked for by name, all are that are for
    ours; those for a variant of ours are for no other."""
    return kind in case.kernels or (bool(wanted) and "ours" in case.kernels and
                                    (kind == "baseline" or case.kernel == "ours"))


@functools.cache
def seeds():
    """What random cases begin with: SEEDS=, or a number that stays and a fresh one."""
    asked = os.environ.get("SEEDS", "").split()
    if not all(re.fullmatch(r"\d+(:\d+)*", seed) for seed in asked):
        raise Problem(f"SEEDS={os.environ['SEEDS']} is not a number, or several.")
    return "+".join(asked) or f"{FIXED_SEED}+{random.SystemRandom().randrange(2, 10**6)}"


def kernel_of(run):
    """The kernel a run boots: a variant of ours if its case asks for one."""
    return run.case.kernel if run.kind == "ours" else run.kind


def parts_for(line, runs):
    """All that these runs boot."""
    xens = [(run, xen) for run in runs for _, xen, _ in run.stations]
    return host.parts(line, sorted({kernel_of(run) for run in runs}),
                      sorted({(kernel_of(run), run.case.image, xen) for run, xen in xens}),
                      sorted({xen for _, xen in xens}))


def rounds():
    """ROUNDS=, for a case that does something many times; 0 leaves it to the case."""
    asked = os.environ.get("ROUNDS") or "0"
    if not asked.isdigit():
        raise Problem(f"ROUNDS={asked} is not a number.")
    return int(asked)


def limit(run):
    """The seconds that a run may take."""
    return run.case.timeout + ROUND * run.rounds


def machine(run, parts, station=0, more=()):
    """The machine a case asks for; ``station``: which of those it is on."""
    cpu, xen, xen_args = run.stations[station]
    kind, processor = kernel_of(run), processors.get(cpu)
    return boot.Machine(
        qemu=parts.qemu, kernel=parts.kernels[kind],
        initrd=parts.images[kind, run.case.image, xen],
        xen=None if run.case.bare else parts.xens[xen], cpu=cpu, smp=run.case.smp,
        xen_args=xen_args, timeout=limit(run), more=more,
        linux_args=f"rig_case={run.case.name} rig_cpu={run.cpu} rig_kernel={run.kind} "
                   f"rig_xen={xen} rig_counters={processor.general}+{processor.fixed} "
                   f"rig_rounds={run.rounds or ''} "
                   + (f"rig_to={run.to} rig_station={station + 1} " if run.to else "")
                   + (stock.LINUX if run.kind == cases.STOCK else "")
                   + run.case.linux.replace(SEEDS, run.seeds))


@contextlib.contextmanager
def carried(run):
    """QEMU's options for the memory that all machines of a run have, one after the other."""
    if not run.to:
        yield ()
        return
    with tempfile.NamedTemporaryFile(dir=paths.BUILD, prefix="carried-") as file:
        file.truncate(CARRIED << 20)
        yield ("-object", f"memory-backend-file,id=carried,size={CARRIED}M,share=on,"
                          f"mem-path={file.name}", "-device", "ivshmem-plain,memdev=carried")


def carry_out(run, parts):
    """Boot one case and judge its console, or the consoles of its machines."""
    run.verdict = cases.Verdict()
    with carried(run) as more:
        for station in range(len(run.stations)):
            log = paths.LOGS / (f"{run.name}-{station}.log" if station else f"{run.name}.log")
            result = boot.run(machine(run, parts, station, more), log)
            run.log, run.seconds = result.log, run.seconds + result.seconds
            run.verdict.add(cases.judge(result.console, truth.read(result.truth),
                                        result.timed_out, limit(run)))
            if run.verdict.failed:
                break
    if run.verdict.fatal and run.counts:
        run.verdict.failed.append(("a clean console", run.verdict.fatal))
    return run


def report(run):
    """A line for a run, and all that is needed to see why it failed."""
    verdict = run.verdict
    good, bad = len(verdict.passed), len(verdict.failed)
    if run.counts:
        mark = say.red("not ok") if bad else say.green("ok")
    else:
        mark = say.dim("compare")
    text = f"{good} passed" + (f", {bad} failed" if bad else "")
    say.line(f"{mark} {run.name}: {text} ({say.clock(run.seconds)})")
    for name, why in verdict.failed:
        say.line(f"     {name}: {why}" if why else f"     {name}")
    if run.counts and bad:
        if verdict.fatal:
            text = run.log.read_text(errors="replace")
            say.line(f"   The console is in {run.log}; there it says:\n"
                     f"{say.quote(text[text.find(verdict.fatal):])}")
        else:
            say.line(f"   The console is in {run.log}; it ends with:\n{say.tail(run.log)}")


def close_calls(runs):
    """The checks that passed with little to spare: tomorrow's failures, or too strict."""
    calls = sorted(((spent, run.name, name) for run in runs if run.counts
                    for spent, name in run.verdict.spent if spent >= CLOSE), reverse=True)
    for spent, run, name in calls:
        say.line(f"close {run}: {name}: {spent} % of its tolerance")
    if calls:
        say.line()


def table(runs):
    """One table of all figures and results: ours and upstream's, side by side."""
    columns, rows, cells = [], [], {}
    for run in runs:
        column = (run.cpu, run.xen, run.kind)
        if column not in columns:
            columns.append(column)
        good = len(run.verdict.passed)
        total = good + len(run.verdict.failed)
        entries = {"": f"{good}/{total} ok"} | run.verdict.figures
        for figure, value in entries.items():
            row = (run.title, figure)
            if row not in rows:
                rows.append(row)
            cells[row, column] = value
    models = list(processors.PROCESSORS)
    columns.sort(key=lambda column: (models.index(column[0]), column[1],
                                     cases.KINDS.index(column[2])))
    order = list(dict.fromkeys(case for case, _ in rows))
    rows.sort(key=lambda row: order.index(row[0]))
    default = host.default_xen()
    heads = [f"{kind} {cpu}" + (f" {xen}" if xen != default else "")
             for cpu, xen, kind in columns]
    names = [f"{case}" if not figure else f"  {figure}" for case, figure in rows]
    widths = [max(len(head), *(len(cells.get((row, column), "")) for row in rows))
              for head, column in zip(heads, columns)]
    first = max(len(name) for name in names)
    say.line(say.bold("  ".join([" " * first, *(
        head.rjust(width) for head, width in zip(heads, widths))])))
    for name, row in zip(names, rows):
        say.line("  ".join([name.ljust(first), *(
            cells.get((row, column), "-").rjust(width)
            for column, width in zip(columns, widths))]).rstrip())


def carry_out_all(line, runs):
    """Boot them, two at a time, and say how each went."""
    parts = parts_for(line, runs)
    say.section(f"cases on Xen {' and '.join(sorted({run.xen for run in runs}))}, "
                f"kernel {line}")
    with several.pool(AT_ONCE) as pool:
        for done in concurrent.futures.as_completed(
                [pool.submit(carry_out, run, parts) for run in runs]):
            report(done.result())
    say.line()


def run(line, name=None, cpu=None, kernels=None):
    """All cases asked for; returns (passed, failed)."""
    ours = kernel.have_module()
    runs = plan(line, name, cpu, kernels, ours)
    if not ours:
        say.line("The module is not in this checkout yet: only the baseline runs.")
    carry_out_all(line, runs)
    close_calls(runs)
    table(runs)
    passed = sum(len(run.verdict.passed) for run in runs if run.counts)
    failed = sum(len(run.verdict.failed) for run in runs if run.counts)
    return passed, failed
