"""Builds new periods two at once: every period in a run of its own, begun in order, in this process or in a second one.

A step that reads what the other process is about to publish waits for it, so that each period gets what it would have got alone.
The second process is this module as a program. It is a convenience: where it cannot be started, this one builds all. Where a period
fails, or the second process dies in the middle of one, no further period is begun, and whoever asked goes on with what is left.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import IO, Any

from crm_pipeline.defs.build import Built, build_defs
from crm_pipeline.defs.instance import open_instance
from crm_pipeline.defs.period import Outcome, carry_out
from crm_pipeline.errors import CrmError
from crm_pipeline.home.disk import without_echo
from crm_pipeline.home.listening import ahead
from crm_pipeline.home.planning import Key
from crm_pipeline.home.project import Project, memory_share, open_project
from crm_pipeline.lake import ALL, NOT_BUILT, Lake, Stale
from crm_pipeline.text.processes import cores

FEW = 12
"""New periods from which a second process pays: it takes some five seconds to begin."""

MANY_ROWS = 200_000
"""Rows of a period from which its steps keep all cores busy by themselves, and want the memory."""

MOMENT = 0.05
"""Seconds between two looks whether what is waited for is there."""

DONE = object()
"""Of what is done meanwhile: there is no more of it."""

_LOG = logging.getLogger(__name__)


def pays(project: Project, plan: Sequence[Stale]) -> bool:
    """Tell whether a second process is worth it: many periods, all of them new, with few rows each, and a core for it.

    What was built before is left to one process, because a rebuilt input may turn out to be what it was.
    """
    periods = {item.partition for item in plan} - {ALL}
    if len(periods) < FEW or min(project.settings.threads, cores()) < 2:
        return False
    if any(item.reason != NOT_BUILT for item in plan):
        return False
    rows = Counter[str]()
    for table in project.source.tables:
        for period in periods:
            manifest = project.lake.manifest(f"raw/{table}", period)
            rows[period] += manifest.rows if manifest else 0
    return max(rows.values(), default=0) < MANY_ROWS


@dataclass
class Turns:
    """When a step may begin: when all that it reads of other periods is there; never again in a period that is to stop.

    Parameters
    ----------
    lake : Lake
    awaited : collection of Key
        What is planned, in this process or in the other.
    failed : str or None
        The first period that failed, or whose process is gone: what comes after it is to stop.
    meanwhile : iterator
        Does a piece of other work each time it is asked; done where there is nothing but to wait.
    """

    lake: Lake
    awaited: Collection[Key]
    failed: str | None = None
    meanwhile: Iterator[None] = field(default_factory=lambda: iter(()))

    def __call__(self, partition: str, keys: Iterable[Key]) -> None:
        """Wait for what of the keys is planned and not yet published, on behalf of a period.

        Raises
        ------
        CrmError
            When the period is to stop.
        """
        for key in keys:
            while not self.over(partition) and key in self.awaited and self.lake.manifest(*key) is None:
                if next(self.meanwhile, DONE) is DONE:
                    time.sleep(MOMENT)
        if self.over(partition):
            raise CrmError(f"{partition} was left for later, because {self.failed} failed.")

    def over(self, partition: str) -> bool:
        """Tell whether a period comes after the one that failed."""
        return self.failed is not None and _order(self.failed) < _order(partition)

    def fail(self, partition: str) -> None:
        """Let all that comes after a period stop."""
        if self.failed is None or _order(partition) < _order(self.failed):
            self.failed = partition


def _order(partition: str) -> str:
    return "" if partition == ALL else partition


Settled = list[tuple[list[Stale], Outcome]]
Ended = Callable[[list[Stale], Outcome], None]


def carry_out_two_at_once(built: Built, instance: Any, plan: Sequence[Stale], ended: Ended) -> Settled:
    """Build new periods, two at once; ``plan`` is in building order and `pays`.

    ``ended`` is told of each period as soon as it was built or has failed, from whichever thread.

    Returns
    -------
    list of (items, outcome)
        Of each period that was built, and at the end of those that failed, in order. What was begun after a failure is left as
        it is.
    """
    turns = Turns(built.project.lake, {(item.asset, item.partition) for item in plan})
    waiting = deque(list(items) for _, items in groupby(plan, lambda item: item.partition))
    settled: Settled = []

    def settle(items: list[Stale], outcome: Outcome) -> None:
        if _settle(settled, turns, items, outcome):
            ended(items, outcome)

    other = _Second(built.project, turns, waiting, settle)
    with _shared(built.project, turns):
        try:
            while (items := _next(waiting, turns)) is not None:
                settle(items, carry_out(built, instance, items))
                other.stop()
            other.join()
        finally:
            other.end()
    return sorted(settled, key=lambda one: (one[1].failure is not None, _order(one[0][0].partition)))


def _next(waiting: deque[list[Stale]], turns: Turns) -> list[Stale] | None:
    try:
        return None if turns.failed is not None else waiting.popleft()
    except IndexError:
        return None


def _settle(settled: Settled, turns: Turns, items: list[Stale], outcome: Outcome) -> bool:
    """Note what became of a period, and tell whether it was noted: what fails because an earlier one did is only left."""
    if outcome.failure is not None:
        if turns.over(items[0].partition):
            return False
        turns.fail(items[0].partition)
    settled.append((items, outcome))
    return True


@contextmanager
def _shared(project: Project, turns: Turns) -> Iterator[None]:
    """Let a project's steps wait for their turn, with half of the engine's memory."""
    project.turns = turns
    project.engine.limit(memory_share(project.settings, 2))
    try:
        yield
    finally:
        project.turns = None
        project.engine.limit(memory_share(project.settings))


class _Second(threading.Thread):
    """The second process, and the thread that hands it periods for as long as there are any."""

    def __init__(self, project: Project, turns: Turns, waiting: deque[list[Stale]], settle: Ended) -> None:
        super().__init__(name="builds other periods", daemon=True)
        self.project, self.turns, self.waiting, self.settle = project, turns, waiting, settle
        self.process: subprocess.Popen[str] | None = None
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", __name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                encoding="utf-8",
                env=os.environ | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
            )
            self.start()
        except (OSError, RuntimeError) as error:  # no process or no thread is to be had
            _LOG.warning("No second process builds periods, this one builds them alone: %s", error)

    def run(self) -> None:
        """Hand out periods until there are none, or the process is gone."""
        assert self.process is not None
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        period: str | None = None
        try:
            _send(self.process.stdin, {"home": str(self.project.home), "awaited": sorted(self.turns.awaited)})
            if _received(self.process.stdout) is None:
                raise EOFError("it did not begin")
            while (items := _next(self.waiting, self.turns)) is not None:
                period = items[0].partition
                _send(self.process.stdin, {"items": items})
                self.settle(items, self._answer(self.process.stdout))
                period = None
        except (OSError, EOFError, ValueError) as error:
            _LOG.warning("The process that built every other period is gone, its periods are built here: %s", error)
            if period is not None:
                self.turns.fail(period)

    def _answer(self, answers: IO[str]) -> Outcome:
        while (message := _received(answers)) is not None:
            if "outcome" in message:
                return _outcome(message["outcome"])
            if "noticed" in message and callable(self.project.listener):
                self.project.listener(*message["noticed"])
        raise EOFError("it ended")

    def stop(self) -> None:
        """Tell the process of a period that failed here, if one did."""
        if self.turns.failed is not None and self.process is not None and self.process.stdin is not None:
            with suppress(OSError):  # it is gone
                _send(self.process.stdin, {"failed": self.turns.failed})

    def join(self, timeout: float | None = None) -> None:
        """Wait for what was begun."""
        if self.ident is not None:
            super().join(timeout)

    def end(self) -> None:
        """End the process, whatever it does."""
        if self.process is not None:
            self.process.kill()
            self.join()
            self.process.communicate()


def _send(out: IO[str], message: dict[str, Any]) -> None:
    out.write(json.dumps(message) + "\n")
    out.flush()


def _received(given: IO[str]) -> dict[str, Any] | None:
    line = given.readline()
    return json.loads(line) if line else None


def _told(outcome: Outcome) -> dict[str, Any]:
    failure = outcome.failure and [str(outcome.failure), str(outcome.failure.__cause__ or "")]
    return vars(outcome) | {"failure": failure}


def _outcome(told: dict[str, Any]) -> Outcome:
    failure = None
    if told["failure"]:
        failure = CrmError(told["failure"][0])
        failure.__cause__ = RuntimeError(told["failure"][1])
    return Outcome(**told | {"failure": failure})


def _be_second() -> None:
    """Be the second process: read which home and what is awaited, then periods, and answer each."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who was interrupted ends this one
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints must not stand between the answers
    orders: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    turns: list[Turns] = []
    begun = threading.Event()
    threading.Thread(target=_listen, args=(orders, turns, begun), daemon=True).start()
    given = orders.get()
    project = open_project(Path(given["home"]))
    turns.append(Turns(project.lake, {(asset, partition) for asset, partition in given["awaited"]}))
    begun.set()
    project.listener = lambda *event: _send(answers, {"noticed": event})
    built = build_defs(project)
    with _shared(project, turns[0]), without_echo():
        instance = open_instance(project.home)
        _send(answers, {"ready": True})
        turns[0].meanwhile = ahead(project)
        while True:
            while orders.empty() and next(turns[0].meanwhile, DONE) is not DONE:
                pass
            items = [Stale(*item) for item in orders.get()["items"]]
            _send(answers, {"outcome": _told(carry_out(built, instance, items))})


def _listen(orders: queue.SimpleQueue[dict[str, Any]], turns: list[Turns], begun: threading.Event) -> None:
    while (message := _received(sys.stdin)) is not None:
        if "failed" in message:
            begun.wait()  # a period of the first process may fail before this one knows what it waits for
            turns[0].fail(message["failed"])
        else:
            orders.put(message)
    os._exit(0)  # in the middle of a step, too: nobody waits for it


if __name__ == "__main__":
    _be_second()
