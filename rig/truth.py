# SPDX-License-Identifier: GPL-2.0
"""What QEMU's PMU model wrote down: snapshots of the truth, taken by a case.

A snapshot is a block of lines, ``snapshot LABEL`` to ``end``, with counters
that only grow; what happened between two of them is their difference.
"""

import collections

OPERATIONS = ("mode_get", "mode_set", "feature_get", "feature_set",
              "init", "finish", "lvtpc_set", "flush")


def read(path):
    """The snapshots of a file: label -> {name: count}, all CPUs together.

    Names are tuples, such as ("hypercall", "flush"), ("trap", "wr", 0xc0010000),
    ("instr_usr",), ("instr",) for both levels, ("pmi", "count"); with "_cpuN" behind it
    a name without more to it is that CPU's alone.
    """
    snapshots, current = {}, None
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return {}
    for line in lines:
        words = line.split()
        if words[:1] == ["snapshot"]:
            current = snapshots[int(words[1])] = collections.Counter()
        elif words[:1] == ["cpu"] and current is not None:
            match words[2:]:
                case ["trap", way, msr, count]:
                    current["trap", way, int(msr, 16)] += int(count)
                case ["hypercall", "xenpmu", op, count]:
                    current["hypercall", OPERATIONS[int(op)]] += int(count)
                case ["pmi", *pairs]:
                    for name, count in zip(pairs[::2], pairs[1::2]):
                        current["pmi", name] += int(count)
                case [*pairs]:
                    for name, count in zip(pairs[::2], pairs[1::2]):
                        current[name,] += int(count)
                        current[f"{name}_cpu{words[1]}",] += int(count)
                        if name.startswith("instr_"):
                            current["instr",] += int(count)
                            current[f"instr_cpu{words[1]}",] += int(count)
    return snapshots


def between(snapshots, first, last):
    """What happened from one label to another; empty if one is missing."""
    if first not in snapshots or last not in snapshots:
        return collections.Counter()
    return snapshots[last] - snapshots[first]


def added_up(snapshots, labels, *name):
    """A count, all snapshots of these labels together; one with a minus is taken off.

    None if a snapshot is missing.
    """
    if any(abs(label) not in snapshots for label in labels):
        return None
    return sum(snapshots[abs(label)][name] * (1 if label > 0 else -1) for label in labels)


def total(counts, *prefix):
    """The sum over all names that start so."""
    return sum(count for name, count in counts.items() if name[:len(prefix)] == prefix)
