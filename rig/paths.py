# SPDX-License-Identifier: GPL-2.0
"""Where things live.

What one checkout makes is under ``build/``; what every checkout can share
(downloads, the compiler cache, QEMU) is outside, in the user's cache.
"""

import contextlib
import fcntl
import hashlib
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RIG = ROOT / "rig"
BUILD = ROOT / "build"
LOGS = BUILD / "logs"

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "xen-pmu"
DOWNLOADS = CACHE / "downloads"


def digest(*parts):
    """A short name for a set of inputs: files by their content, the rest as text."""
    total = hashlib.sha256()
    for part in parts:
        data = part.read_bytes() if isinstance(part, Path) else str(part).encode()
        total.update(b"%d:" % len(data))
        total.update(data)
    return total.hexdigest()[:16]


def sha256(path):
    """The SHA-256 of a file, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def replace(path, data, mode=0o644):
    """Write a file in one step, and only if its content changes.

    An unchanged file keeps its time, so make has nothing to do; a reader never
    sees half of it.
    """
    path = Path(path)
    if path.is_file() and path.read_bytes() == data:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_bytes(data)
    fresh.chmod(mode)
    fresh.replace(path)
    return True


@contextlib.contextmanager
def lock(path, waiting):
    """Hold a lock file; call ``waiting()`` if somebody else has it first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
