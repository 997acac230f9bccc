# SPDX-License-Identifier: GPL-2.0
"""Finds the shortest sequence of a random program that still fails: `rig/run shrink`."""

from rig import cases, e2e, host, say
from rig.say import Problem

CASE = "fuzz"


def sequence(seed, last, first=0, left_out=()):
    """How the case's seeds name it."""
    return ":".join(str(number) for number in (seed, last, first, *left_out))


def _least(low, high, holds):
    """The least number for which it holds, as it does for the highest and not below some."""
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return high


def shortest(last, fails):
    """(last, first, left out) of the shortest sequence that is found to fail.

    ``fails(last, first, left_out)`` tries one; it does for (last, 0, []). First the end is
    cut off, then the beginning, then pieces in between, by halves.
    """
    last = _least(0, last, lambda end: fails(end, 0, []))
    first = last - _least(0, last, lambda length: fails(last, last - length, []))
    left_out = []
    size = (last - first + 1) // 2
    while size:
        for start in range(first, last + 1, size):
            piece = [number for number in range(start, min(start + size, last + 1))
                     if number not in left_out]
            if piece and fails(last, first, sorted(left_out + piece)):
                left_out = sorted(left_out + piece)
        size //= 2
    return last, first, left_out


def run(line, seed, last, cpu, xen):
    """Boots until it is found; says how to repeat it."""
    case = cases.every()[CASE]
    run = e2e.Run(case, cpu, "ours", xen or host.default_xen(), line, True)
    parts = e2e.parts_for(line, [run])

    def fails(*words):
        run.seeds = sequence(seed, *words)
        bad = bool(e2e.carry_out(run, parts).verdict.failed)
        say.line(f"   {run.seeds}: {'fails' if bad else 'holds'} ({say.clock(run.seconds)})")
        return bad

    say.section(f"the shortest sequence of seed {seed}, kernel {line}")
    if not fails(last, 0, []):
        raise Problem(f"Seed {seed} does not fail on {cpu} with Xen {run.xen}.")
    found = sequence(seed, *shortest(last, fails))
    say.line(f"make e2e CASE={CASE} CPU={cpu} KERNELS=ours XENS={run.xen} SEEDS={found}")
