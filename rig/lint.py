# SPDX-License-Identifier: GPL-2.0
"""Everything that can be said against the sources without running them."""

import py_compile
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rig import kernel, paths, say
from rig.kernel import Kernel

COMPLAINT = re.compile(r":\d+:(?:\d+:)? *(?:fatal )?(warning|error):", re.I)


class Checks:
    """Results of the checks, one line each."""

    def __init__(self):
        self.passed = self.failed = 0

    def result(self, what, complaints):
        """Passed if there is nothing to complain about."""
        if complaints:
            self.failed += 1
            say.line(f"{say.red('not ok')} {what}")
            for text in complaints[:40]:
                say.line(f"     {text}")
            if len(complaints) > 40:
                say.line(f"     ... and {len(complaints) - 40} more")
        else:
            self.passed += 1
            say.line(f"{say.green('ok')} {what}")


def c_sources():
    """The module's C files, in this checkout."""
    return sorted(path for folder in ("arch", "include", "module", "tests/kunit")
                  for path in (paths.ROOT / folder).rglob("*.[ch]"))


def build(checks, which):
    """W=1 and sparse over arch/x86/xen/pmu in one go; ccache repeats old warnings."""
    with kernel.reserved(which):
        kernel.prepare(which)
        log = paths.LOGS / "lint.log"
        objects = which.objects / "arch/x86/xen/pmu"
        shutil.rmtree(objects, ignore_errors=True)
        # Ours only: what upstream's files say at W=1 is not ours to judge.
        command = kernel.make_command(which, "W=1", "C=1", "arch/x86/xen/pmu/")
        say.run("compiling the module with W=1 and sparse", command, log,
                measure=kernel.objects_built, env=kernel.environment())
        text = log.read_text(errors="replace")
        compiled = [path for path in objects.rglob("*.o") if path.name != "built-in.a"]
    # In the kernel all of ours is in these places.
    ours = ["arch/x86/xen/pmu/", *(str(path.relative_to(paths.ROOT)) for path in
                                   (paths.ROOT / "include").rglob("*.h"))]
    found = [line for line in text.splitlines()
             if COMPLAINT.search(line) and any(place in line for place in ours)]
    gcc = [line for line in found if line.endswith("]") and "[-W" in line]
    checks.result(f"W=1: {len(compiled)} objects without a warning",
                  gcc if compiled else ["nothing was compiled"])
    checks.result("sparse: nothing to say", [line for line in found if line not in gcc])


# What checkpatch has no feeling for: TRACE_EVENT's own language, programs that are not
# the kernel's, operands of asm, and what older kernels need: their numbers, and KUnit's
# macros.
IGNORED = {
    "arch/x86/xen/pmu/seam.h": "SPACING",
    "arch/x86/xen/pmu/compat.h": "LINUX_VERSION_CODE,CONSTANT_COMPARISON,MACRO_ARG_REUSE,"
                                 "MACRO_ARG_UNUSED,MACRO_WITH_FLOW_CONTROL",
    "module/older.h": "LINUX_VERSION_CODE,CONSTANT_COMPARISON,MACRO_ARG_REUSE,MACRO_ARG_UNUSED",
    "tests/kunit/bench.h": "MACRO_ARG_PRECEDENCE",
    "include/trace": "OPEN_ENDED_LINE,PARENTHESIS_ALIGNMENT",
    "rig/guest": "PREFER_KERNEL_TYPES,VOLATILE",
}


def checkpatch(checks, which):
    """The kernel's own style checker, strict, on each of our C files."""
    script = which.source / "scripts" / "checkpatch.pl"
    files = c_sources() + sorted((paths.RIG / "guest").glob("*.c"))
    groups = {}
    for path in files:
        name = str(path.relative_to(paths.ROOT))
        ignored = next((types for folder, types in IGNORED.items()
                        if name.startswith(folder)), "")
        groups.setdefault(ignored, []).append(path)
    complaints = []
    for ignored, group in groups.items():
        done = subprocess.run(
            ["perl", script, "--strict", "--no-tree", "--no-summary", "--terse", "--quiet",
             "--show-types", *(["--ignore", ignored] if ignored else []), "-f", *group],
            cwd=which.source, capture_output=True, text=True, check=False)
        said = [line.replace(f"{paths.ROOT}/", "") for line in
                (done.stdout + done.stderr).splitlines() if line.strip()]
        if done.returncode and not said:
            said = [f"checkpatch.pl ended with {done.returncode}"]
        complaints += said
    checks.result(f"checkpatch --strict: {len(files)} files without a remark", complaints)


def abi(checks, which):
    """The kernel's picture of the shared page, field by field, against Xen's own."""
    tree, objects = which.source, which.objects
    includes = [f"-I{base / folder}" for folder, base in (
        ("arch/x86/include", tree), ("arch/x86/include/generated", objects),
        ("include", tree), ("include", objects), ("arch/x86/include/uapi", tree),
        ("arch/x86/include/generated/uapi", objects), ("include/uapi", tree),
        ("include/generated/uapi", objects))]
    forced = [word for name in ("kconfig.h", "compiler_types.h")
              for word in ("-include", str(tree / "include/linux" / name))]
    sides = {
        "the kernel's headers": ["-O2", "-std=gnu11", "-nostdinc", "-no-pie", "-D__KERNEL__",
                                 "-DABI_KERNEL", *includes, *forced],
        "Xen's public headers": [],
    }
    printed, complaints = {}, []
    with tempfile.TemporaryDirectory() as folder:
        for side, flags in sides.items():
            program = Path(folder) / "abi"
            done = subprocess.run(["gcc", "-w", *flags, "-o", program,
                                   paths.RIG / "lint" / "abi.c"],
                                  capture_output=True, text=True, check=False)
            if done.returncode:
                complaints.append(f"does not compile with {side}: "
                                  f"{(done.stderr.splitlines() or ['?'])[0]}")
                continue
            printed[side] = subprocess.run([program], capture_output=True, text=True,
                                           check=True).stdout.splitlines()
    if not complaints:
        ours, xens = printed.values()
        complaints = [f"the kernel has {mine}, Xen has {theirs}"
                      for mine, theirs in zip(ours, xens) if mine != theirs]
    count = len(next(iter(printed.values()), []))
    checks.result(f"ABI: {count} sizes, offsets and constants as in Xen's headers", complaints)


def scripts(checks):
    """Python compiles and shell parses."""
    complaints = []
    sources = [*sorted(paths.RIG.glob("*.py")), paths.ROOT / "scripts/apply",
               paths.ROOT / "scripts/metadiff", paths.ROOT / "scripts/series",
               paths.ROOT / "module/layout",
               paths.ROOT / "tools/xen-profile",
               *sorted((paths.ROOT / "tests/scripts").glob("*.py"))]
    with tempfile.TemporaryDirectory() as folder:
        for path in sources:
            try:
                py_compile.compile(str(path), cfile=f"{folder}/out", doraise=True)
            except py_compile.PyCompileError as error:
                complaints.append(str(error).strip())
    shells = [*sorted((paths.RIG / "cases").iterdir()), paths.RIG / "guest" / "init",
              paths.RIG / "run", paths.ROOT / ".ci" / "run", paths.ROOT / "module/build"]
    for path in shells:
        done = subprocess.run(["sh", "-n", path], capture_output=True, text=True, check=False)
        complaints += done.stderr.splitlines()
    checks.result(f"{len(sources)} Python files compile, {len(shells)} shell scripts parse",
                  complaints)


def script_tests(checks):
    """What the scripts say of themselves, in tests of their own."""
    done = subprocess.run(
        [sys.executable, "-B", "-m", "unittest", "discover", "-s", "tests/scripts",
         "-p", "*_test.py"], cwd=paths.ROOT, capture_output=True, text=True, check=False)
    said = done.stderr.splitlines()
    ran = re.search(r"^Ran (\d+) tests?", done.stderr, re.M)
    count = int(ran[1]) if ran else 0
    checks.result(f"scripts: {count} tests",
                  said if done.returncode else [] if count else ["no test ran"])


def run(line):
    """All checks; returns (passed, failed)."""
    say.section(f"lint, kernel {line}")
    checks = Checks()
    which = Kernel(line, "lint")
    build(checks, which)
    checkpatch(checks, which)
    abi(checks, which)
    scripts(checks)
    script_tests(checks)
    return checks.passed, checks.failed
