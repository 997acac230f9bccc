# SPDX-License-Identifier: GPL-2.0
"""scripts/series: what a text says, what the module looks like while parts of it are
missing, and a whole series of an invented module on an invented kernel."""

import contextlib
import importlib.machinery
import importlib.util
import io
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPT = ROOT / "scripts" / "series"


def load(path):
    """A script as a module, with no compiled copy of it beside it."""
    sys.dont_write_bytecode = True
    loader = importlib.machinery.SourceFileLoader(path.name, str(path))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(path.name, loader))
    sys.modules[path.name] = module
    loader.exec_module(module)
    return module


series = load(SCRIPT)

KBUILD = """\
# SPDX-License-Identifier: GPL-2.0-only

obj-y := gate.o seam.o
obj-y += regs.o
obj-$(CONFIG_XEN_PMU_LAZY) += lazy.o

obj-$(CONFIG_XEN_PMU_TEST) += kunit/
"""
KCONFIG = """\
# SPDX-License-Identifier: GPL-2.0-only

config XEN_PMU
	bool "PMU"

config XEN_PMU_LAZY
	bool "lazy"
	default y

config XEN_PMU_TEST
	bool "tests"
"""
HEADER = """\
#ifndef LAZY_H
#define LAZY_H

#ifdef CONFIG_XEN_PMU_LAZY

int lazy(void);

#else

#define lazy() 0

#endif /* CONFIG_XEN_PMU_LAZY */

#endif /* LAZY_H */
"""

MAKEFILE = "VERSION = 9\nPATCHLEVEL = 1\n"
XEN_MAKEFILE = "obj-y += setup.o\nobj-y += pmu.o\nobj-y += time.o\n"
XEN_KCONFIG = "config XEN\n\tbool\n\nconfig XEN_LAST\n\tbool\n"


def diff(name, old, new):
    """One file's hunks."""
    with tempfile.TemporaryDirectory() as folder:
        for side, text in (("a", old), ("b", new)):
            (Path(folder) / side / name).parent.mkdir(parents=True)
            (Path(folder) / side / name).write_text(text)
        return subprocess.run(["diff", "-u", f"a/{name}", f"b/{name}"], cwd=folder, check=False,
                              capture_output=True, text=True).stdout


def write(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


class Texts(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)

    def text(self, text, name="01-a.txt"):
        (self.folder / name).write_text(text)
        return self.folder / name

    def test_steps_and_message(self):
        path = self.text("# SPDX-License-Identifier: X\nown: a\nfiles: b c\n\nsubject\n\nbody\n")
        self.assertEqual(series.read_text(path),
                         ([("own", "a"), ("files", "b c")], "subject\n\nbody"))

    def test_what_is_no_step(self):
        with self.assertRaisesRegex(series.Refusal, "01-a.txt: no such step: copy: a"):
            series.read_text(self.text("copy: a\n\nsubject\n"))

    def test_no_message(self):
        with self.assertRaisesRegex(series.Refusal, "no message"):
            series.read_text(self.text("own: a\n"))

    def test_too_many(self):
        for number in range(series.MOST + 1):
            self.text("own: a\n\nsubject\n", f"{number + 1:02}-a.txt")
        with self.assertRaisesRegex(series.Refusal, "has 17 patches"):
            series.read_patches(self.folder)

    def test_ours_are_good(self):
        patches = series.read_patches()
        for patch in patches:
            subject, blank, *_ = [*patch.message.split("\n"), ""]
            self.assertFalse(blank, f"{patch.name}: no empty line behind the subject")
            self.assertLessEqual(len(subject), 65, patch.name)
            longest = max(len(line) for line in patch.message.split("\n")
                          if not line.startswith("Fixes: "))
            self.assertLessEqual(longest, 75, patch.name)
        fixes = [patch for patch in patches if "Fixes: " in patch.message]
        self.assertEqual(fixes, patches[:len(fixes)], "fixes come first")


class PartsOfTheModule(unittest.TestCase):
    def kbuild(self, *there, linked=True):
        return series.filtered_kbuild(KBUILD, set(there), linked)

    def test_all_is_there(self):
        self.assertEqual(self.kbuild("gate.o", "seam.o", "regs.o", "lazy.o", "kunit/"),
                         (KBUILD, set()))

    def test_an_option_goes_with_its_file(self):
        text, gone = self.kbuild("gate.o", "seam.o", "regs.o")
        self.assertEqual(text.splitlines()[2:], ["obj-y := gate.o seam.o", "obj-y += regs.o"])
        self.assertEqual(gone, {"CONFIG_XEN_PMU_LAZY", "CONFIG_XEN_PMU_TEST"})

    def test_the_first_line_may_go(self):
        self.assertIn("\nobj-y := regs.o\n", self.kbuild("regs.o")[0])

    def test_not_linked(self):
        text, _ = self.kbuild("seam.o", "regs.o", linked=False)
        self.assertNotIn("obj-", text)
        self.assertIn("always-y := seam.o\nalways-y += regs.o\n", text)

    def test_kconfig(self):
        text = series.filtered_kconfig(KCONFIG, {"CONFIG_XEN_PMU_LAZY"})
        self.assertEqual(text, KCONFIG.replace(
            'config XEN_PMU_LAZY\n\tbool "lazy"\n\tdefault y\n\n', ""))
        self.assertEqual(series.filtered_kconfig(KCONFIG, set()), KCONFIG)

    def test_header(self):
        self.assertEqual(series.filtered_header(HEADER, {"CONFIG_XEN_PMU_LAZY"}),
                         "#ifndef LAZY_H\n#define LAZY_H\n\n#define lazy() 0\n\n"
                         "#endif /* LAZY_H */\n")
        self.assertEqual(series.filtered_header(HEADER, {"CONFIG_OTHER"}), HEADER)


class Whole(unittest.TestCase):
    """A checkout with a module of four files, and a kernel of four."""

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root, self.tree = Path(scratch.name) / "ours", Path(scratch.name) / "linux"
        self.target = Path(scratch.name) / "out"
        write(self.tree, {"Makefile": MAKEFILE, "arch/x86/xen/Makefile": XEN_MAKEFILE,
                          "arch/x86/xen/Kconfig": XEN_KCONFIG,
                          "arch/x86/xen/pmu.c": "int pmu = 1;\n"})
        switch = diff("arch/x86/xen/Makefile", XEN_MAKEFILE,
                      XEN_MAKEFILE.replace("pmu.o", "pmu/"))
        write(self.root, {
            "patches/9.1/0001-switch.patch": switch,
            "arch/x86/xen/pmu/regs.c": "int regs;\n", "arch/x86/xen/pmu/lazy.c": "int lazy;\n",
            "Kbuild": "obj-y := regs.o\nobj-$(CONFIG_XEN_PMU_LAZY) += lazy.o\n",
            "Kconfig": "config XEN_PMU\n\tbool\n\nconfig XEN_PMU_LAZY\n\tbool\n",
            "series/hunks/fix.patch": diff("arch/x86/xen/pmu.c", "int pmu = 1;\n",
                                           "int pmu = 2;\n"),
            "series/hunks/enter.patch": diff(
                "arch/x86/xen/Makefile", XEN_MAKEFILE,
                XEN_MAKEFILE.replace("pmu.o\n", "pmu.o\nobj-y += pmu/\n")),
            "series/00-cover.txt": "# SPDX\na subject\n\nfor people\n",
            "series/01-fix.txt": "own: fix\n\nfix: one\n\nIt was 1.\n",
            "series/02-regs.txt": "own: enter\nfiles: arch/x86/xen/pmu/K* "
                                  "arch/x86/xen/pmu/regs.c\n\nregs: two\n",
            "series/03-switch.txt": "hunks: 0001\nremove: arch/x86/xen/pmu.c\n\nswitch: three\n",
            "series/04-lazy.txt": "files: arch/x86/xen/pmu/lazy.c\n\nlazy: four\n",
        })
        for module in (series, series.apply):
            patched = mock.patch.object(module, "ROOT", self.root)
            patched.start()
            self.addCleanup(patched.stop)
        patched = mock.patch.object(series, "TEXTS", self.root / "series")
        patched.start()
        self.addCleanup(patched.stop)
        patched = mock.patch.object(series.read_patches, "__defaults__", (self.root / "series",))
        patched.start()
        self.addCleanup(patched.stop)
        patched = mock.patch.dict(os.environ, SIGNOFF="Jane Doe <jane@example.org>")
        patched.start()
        self.addCleanup(patched.stop)

    def run_it(self):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = series.main([str(self.tree), str(self.target)])
        return status, out.getvalue(), err.getvalue()

    def git(self, *words):
        return subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@y", *words],
                              cwd=self.tree, capture_output=True, text=True, check=True).stdout

    def test_git_am_ends_where_apply_does(self):
        status, said, complaint = self.run_it()
        self.assertEqual((status, complaint), (0, ""))
        self.assertIn("4 patches for kernel 9.1, signed by Jane Doe", said)
        self.git("init", "-q")
        self.git("add", "-A")
        self.git("commit", "-qm", "base")
        states = []
        for path in sorted(self.target.glob("*.patch"))[1:]:
            self.git("am", "-q", str(path))
            states.append({name: (self.tree / name).read_text()
                           for name in self.git("ls-files").split()})
        self.assertEqual(states[0]["arch/x86/xen/pmu.c"], "int pmu = 2;\n")
        self.assertIn("always-y := regs.o", states[1]["arch/x86/xen/pmu/Kbuild"])
        self.assertNotIn("LAZY", states[1]["arch/x86/xen/pmu/Kconfig"])
        self.assertEqual(states[2]["arch/x86/xen/pmu/Kbuild"], "obj-y := regs.o\n")
        self.assertNotIn("arch/x86/xen/pmu.c", states[2])
        self.assertIn("LAZY", states[3]["arch/x86/xen/pmu/Kconfig"])
        series.apply.apply(self.tree)
        self.assertEqual(self.git("status", "--short"), "")
        self.git("reset", "-q", "--hard", "HEAD~4")
        self.git("am", "-q", "--empty=drop", *map(str, sorted(self.target.glob("*.patch"))))
        series.apply.apply(self.tree)
        self.assertEqual(self.git("status", "--short"), "")
        self.assertIn("Signed-off-by: Jane Doe <jane@example.org>", self.git("log", "-1"))
        cover = (self.target / "0000-cover-letter.patch").read_text()
        self.assertIn("[PATCH 0/4] a subject", cover)
        self.assertIn("\nfor people\n", cover)

    def test_what_no_patch_brings(self):
        write(self.root, {"arch/x86/xen/pmu/more.c": "int more;\n"})
        status, _, said = self.run_it()
        self.assertEqual(status, 1)
        self.assertIn("does not end where scripts/apply does: arch/x86/xen/pmu/more.c", said)
        self.assertFalse(self.target.exists())

    def test_hunks_that_do_not_fit(self):
        write(self.tree, {"arch/x86/xen/pmu.c": "int other;\n"})
        status, _, said = self.run_it()
        self.assertEqual(status, 1)
        self.assertIn("series/01-fix.txt: series/hunks/fix.patch does not fit", said)

    def test_a_line_has_hunks_of_its_own(self):
        write(self.tree, {"arch/x86/xen/pmu.c": "int other;\n"})
        write(self.root, {"series/hunks/9.1/fix.patch": diff(
            "arch/x86/xen/pmu.c", "int other;\n", "int better;\n")})
        self.assertEqual(self.run_it()[0], 0)

    def test_tree_that_has_the_module(self):
        series.apply.apply(self.tree)
        status, _, said = self.run_it()
        self.assertEqual(status, 1)
        self.assertIn("has the module already", said)

    def test_who_signs(self):
        with mock.patch.dict(os.environ, SIGNOFF="nobody"):
            self.assertIn('is not of the form "Name <address>"', self.run_it()[2])


if __name__ == "__main__":
    unittest.main()
