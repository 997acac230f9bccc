# SPDX-License-Identifier: GPL-2.0
"""What the PMU costs, ours beside upstream's: counts, never seconds.

Writes docs/bench.md, or docs/bench-LINE.md for a line that is not the default, and
prints it. Traps and instructions of switches and interrupts are what QEMU's model
counted; instructions inside the kernel are counted by walking through it one by one.
"""

import dataclasses
import re
import subprocess
import threading

from rig import boot, cases, host, kernel, paths, say, step, truth
from rig.say import Problem

# The goals; all hold for our kernel.
TRAPS = {                           # a switch, by the number of events, at most
    ("amd", "one"): {1: 2, 2: 4, 4: 8, 6: 12}, ("amd", "both"): {1: 4, 2: 8, 4: 16, 6: 24},
    ("intel", "one"): {1: 2, 2: 4, 4: 6, 6: 8}, ("intel", "both"): {1: 4, 2: 4, 4: 4, 6: 4}}
GUEST = 1.1                         # of the baseline's instructions where traps are fewer
MEMORY = 640                        # bytes a vCPU beside the page, at most
OTHER = {"off": 2, "on": 8}         # instructions more for another MSR, by vpmu=, at most
INTERRUPT = {"amd": 225, "intel": 520}  # instructions, perf core apart, at most: see GOALS
COUNTED = 1                         # percent that perf stat may be off

CPUS = ("amd", "intel")
VENDORS = {"amd": "AMD", "intel": "Intel"}
KINDS = ("ours", "baseline")
NONE = "nopmu"                      # a kernel without any of this, to hold OTHER against
LIKE = "distro"                     # the configuration of all three
EVENTS = (1, 2, 4, 6)
WORKLOADS = {100: "both", 200: "one"}   # snapshot labels of bench/switch.sh
PROGRAM = 400_000_000               # instructions of the program it counts
INTERRUPTS = 5                      # to walk through

ABOUT = """\
Written by `make bench`; do not edit. Everything is a count of the rig's QEMU, so the numbers
repeat whatever the host does. Cells read ours / baseline, the same kernel with its own
arch/x86/xen/pmu.c, line {line}. Both are configured as Debian's kernel of that line in what costs
instructions (rig/kernel/distro*.config): optimised for performance, with its mitigations, thunks,
padding and sites for the function tracer.
"""
SWITCH = """\
Two processes wake each other through pipes on one processor, {messages} times each, as SCHED_FIFO:
with the fair scheduler, who runs next depends on the time that passed. *One task*: one of the two
has n hardware events, and a switch is its leaving the processor and coming back. *Both tasks*:
both have them, as with `perf stat perf bench sched pipe`; perf then exchanges their contexts
instead of reloading them, and a switch is one from one task to the other. Instructions are those
above the same workload without events.
"""
INTERRUPTED = """\
`perf record` with a fixed period, one event. *Delivery to flush*: all that the vCPU executes from
the interrupt to XENPMU_flush, Xen's and the kernel's entry included. *Handler*: the kernel's from
the first instruction of VIRQ_XENPMU's handler to its last, cut in two: perf core is what happens
in `x86_pmu.handle_irq`, less its calls back into Xen's part, and in `perf_sample_event_took()`,
with the clock that it is told from: upstream's handler leaves perf's brake out.
"""
OTHERS = """\
Instructions from the entry of `xen_read_msr_safe` or `xen_write_msr_safe` up to and including
RDMSR or WRMSR, and back, for an MSR that is not the PMU's. *Outside*: below the PMU's registers
(10h). *Inside*: between them. *Without*: our kernel with CONFIG_XEN_PMU off.
"""

GOALS = f"""\
A switch with 1, 2, 4 and 6 events: guest's instructions at most upstream's where the traps are
as many, and {100 * GUEST - 100:.0f} % more where they are fewer. Upstream has four counters on AMD, so that six
events take turns on them: it is held against what its two and four come to for six. An interrupt:
no more than it took before perf's brake was told of it and overflows had a place to be judged in
(188 on AMD and 483 on Intel, of the same configuration), and what these two take, 37.
"""

# Entries from perf core into Xen's part, and the functions that are perf core
XEN_PART = re.compile(r"_*xen_(pmu_\w+|(read|write)_(msr|pmc)|apic_write|guest_\w+)$")
PERF_CORE = re.compile(
    r"((amd|intel|x86)_pmu(_v2)?_handle_irq|perf_sample_event_took|sched_clock)$")
HANDLERS = ("xen_pmu_interrupt", "xen_pmu_irq_handler")
ACCESSES = {"xen_read_msr_safe": "read", "xen_write_msr_safe": "write"}
# Called for /dev/cpu/0/msr; lines differ in what they call them
DEVICE = ("rdmsr_safe_on_cpu", "wrmsr_safe_on_cpu", "rdmsrq_safe_on_cpu", "wrmsrq_safe_on_cpu")
MSRS = {0x10: "outside", 0x1a0: "inside", 0xc0010015: "inside"}

# Registers by MSR, for the table
REGISTERS = [
    ("counters", [*range(0xc0010004, 0xc0010008), *range(0xc0010201, 0xc001020c, 2),
                  *range(0xc1, 0xc9), *range(0x4c1, 0x4c9), *range(0x309, 0x30c)]),
    ("event selects", [*range(0xc0010000, 0xc0010004), *range(0xc0010200, 0xc001020c, 2),
                       *range(0x186, 0x18e)]),
    ("fixed_ctrl", [0x38d]), ("global_ctrl", [0x38f]),
    ("global_status, ovf_ctrl", [0x38e, 0x390]),
]
CLASS = {msr: name for name, msrs in REGISTERS for msr in msrs}
WAYS = {"rd": "read", "wr": "written"}


@dataclasses.dataclass
class Switches:
    """What one switch costs under one workload."""

    traps: dict         # (register class, way) -> traps
    guest: float        # instructions
    xen: float
    hypercalls: float

    @property
    def total(self):
        return sum(self.traps.values())


@dataclasses.dataclass
class Interrupts:
    """What one interrupt costs."""

    guest: float
    xen: float
    traps: float
    hypercalls: float
    module: int = 0
    perf: int = 0


@dataclasses.dataclass
class Walk:
    """What a walk through a kernel saw."""

    accesses: dict      # (read or write, outside or inside) -> instructions
    handlers: list      # (module, perf) of each interrupt
    counts: dict        # QEMU's between snapshots 1 and 2


def machine(parts, kind, cpu, script, **more):
    """A machine that runs a script of bench/."""
    return boot.Machine(qemu=parts.qemu, kernel=parts.kernels[kind], initrd=parts.image,
                        xen=parts.xen, cpu=cpu, timeout=600,
                        linux_args=f"rig_case={script} rig_cpu={cpu} rig_kernel={kind}", **more)


def checked(result, script):
    """The console of a boot that ended well."""
    console = result.console
    bad = cases.FATAL.search(console)
    if result.timed_out or bad or f"# end of {script}" not in console:
        raise Problem(f"{result.log.stem} did not end well ({bad[0] if bad else 'no end'}). "
                      f"The console is in {result.log}; it ends with:\n{say.tail(result.log)}")
    return console


# ---- Switches ----

def switches(parts, kind, cpu):
    """(workload, events) -> Switches, and what perf stat made of a known program."""
    name = f"bench-switch-{cpu}-{kind}"
    with say.Step(name):
        result = boot.run(machine(parts, kind, cpu, "switch"), paths.LOGS / f"{name}.log")
    console = checked(result, "switch")
    snapshots = truth.read(result.truth)
    outs = {int(label): (int(parent), int(child)) for label, parent, child in
            re.findall(r"^# pingpong (\d+) parent (\d+) child (\d+)", console, re.M)}
    counts = {label: truth.between(snapshots, label, label + 1) for label in outs}
    idle, idle_outs = counts[100], sum(outs[100])
    found = {}
    for label in sorted(outs)[1:]:
        base = label // 100 * 100
        both = WORKLOADS[base] == "both"
        number = sum(outs[label]) if both else outs[label][0]
        # Without events: as many switches of both tasks as there were
        share = sum(outs[label]) / idle_outs / number
        traps = {}
        for key, count in counts[label].items():
            if key[0] == "trap" and key[2] in CLASS:
                place = (CLASS[key[2]], WAYS[key[1]])
                traps[place] = traps.get(place, 0) + count / number
        found[WORKLOADS[base], (label - base) // 10] = Switches(
            traps,
            counts[label]["instr_usr",] / number - idle["instr_usr",] * share,
            counts[label]["instr_os",] / number - idle["instr_os",] * share,
            truth.total(counts[label], "hypercall") / number)
    counted = re.search(r"^# figure counted (\d+)", console, re.M)
    return found, int(counted[1]) if counted else 0


# ---- Walks ----

def handler(stub, names):
    """Instructions of one interrupt's handler: (module, perf core)."""
    core = {at for name, at in names.items() if PERF_CORE.match(name)}
    part = {at for name, at in names.items() if XEN_PART.match(name)}
    spent = {"module": 0, "perf": 0}
    side, calls = "module", []
    for here in stub.walk_out():
        while calls and here == calls[-1][0] and stub.register(step.RSP) == calls[-1][1]:
            side = calls.pop()[2]
        if not step.in_kernel(here):
            continue
        inside = here in core and not calls or here in part and side == "perf"
        if inside:
            stack = stub.register(step.RSP)
            calls.append((stub.word(stack), stack + 8, side))
            side = "perf" if side == "module" else "module"
        spent[side] += 1
    return spent["module"], spent["perf"]


@dataclasses.dataclass
class Landmarks:
    """Addresses in a kernel that a walk is about."""

    device: list        # what /dev/cpu/0/msr calls
    access: dict        # address of an access -> read or write
    entry: int          # the handler of VIRQ_XENPMU; without one, what comes by as well


def landmarks(names):
    """Of a kernel, by its symbols."""
    device = [names[name] for name in DEVICE if name in names]
    absent = [name for name in ACCESSES if name not in names] + ([] if device else [DEVICE[0]])
    if absent:
        raise Problem(f"The kernel has no {', '.join(absent)} to walk through.")
    return Landmarks(device, {names[name]: way for name, way in ACCESSES.items()},
                     next((names[name] for name in HANDLERS if name in names), device[0]))


def follow(stub, names, places, walk):
    """Let the guest run, and walk through what it comes by."""
    entry, device, access = places.entry, places.device, places.access
    stub.stop_at(entry, *device)
    while True:
        here = stub.run()
        if here in device:
            stub.stop_at(entry, *device, *access)
        elif here in access:
            msr = stub.register(step.RDI) & 0xffffffff
            if msr in MSRS:
                way = sum(1 for at in instructions(stub) if step.in_kernel(at))
                walk.accesses[access[here], MSRS[msr]] = way
                stub.stop_at(entry, *device)
        else:
            walk.handlers.append(handler(stub, names))
            if len(walk.handlers) == INTERRUPTS:
                stub.stop_at()


def instructions(stub):
    """A function's own way: what the kernel does about a #GP is left out.

    So is Intel's thunk of one return, which one needs by its address in the kernel.
    """
    away = False
    for here in stub.walk_out():
        if here == stub.thunk:
            continue
        if away and step.in_kernel(here) and here in stub.faults:
            return
        away = not step.in_kernel(here)
        yield here


def walks(parts, maps, kind, cpu, vpmu):
    """Boot a kernel under the walker."""
    name = f"bench-steps-{cpu}-{kind}-{vpmu}"
    socket = paths.BUILD / "image" / "gdb.socket"
    socket.unlink(missing_ok=True)
    it = machine(parts, kind, cpu, "steps", xen_args=f"vpmu={vpmu}",
                 more=("-S", "-gdb", f"unix:{socket},server=on,wait=off"))
    results = []
    names = step.symbols(maps[kind])
    places = landmarks(names)
    walk = Walk({}, [], {})
    with say.Step(name):
        thread = threading.Thread(target=lambda: results.append(
            boot.run(it, paths.LOGS / f"{name}.log")))
        thread.start()
        stub = step.Stub(socket)
        stub.faults = {at for name, at in names.items()
                       if name.endswith("asm_exc_general_protection")}
        stub.thunk = names.get("its_return_thunk")
        try:
            follow(stub, names, places, walk)
        except EOFError:
            pass            # the guest has switched off
        finally:
            stub.close()
            thread.join()
            socket.unlink(missing_ok=True)
    checked(results[0], "steps")
    if len(walk.accesses) != len(ACCESSES) * len(set(MSRS.values())):
        raise Problem(f"{name} did not come by all MSRs: {sorted(walk.accesses)}.")
    walk.counts = truth.between(truth.read(results[0].truth), 1, 2)
    return walk


def interrupts(walk):
    """An interrupt's cost: QEMU's sums, and the typical handler."""
    number = walk.counts["pmi", "count"]
    if not number or not walk.handlers:
        raise Problem("perf record made no interrupts.")
    usual = sorted(walk.handlers)[len(walk.handlers) // 2]
    return Interrupts(walk.counts["pmi", "usr"] / number, walk.counts["pmi", "os"] / number,
                      walk.counts["pmi", "traps"] / number,
                      walk.counts["pmi", "hypercalls"] / number, *usual)


# ---- Memory ----

def memory(vmlinux):
    """Bytes of per-CPU data of Xen's PMU, by the symbols' sizes."""
    try:
        listing = subprocess.run(["nm", "-S", vmlinux], capture_output=True, text=True,
                                 check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise Problem(f"nm {vmlinux}: {error}") from None
    return {name: int(size, 16) for size, name in re.findall(
        r"^\w+ (\w+) [dDbB] ((?:xen_pmu|xenpmu)_(?:vcpu|irq|shared))$", listing, re.M)}


# ---- The tables ----

def number(value, digits=0):
    """A number without noise: whole if it is nearly so."""
    text = f"{value:.{digits}f}"
    return "0" if float(text) == 0 else text.rstrip("0").rstrip(".") if "." in text else text


def rows(head, body):
    """A markdown table, its columns aligned."""
    body = [[str(cell) for cell in row] for row in body]
    widths = [max(len(row[i]) for row in [head, *body]) for i in range(len(head))]

    def text(row):
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in
                                             zip(row[1:], widths[1:])]
        return "| " + " | ".join(cells) + " |"

    rule = "|" + "|".join(["-" * (widths[0] + 2)] +
                          ["-" * (width + 1) + ":" for width in widths[1:]]) + "|"
    return "\n".join([text(head), rule, *(text(row) for row in body)]) + "\n"


def pair(ours, baseline, digits=0):
    """A cell: ours / baseline."""
    return f"{number(ours, digits)} / {number(baseline, digits)}"


def switch_table(found):
    """Rows by workload and register, columns by the number of events."""
    body = []
    for workload in reversed(WORKLOADS.values()):
        ours, base = ({n: found[kind][workload, n] for n in EVENTS} for kind in KINDS)
        body.append([f"**{workload} task{'s' * (workload == 'both')}**", *("" for _ in EVENTS)])
        for name, _ in REGISTERS:
            for way in WAYS.values():
                cells = [(ours[n].traps.get((name, way), 0), base[n].traps.get((name, way), 0))
                         for n in EVENTS]
                if any(round(value, 1) for cell in cells for value in cell):
                    body.append([f"{name} {way}", *(pair(*cell, 1) for cell in cells)])
        body.append(["**traps**", *(f"**{pair(ours[n].total, base[n].total, 1)}**"
                                    for n in EVENTS)])
        body.append(["hypercalls xenpmu", *(pair(ours[n].hypercalls, base[n].hypercalls, 1)
                                            for n in EVENTS)])
        body.append(["instructions, guest", *(pair(ours[n].guest, base[n].guest)
                                              for n in EVENTS)])
        body.append(["instructions, Xen", *(pair(ours[n].xen, base[n].xen) for n in EVENTS)])
    return rows(["a switch", *(f"n = {n}" for n in EVENTS)], body)


def interrupt_table(found):
    """One column a vendor."""
    lines = [("delivery to flush: instructions, guest", "guest", 0),
             ("delivery to flush: instructions, Xen", "xen", 0),
             ("delivery to flush: traps", "traps", 1),
             ("delivery to flush: hypercalls", "hypercalls", 1),
             ("handler: perf core", "perf", 0), ("**handler: the rest**", "module", 0)]
    return rows(["an interrupt", *VENDORS.values()],
                [[text, *(pair(*(getattr(found[cpu][kind], field) for kind in KINDS), digits)
                          for cpu in CPUS)] for text, field, digits in lines])


def other_table(found):
    """Per access: without, and with the code, vpmu= off and on."""
    body = []
    for cpu in CPUS:
        for way in ACCESSES.values():
            for place in ("outside", "inside"):
                none, *rest = [found[cpu, kind, vpmu].accesses[way, place] for kind, vpmu in
                               ((NONE, "on"), ("ours", "off"), ("baseline", "off"),
                                ("ours", "on"), ("baseline", "on"))]
                body.append([f"{VENDORS[cpu]}, {way}, {place}", none,
                             pair(*rest[:2]), pair(*rest[2:])])
    return rows(["another MSR", "without", "vpmu=off", "vpmu=on"], body)


def memory_table(found):
    """Bytes."""
    body = [[name, found["ours"].get(name, 0) or "", found["baseline"].get(name, 0) or ""]
            for name in sorted({name for sizes in found.values() for name in sizes})]
    body.append(["page shared with Xen", 4096, 4096])
    body.append(["**bytes**", *(f"**{sum(found[kind].values()) + 4096}**" for kind in KINDS)])
    return rows(["a vCPU", "ours", "baseline"], body)


def like_ours(base, workload, events):
    """The baseline's switch, with as many counters as there are events.

    Upstream has four of AMD's six: where more events take turns on them, which is seen
    by their traps, the cost of two and four is drawn on in a straight line.
    """
    two, four, whole = (base[workload, n] for n in (2, 4, events))
    if events <= 4 or whole.total > 1.1 * four.total or four.total <= 1.1 * two.total:
        return whole
    steps = (events - 4) / 2

    def drawn(field):
        return getattr(four, field) + steps * (getattr(four, field) - getattr(two, field))

    return Switches({("drawn", "on"): drawn("total")},
                    *(drawn(field) for field in ("guest", "xen", "hypercalls")))


def judge_switches(cpu, workload, ours, base):
    """The goals of a switch, each for all numbers of events at once."""
    limits = TRAPS[cpu, workload]
    traps, guest, whole = [], [], []
    for events in EVENTS:
        mine, theirs = ours[workload, events], like_ours(base, workload, events)
        fewer = round(mine.total) < round(theirs.total)
        traps.append((mine.total, limits[events], mine.total <= limits[events] + 0.05))
        limit = theirs.guest * (GUEST if fewer else 1)
        guest.append((mine.guest, limit, mine.guest <= limit))
        limit = theirs.guest + theirs.xen
        whole.append((mine.guest + mine.xen, limit, mine.guest + mine.xen < limit))
    name = f"{VENDORS[cpu]}, {workload}"
    return [(f"{name}: {what}", f"{sign} {' '.join(number(cell[1]) for cell in cells)}",
             " ".join(number(cell[0]) for cell in cells), all(cell[2] for cell in cells))
            for what, sign, cells in (("traps a switch", "<=", traps),
                                      ("guest's instructions", "<=", guest),
                                      ("guest's and Xen's", "<", whole))]


def judge(switching, counted, interrupting, accesses, sizes):
    """The goals: (what, wanted, got, holds)."""
    goals = []
    for cpu in CPUS:
        for workload in reversed(WORKLOADS.values()):
            goals += judge_switches(cpu, workload, *(switching[cpu][kind] for kind in KINDS))
    for cpu in CPUS:
        for vpmu, limit in OTHER.items():
            none = accesses[cpu, NONE, "on"].accesses
            got = max(count - none[key]
                      for key, count in accesses[cpu, "ours", vpmu].accesses.items())
            goals.append((f"{VENDORS[cpu]}: another MSR, vpmu={vpmu}, instructions more",
                          f"<= {limit}", number(got), got <= limit))
    for cpu in CPUS:
        ours = interrupting[cpu]["ours"]
        goals.append((f"{VENDORS[cpu]}: hypercalls and traps to the flush", "1 and 0",
                      f"{number(ours.hypercalls, 1)} and {number(ours.traps, 1)}",
                      round(ours.hypercalls, 1) == 1 and round(ours.traps, 1) == 0))
        goals.append((f"{VENDORS[cpu]}: an interrupt, perf core apart",
                      f"<= {INTERRUPT[cpu]}", number(ours.module),
                      ours.module <= INTERRUPT[cpu]))
    for cpu in CPUS:
        off = 100 * (counted[cpu]["ours"] / PROGRAM - 1)
        goals.append((f"{VENDORS[cpu]}: instructions of a known program", f"+-{COUNTED} %",
                      f"{off:+.2f} %", abs(off) <= COUNTED))
    got = sum(sizes["ours"].values())
    goals.append(("bytes a vCPU beside the page", f"<= {MEMORY}", number(got), got <= MEMORY))
    return goals


def measure(line, parts, maps, images):
    """All boots, one after the other, and the text they come to."""
    switching, counted, accesses, interrupting = {}, {}, {}, {}
    for cpu in CPUS:
        results = {kind: switches(parts, kind, cpu) for kind in KINDS}
        switching[cpu] = {kind: found for kind, (found, _) in results.items()}
        counted[cpu] = {kind: count for kind, (_, count) in results.items()}
        for kind, vpmu in ((NONE, "on"), *((kind, vpmu) for vpmu in OTHER for kind in KINDS)):
            accesses[cpu, kind, vpmu] = walks(parts, maps, kind, cpu, vpmu)
        interrupting[cpu] = {kind: interrupts(accesses[cpu, kind, "on"]) for kind in KINDS}
    sizes = {kind: memory(images[kind]) for kind in KINDS}
    goals = judge(switching, counted, interrupting, accesses, sizes)
    text = "\n".join([
        "<!-- SPDX-License-Identifier: GPL-2.0 -->\n# What it costs\n", ABOUT.format(line=line),
        "## Switches\n", SWITCH.format(messages=5000),
        *(f"{VENDORS[cpu]}:\n\n{switch_table(switching[cpu])}" for cpu in CPUS),
        "## Interrupts\n", INTERRUPTED, interrupt_table(interrupting),
        "## Other MSRs\n", OTHERS, other_table(accesses),
        "## Memory\n", memory_table(sizes),
        "## Goals\n", GOALS, rows(["goal", "wanted", "ours", ""],
                           [[*goal[:3], "holds" if goal[3] else "**missed**"]
                            for goal in goals])])
    return text, goals


def run(line):
    """The whole benchmark; returns (goals that hold, goals missed)."""
    if not kernel.have_module():
        raise Problem("The module is not in this checkout: there is nothing to compare.")
    kernels = {kind: kernel.Kernel(line, kind, LIKE) for kind in (*KINDS, NONE)}
    parts = host.parts(line, list(kernels), like=LIKE)
    maps = {kind: it.objects / "System.map" for kind, it in kernels.items()}
    images = {kind: it.objects / "vmlinux" for kind, it in kernels.items()}
    say.section(f"benchmark on Xen {parts.xen_version}, kernel {line}")
    text, goals = measure(line, parts, maps, images)
    other = "" if line == kernel.DEFAULT_LINE else f"-{line}"
    target = paths.ROOT / "docs" / f"bench{other}.md"
    paths.replace(target, text.encode())
    say.line()
    say.line(text)
    say.line(f"This is {target.relative_to(paths.ROOT)}.")
    held = sum(goal[3] for goal in goals)
    return held, len(goals) - held
