#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Shrinking a sequence of operations, without a machine to try it on."""

import random
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from rig import shrink  # noqa: E402


class Shortest(unittest.TestCase):
    """What fails is known: it takes certain operations, all of them."""

    def find(self, needed, last=300):
        tries = []

        def fails(end, begin, left_out):
            tries.append((end, begin, left_out))
            done = set(range(begin, end + 1)) - set(left_out)
            return set(needed) <= done

        end, begin, left_out = shrink.shortest(last, fails)
        self.assertEqual(set(range(begin, end + 1)) - set(left_out), set(needed))
        self.assertTrue(fails(end, begin, left_out))
        return len(tries)

    def test_one(self):
        for needed in (0, 1, 150, 299, 300):
            self.find([needed])

    def test_several(self):
        self.find([0, 300])
        self.find([3, 4, 5, 200])

    def test_random(self):
        dice = random.Random(1)
        for _ in range(200):
            self.find(dice.sample(range(301), dice.randrange(1, 8)))

    def test_boots(self):
        self.assertLess(self.find([20, 131, 277]), 150)

    def test_name(self):
        self.assertEqual(shrink.sequence(7, 20, 3, [4, 9]), "7:20:3:4:9")
        self.assertEqual(shrink.sequence(7, 20), "7:20:0")


if __name__ == "__main__":
    unittest.main()
