# SPDX-License-Identifier: GPL-2.0
"""`make mutants`: the unit tests against a module with a fault in it, one at a time.

The faults are in tests/mutants. What a suite does not find is a test that
is missing, or code that is not needed.
"""

import dataclasses
import os
import re
import shutil
import subprocess

from rig import kunit, paths, say
from rig.say import Problem

LIST = paths.ROOT / "tests/mutants"
MODULE = "arch/x86/xen/pmu"
COPY = paths.BUILD / "mutants"
LIMIT = 900         # seconds; more than all suites take to build and to give up


@dataclasses.dataclass(frozen=True)
class Mutant:
    """One fault."""

    file: str
    suite: str
    about: str
    old: str
    new: str

    def put_into(self, text):
        """The file's text with the fault."""
        if text.count(self.old) != 1:
            raise Problem(f"{self.file} does not have the lines of {self.about!r} once, but "
                          f"{text.count(self.old)} times: see {LIST.relative_to(paths.ROOT)}.")
        return text.replace(self.old, self.new)


def listed(text):
    """The mutants of a list."""
    found = []
    for block in re.split(r"\n{2,}(?=[^-+#\n])", text):
        if block.startswith("#"):
            continue
        head, *lines = block.strip("\n").split("\n")
        parts = re.fullmatch(r"(\S+) (\S+): (.+)", head)
        old, new = ("".join(f"{line[1:]}\n" for line in lines if line.startswith(sign))
                    for sign in "-+")
        if not parts or not old or any(line[:1] not in "-+" for line in lines):
            raise Problem(f"{LIST.relative_to(paths.ROOT)} has something that is no mutant: {head}")
        found.append(Mutant(*parts.groups(), old, new))
    return found


def _copy():
    """A checkout of its own: nobody else sees the faults."""
    COPY.mkdir(parents=True, exist_ok=True)
    for entry in paths.ROOT.iterdir():
        if entry.name in ("build", ".git"):
            continue
        if entry.is_dir():
            shutil.rmtree(COPY / entry.name, ignore_errors=True)
            shutil.copytree(entry, COPY / entry.name)
        else:
            shutil.copy2(entry, COPY / entry.name)


def _failures(line, suite, log):
    """How many tests of a suite, or of all, fail in the copy; None if it could not run."""
    with open(log, "wb") as file:
        try:
            subprocess.run(["rig/run", "kunit"], cwd=COPY, stdin=subprocess.DEVNULL, stdout=file,
                           stderr=subprocess.STDOUT, timeout=LIMIT, check=False,
                           env=dict(os.environ, LINE=line, SUITE=suite,
                                    ARGS=" ".join(kunit.SHORT)))
        except subprocess.TimeoutExpired:
            return None
    found = re.search(r"^\d+ passed, (\d+) failed$", log.read_text(errors="replace"), re.M)
    return int(found[1]) if found else None


def _try(line, mutant, log):
    """Whether the mutant is caught."""
    path = COPY / MODULE / mutant.file
    whole = path.read_text()
    path.write_text(mutant.put_into(whole))
    try:
        suite, failed = mutant.suite, _failures(line, mutant.suite, log)
        if failed == 0:
            suite, failed = "only others than " + suite, _failures(line, "", log)
    finally:
        path.write_text(whole)
    about = f"{mutant.file}: {mutant.about}"
    if failed is None:
        say.line(f"{say.red('not ok')} {about}: {suite} did not come to an end, see {log}")
    elif failed:
        say.line(f"{say.green('ok')} {about}: {suite}, {failed} failed")
    else:
        say.line(f"{say.red('not ok')} {about}: nothing finds it")
    return bool(failed)


def run(line, only=""):
    """All of them, or those with a text in their line; returns (caught, not caught)."""
    mutants = [mutant for mutant in listed(LIST.read_text())
               if only in f"{mutant.file} {mutant.suite}: {mutant.about}"]
    say.section(f"mutants, kernel {line}")
    if not mutants:
        raise Problem(f"MUTANT={only} is in the line of none of {LIST.relative_to(paths.ROOT)}.")
    _copy()
    paths.LOGS.mkdir(parents=True, exist_ok=True)
    caught = [_try(line, mutant, paths.LOGS / f"mutant-{number}.log")
              for number, mutant in enumerate(mutants, 1)]
    return sum(caught), len(caught) - sum(caught)
