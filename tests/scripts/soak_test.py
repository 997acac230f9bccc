#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What `make soak` does how often, and what its page says of it."""

import sys
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from rig import cases, e2e, soak  # noqa: E402


def carried_out(_, runs):
    """As if each had been booted, and one check had held."""
    for run in runs:
        run.verdict = cases.Verdict()
        run.verdict.passed.append("one")


class Parts(unittest.TestCase):
    """The parts, without a machine."""

    def test_cases_are_there(self):
        for part in soak.PARTS.values():
            if not isinstance(part, soak.Units):
                self.assertTrue(cases.choose(part.case, ""), part.case)

    def test_the_baseline_does_less(self):
        with mock.patch.object(e2e, "carry_out_all", carried_out):
            outcomes = soak.PARTS["mode"].run("6.12", 10_000)
        self.assertEqual({each.where for each in outcomes}, {
            "ours amd", "baseline amd 1,000 times", "ours intel", "baseline intel 1,000 times"})

    def test_kernels_share_a_number(self):
        asked = []

        def run_suite(line, name, suite, parameters, timeout, kernels):
            asked.append((parameters, kernels))
            return 3, 1
        with mock.patch.object(soak.kunit, "run_suite", run_suite):
            outcome, = soak.PARTS["page"].run("6.12", 101)
        self.assertEqual(asked, [(("hostile_test.cases=51",), 2)])
        self.assertEqual(str(outcome), "3 held, 1 did not")


class Page(unittest.TestCase):
    """docs/reliability.md."""

    def test_a_row_stays(self):
        row = soak._row("6.12", "mode", 10_000, "1 h", [soak.Outcome("ours amd", 5, 0)])
        page = soak._page({"mode": row})
        self.assertEqual(soak._told(page), {"mode": row})
        self.assertEqual(soak._page(soak._told(page)), page)

    def test_the_numbers_are_those_of_the_command(self):
        self.assertEqual(soak._page(soak._told(soak.PAGE.read_text())), soak.PAGE.read_text())


if __name__ == "__main__":
    unittest.main()
