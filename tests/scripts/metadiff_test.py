# SPDX-License-Identifier: GPL-2.0
"""scripts/metadiff on an invented driver whose next release moved everything.

The two bases are written out, and so is what ours makes of each; the patches
are made of that, with as much context as the test wants.
"""

import contextlib
import difflib
import importlib.machinery
import importlib.util
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPT = ROOT / "scripts" / "metadiff"


def load(path):
    """A script as a module, with no compiled copy of it beside it."""
    sys.dont_write_bytecode = True
    loader = importlib.machinery.SourceFileLoader(path.name, str(path))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(path.name, loader))
    sys.modules[path.name] = module
    loader.exec_module(module)
    return module


metadiff = load(SCRIPT)

OLD = {
    "drivers/pmu.c": """\
#include <linux/kernel.h>
#include <linux/smp.h>

static int pmu_start(int cpu)
{
	int rc = pmu_alloc(cpu);

	if (rc)
		return rc;
	pmu_enable(cpu);
	return 0;
}

static void pmu_overflow(int cpu, struct pt_regs *regs)
{
	u64 status = pmu_status(cpu);

	if (!status)
		return;
	perf_overflow(regs);
	pmu_ack(status);
}

static void pmu_stop(int cpu)
{
	pmu_disable(cpu);
	pmu_free(cpu);
	pmu_trace(cpu);
}
""",
    "drivers/Makefile": "obj-y += core.o\nobj-y += pmu.o\nobj-y += tail.o\n",
}

# Lines inserted, functions renamed and in another order, pmu_status() and the
# header too; what pmu_stop() frees is now called pmu_release().
NEW = {
    "drivers/pmu.c": """\
#include <linux/kernel.h>
#include <linux/cleanup.h>
#include <linux/smp.h>
#include <linux/types.h>

static void pmu_handle_irq(struct pt_regs *regs, int cpu, bool nmi)
{
	u64 status = pmu_read_status(cpu);

	lockdep_assert_irqs_disabled();
	if (!status)
		return;
	if (!nmi) {
		perf_overflow(regs);
	}
	pmu_ack(status);
}

static void pmu_cpu_dead(int cpu)
{
	guard(pmu)(cpu);
	pmu_disable(cpu);
	pmu_release(cpu);
	pmu_other(cpu);
}

static int pmu_cpu_up(int cpu)
{
	int rc = pmu_alloc(cpu);

	if (rc)
		goto out;
	pmu_enable(cpu);
	pmu_count(cpu);
out:
	return rc;
}
""",
    "drivers/Makefile": "obj-y += core.o lib.o\nobj-y += pmu.o\nobj-y += last.o\n",
}

ADDED = """\
/* Ours, whatever the base. */
int xen_pmu_own(int cpu)
{
	return cpu;
}
"""

# Ours: a call in each function, a line of the base replaced, a new file.
OURS = (
    ("drivers/pmu.c", "#include <linux/smp.h>\n", "#include <linux/smp.h>\n#include <xen/pmu.h>\n"),
    ("drivers/pmu.c", "pmu_enable(cpu);\n", "pmu_enable(cpu);\n\txen_pmu_boot(cpu);\n"),
    ("drivers/pmu.c", "\tperf_overflow(regs);\n", "\tif (xen_pmu_ours(regs))\n"
                      "\t\txen_pmu_sample(regs);\n"),
    ("drivers/pmu.c", "\tpmu_disable(cpu);\n", "\txen_pmu_finish(cpu);\n\tpmu_disable(cpu);\n"),
)
HOOK = (("drivers/Makefile", "obj-y += pmu.o\n", "obj-y += pmu.o\nobj-y += xen-pmu.o\n"),
        ("drivers/xen-pmu.c", "", ADDED))


def changed(tree, edits):
    """A tree with some text replaced; each must be there, once."""
    tree = dict(tree)
    for name, old, new in edits:
        text = tree.get(name, "")
        assert text.count(old) == 1 or not text, (name, old)
        tree[name] = text.replace(old, new) if text else new
    return tree


def diff(before, after, context):
    """A patch from one tree to another."""
    return "".join(line for name in sorted({*before, *after})
                   for line in difflib.unified_diff(
                       before.get(name, "").splitlines(True), after.get(name, "").splitlines(True),
                       f"a/{name}" if name in before else "/dev/null", f"b/{name}", n=context))


def write(folder, tree):
    for name, text in tree.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


class Pair(unittest.TestCase):
    """Two bases, two patch sets, one comparison."""

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = Path(scratch.name)

    def folder(self, *parts):
        folder = self.scratch.joinpath(*parts)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def side(self, which, base, *patches, context=3, prefix=""):
        """PATCHES@TREE of a base, and of patches, each a list of edits."""
        tree = write(self.folder(which, "base"), base)
        before = base
        for number, edits in enumerate(patches, 1):
            after = changed(before, edits)
            name = f"{prefix}{number:04d}-{edits[-1][0].replace('/', '-')}.patch"
            (self.folder(which, "patches") / name).write_text(
                f"Subject: patch {number}\n\nWhy it is there.\n---\n"
                f"{diff(before, after, context)}")
            before = after
        return f"{self.scratch / which / 'patches'}@{tree}"

    def compare(self, *arguments):
        """(exit status, what it says on stdout, on stderr)."""
        out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = metadiff.main(list(arguments))
            out.flush()
        return status, out.buffer.getvalue().decode(), err.getvalue()

    def differences(self, *arguments):
        """The lines that it shows of either side, without their headings."""
        status, said, _ = self.compare(*arguments)
        self.assertEqual(status, 1 if said else 0)
        return [line for line in said.splitlines()[3:]
                if line.startswith(("< ", "> ", "only in "))]

    def assert_equal(self, *arguments):
        self.assertEqual(self.compare(*arguments), (0, "", ""))

    def assert_refused(self, *arguments, words):
        status, said, why = self.compare(*arguments)
        self.assertEqual((status, said), (2, ""))
        self.assertEqual(why.count("\n"), 1, why)
        for word in words:
            self.assertIn(word, why)


class OnlyBasesDiffer(Pair):
    def test_same_patches_say_nothing(self):
        self.assert_equal(self.side("old", OLD, OURS, HOOK), self.side("new", NEW, OURS, HOOK))

    def test_whatever_context_the_patches_have(self):
        self.assert_equal(self.side("old", OLD, OURS, context=1),
                          self.side("new", NEW, OURS, context=8))

    def test_order_and_numbers_of_patches(self):
        self.assert_equal(self.side("old", OLD, OURS, HOOK),
                          self.side("new", NEW, HOOK, OURS, prefix="v2-"))

    def test_line_of_the_base_that_we_remove_was_renamed(self):
        gone = ("drivers/pmu.c", "\tpmu_free(cpu);\n", ""), *OURS
        fresh = ("drivers/pmu.c", "\tpmu_release(cpu);\n", ""), *OURS
        self.assert_equal(self.side("old", OLD, gone), self.side("new", NEW, fresh))

    def test_name_in_a_line_of_ours_was_renamed(self):
        ours = (("drivers/pmu.c", "\tpmu_ack(status);\n",
                 "\tpmu_ack(status);\n\txen_log(pmu_status, cpu);\n"),)
        there = ((*ours[0][:2], ours[0][2].replace("pmu_status", "pmu_read_status")),)
        old, new = self.side("old", OLD, ours), self.side("new", NEW, there)
        self.assert_equal(old, new)
        status, said, _ = self.compare("-v", old, new)
        self.assertEqual(status, 0)
        self.assertIn("the base renamed pmu_status to pmu_read_status", said)

    def test_base_put_a_line_into_ours(self):
        base = {"a.c": "first();\nsecond();\n"}
        split = {"a.c": "first();\nbetween();\nsecond();\n"}
        self.assert_equal(
            self.side("old", base, (("a.c", "first();\n", "first();\nxen_one();\nxen_two();\n"),)),
            self.side("new", split, (("a.c", "between();\n",
                                      "xen_one();\nbetween();\nxen_two();\n"),)))

    def test_base_put_lines_on_both_sides_of_ours(self):
        self.assert_equal(
            self.side("old", {"a.c": "first();\nlast();\n"},
                      (("a.c", "last();\n", "xen_one();\nlast();\n"),)),
            self.side("new", {"a.c": "first();\nsecond();\nthird();\nlast();\n"},
                      (("a.c", "third();\n", "xen_one();\nthird();\n"),)))

    def test_blank_lines_are_the_contexts(self):
        self.assert_equal(
            self.side("old", {"a.c": "first();\n"},
                      (("a.c", "first();\n", "first();\n\nxen_one();\n"),)),
            self.side("new", {"a.c": "first();\n\n"},
                      (("a.c", "first();\n\n", "first();\n\nxen_one();\n"),)))

    def test_insertion_that_can_be_written_in_two_ways(self):
        lower = metadiff.make_hunk("", ["+case X:", "+\tbreak;"], 2, ["case A:", "\tbreak;"])
        upper = metadiff.make_hunk("", ["+\tbreak;", "+case X:"], 1, ["case B:", "\tbreak;"])
        self.assertNotEqual(lower.lines, upper.lines)
        self.assertTrue(lower.forms & upper.forms)

    def test_base_renamed_the_file(self):
        renamed = {name.replace("pmu.c", "counters.c"): text for name, text in OLD.items()}
        edits = [(name.replace("pmu.c", "counters.c"), *words) for name, *words in OURS]
        self.assert_equal(self.side("old", OLD, OURS), self.side("new", renamed, edits))

    def test_base_indented_ours(self):
        self.assert_equal(
            self.side("old", {"a.c": "\tfirst();\n"},
                      (("a.c", "first();\n", "first();\n\txen_one();\n"),)),
            self.side("new", {"a.c": "\tif (x) {\n\t\tfirst();\n\t}\n"},
                      (("a.c", "first();\n", "first();\n\t\txen_one();\n"),)))


class WeDiffer(Pair):
    def test_exactly_the_line_that_differs(self):
        edits = [(*edit[:2], edit[2].replace("xen_pmu_boot(cpu)", "xen_pmu_boot(0)"))
                 for edit in OURS]
        self.assertEqual(
            self.differences(self.side("old", OLD, OURS, HOOK),
                             self.side("new", NEW, edits, HOOK)),
            ["< +\txen_pmu_boot(cpu);", "> +\txen_pmu_boot(0);"])

    def test_other_words_at_one_place_are_one_difference(self):
        edits = [(*edit[:2], edit[2].replace("xen_pmu_boot(cpu)", "start()")) for edit in OURS]
        _, said, _ = self.compare(self.side("old", OLD, OURS), self.side("new", NEW, edits))
        self.assertEqual(said.splitlines()[3:], [
            "0001-drivers-pmu.c.patch: drivers/pmu.c: static int pmu_cpu_up(int cpu)",
            "< +\txen_pmu_boot(cpu);", "> +\tstart();"])

    def test_line_left_out(self):
        self.assertEqual(
            self.differences(self.side("old", OLD, OURS), self.side("new", NEW, OURS[:-1])),
            ["< +\txen_pmu_finish(cpu);"])

    def test_line_of_both_bases_that_one_removes(self):
        more = *OURS, ("drivers/pmu.c", "\tpmu_ack(status);\n", "")
        self.assertEqual(
            self.differences(self.side("old", OLD, OURS), self.side("new", NEW, more)),
            ["> -\tpmu_ack(status);"])

    def test_name_that_the_base_did_not_rename(self):
        ours = (("drivers/pmu.c", "\tpmu_ack(status);\n", "\tpmu_ack(status);\n\tx(pmu_free);\n"),)
        there = (("drivers/pmu.c", "\tpmu_ack(status);\n", "\tpmu_ack(status);\n\tx(guard);\n"),)
        self.assertEqual(
            self.differences(self.side("old", OLD, ours), self.side("new", NEW, there)),
            ["< +\tx(pmu_free);", "> +\tx(guard);"])

    def test_other_order_of_our_lines(self):
        one, two = "\txen_one(cpu);\n", "\txen_two(cpu);\n"
        sides = [self.side(name, base, (("drivers/pmu.c", "\tpmu_disable(cpu);\n",
                                         "\tpmu_disable(cpu);\n" + lines),))
                 for name, base, lines in (("old", OLD, one + two), ("new", NEW, two + one))]
        self.assertEqual(len(self.differences(*sides)), 2)

    def test_same_line_at_another_place(self):
        ours = (("drivers/pmu.c", "\tint rc = ", "\txen_pmu_here();\n\tint rc = "),)
        there = (("drivers/pmu.c", "\tpmu_ack(status);\n",
                  "\txen_pmu_here();\n\tpmu_ack(status);\n"),)
        self.assertEqual(
            self.differences(self.side("old", OLD, ours), self.side("new", OLD, there)),
            ["<  after: static int pmu_start(int cpu)", ">  after: perf_overflow(regs);"])

    def test_patch_that_only_one_has(self):
        old, new = self.side("old", OLD, OURS), self.side("new", NEW, OURS, HOOK)
        self.assertEqual(self.differences(old, new),
                         [f"only in {new}: 0002-drivers-xen-pmu.c.patch (+7 -0)"])
        self.assertEqual(self.differences(new, old),
                         [f"only in {new}: 0002-drivers-xen-pmu.c.patch (+7 -0)"])

    def test_file_that_only_one_touches(self):
        old, new = self.side("old", OLD, OURS), self.side("new", NEW, (*OURS, *HOOK))
        said = self.differences("--by-file", old, new)
        self.assertEqual(said[0], f"only in {new}: drivers/Makefile (+1 -0)")
        self.assertIn("drivers/xen-pmu.c, which the base of", said[1])
        self.assertEqual(len(said), 2)


class OneBigDiff(Pair):
    def big(self, base, *patches):
        """A vendor's: diff -urN of two trees, with its own folder names."""
        tree = write(self.folder("vendor/base"), base)
        after = base
        for edits in patches:
            after = changed(after, edits)
        folder = self.folder("vendor/diff")
        write(self.folder("vendor/diff/linux.orig"), base)
        write(self.folder("vendor/diff/linux"), after)
        done = subprocess.run(["diff", "-urN", "linux.orig", "linux"], cwd=folder,
                              capture_output=True, text=True, check=False)
        (folder / "big.diff").write_text(done.stdout)
        return f"{folder / 'big.diff'}@{tree}"

    def test_is_the_same_as_a_directory_of_patches(self):
        ours = self.side("old", OLD, OURS[:2], HOOK, OURS[2:])
        self.assert_equal(ours, self.big(OLD, OURS, HOOK))
        self.assert_equal(self.big(NEW, OURS, HOOK), ours)

    def test_shows_the_line_that_differs(self):
        ours = self.side("old", OLD, OURS, HOOK)
        edits = [(*edit[:2], edit[2].replace("return cpu", "return 0")) for edit in HOOK]
        self.assertEqual(self.differences(ours, self.big(NEW, OURS, edits)),
                         ["< +\treturn cpu;", "> +\treturn 0;"])

    def test_tree_in_a_tarball(self):
        ours = self.side("old", OLD, OURS)
        archive = self.scratch / "linux-1.0.tar.xz"
        with tarfile.open(archive, "w:xz") as tar:
            tar.add(write(self.folder("packed"), NEW), "linux-1.0")
        patches = self.side("new", NEW, OURS).partition("@")[0]
        self.assert_equal(ours, f"{patches}@{archive}")


class Refused(Pair):
    def test_patch_of_another_base(self):
        patches = self.side("old", OLD, HOOK, OURS).partition("@")[0]
        new = self.side("new", NEW, OURS)
        tree = new.partition("@")[2]
        self.assert_refused(f"{patches}@{tree}", new, words=[
            "0001-drivers-xen-pmu.c.patch does not apply to drivers/Makefile of", tree, "FAILED"])

    def test_file_that_is_not_there(self):
        old = self.side("old", OLD, OURS)
        empty = self.folder("empty")
        self.assert_refused(f"{old.partition('@')[0]}@{empty}", old, words=[
            "does not apply to drivers/pmu.c of", str(empty), "can't find file"])

    def test_what_is_not_there(self):
        old = self.side("old", OLD, OURS)
        self.assert_refused(old, "0.1", words=["'0.1'", "nor a line of this repository"])
        self.assert_refused(old, f"{self.scratch}/none@{self.scratch}", words=["does not exist"])
        self.assert_refused(old, f"{self.folder('empty')}@{self.scratch}",
                            words=["has no patches in it"])

    def test_tree_that_is_none(self):
        old = self.side("old", OLD, OURS)
        (self.scratch / "note.txt").write_text("not a tarball\n" * 100)
        self.assert_refused(old, f"{old.partition('@')[0]}@{self.scratch / 'note.txt'}",
                            words=["neither a source tree, nor a tarball"])

    def test_patch_that_leaves_the_tree(self):
        old = self.side("old", OLD, OURS)
        evil = self.folder("evil")
        (evil / "a.patch").write_text("--- a/../../x\n+++ b/../../x\n@@ -0,0 +1 @@\n+x\n")
        self.assert_refused(old, f"{evil}@{self.scratch}", words=["outside of any tree"])

    def test_as_a_program(self):
        environment = {name: value for name, value in os.environ.items() if name != "KSRC_9_9"}
        done = subprocess.run([SCRIPT, "9.9", "9.9"], env=environment, capture_output=True,
                              text=True, check=False)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertTrue(done.stderr.startswith("metadiff: '9.9' is neither"), done.stderr)


if __name__ == "__main__":
    unittest.main()
