# SPDX-License-Identifier: GPL-2.0
"""The command line: one command, one function; a Problem is one message."""

import os
import signal
import sys

from rig import apt, paths, say
from rig.kernel import Kernel
from rig.say import Problem


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


def kunit(line):
    from rig import kunit as it
    apt.ensure_tools()
    return total([it.run(line)])


def lint(line):
    from rig import lint as it
    apt.ensure_tools()
    return total([it.run(line)])


def picture(line):
    from rig import browser as it
    return total([it.run(line)])


def draw(line, script="", target="picture.html"):
    """What perf script printed, as a picture."""
    del line
    from rig import picture as it
    it.draw(script, target)


def test(line):
    """Every part in turn; one that cannot even start counts as a failure."""
    from rig import browser as looks, e2e as cases, kunit as units, lint as checks
    apt.ensure_tools()
    counts = []
    for part in (checks.run, units.run, cases.run, looks.run):
        try:
            counts.append(part(line))
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


COMMANDS = {function.__name__: function for function in
            (demo, draw, kernel, baseline, qemu, e2e, kunit, lint, bench, picture, test)}


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
        return command(os.environ.get("LINE") or "6.12", *rest) or 0
    except Problem as problem:
        say.line()
        print(f"{say.red('stopped:')} {problem}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
