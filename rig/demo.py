# SPDX-License-Identifier: GPL-2.0
"""perf at work in a Xen dom0, on a machine that has neither: one page to look at.

The kernel is the distribution's where the module is for it, first as it is and then
with the module; elsewhere ours, which takes longer to build.
"""

import base64
import gzip
import re
import time

from rig import boot, cases, host, kernel, paths, picture, say, several, stock, truth
from rig.kernel import Kernel
from rig.say import Problem

CPUS = ("amd", "intel")
PICTURE = paths.BUILD / "demo.html"
BAR = 28
WIDE_BAR = 60
SIDES = {"user": ("36", "█"), "kernel": ("33", "▓"), "hypervisor": ("35", "░")}
TIMEOUT = 480
KERNELS = {"ours": "our kernel", "baseline": "the unpatched kernel",
           cases.STOCK: "the distribution's kernel"}
# What is asked of the kernel as it is and with the module
QUESTIONS = {
    "off": "perf stat, while Xen's mode is off",
    "rdpmc": "RDPMC, in a program that asks perf whether it may",
    "chains": "perf record -g: call graphs that are whole, percent",
    "hypervisor": "perf stat -e instructions:h: Xen, in 20,000 hypercalls",
    "kernel": "perf record -e cycles:u: samples of the kernel, percent",
    "user": "samples of Xen that perf calls a program's, percent",
}



def _boot(cpu, parts, kind):
    """One dom0 that runs rig/guest/demo.sh."""
    machine = boot.Machine(
        qemu=parts.qemu, kernel=parts.kernels[kind],
        initrd=parts.images[kind, (), host.default_xen()], xen=parts.xen,
        cpu=cpu, timeout=TIMEOUT,
        linux_args=f"rig_case=demo rig_cpu={cpu} rig_kernel={kind} "
                   + (stock.LINUX if kind == cases.STOCK else ""))
    return boot.run(machine, paths.LOGS / f"demo-{cpu}-{kind}.log")


def _facts(result):
    """The "demo ..." lines of a console."""
    facts = {"stat": {}, "hot": [], "script": "", "answers": {}}
    for line in result.console.splitlines():
        found = re.match(r"demo (\w+) ?(.*)", line)
        if not found:
            continue
        key, value = found.groups()
        if key == "stat":
            name, _, count = value.partition(" ")
            facts["stat"][name] = count
        elif key == "hot":
            share, level, symbol = value.split(" ", 2)
            facts["hot"].append((float(share), level, symbol))
        elif key == "answer":
            who, what, said = value.split(" ", 2)
            facts["answers"].setdefault(what, {})[who] = said
        elif key == "script":
            facts["script"] += value
        else:
            facts[key] = value
    if "end" not in facts:
        how = f"was stopped after {TIMEOUT} s" if result.timed_out else "ended early"
        raise Problem(f"dom0 {how}. The console is in {result.log}; it ends with:\n"
                      f"{say.tail(result.log)}")
    if not facts["hot"] or not facts["stat"].get("cycles", "").isdigit():
        raise Problem(f"perf counted nothing in dom0. The console is in {result.log}.")
    script = gzip.decompress(base64.b64decode(facts.pop("script")))
    facts["stack"] = picture.fold(script.decode(errors="replace").splitlines())
    if not facts["stack"]:
        raise Problem(f"perf kvm record sampled nothing in dom0. The console is in {result.log}.")
    return facts


def _number(text):
    """A count with its thousands apart."""
    try:
        value = float(text)
    except ValueError:
        return text
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def _sides(stacks):
    """The time in user, kernel and hypervisor: a bar, and a line of figures."""
    bar, words, sofar = "", [], 0
    for side, share in picture.shares(stacks).items():
        colour, block = SIDES[side]
        edge = round(WIDE_BAR * (sofar + share) / 100)
        bar += say.colour(colour, block * (edge - round(WIDE_BAR * sofar / 100)))
        words.append(f"{say.colour(colour, block)} {share:.1f} % {side}")
        sofar += share
    say.line(f"  {bar}")
    say.line("  " + "   ".join(words))


def _compare(answers):
    """The kernel as it is beside the same with the module."""
    if not answers:
        return
    say.line()
    say.line(say.dim(f"  {'':58}{'as it is':>17}{'with xen_pmu.ko':>17}"))
    for what, words in QUESTIONS.items():
        said = [_number(answers[what].get(who, "")) for who in ("stock", "module")]
        say.line(f"  {words:58}{said[0]:>17}{say.bold(f'{said[1]:>17}')}")


def _draw(facts, result):
    """The page of one machine."""
    stat = facts["stat"]
    say.line()
    say.line(say.bold(f"{facts['cpu']}") + "  (modelled by QEMU's TCG)")
    say.line(f"Xen {facts['xen']}, Linux {facts['linux']} as dom0; {facts['pmu']}")
    _compare(facts["answers"])
    say.line()
    say.line(f"  $ perf stat {facts['work']}")
    for name, count in stat.items():
        note = ""
        if name == "instructions" and count.isdigit():
            note = f"   {int(count) / int(stat['cycles']):.2f} per cycle"
        unit = " ms" if name == "task-clock" else ""
        say.line(f"  {_number(count) + unit:>18}  {name}{say.dim(note)}")
    say.line()
    say.line(f"  $ perf record -e cycles {facts['work']}: {_number(facts['samples'])} samples")
    top = facts["hot"][0][0]
    for share, level, symbol in facts["hot"]:
        kernel_side = level == "[k]"
        bar = "█" * max(1, round(BAR * share / top))
        say.line(f"  {share:5.1f} %  {say.colour('33' if kernel_side else '36', bar.ljust(BAR))}"
                 f"  {'kernel' if kernel_side else 'user  '}  {symbol}")
    took = truth.between(truth.read(result.truth), 1, 2)
    calls = truth.total(took, "hypercall")
    kinds = ", ".join(f"{count:,} {name[1]}" for name, count in took.most_common()
                      if name[0] == "hypercall")
    traps = truth.total(took, "trap")
    say.line()
    say.line(f"  {_number(facts['virqs'])} interrupts (VIRQ_XENPMU), {calls:,} xenpmu hypercalls "
             f"({kinds or 'none'}), {traps:,} trapped MSR accesses")
    say.line()
    say.line(f"  $ perf kvm --host --guest record -a -g: {sum(facts['stack'].values()):,} samples, "
             f"Xen's among them, of\n    {facts['many']}")
    _sides(facts["stack"])


def _library():
    """What draws the picture, or why there is none; the rest does without."""
    try:
        return picture.libraries(), None
    except Problem as problem:
        return None, problem


def _profile(facts):
    """One machine's part in the picture."""
    stacks = facts["stack"]
    return picture.Profile(
        f"{facts['cpu']}, modelled by QEMU's TCG",
        f"Xen {facts['xen']}, Linux {facts['linux']} as dom0; {sum(stacks.values()):,} samples "
        f"of cycles", stacks)


def _kind(line):
    """The kernel to show."""
    if not kernel.have_module():
        return "baseline"
    return cases.STOCK if line in stock.LINES else "ours"


def show(line):
    """Both machines at once, their pages and a picture; returns the picture's profiles."""
    start = time.monotonic()
    kind = _kind(line)
    PICTURE.unlink(missing_ok=True)
    say.line("Two machines with Xen and Linux in dom0, in QEMU: perf counts and samples there. "
             "A minute or two;\nthe first time some more, to get the packages and build QEMU.")
    say.section("getting ready")
    parts = host.parts(line, [kind], [(kind, (), host.default_xen())])
    library, problem = _library()
    ready = time.monotonic()
    with say.Step(f"booting Xen twice ({' and '.join(CPUS)}), perf at work in each"), \
            several.pool(len(CPUS)) as pool:
        results = list(pool.map(lambda cpu: _boot(cpu, parts, kind), CPUS))
    say.section(f"perf in a Xen dom0, {KERNELS[kind]}")
    known = [_facts(result) for result in results]
    for facts, result in zip(known, results):
        _draw(facts, result)
    profiles = [_profile(facts) for facts in known]
    say.line()
    if library:
        picture.write(PICTURE, "Time in user, kernel and hypervisor",
                      f"{known[0]['many']} – in a Xen dom0, sampled by perf kvm record -a -g",
                      profiles, library)
        say.line("These samples as a flame graph, for any browser: "
                 + say.bold(str(PICTURE.relative_to(paths.ROOT))))
    else:
        say.line(f"The flame graph is left out: {problem}")
    end = time.monotonic()
    say.line(f"Took {say.clock(end - start)}: {say.clock(ready - start)} to get ready, "
             f"{say.clock(end - ready)} for both machines, each with a console log in "
             f"{paths.LOGS.relative_to(paths.ROOT)}/.")
    return profiles


def run(line):
    """The demonstration; returns the exit status."""
    show(line)
    return 0
