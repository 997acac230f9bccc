# SPDX-License-Identifier: GPL-2.0
"""Programs that run beside each other: what ends one of them too early ends them all."""

import concurrent.futures
import contextlib
import os
import signal
import subprocess

GRACE = 10      # seconds to end in after being asked to

_running = set()


def _ask_to_end(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)


@contextlib.contextmanager
def running(command, **how):
    """A program that is there for as long as the block; ``how`` is Popen's."""
    # In a process group of its own: make has children, and they go with it.
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT,
                               process_group=0, **how)
    _running.add(process)
    try:
        yield process
    finally:
        if process.poll() is None:
            _ask_to_end(process)
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        _running.discard(process)


@contextlib.contextmanager
def pool(count):
    """A pool of threads for so many programs at a time."""
    with concurrent.futures.ThreadPoolExecutor(count) as threads:
        try:
            yield threads
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            for process in list(_running):
                _ask_to_end(process)
            raise
