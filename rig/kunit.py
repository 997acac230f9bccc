# SPDX-License-Identifier: GPL-2.0
"""Runs the unit tests with the kernel's own kunit.py, on our QEMU.

Three times: as they are, with the checkers that find what a test does not look
at (memory, locking, sleeping), and with every write reaching hardware at once.
The checkers' kernel is that of the fragments in tests/kunit/, which are there for
whoever has nothing but a kernel's tree; the others are the cases' with the tests in
it: nothing else is compiled for them. The checkers run beside the others: each takes
one processor. Where it is asked for, a fourth kernel looks for data races.
"""

import os
import re
import shlex
import threading
from pathlib import Path

from rig import kernel, paths, qemu_build, say, several
from rig.say import Problem

FOLDER = paths.ROOT / "tests" / "kunit"
# The configurations, and where they are built: of two that differ in an option of ours, make
# compiles what asks for it
FOLDERS = {"plain": "plain", "debug": "debug", "eager": "plain", "races": "races"}
ALWAYS = ("plain", "debug", "eager")
# Random tests of what has been through the long ones elsewhere
SHORT = ("equivalence_test.accesses=300000", "rule_test.steps=250000",
         "hostile_test.cases=300000", "fault_test.pairs=100")
# The checkers make an access many times as long: fewer random ones, then.
ARGUMENTS = {"eager": SHORT,
             "debug": ("equivalence_test.accesses=20000", "rule_test.steps=50000",
                       "hostile_test.cases=100000", "fault_test.pairs=20")}
ARGUMENTS["races"] = ARGUMENTS["debug"]
TIMEOUT = 800
KUNIT = ("python3", "tools/testing/kunit/kunit.py")

_one_builds = threading.Lock()


def _compiled(folder):
    """Progress of a build whose output kunit.py keeps to itself."""
    count = sum(name.endswith(".o") for _, _, names in os.walk(folder) for name in names)
    return f"{count} objects" if count else ""


def _totals(text):
    """(passed, failed) of kunit.py's closing line."""
    found = re.findall(r"Testing complete\. Ran (\d+) tests?:?(.*)", text)
    if not found:
        return None
    counts = dict((name, int(count)) for name, count in
                  re.findall(r"(passed|failed|crashed|errors): (\d+)", found[-1][1]))
    bad = sum(counts.get(name, 0) for name in ("failed", "crashed", "errors"))
    return counts.get("passed", 0), bad


def _failures(text):
    """The lines of kunit.py's output that name what failed, with the reasons."""
    kept = [line for line in text.splitlines()
            if re.search(r"\[FAILED\]|\[CRASHED\]|\[ERROR\]|EXPECTATION FAILED|ASSERTION FAILED|"
                         r"# .*: .*==|BUG:|WARNING:|KASAN", line)]
    return kept[:40]


def _splats(text):
    """What the checkers said; a test that passed beside it has still failed."""
    return re.findall(r"BUG: .*|WARNING: (?:CPU|possible|suspicious).*", text)


def _configuration(line, name):
    """The files for kunit.py that make one configuration."""
    if name not in FOLDERS:
        raise Problem(f"CONFIG={name} is none; it can be: {', '.join(FOLDERS)}.")
    if name in ("debug", "races"):
        return [FOLDER / "kunitconfig", FOLDER / f"{name}.config"]
    like = kernel.Kernel(line, "lint", name if name == "eager" else "")
    kernel.configure(like, kernel.make_command(like))
    return [like.objects / ".config"]


def _kernel(ours, label, name):
    """Compile the kernel of a configuration; returns its build folder."""
    with _one_builds:
        kernel.prepare_tree(ours)
        configuration = _configuration(ours.line, name)
        objects = ours.source / f"{kernel.OBJECTS}{label}-{FOLDERS[name]}"
        kernel.make_objects(objects)
        say.run(f"unit tests, {name}: kernel",
                [*KUNIT, "build", "--arch=x86_64", f"--build_dir={objects}",
                 *(f"--kunitconfig={path}" for path in configuration), f"--jobs={kernel.JOBS}",
                 "--make_options=CC=ccache gcc", "--make_options=HOSTCC=ccache gcc"],
                paths.LOGS / f"{label}-{name}-kernel.log", cwd=ours.source,
                env=kernel.environment(), measure=lambda _: _compiled(objects))
    return objects


def _place(objects, label):
    """A folder to boot from: kunit.py leaves its console where the kernel is."""
    folder = paths.BUILD / "kunit" / label
    folder.mkdir(parents=True, exist_ok=True)
    for part in (".config", "arch"):
        link = folder / part
        link.unlink(missing_ok=True)
        link.symlink_to(objects / part)
    return folder


def _suite(ours, name, only=None, arguments=(), timeout=TIMEOUT, number=0):
    """One configuration, in a tree that is ours alone; returns (passed, failed).

    ``number``: which of several kernels of it at a time.
    """
    qemu, *firmware = qemu_build.build()
    label = "kunit" if ours.line == kernel.DEFAULT_LINE else f"kunit-{ours.line}"
    machine = f"{label}-{name}" + (f"-{number}" if number else "")
    log = paths.LOGS / f"{machine}.log"
    env = kernel.environment()
    env["PATH"] = f"{Path(qemu).parent}:{env['PATH']}"
    place = _place(_kernel(ours, label, name), machine)
    try:
        say.run(f"unit tests, {name}",
                [*KUNIT, "exec", "--arch=x86_64", f"--build_dir={place}",
                 *(f"--kernel_args={word}" for word in arguments or ARGUMENTS.get(name, ())),
                 f"--timeout={timeout:.0f}", f"--qemu_args={shlex.join([*firmware, '-smp', '2'])}",
                 *([only] if only else [])], log, cwd=ours.source, env=env)
    except Problem:
        # Tests that fail and a kernel that does not end are told apart by the log.
        if not log.exists() or _totals(log.read_text(errors="replace")) is None:
            raise
    text = re.sub(r"\x1b\[[0-9;]*m", "", log.read_text(errors="replace"))
    counts = _totals(text)
    if counts is None:
        raise Problem(f"kunit.py ended without totals.\nThe end of {log}:\n{say.tail(log)}")
    console = place / "test.log"
    splats = _splats(console.read_text(errors="replace")) if console.exists() else []
    passed, failed = counts[0], counts[1] + len(splats)
    for entry in _failures(text) + splats:
        say.line(f"     {entry.strip()}")
    mark = say.red("not ok") if failed or not passed else say.green("ok")
    say.line(f"{mark} unit tests, {name}: {passed} passed, {failed} failed")
    if failed or not passed:
        say.line(f"   All of it is in {log}, the console in {console}")
    return passed, failed if passed else max(failed, 1)


def _all(line, lists):
    """Lists of what _suite() is asked, beside each other; returns (passed, failed)."""
    ours = kernel.Kernel(line)
    qemu_build.build()      # once: not by two that find none
    with kernel.reserved(ours), several.pool(len(lists)) as pool:
        counts = [count for each in pool.map(
            lambda asked: [_suite(ours, *each) for each in asked], lists) for count in each]
    return tuple(sum(column) for column in zip(*counts))


def run_suite(line, name, only=None, arguments=(), timeout=TIMEOUT, kernels=1):
    """One configuration, of which one suite ``only``; returns (passed, failed).

    ``arguments`` are parameters of the tests, instead of those of the configuration.
    So many ``kernels`` do it at a time.
    """
    return _all(line, [[(name, only, arguments, timeout, number)] for number in range(kernels)])


def run(line, names=ALWAYS, arguments=()):
    """The configurations; returns (passed, failed). ``arguments`` are run_suite()'s.

    Those that are built in one folder run one after the other.
    """
    say.section(f"unit tests, kernel {line}")
    return _all(line, [[(name, None, arguments) for name in names if FOLDERS[name] == folder]
                       for folder in dict.fromkeys(FOLDERS[name] for name in names)])
