# SPDX-License-Identifier: GPL-2.0
"""The same questions to perf on every processor there is, on both Xens.

Each boot is the case machine.sh, whose answers are right, refused or wrong. The
table of them, ours beside the unpatched kernel's, is docs/machines.md.
"""

import concurrent.futures

from rig import e2e, host, kernel, paths, processors, say, several
from rig.e2e import Run
from rig.say import Problem

CASE = "machine"
# In `make test`: a server whose counters Xen 4.17 does not all emulate, a client whose
# model-specific code Xen refuses, one without big cores, and a newer AMD.
IN_TEST = {"icelake": "4.17", "alder": "4.20", "sierra": "4.20", "milan": "4.17"}
PAGE = paths.ROOT / "docs" / "machines.md"

QUESTIONS = {       # in machine.sh: in the table
    "cycles": "cycles", "instructions": "instructions", "branches": "branches",
    "branch-misses": "branch misses", "cache-misses": "cache misses",
    "group": "a full group", "more": "more than counters", "sampling": "sampling",
    "slots": "slots", "topdown": "topdown", "raw": "a raw event", "guest": ":G",
}
# What every processor with a vPMU can answer: to refuse it is no way out of being wrong.
NEEDED = {"cycles", "instructions", "branches", "branch-misses", "cache-misses", "group",
          "more", "sampling"}
ABOUT = """\
Written by `make machines`; do not edit. Linux {line} as dom0; every cell is ours / baseline, the
same kernel with its own arch/x86/xen/pmu.c.

> An event that perf shows as running for a stretch of time was enabled in hardware for all of it.
> Anything else is an error at open, `<not supported>`, `<not counted>`, or a percentage below 100.

*right*: a number that is right, scaled where events share counters. *refused*: perf says that it
has none. *wrong*: a number that is not right. -: there is no such thing on that processor. none:
the boot gave no answer.

*Called*: perf's name for the events. *Counters*: general + fixed, as hardware has them and as perf
sees them. *A full group*: one group of as many events as there are counters. *More than counters*:
twice as many, no group. *Topdown*: r8000 and topdown-retiring. *A raw event*: r00c0. *:G*: cycles
and instructions of guests, of which a dom0 has none.
"""


def plan(line, names, xens, kinds):
    """The boots: each processor on each Xen that knows it, with each kernel."""
    case = e2e.cases.every()[CASE]
    return [Run(case, name, kind, xen, line, counts=kind == "ours") for name in names
            for xen in xens if xen in processors.get(name).xens or host.local_xen()
            for kind in kinds]


def carry_out(line, runs):
    """Boot them all, two at a time."""
    parts = e2e.parts_for(line, runs)
    say.section(f"machines: {len(runs)} boots, kernel {line}")
    with several.pool(e2e.AT_ONCE) as pool:
        waiting = {pool.submit(e2e.carry_out, run, parts): run for run in runs}
        for number, done in enumerate(concurrent.futures.as_completed(waiting), 1):
            show(done.result(), number, len(runs))


def show(run, number, of):
    """A line for a boot: how many answers of each kind, and those that are wrong."""
    told = [answer(run, question) for question in QUESTIONS]
    wrong = [f"{QUESTIONS[question]}: {run.verdict.figures.get(question, 'no answer')}"
             for question in QUESTIONS if not good(run, question)]
    if fatal := run.verdict.fatal:
        wrong.append(f"the console: {fatal}")
    mark = say.dim("compare") if not run.counts else \
        say.red("not ok") if wrong else say.green("ok")
    counts = ", ".join(f"{told.count(word)} {word}" for word in dict.fromkeys(told))
    say.line(f"{mark} {run.name} ({number} of {of}, {say.clock(run.seconds)}): {counts}")
    for text in wrong if run.counts else ():
        say.line(f"     {text}")


def answer(run, question):
    """One word of a boot's answer; "none" if it has not got so far."""
    return run.verdict.figures.get(question, "none").split()[0]


def good(run, question):
    """May ours answer so?"""
    word = answer(run, question)
    return word == "right" or word in ("refused", "-") and question not in NEEDED


def pair(words):
    """Ours and the baseline's in a cell."""
    return " / ".join(words)


def rows(runs):
    """The table, one row for each processor and Xen; its first row are the heads."""
    together = {}
    for run in runs:
        together.setdefault((run.cpu, run.xen), {})[run.kind] = run
    table = [["processor", "Xen", "called", "counters: hardware", "seen by perf",
              *QUESTIONS.values()]]
    for (cpu, xen), by_kind in together.items():
        processor = processors.get(cpu)
        boots = [by_kind[kind] for kind in e2e.cases.KERNELS if kind in by_kind]
        table.append([
            f"`{cpu}`", xen, pair(answer(run, "name").replace("-", " ") for run in boots),
            f"{processor.general} + {processor.fixed}",
            pair(answer(run, "counters").replace("+", " + ") for run in boots),
            *(pair(answer(run, question) for run in boots) for question in QUESTIONS)])
    return table


def markdown(table):
    """Rows as a Markdown table."""
    lines = ["| " + " | ".join(row) + " |" for row in table]
    return "\n".join([lines[0], "|" + "---|" * len(table[0]), *lines[1:]])


def print_table(table):
    """Rows for a terminal: one block for each, as they are too long for a line."""
    say.line()
    say.line(say.dim("ours, baseline"))
    heads = table[0]
    width = max(len(head) for head in heads)
    for row in table[1:]:
        say.line()
        say.line(say.bold(f"{row[0].strip('`')} on Xen {row[1]}"))
        for head, cell in zip(heads[2:], row[2:]):
            words = cell.split(" / ")
            mark = say.red if words[0] in ("wrong", "none") else str
            say.line(f"  {head.ljust(width)}  {mark(words[0].ljust(16))}"
                     f"  {' / '.join(words[1:])}".rstrip())


def page(line, table, runs):
    """docs/machines.md."""
    names = list(dict.fromkeys(run.cpu for run in runs))
    processor_rows = [["name", "what it is", "QEMU's -cpu"], *(
        [f"`{name}`", processors.get(name).about, f"`{processors.get(name).qemu}`"]
        for name in names)]
    said = list(dict.fromkeys(
        f"- `{run.cpu}`, Xen {run.xen}, {run.kind}: `{run.verdict.fatal}`"
        for run in runs if run.verdict.fatal))
    return "\n".join([
        "<!-- SPDX-License-Identifier: GPL-2.0 -->",
        "# perf on the processors that people have", "",
        ABOUT.format(line=line), markdown(table), "",
        *(["## What the kernels complained of", "", *said, ""] if said else []),
        "## The processors", "",
        "QEMU's TCG with the rig's PMU model; family, model and counters are what Xen and Linux "
        "see.", "", markdown(processor_rows), ""])


def count(runs):
    """(passed, failed): the cells of the runs that count, and their consoles."""
    passed = failed = 0
    for run in runs:
        if run.counts:
            bad = sum(not good(run, question) for question in QUESTIONS)
            bad += bool(run.verdict.fatal)
            failed += bad
            passed += len(QUESTIONS) + 1 - bad
    return passed, failed


def run(line, names=None):
    """The machines of IN_TEST, or those named, ours only; returns (passed, failed)."""
    if not kernel.have_module():
        return 0, 0
    known = host.XENS if not host.local_xen() else [host.default_xen()]
    wanted = {name: IN_TEST.get(name) for name in names or IN_TEST}
    runs = [run for name, xen in wanted.items()
            for run in plan(line, [name], [xen] if xen in known else known, ["ours"])]
    carry_out(line, runs)
    return count(runs)


def table(line, names=""):
    """All of them (or those named), printed and written; returns (passed, failed)."""
    chosen = names.split() or list(processors.PROCESSORS)
    xens = host.wanted_xens(host.XENS)
    kinds = [kind for kind in e2e.cases.KERNELS if kind == "baseline" or kernel.have_module()]
    runs = plan(line, chosen, xens, kinds)
    if not runs:
        raise Problem("There is nothing to boot: that Xen does not know that processor.")
    carry_out(line, runs)
    found = rows(runs)
    print_table(found)
    whole = not names and set(xens) == set(host.XENS)
    target = PAGE if whole else paths.BUILD / PAGE.name
    paths.replace(target, page(line, found, runs).encode())
    say.line()
    say.line(f"Written to {target.relative_to(paths.ROOT)}"
             + ("" if whole else "; all processors on all Xens would be docs/machines.md."))
    return count(runs)
