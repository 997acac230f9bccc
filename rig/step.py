# SPDX-License-Identifier: GPL-2.0
"""Walks through the guest's code one instruction at a time.

QEMU's gdb stub stops the guest, its clock included, so a walk changes nothing
of what it looks at. Interrupts and timers wait while it lasts.
"""

import re
import socket
import struct
import time

from rig.say import Problem

RDI, RSP, RIP = 5, 7, 16    # gdb's numbers of the registers
KERNEL = 0xffffffff80000000  # its code is above
PATIENCE = 300              # seconds until the guest has to come by


def in_kernel(address):
    """Is this the kernel's code, not Xen's?"""
    return address >= KERNEL


class Stub:
    """The connection to QEMU's gdb stub."""

    def __init__(self, path):
        self.buffer = b""
        self.breaks = set()
        self.faults = set()
        self.thunk = None
        deadline = time.monotonic() + 30
        self.socket = socket.socket(socket.AF_UNIX)
        while True:
            try:
                self.socket.connect(str(path))
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise Problem("QEMU's gdb stub does not answer.") from None
                time.sleep(0.05)
        self.socket.settimeout(PATIENCE)
        self.ask("?")
        self.ask("qXfer:features:read:target.xml:0,fff")    # or "p" is not understood

    def close(self):
        self.socket.close()

    def _send(self, text):
        data = text.encode()
        self.socket.sendall(b"$%b#%02x" % (data, sum(data) & 0xff))

    def _receive(self):
        while not (found := re.match(rb"[^$]*\$([^#]*)#..", self.buffer)):
            data = self.socket.recv(65536)
            if not data:
                raise EOFError
            self.buffer += data
        self.buffer = self.buffer[found.end():]
        self.socket.sendall(b"+")
        return found[1].decode()

    def ask(self, text):
        """One packet and its answer."""
        try:
            self._send(text)
            return self._receive()
        except OSError:
            raise EOFError from None

    def _number(self, text):
        answer = self.ask(text)
        try:
            return struct.unpack("<Q", bytes.fromhex(answer))[0]
        except (ValueError, struct.error):
            raise Problem(f"QEMU's gdb stub answers {text!r} with {answer!r}.") from None

    def register(self, number):
        return self._number(f"p{number:x}")

    def word(self, address):
        return self._number(f"m{address:x},8")

    def stop_at(self, *addresses):
        """Breakpoints: these and no others."""
        for address in self.breaks - set(addresses):
            self.ask(f"z0,{address:x},1")
        for address in set(addresses) - self.breaks:
            self.ask(f"Z0,{address:x},1")
        self.breaks = set(addresses)

    def step(self):
        """One instruction; where the guest is then."""
        self.ask("s")
        return self.register(RIP)

    def run(self):
        """Go on to the next breakpoint; EOFError if the machine goes away first."""
        if self.register(RIP) in self.breaks:
            self.ask("s")
        if not self.ask("c").startswith("T"):
            raise EOFError
        return self.register(RIP)

    def walk_out(self):
        """From a function's first instruction to its return: the address of each."""
        stack = self.register(RSP)
        back, here = self.word(stack), self.register(RIP)
        while here != back or self.register(RSP) != stack + 8:
            yield here
            here = self.step()


def symbols(system_map):
    """name -> address of the functions in a System.map."""
    return {name: int(address, 16) for address, kind, name in
            (line.split() for line in system_map.read_text().splitlines()) if kind in "tTwW"}
