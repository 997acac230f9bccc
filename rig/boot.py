# SPDX-License-Identifier: GPL-2.0
"""Boots a kernel, under Xen or bare, on our QEMU, and waits for it to end."""

import dataclasses
import os
import subprocess
import time
from pathlib import Path

from rig import processors, several
from rig.say import Problem

# With CR0.TS set, TCG's XSAVE and XRSTOR do not trap: where Xen switches the FPU
# lazily, as it does on AMD, a vCPU saves the registers of another one as its own.
XEN = {
    "console": "com1", "com1": "115200,8n1", "vpmu": "on", "cpuidle": "0",
    "iommu": "0", "dom0_mem": "768M", "loglvl": "info",
    "spec-ctrl": "eager-fpu",
}
MEMORY = "1200M"
ICOUNT_SHIFT = 1        # an instruction takes 2**shift ns of the guest's time


@dataclasses.dataclass
class Machine:
    """What to boot and how."""

    qemu: list                  # the program and its -L options
    kernel: Path
    initrd: Path
    xen: Path | None            # None: without Xen
    cpu: str = "amd"
    smp: int = 1
    xen_args: str = ""
    linux_args: str = ""
    timeout: float = 240
    more: tuple = ()            # further options of QEMU's

    def command(self, truth):
        """QEMU's command line; ``truth`` is the file for the model's own counters."""
        linux = "panic=-1 loglevel=5 " + self.linux_args
        if self.xen:
            options = dict(XEN, dom0_max_vcpus=str(self.smp))
            for word in self.xen_args.split():
                name, _, value = word.partition("=")
                options[name] = value
            words = [f"{name}={value}" if value else name for name, value in options.items()]
            # dom0's arguments travel in QEMU's list of modules: commas are doubled.
            module = f"{self.kernel} console=hvc0 {linux}".replace(",", ",,")
            boot = ["-kernel", self.xen, "-append", " ".join(words),
                    "-initrd", f"{module},{self.initrd}"]
        else:
            boot = ["-kernel", self.kernel, "-initrd", self.initrd,
                    "-append", f"console=ttyS0,115200 {linux}"]
        return [*self.qemu, "-machine", "q35", "-cpu", processors.get(self.cpu).qemu,
                "-smp", str(self.smp), "-m", MEMORY, "-accel", "tcg,thread=single",
                "-icount", f"shift={ICOUNT_SHIFT},sleep=off",
                "-display", "none", "-vga", "none", "-nic", "none", "-monitor", "none",
                "-serial", "stdio", "-no-reboot", *self.more, *boot]


@dataclasses.dataclass
class Result:
    """How a boot went."""

    log: Path
    truth: Path
    seconds: float
    timed_out: bool
    status: int

    @property
    def console(self):
        # Xen and dom0's terminal each add carriage returns.
        return self.log.read_text(errors="replace").replace("\r", "")


def run(machine, log):
    """Boot, wait for the machine to switch off or for its time to be up."""
    log.parent.mkdir(parents=True, exist_ok=True)
    truth = log.with_suffix(".truth")
    truth.unlink(missing_ok=True)
    start = time.monotonic()
    with open(log, "wb") as console:
        try:
            with several.running([str(word) for word in machine.command(truth)], stdout=console,
                                 env=dict(os.environ, RIG_PMU_LOG=str(truth))) as process:
                try:
                    status, timed_out = process.wait(machine.timeout), False
                except subprocess.TimeoutExpired:
                    status, timed_out = None, True
        except OSError as error:
            raise Problem(f"QEMU does not start: {error}.") from None
    return Result(log, truth, time.monotonic() - start, timed_out, status)
