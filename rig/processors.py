# SPDX-License-Identifier: GPL-2.0
"""The processors that the rig can be.

A processor is what QEMU's -cpu says, with the properties that our PMU model adds
(pmu-..., see qemu/README.md).  What people have differs in family and model, by
which Linux chooses its tables, and in the number of counters, of which Xen
programs some: both are here by name.
"""

import dataclasses
import functools

from rig.say import Problem

# MWAIT and SMAP under TCG crash Xen's idle loop and the PV kernel.
WITHOUT = ",-monitor,-smap"


@dataclasses.dataclass(frozen=True)
class Processor:
    """One processor, as hardware has it; what of it Xen shows is another matter."""

    qemu: str           # QEMU's -cpu
    about: str          # for people
    vendor: str
    general: int        # counters
    fixed: int = 0
    xens: tuple = ("4.17", "4.20")      # versions of Xen whose vPMU knows the family
    hybrid: bool = False    # of a hybrid family: Linux chooses by model, Xen hides the bit


def _amd(base, about, general=6, **more):
    return Processor(base + (WITHOUT if general == 6 else ",-monitor"), about, "AMD",
                     general, **more)


def _intel(model, stepping, about, general, fixed, *, version=5, events=8, more="", **fields):
    """A model of Intel's since 2019, by its number.

    Xen and Linux know it by family, model and stepping; everything that QEMU has
    no name for differs from Ice Lake in nothing that they look at for perf.
    """
    pmu = f",pmu-version={version},pmu-general={general},pmu-fixed={fixed},pmu-events={events}"
    return Processor(f"Icelake-Server,model={model},stepping={stepping}{WITHOUT}{pmu}{more}",
                     about, "Intel", general, fixed, **fields)


_big = functools.partial(_intel, general=8, fixed=4, more=",pmu-metrics=on")
_client = functools.partial(_big, hybrid=True)

PROCESSORS = {
    "amd": _amd("EPYC", "AMD EPYC 7001 (Naples), family 17h"),
    "amd10h": _amd("phenom", "AMD Phenom, family 10h: no core extension of counters", 4),
    "hygon": dataclasses.replace(_amd("Dhyana", "Hygon Dhyana, family 18h"), vendor="Hygon"),
    "milan": _amd("EPYC-Milan", "AMD EPYC 7003 (Milan), family 19h"),
    # QEMU adds an extended family to 0Fh as its number says.
    "turin": _amd("EPYC-Milan,family=26,model=2", "AMD EPYC 9005 (Turin), family 1Ah",
                  xens=("4.20",)),
    "intel": Processor("SandyBridge" + WITHOUT, "Intel Sandy Bridge, model 42", "Intel", 4, 3),
    "haswell": Processor(f"Haswell{WITHOUT},pmu-general=8",
                         "Intel Haswell, model 60, hyper-threading off", "Intel", 8, 3),
    "narrow": Processor(f"SandyBridge{WITHOUT},pmu-general=8,pmu-full-width=off",
                        "Intel Sandy Bridge, hyper-threading off; counters are written by "
                        "32 bits only", "Intel", 8, 3),
    "skylake": Processor(f"Skylake-Server{WITHOUT},pmu-version=4",
                         "Intel Skylake server, model 85", "Intel", 4, 3),
    "icelake": _big(106, 6, "Intel Ice Lake server, model 106"),
    "sapphire": _big(143, 8, "Intel Sapphire Rapids, model 143"),
    "granite": _big(173, 1, "Intel Granite Rapids, model 173"),
    "sierra": _intel(175, 3, "Intel Sierra Forest, model 175: efficient cores only", 8, 3,
                     events=7),
    "alder": _client(151, 2, "Intel Alder Lake, model 151, hybrid"),
    "raptor": _client(183, 1, "Intel Raptor Lake, model 183, hybrid"),
    "meteor": _client(170, 4, "Intel Meteor Lake, model 170, hybrid"),
    "arrow": _client(198, 2, "Intel Arrow Lake, model 198, hybrid"),
    "lunar": _client(189, 1, "Intel Lunar Lake, model 189, hybrid"),
    "unfixed": _intel(143, 8, "Intel Sapphire Rapids without fixed counters", 8, 0, events=7),
    # Leaf 0Ah: one fixed counter in EDX, the first and the third in ECX.
    "gap": _intel(143, 8, "Intel Sapphire Rapids without its second fixed counter", 8, 1,
                  events=7, more=",pmu-fixed-map=5"),
}


def get(name):
    """A processor by its name."""
    if name not in PROCESSORS:
        raise Problem(f"There is no processor {name!r}. They are: {', '.join(PROCESSORS)}.")
    return PROCESSORS[name]
