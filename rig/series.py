# SPDX-License-Identifier: GPL-2.0
"""The patch series: written by scripts/series, and held against a pristine tree.

The check puts it into a git tree of the line's own source with git am, one patch
at a time, and after each compiles with W=1 what the series touches. What
upstream's files say at W=1 without us is not ours to judge. With BOOT=1 it is
also booted, on Xen, at four points.
"""

import concurrent.futures
import os
import re
import shlex
import shutil
import subprocess

from rig import cases, e2e, host, kernel, paths, say, several
from rig.kernel import Kernel
from rig.lint import COMPLAINT, Checks
from rig.say import Problem

FOLDERS = ("arch/x86/xen/", "arch/x86/events/", "drivers/xen/")
TESTS = "CONFIG_XEN_PMU_KUNIT_TEST"
WHO = ("-c", "user.name=rig", "-c", "user.email=rig@localhost")

# What checkpatch.pl says of a patch and is not to be mended in it.
IGNORED = {
    "FILE_PATH_CHANGES": "new files are in MAINTAINERS with the documentation's patch",
    "UNKNOWN_COMMIT_ID": "the tree has no history to find a Fixes: in",
    "CONFIG_DESCRIPTION": "the tests' option is as short as others'",
    "LOGGING_CONTINUATION": "intel_pmu_init() makes its one line that way",
    "UNNECESSARY_ELSE": "enlighten_pv.c: a block with a variable of its own",
    "ARCH_INCLUDE_LINUX": "linux/processor.h and linux/cpufeature.h are about something else",
    "LINUX_VERSION_CODE": "compat.h is what serves several lines",
    "CONSTANT_COMPARISON": "compat.h",
    "MACRO_ARG_REUSE": "compat.h: KUnit's macros as older kernels lack them",
    "MACRO_ARG_UNUSED": "compat.h",
    "MACRO_WITH_FLOW_CONTROL": "compat.h",
    "MACRO_ARG_PRECEDENCE": "the suites' macros, with types for arguments",
    "OPEN_ENDED_LINE": "TRACE_EVENT's own language",
    "PARENTHESIS_ALIGNMENT": "TRACE_EVENT's own language",
}

# What it takes for one is an operand of asm.
OPERATOR = "SPACING: spaces preferred around that '%'"

# Where the series is booted, and the cases that hold from the fixes on; rdpmc does not
# before them.
POINTS = ("fixes", "switch", "eager", "end")
CASES = "rdpmc lvtpc stat"


def points(patches):
    """The patch after which each point is: the last fix, the one with which pmu.c goes,
    the last but one, the last."""
    texts = [patch.read_text() for patch in patches]
    fixes = [patch for patch, text in zip(patches, texts) if re.search(r"^Fixes: ", text, re.M)]
    switch = [patch for patch, text in zip(patches, texts)
              if "\n delete mode 100644 arch/x86/xen/pmu.c\n" in text]
    return dict(zip((fixes[-1], switch[0], patches[-2], patches[-1]), POINTS))


def folder(line):
    return paths.BUILD / "series" / line


def write(line):
    """scripts/series, on the line's own source; returns the patches without the cover."""
    base = Kernel(line, "baseline")
    with kernel.reserved(base):
        kernel.prepare_tree(base)
        done = subprocess.run([paths.ROOT / "scripts" / "series", base.source, folder(line)],
                              capture_output=True, text=True, check=False)
    if done.returncode:
        raise Problem(done.stderr.strip() or "scripts/series failed")
    say.line(done.stdout.strip().splitlines()[-1].replace(f"{paths.ROOT}/", ""))
    if done.stderr:
        say.line(done.stderr.strip())
    return sorted(folder(line).glob("*.patch"))[1:]


def git(tree, *words):
    """One git command in the tree; a Problem if it fails."""
    done = subprocess.run(["git", *WHO, *words], cwd=tree, capture_output=True, text=True,
                          check=False)
    if done.returncode:
        raise Problem(f"git {words[0]} in {tree}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def touched(patches):
    """The names of the files in the patches."""
    return {name for patch in patches for name in
            re.findall(r"^(?:---|\+\+\+) [ab]/(\S+)", patch.read_text(), re.M)}


def pristine(which, patches):
    """The line's source as a git tree, in which git knows the files that matter."""
    tree = which.source
    kernel.prepare_tree(which)
    if not (tree / ".git").exists():
        git(tree, "init", "-q", "-b", "pristine")
    else:
        subprocess.run(["git", "am", "--abort"], cwd=tree, capture_output=True, check=False)
        git(tree, "checkout", "-q", "-f", "pristine")
    there = sorted(name for name in touched(patches) if (tree / name).is_file())
    git(tree, "add", "-f", *there)
    git(tree, "commit", "-q", "--allow-empty", "-m", f"Linux {which.line}")
    git(tree, "checkout", "-q", "-f", "-B", "series")
    return tree


def set_tests(which, setting):
    """The unit tests, "y" or "n", in the configuration; Kconfig drops what is not there yet."""
    config = which.objects / ".config"
    lines = [line for line in config.read_text().splitlines() if TESTS not in line]
    config.write_text("\n".join([*lines, f"{TESTS}={setting}\n"]))


def compile_folders(which, name):
    """W=1 over what the series touches; returns the complaints, without line numbers."""
    set_tests(which, "y")
    log = paths.LOGS / f"series-{which.line}-{name}.log"
    make = shlex.join(kernel.make_command(which))
    say.run(f"{name}: compiling with W=1",
            ["sh", "-c", f"{make} olddefconfig && {make} W=1 {' '.join(FOLDERS)}"], log,
            measure=kernel.objects_built, env=kernel.environment())
    return {re.sub(r":\d+", "", line) for line in log.read_text(errors="replace").splitlines()
            if COMPLAINT.search(line)}


def checkpatch(line, patch):
    """What checkpatch.pl --strict says of a patch.

    In the tree that is not git's: in the other it runs spdxcheck.py, which wants more
    of Python than the rig installs.
    """
    done = subprocess.run(
        ["perl", "scripts/checkpatch.pl", "--strict", "--no-summary", "--terse", "--show-types",
         "--ignore", ",".join(IGNORED), patch], cwd=Kernel(line, "baseline").source,
        capture_output=True, text=True, check=False)
    said = [line.replace(f"{patch.parent}/", "") for line in
            (done.stdout + done.stderr).splitlines() if line.strip()]
    if said and all(OPERATOR in line for line in said):
        return []
    return said or ([f"checkpatch.pl ended with {done.returncode}"] if done.returncode else [])


def boot_at(which, point):
    """The cases of a point on the tree as it is; returns (passed, failed)."""
    set_tests(which, "n")       # they would all run, at every boot
    say.run(f"{point}: kernel", kernel.make_command(which, "bzImage"),
            paths.LOGS / f"series-{which.line}-{point}.log", measure=kernel.objects_built,
            env=kernel.environment())
    xen = host.default_xen()
    parts = host.parts(which.line, [])
    parts.kernels[point] = which.image
    parts.images[point, (), xen] = parts.image
    runs = [e2e.Run(case, cpu, point, xen, which.line, counts=True)
            for case, cpu in cases.choose(CASES, "")]
    with several.pool(e2e.AT_ONCE) as pool:
        for done in concurrent.futures.as_completed(
                [pool.submit(e2e.carry_out, run, parts) for run in runs]):
            e2e.report(done.result())
    return (sum(len(run.verdict.passed) for run in runs),
            sum(len(run.verdict.failed) for run in runs))


def check(line):
    """The series in a pristine tree, patch by patch; returns (passed, failed)."""
    say.section(f"the series, kernel {line}")
    checks, boots = Checks(), []
    patches = write(line)
    booted = points(patches) if os.environ.get("BOOT") else {}
    which = Kernel(line, "series")
    with kernel.reserved(which):
        tree = pristine(which, patches)
        kernel.configure(which, kernel.make_command(which))
        # What is up to date is not compiled, and says nothing.
        for name in FOLDERS:
            shutil.rmtree(which.objects / name, ignore_errors=True)
        before = compile_folders(which, "pristine")
        for patch in patches:
            git(tree, "am", "-q", patch)
            said = compile_folders(which, patch.stem) - before
            checks.result(f"{patch.name}: git am, and W=1 without a new warning", sorted(said))
            checks.result(f"{patch.name}: checkpatch --strict", checkpatch(line, patch))
            if patch in booted:
                boots.append(boot_at(which, booted[patch]))
    return tuple(map(sum, zip((checks.passed, checks.failed), *boots)))


def run(line):
    write(line)

