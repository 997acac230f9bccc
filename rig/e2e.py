# SPDX-License-Identifier: GPL-2.0
"""Runs the cases, two machines at a time, and prints ours beside upstream's.

The unpatched kernel runs the same cases for comparison: what it fails at is
shown, and does not count.
"""

import concurrent.futures
import dataclasses

from rig import boot, cases, host, kernel, paths, say, truth
from rig.say import Problem

AT_ONCE = 2


@dataclasses.dataclass
class Run:
    """One boot of one case."""

    case: cases.Case
    cpu: str
    kind: str           # "ours" or "baseline"
    counts: bool        # or is it here for comparison only?
    verdict: cases.Verdict = None
    seconds: float = 0
    log: object = None

    @property
    def name(self):
        return f"{self.case.name}-{self.cpu}-{self.kind}"


def plan(name, cpu, wanted, ours):
    """The boots to make. Without our module only the baseline has anything to run."""
    wanted = wanted.split() if wanted else cases.KERNELS
    for kind in wanted:
        if kind not in cases.KERNELS:
            raise Problem(f"KERNELS={kind} is none; it can be: {', '.join(cases.KERNELS)}.")
    kinds = [kind for kind in wanted if ours or kind == "baseline"]
    runs = [Run(case, model, kind, counts=kind == "ours" or "ours" not in kinds)
            for case, model in cases.choose(name, cpu)
            for kind in case.kernels if kind in kinds]
    if not runs:
        raise Problem("There is nothing to run: that case is not for that kernel, "
                      "or the module is not in this checkout.")
    return runs


def kernel_of(run):
    """The kernel a run boots: a variant of ours if its case asks for one."""
    return run.case.kernel if run.kind == "ours" else run.kind


def machine(run, parts):
    """The machine a case asks for."""
    kind = kernel_of(run)
    return boot.Machine(
        qemu=parts.qemu, kernel=parts.kernels[kind],
        initrd=parts.images[kind, run.case.image],
        xen=None if run.case.bare else parts.xen, cpu=run.cpu, smp=run.case.smp,
        xen_args=run.case.xen, timeout=run.case.timeout,
        linux_args=f"rig_case={run.case.name} rig_cpu={run.cpu} rig_kernel={run.kind} "
                   + run.case.linux)


def carry_out(run, parts):
    """Boot one case and judge its console."""
    result = boot.run(machine(run, parts), paths.LOGS / f"{run.name}.log")
    run.log, run.seconds = result.log, result.seconds
    run.verdict = cases.judge(result.console, truth.read(result.truth), result.timed_out,
                              run.case.timeout)
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


def table(runs):
    """One table of all figures and results: ours and upstream's, side by side."""
    columns, rows, cells = [], [], {}
    for run in runs:
        column = (run.cpu, run.kind)
        if column not in columns:
            columns.append(column)
        good = len(run.verdict.passed)
        total = good + len(run.verdict.failed)
        entries = {"": f"{good}/{total} ok"} | run.verdict.figures
        for figure, value in entries.items():
            row = (run.case.name, figure)
            if row not in rows:
                rows.append(row)
            cells[row, column] = value
    models = list(boot.CPUS)
    columns.sort(key=lambda column: (models.index(column[0]), cases.KERNELS.index(column[1])))
    order = list(dict.fromkeys(case for case, _ in rows))
    rows.sort(key=lambda row: order.index(row[0]))
    heads = [f"{kind} {cpu}" for cpu, kind in columns]
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


def run(line, name=None, cpu=None, kernels=None):
    """All cases asked for; returns (passed, failed)."""
    ours = kernel.have_module()
    runs = plan(name, cpu, kernels, ours)
    parts = host.parts(line, sorted({kernel_of(run) for run in runs}),
                       sorted({(kernel_of(run), run.case.image) for run in runs}))
    say.section(f"cases on Xen {parts.xen_version}, kernel {line}")
    if not ours:
        say.line("The module is not in this checkout yet: only the baseline runs.")
    with boot.several(AT_ONCE) as pool:
        for done in concurrent.futures.as_completed(
                [pool.submit(carry_out, run, parts) for run in runs]):
            report(done.result())
    say.line()
    table(runs)
    passed = sum(len(run.verdict.passed) for run in runs if run.counts)
    failed = sum(len(run.verdict.failed) for run in runs if run.counts)
    return passed, failed
