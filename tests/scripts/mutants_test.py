#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The list of mutants fits the code that there is."""

import re
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from rig import mutants, paths  # noqa: E402
from rig.say import Problem  # noqa: E402


class List(unittest.TestCase):
    """tests/mutants."""

    def test_each_fits_once(self):
        for mutant in mutants.listed(mutants.LIST.read_text()):
            with self.subTest(mutant.about):
                text = (paths.ROOT / mutants.MODULE / mutant.file).read_text()
                self.assertNotEqual(mutant.put_into(text), text)

    def test_suites_are_there(self):
        names = set(re.findall(r'\.name = "(xen_pmu_\w+)"', "".join(
            path.read_text() for path in (paths.ROOT / "tests/kunit").glob("*_test.c"))))
        for mutant in mutants.listed(mutants.LIST.read_text()):
            self.assertIn(mutant.suite, names)


class Reading(unittest.TestCase):
    """What a list may look like."""

    def test_two(self):
        first, second = mutants.listed("# about\n\na.c s: one\n-x\n-y\n+z\n\nb.h t: two\n-x\n+\n")
        self.assertEqual((first.file, first.suite, first.about), ("a.c", "s", "one"))
        self.assertEqual(first.put_into("w\nx\ny\n"), "w\nz\n")
        self.assertEqual(second.put_into("x\n"), "\n")

    def test_stale(self):
        mutant, = mutants.listed("a.c s: one\n-x\n+y\n")
        for text in ("z\n", "x\nx\n"):
            with self.assertRaisesRegex(Problem, "times"):
                mutant.put_into(text)

    def test_nonsense(self):
        for text in ("a.c one\n-x\n+y\n", "a.c s: one\n+y\n", "a.c s: one\n-x\n y\n"):
            with self.assertRaisesRegex(Problem, "no mutant"):
                mutants.listed(text)


if __name__ == "__main__":
    unittest.main()
