"""Which processes still work on a home: each holds a lock that the system frees when it dies. What they do is not known here.

A process is known by a token, the name of a file under ``lake/.alive`` that it keeps locked. Unlike a process id, a
token is never used twice and means the same in every container and on every host that shares the file system.
"""

from __future__ import annotations

import fcntl
import os
import re
import uuid
from pathlib import Path

from crm_pipeline.lake.locks import only_one

_HELD: dict[tuple[Path, int], tuple[str, int]] = {}
"""Token and open file of this process, by home; a forked child is another process."""


def sign_of_life(home: Path) -> str:
    """Return this process's token in a home; it counts as alive until the process ends, however it ends."""
    folder, key = _folder(home), (Path(home).absolute(), os.getpid())
    if key not in _HELD or not (folder / _HELD[key][0]).exists():
        token = uuid.uuid4().hex
        with only_one(folder / ".lock"):
            handle = os.open(folder / token, os.O_RDWR | os.O_CREAT | os.O_EXCL)
            fcntl.flock(handle, fcntl.LOCK_EX)
        _HELD[key] = (token, handle)
    return _HELD[key][0]


def is_alive(home: Path, token: str) -> bool:
    """Tell whether the process of a token is still there; what is no token names nobody."""
    path = _folder(home) / token
    if not re.fullmatch("[0-9a-f]{32}", token):
        return False
    try:
        handle = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def at_work(home: Path) -> int:
    """Return how many processes work on the home."""
    return sum(is_alive(home, path.name) for path in _folder(home).glob("[0-9a-f]*"))


def forget_the_dead(home: Path) -> int:
    """Remove the tokens of processes that have ended; returns how many."""
    folder = _folder(home)
    with only_one(folder / ".lock"):
        dead = [path for path in folder.glob("[0-9a-f]*") if not is_alive(home, path.name)]
        for path in dead:
            path.unlink(missing_ok=True)
    return len(dead)


def _folder(home: Path) -> Path:
    return Path(home).absolute() / "lake" / ".alive"
