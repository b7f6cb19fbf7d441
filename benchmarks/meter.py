"""Clocks one process: wall seconds, processor seconds and peak memory of each stretch of work. It knows no layers."""

from __future__ import annotations

import functools
import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

TICK = 0.02
PAGE = os.sysconf("SC_PAGE_SIZE")


class Stretch(NamedTuple):
    """One measured stretch of work.

    Attributes
    ----------
    seconds, cpu : float
        Wall clock; processor time of all threads.
    peak : int
        Largest resident memory seen within, in bytes (looked at every 20 ms).
    """

    name: str
    seconds: float
    cpu: float
    peak: int


class Meter:
    """Cuts the life of a process into stretches; `mark` ends one. Its thread looks at the memory.

    Parameters
    ----------
    log : Path, optional
        Each stretch is added to this file as one JSON line when it ends, so that a run that fails has told how far it came.
    """

    def __init__(self, log: Path | None = None) -> None:
        self.log = log
        self.stretches: list[Stretch] = []
        self.within: dict[str, float] = {}
        self._began, self._cpu, self._peak = time.perf_counter(), time.process_time(), resident()
        threading.Thread(target=self._watch, daemon=True).start()

    def mark(self, name: str) -> None:
        """Name what was done since the last mark."""
        now, cpu, peak = time.perf_counter(), time.process_time(), max(self._peak, resident())
        self.stretches.append(Stretch(name, now - self._began, cpu - self._cpu, peak))
        self._began, self._cpu, self._peak = now, cpu, resident()
        if self.log is not None:
            with self.log.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(self.stretches[-1]) + "\n")

    def time_calls(self, owner: type, method: str, name: str) -> None:
        """Add up the wall seconds that calls of a method take, under ``name`` in `within`."""
        setattr(owner, method, self.timed(getattr(owner, method), name))

    def timed(self, original: Callable[..., Any], name: str) -> Callable[..., Any]:
        """Return a function that does the same, and adds up the wall seconds of its calls under ``name`` in `within`."""

        @functools.wraps(original)
        def clocked(*args: Any, **options: Any) -> Any:
            start = time.perf_counter()
            try:
                return original(*args, **options)
            finally:
                self.within[name] = self.within.get(name, 0.0) + time.perf_counter() - start

        return clocked

    def result(self) -> dict[str, Any]:
        """Return everything measured as plain values: stretches, what lay within them, and the process as a whole."""
        return {
            "stretches": [list(s) for s in self.stretches],
            "within": self.within,
            "peak": high_water(),
            "cpu": time.process_time(),
        }

    def _watch(self) -> None:
        while True:
            self._peak = max(self._peak, resident())
            time.sleep(TICK)


def resident() -> int:
    """Return the resident memory of this process, in bytes."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE


def high_water() -> int:
    """Return the largest resident memory this process ever had, in bytes (the kernel's own count)."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    return 0
