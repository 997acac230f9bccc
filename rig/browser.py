# SPDX-License-Identifier: GPL-2.0
"""The demonstration's picture, as headless Chromium shows it.

Runs the demonstration, opens its file with no network, and holds what is drawn
against the samples on the consoles.
"""

import html.parser
import re
import subprocess
import tempfile
from pathlib import Path

from rig import apt, demo, paths, picture, say
from rig.lint import Checks
from rig.say import Problem

FLAGS = """
    --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync
    --disable-background-networking --disable-component-update --disable-extensions
    --window-size=1400,2000
""".split()
# No name resolves, no proxy answers.
OFFLINE = ["--proxy-server=127.0.0.1:9", "--host-resolver-rules=MAP * ~NOTFOUND"]
TIMEOUT = 120
# What the demonstration's program, the kernel below it and Xen are known to do.
HOT = {
    "u": ("main", "read_words", "split_words", "count_word", "hash_word"),
    "k": ("entry_SYSCALL_64_after_hwframe", "vsnprintf", "number", "format_decode"),
    "h": ("[hypervisor]", "_get_page_type", "do_mmu_update"),
}
SCRIPT = """\
my prog    50 K    \n\tffffffff81000010 vsnprintf\n\t          1234 read
\t          1200 main\n\t           99 [unknown]\n
my prog    50 U    \n\t          1240 operator new(unsigned long)\n\t   7f0000000010 [unknown]
\t   7f0000000020 [unknown]\n
:50    50 G    \n\tffff82d040310381 arch/x86/mm.c#_get_page_type\n
:50    50 G    \n\tffff82d040310390 arch/x86/mm.c#_get_page_type\n
:51    51 G    \n\tffff82d040200000 lstar_enter\n
late    51 K    \n\tffffffff81000020 schedule\n
:0     0 G    \n\tffffffff81000020 [unknown]\n
"""
FOLDED = {
    ("my prog", "u:main", "u:read", "k:vsnprintf"): 1,
    ("my prog", "u:[unknown]", "u:operator new(unsigned long)"): 1,
    ("my prog", "h:[hypervisor]", "h:_get_page_type"): 2,
    ("late", "h:[hypervisor]", "h:lstar_enter"): 1,
    ("late", "k:schedule"): 1,
}


class Drawing(html.parser.HTMLParser):
    """What is in the page once its scripts have run, section by section."""

    def __init__(self, text):
        super().__init__()
        self.widths = []        # for each graph: function -> width of its boxes
        self.bars = []          # for each bar: side -> (width, percent in words)
        self.labels = set()
        self.reach = []         # where a network would be needed
        self.inside = self.side = self.frame = self.label = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        classes = (attrs.get("class") or "").split()
        self.reach += [f"{name}={value}" for name, value in attrs.items()
                       if name in ("src", "href", "action", "data") and value]
        if tag in ("link", "iframe", "object", "img", "base"):
            self.reach.append(f"<{tag}>")
        if "graph" in classes:
            self.widths.append({})
        elif "bar" in classes:
            self.bars.append({})
        elif self.bars and tag == "span" and "style" in attrs:
            self.side = classes[0]
            self.bars[-1][self.side] = (float(re.search(r"width: ?([\d.]+)%", attrs["style"])[1]),)
        elif tag == "g" and "frame" in classes:
            self.frame = attrs.get("name")
        elif tag == "rect" and self.frame:
            total = self.widths[-1]
            total[self.frame] = total.get(self.frame, 0) + float(attrs.get("width", 0))
        self.label = "d3-flame-graph-label" in classes

    def handle_data(self, data):
        percent = re.fullmatch(r"([\d.]+)\s%", data)
        if self.side and percent:
            self.bars[-1][self.side] += (float(percent[1]),)
        elif self.label and data.strip():
            self.labels.add(data)

    def handle_endtag(self, tag):
        if tag == "span":
            self.side = None


def _chromium(file, *flags):
    """Chromium opens a page; returns what it prints."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(["chromium", *FLAGS, *flags, *OFFLINE,
                                   f"--user-data-dir={folder}", Path(file).resolve().as_uri()],
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  errors="replace", timeout=TIMEOUT, check=False)
        except FileNotFoundError:
            raise Problem("The program chromium is missing; it opens the picture.") from None
        except subprocess.TimeoutExpired:
            raise Problem(f"Chromium did not open {file} in {TIMEOUT} s.") from None
    if done.returncode:
        raise Problem(f"Chromium does not open {file} (exit status {done.returncode}):\n"
                      f"{say.quote(done.stderr, -5)}")
    return done.stdout


def opened(file):
    """A page's elements after its scripts have run."""
    text = _chromium(file, "--dump-dom")
    if "</html>" not in text:
        raise Problem(f"Chromium shows no end of {file}.")
    return Drawing(text)


def photograph(file, target):
    """A page as people see it, for the README; what is wrong with it."""
    target.unlink(missing_ok=True)
    _chromium(file, "--window-size=1100,930", f"--screenshot={target}")
    whole = target.exists() and target.read_bytes().startswith(b"\x89PNG")
    return [] if whole else [f"there is no {target}"]


def folding():
    """What becomes of a few samples that are easy to get wrong."""
    got = picture.fold(SCRIPT.splitlines())
    return [f"{';'.join(stack)}: {got.get(stack, 0)}, not {FOLDED.get(stack, 0)}"
            for stack in sorted(got.keys() | FOLDED.keys())
            if got.get(stack) != FOLDED.get(stack)]


def _expected(node, weights):
    """Function -> samples in its boxes."""
    weights[node["name"]] = weights.get(node["name"], 0) + node["value"]
    for child in node["children"]:
        _expected(child, weights)
    return weights


def boxes(widths, stacks):
    """Every function of the samples has its boxes, of the width of its share."""
    if not widths:
        return ["nothing is drawn"]
    weights = _expected(picture.tree(stacks), {})
    wrong = [f"{name}: a box, but no sample" for name in sorted(widths.keys() - weights.keys())]
    if widths.get("all", 0) < 1000:
        wrong.append("the graph is not as wide as the page")
    scale = widths.get("all", 0) / weights["all"]       # pixels for a sample
    for name, weight in sorted(weights.items()):
        if name not in widths:
            wrong.append(f"{name}: no box")
        elif abs(widths[name] - weight * scale) > 1:
            wrong.append(f"{name}: {widths[name]:.1f} pixels wide, not {weight * scale:.1f}")
    return wrong


def hot(widths, labels, stacks):
    """The functions that must be in it are, under their names and on the right side."""
    if not widths:
        return ["nothing is drawn"]
    frames = {frame for stack in stacks for frame in stack[1:]}
    wanted = [(side, name) for side, names in HOT.items() for name in names]
    return ([f"{name}: not drawn" for _, name in wanted if not widths.get(name)] +
            [f"{name}: not in the {picture.KINDS[side]}" for side, name in wanted
             if f"{side}:{name}" not in frames] +
            [f"{name}: no label" for name in ("split_words", "vsnprintf", "[hypervisor]")
             if name not in labels])


def bar(drawn, stacks):
    """The bar adds up, its words say what it shows, and both agree with the samples."""
    total = sum(stacks.values())
    wrong = []
    for kind, side in picture.KINDS.items():
        share = 100 * sum(count for stack, count in stacks.items()
                          if stack[-1][0] == kind) / total
        numbers = drawn.get(side, ())
        if len(numbers) != 2 or any(abs(number - share) > 0.1 for number in numbers):
            wrong.append(f"{side}: {numbers}, not {share:.2f}")
        elif share < 5:
            wrong.append(f"{side}: only {share:.1f} %")
    for numbers in zip(*drawn.values()):
        if abs(sum(numbers) - 100) > 0.01:
            wrong.append(f"together {sum(numbers)}, not 100")
    return wrong


def _without_library(profiles):
    """What is drawn if there is nothing to draw with."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "picture.html"
        picture.write(file, "no library", "", profiles, [])
        return opened(file)


def domains():
    """What is wrong with a picture of several domains in the page that is installed."""
    stacks = {("Domain-0", ":words", "u:main", "k:vsnprintf"): 30, ("one", "u:[user]"): 20,
              ("Xen", "h:schedule"): 10, ("a <b> $c", "k:[kernel]"): 40}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "picture.html"
        file.write_text(picture.tool.page(
            picture.build().read_text(encoding="utf-8"), "domains", "",
            [picture.Profile("", "", stacks, domains=True)]), encoding="utf-8")
        drawing = opened(file)
    return (boxes(*drawing.widths, stacks) + drawing.reach +
            ([] if len(drawing.bars) == 2 else [f"{len(drawing.bars)} bars"]) +
            [f"{side}: not in the bars" for side in ("user", "kernel", "hypervisor", "domain")
             if not any(side in sides for sides in drawing.bars)])


def run(line):
    """The demonstration, and a look at its picture; returns (passed, failed)."""
    apt.ensure_tools()
    apt.ensure(["chromium"])
    profiles = demo.show(line)
    say.section("the picture, in headless Chromium")
    checks = Checks()
    checks.result("perf script's output is folded as it should be", folding())
    if not demo.PICTURE.exists():
        raise Problem("The demonstration made no picture; it said why.")
    name = demo.PICTURE.relative_to(paths.ROOT)
    drawing = opened(demo.PICTURE)
    checks.result(f"{name} opens, with a graph and a bar for each of {len(profiles)} machines",
                  [] if len(drawing.widths) == len(drawing.bars) == len(profiles) else
                  [f"{len(drawing.widths)} graphs, {len(drawing.bars)} bars"])
    for profile, widths, sides in zip(profiles, drawing.widths, drawing.bars):
        cpu = profile.name.split()[0]
        checks.result(f"{cpu}: every function is drawn ({len(widths)} are), as wide as its share",
                      boxes(widths, profile.stacks))
        checks.result(f"{cpu}: the hot functions of each side are among them",
                      hot(widths, drawing.labels, profile.stacks))
        checks.result(f"{cpu}: the bar is 100 % and agrees", bar(sides, profile.stacks))
    photo = paths.BUILD / "flame-graph.png"
    checks.result(f"photographed as {photo.relative_to(paths.ROOT)}",
                  photograph(demo.PICTURE, photo))
    reach = drawing.reach
    if "default-src 'none'" not in demo.PICTURE.read_text(encoding="utf-8"):
        reach.append("it may load what it likes")
    checks.result("it needs no network", reach)
    checks.result("xen-profile's page, with several domains", domains())
    checks.result("without the library there is no graph: it is what draws",
                  [f"{count} functions are drawn" for count in
                   map(len, _without_library(profiles).widths) if count])
    return checks.passed, checks.failed
