# SPDX-License-Identifier: GPL-2.0
"""What people see: progress, sections, and problems in one sentence."""

import os
import subprocess
import sys
import threading
import time

from rig import several

TTY = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
QUIET_INTERVAL = 20     # seconds between progress lines when not on a terminal
TAIL = 15               # lines of a log shown when something failed


class Problem(Exception):
    """Something went wrong that the reader can act on; its text says how."""


def colour(code, text):
    """``text`` in a terminal colour, plain where there is no terminal."""
    return f"\033[{code}m{text}\033[0m" if TTY and "NO_COLOR" not in os.environ else text


def bold(text):
    return colour("1", text)


def green(text):
    return colour("32", text)


def red(text):
    return colour("31", text)


def dim(text):
    return colour("2", text)


def line(text=""):
    print(text, flush=True)


def section(title):
    line()
    line(bold(f"== {title} =="))


def clock(seconds):
    """A duration as people write it."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"


def tail(path, count=TAIL):
    """The last lines of a log, indented, for a message."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return ""
    return quote(text, count=-count)


def quote(text, count=TAIL):
    """The first (or, below zero, the last) lines of a text, indented."""
    lines = [line for line in text.replace("\r", "").splitlines() if line.strip()]
    return "\n".join("    " + line for line in (lines[:count] if count > 0 else lines[count:]))


class Step:
    """A long step: says that it runs, how long for, and what it has done so far.

    On a terminal one line ticks, with all steps that run; elsewhere a line comes now
    and then, so that a log shows the step is alive.
    """

    running = []

    def __init__(self, what, measure=None):
        self.what = what
        self.measure = measure
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._tick, daemon=True)

    def _state(self):
        done = self.measure() if self.measure else ""
        elapsed = clock(time.monotonic() - self.start)
        return f"{elapsed}, {done}" if done else elapsed

    def _tick(self):
        while not self.over.wait(1 if TTY else QUIET_INTERVAL):
            if TTY:
                text = "; ".join(f"{step.what}: {step._state()}" for step in list(Step.running))
                print(f"\r\033[K   {text}", end="", flush=True)
            else:
                line(f"   {self.what}: {self._state()}")

    def __enter__(self):
        self.start = time.monotonic()
        if TTY:
            print(f"   {self.what} ...", end="", flush=True)
        else:
            line(f"   {self.what} ...")
        Step.running.append(self)
        self.thread.start()
        return self

    def __exit__(self, kind, value, trace):
        self.over.set()
        self.thread.join()
        Step.running.remove(self)
        verdict = green("ok") if kind is None else red("--")
        if TTY:
            print("\r\033[K", end="")
        line(f"{verdict} {self.what} ({self._state()})")


def run(what, command, log, *, measure=None, cwd=None, env=None, hint=""):
    """Run a long command as a step, its output in ``log``.

    ``measure`` gets the log's path and returns a few words of progress.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        with Step(what, (lambda: measure(log)) if measure else None), open(log, "wb") as out, \
                several.running(command, stdout=out, cwd=cwd, env=env) as process:
            status = process.wait()
            if status:
                raise subprocess.CalledProcessError(status, command)
    except FileNotFoundError as error:
        raise Problem(f"{what}: the program {error.filename!r} is missing.") from None
    except subprocess.CalledProcessError as error:
        how = f"failed (exit status {error.returncode})." if error.returncode > 0 else \
            f"was ended by signal {-error.returncode}."
        raise Problem(f"{what} {how} {hint}\nThe end of {log}:\n{tail(log)}") from None


def output(command, **more):
    """The output of a short command, or None if it failed or is not there."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, errors="replace", check=False, **more)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None
