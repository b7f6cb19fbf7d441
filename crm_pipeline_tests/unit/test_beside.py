"""Two periods at once: when it pays, when a step may begin, and what is made of a period that fails."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter, deque
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from crm_pipeline.defs import beside
from crm_pipeline.defs.beside import FEW, MANY_ROWS, Turns, _outcome, _settle, _told, pays
from crm_pipeline.defs.period import Outcome
from crm_pipeline.errors import CrmError
from crm_pipeline.lake import ALL, NOT_BUILT, Stale

MONTHS = [f"2024-{n:02}-01" for n in range(1, FEW + 1)]
NEW = [Stale("text/intent_model", ALL, NOT_BUILT), *(Stale("clean/orders", month, NOT_BUILT) for month in MONTHS)]


class Shelf:
    """A lake of which only matters what is published."""

    def __init__(self, rows: int = 10) -> None:
        self.asked: Counter[tuple[str, str]] = Counter()
        self.there: set[tuple[str, str]] = set()
        self.rows = rows

    def manifest(self, asset: str, partition: str) -> Any:
        self.asked[asset, partition] += 1
        there = (asset, partition) in self.there or asset.startswith("raw/")
        return SimpleNamespace(rows=self.rows) if there else None


def project(threads: int = 2, rows: int = 10) -> Any:
    source = SimpleNamespace(tables={"orders": (), "order_lines": ()})
    return SimpleNamespace(settings=SimpleNamespace(threads=threads), source=source, lake=Shelf(rows))


def test_it_pays_for_many_small_new_periods_and_a_core_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "cores", lambda: 2)
    assert pays(project(), NEW)
    assert not pays(project(), NEW[:-1]), "too few periods"
    assert not pays(project(threads=1), NEW), "one thread is asked for"
    assert not pays(project(), [*NEW[:-1], Stale("clean/orders", MONTHS[-1], "raw/orders changed")]), (
        "one was built before"
    )
    assert pays(project(rows=MANY_ROWS // 2 - 1), NEW)
    assert not pays(project(rows=MANY_ROWS // 2), NEW), "the tables of a period together"
    monkeypatch.setattr(beside, "cores", lambda: 1)
    assert not pays(project(), NEW)


def test_a_step_waits_for_what_is_planned_and_for_nothing_else() -> None:
    shelf = Shelf()
    key, other = ("lifetime/customers", MONTHS[0]), ("lifetime/customers", "2023-12-01")
    turns = Turns(shelf, {key})  # type: ignore[arg-type]
    turns(MONTHS[1], [other])
    assert not shelf.asked, "what nobody builds is not waited for"
    through = threading.Event()
    waiting = threading.Thread(target=lambda: (turns(MONTHS[1], [other, key]), through.set()))
    waiting.start()
    assert not through.wait(3 * beside.MOMENT)
    shelf.there.add(key)
    assert through.wait(10)
    waiting.join()
    assert shelf.asked[key] > 2


def test_who_waits_does_other_work_meanwhile_as_long_as_there_is_any() -> None:
    shelf, done = Shelf(), list[int]()
    key = ("lifetime/customers", MONTHS[0])

    def work() -> Iterator[None]:
        for piece in range(3):
            done.append(piece)
            if piece == 1:
                shelf.there.add(key)
            yield

    turns = Turns(shelf, {key}, meanwhile=work())  # type: ignore[arg-type]
    turns(MONTHS[1], [key])
    assert done == [0, 1], "the rest waits for the next time"


def test_no_step_of_a_later_period_begins_once_one_failed() -> None:
    turns = Turns(Shelf(), {("lifetime/customers", MONTHS[1])})  # type: ignore[arg-type]
    said: list[str] = []

    def wait() -> None:
        with pytest.raises(CrmError) as stopped:
            turns(MONTHS[2], [("lifetime/customers", MONTHS[1])])
        said.append(str(stopped.value))

    waiting = threading.Thread(target=wait)
    waiting.start()
    turns.fail(MONTHS[1])
    waiting.join(10)
    assert said == ["2024-03-01 was left for later, because 2024-02-01 failed."]
    turns(MONTHS[0], [])  # an earlier one goes on to its end
    turns(ALL, [])
    turns.fail(MONTHS[5])
    assert turns.failed == MONTHS[1], "the first counts"
    turns.fail(ALL)
    with pytest.raises(CrmError):
        turns(MONTHS[0], [])


def test_what_fails_after_an_earlier_period_did_is_only_left() -> None:
    turns, settled = Turns(Shelf(), set()), []  # type: ignore[arg-type, var-annotated]
    outcomes = {
        2: Outcome("2", failure=CrmError("disk")),
        3: Outcome("3", failure=CrmError("left")),
        1: Outcome("1", built=3),
    }
    for place, outcome in outcomes.items():
        _settle(settled, turns, [NEW[place]], outcome)
    assert settled == [([NEW[2]], outcomes[2]), ([NEW[1]], outcomes[1])]
    assert turns.failed == MONTHS[1]


@pytest.mark.parametrize("told", ["", 'print("{}", flush=True); input(); input()'])
def test_a_second_process_that_ends_fails_what_it_had_begun_and_nothing_else(
    told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it was given a period, nothing is lost; in the middle of one, what comes after that is left."""
    start = subprocess.Popen
    monkeypatch.setattr(beside.subprocess, "Popen", lambda _, **how: start([sys.executable, "-c", told], **how))
    waiting, settled = deque([[item] for item in NEW[1:]]), []  # type: ignore[var-annotated]
    turns = Turns(Shelf(), set())  # type: ignore[arg-type]
    second = beside._Second(SimpleNamespace(home="home"), turns, waiting, lambda *one: settled.append(one))  # type: ignore[arg-type]
    second.join(30)
    second.end()
    assert settled == []
    assert (turns.failed, len(waiting)) == ((MONTHS[0], FEW - 1) if told else (None, FEW))


def test_a_period_is_told_as_soon_as_it_is_done_and_not_when_all_are(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    def build(_: Any, __: Any, items: list[Stale]) -> Outcome:
        assert len(told) == NEW.index(items[0])
        return Outcome(items[0].partition, built=1)

    alone = SimpleNamespace(stop=lambda: None, join=lambda: None, end=lambda: None)
    monkeypatch.setattr(beside, "carry_out", build)
    monkeypatch.setattr(beside, "_Second", lambda *_: alone)
    monkeypatch.setattr(beside, "memory_share", lambda *_: "1GB")
    given = project()
    given.engine = SimpleNamespace(limit=lambda _: None)
    settled = beside.carry_out_two_at_once(
        SimpleNamespace(project=given), None, NEW, lambda items, _: told.append(items[0].partition)
    )  # type: ignore[arg-type]
    assert told == [ALL, *MONTHS] == [items[0].partition for items, _ in settled]


def test_what_became_of_a_period_survives_the_way_between_processes() -> None:
    failure = CrmError("2024-01-01: the disk is full.")
    failure.__cause__ = RuntimeError("Traceback …")
    for outcome in (Outcome("r", 3, 1, ["few rows"]), Outcome("r", failure=failure)):
        again = _outcome(_told(outcome))
        assert vars(again) | {"failure": None} == vars(outcome) | {"failure": None}
        assert str(again.failure) == str(outcome.failure)
    assert isinstance(again.failure, CrmError)
    assert str(again.failure.__cause__) == "Traceback …"
    assert outcome.failure is failure, "what was sent is as it was"
