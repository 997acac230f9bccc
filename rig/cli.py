# SPDX-License-Identifier: GPL-2.0
"""The command line: one command, one function; a Problem is one message."""

import os
import signal
import sys

from rig import apt, paths, say
from rig.kernel import DEFAULT_LINE, Kernel
from rig.say import Problem


# The cases that `test` runs on the lines that are not the default.
ON_OTHER_LINES = "stat record sides mode hotplug bare hypervisor"


def demo(line):
    from rig import demo as it
    return it.run(line)


def kernel(line):
    return _kernel(Kernel(line))


def baseline(line):
    return _kernel(Kernel(line, "baseline"))


def _kernel(which):
    from rig import kernel as it
    apt.ensure_tools()
    say.line(str(it.build(which).relative_to(paths.ROOT)))


def qemu(line):
    del line
    from rig import qemu_build
    apt.ensure_tools()
    say.line(" ".join(qemu_build.build()))


def e2e(line, case="", cpu="", kernels=""):
    from rig import e2e as it
    return total([it.run(line, case, cpu, kernels)])


def bench(line):
    """Prints and writes the tables; fails if a goal is missed."""
    from rig import bench as it
    held, missed = it.run(line)
    say.line(f"{held} goals hold, {missed} missed")
    return 1 if missed else 0


def machines(line, names=""):
    """Every processor on both Xens; fails if an answer of ours is wrong."""
    from rig import machines as it
    return total([it.table(line, names)])


def kunit(line):
    """All suites in three configurations, or one; or a suite in one, with its parameters."""
    from rig import kunit as it
    apt.ensure_tools()
    suite, parameters = os.environ.get("SUITE"), os.environ.get("ARGS", "").split()
    config = os.environ.get("CONFIG")
    if config and config not in it.FOLDERS:
        raise Problem(f"CONFIG={config} is none; there are: {', '.join(it.FOLDERS)}.")
    if suite or parameters:
        return total([it.run_suite(line, config or "plain", suite, parameters or it.SHORT)])
    return total([it.run(line, (config,) if config else it.ALWAYS)])


def mutants(line):
    """The module with faults in it; fails if the unit tests do not find one."""
    from rig import mutants as it
    apt.ensure_tools()
    caught, missed = it.run(line, os.environ.get("MUTANT", ""))
    say.line(f"{caught} caught, {missed} not")
    return 1 if missed else 0


def lint(line):
    from rig import lint as it
    apt.ensure_tools()
    return total([it.run(line)])


def deb(line):
    """Debian's packages, in build/deb/."""
    from rig import deb as it
    return total([it.run(line)])


def series(line):
    """The patch series, in build/series/."""
    from rig import series as it
    apt.ensure_tools()
    it.run(line)


def series_check(line):
    """The same, put into a pristine tree and compiled after each patch."""
    from rig import series as it
    apt.ensure_tools()
    return total([it.check(line)])


def soak(line):
    """What takes hours."""
    from rig import soak as it
    apt.ensure_tools()
    return total([it.run(line)])


def shrink(line, seed="", last="300", cpu="amd", xen=""):
    """The shortest sequence of a random program that fails as all of it does."""
    from rig import shrink as it
    if not seed.isdigit() or not last.isdigit():
        raise Problem("rig/run shrink SEED [LAST [CPU [XEN]]]: the numbers of case fuzz.")
    apt.ensure_tools()
    it.run(line, int(seed), int(last), cpu, xen)


def picture(line):
    from rig import browser as it
    return total([it.run(line)])


def draw(line, script="", target="picture.html"):
    """What perf script printed, as a picture."""
    del line
    from rig import picture as it
    it.draw(script, target)


def page(line):
    """What xen-profile draws in, for `make install`."""
    del line
    from rig import picture as it
    say.line(str(it.build().relative_to(paths.ROOT)))


def test(line):
    """Every part in turn; one that cannot even start counts as a failure.

    On the default line the others are tried as well, in short.
    """
    from rig import browser as looks, e2e as cases, kernel as it, kunit as units, lint as checks
    from rig import machines as processors, stock
    apt.ensure_tools()
    parts = [checks.run, units.run, cases.run, processors.run, looks.run]
    parts = [(part, line) for part in parts]
    for other in it.lines() if line == DEFAULT_LINE else ():
        if other != line:
            parts += [(lambda line: units.run(line, ["plain"], units.SHORT), other),
                      (lambda line: cases.run(line, ON_OTHER_LINES, kernels="ours"), other)]
            if other in stock.LINES:
                parts.append((lambda line: cases.run(line, "module", kernels="stock"), other))
    counts = []
    for part, each in parts:
        try:
            counts.append(part(each))
        except Problem as problem:
            say.line(say.red("not ok ") + str(problem))
            counts.append((0, 1))
    return total(counts)


def total(counts):
    """The line that closes a run of tests, and its exit status."""
    passed, failed = (sum(column) for column in zip(*counts))
    say.line()
    say.line(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


COMMANDS = {function.__name__.replace("_", "-"): function for function in
            (demo, draw, page, kernel, baseline, qemu, e2e, machines, kunit, mutants, lint, bench,
             picture, deb, series, series_check, shrink, soak, test)}


def main(arguments):
    """Run one command; returns the exit status."""
    name, *rest = arguments or ["help"]
    command = COMMANDS.get(name)
    if not command:
        print(f"usage: rig/run COMMAND, one of: {', '.join(COMMANDS)}", file=sys.stderr)
        return 0 if name in ("help", "-h", "--help") else 2
    # Being told to end is an interruption too: what was started ends with us.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return command(os.environ.get("LINE") or DEFAULT_LINE, *rest) or 0
    except Problem as problem:
        say.line()
        print(f"{say.red('stopped:')} {problem}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
