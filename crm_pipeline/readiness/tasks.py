"""Which tasks the data of a source allow, and what blocks the others. Facts in, sentences out; no data access."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from crm_pipeline.settings import BLOCKS_TO_CHOOSE, Settings

UNPAID = "no order has a positive amount, so each counts as one, and what will be paid is not foretold"
LATER = "not part of this version yet"


@dataclass(frozen=True)
class TaskReadiness:
    """Whether the data allow a task, and what blocks it (or limits it, where it is possible)."""

    name: str
    possible: bool
    blocks: list[str]


@dataclass(frozen=True)
class Facts:
    """What `tasks` needs to know of a source.

    Attributes
    ----------
    tables : mapping of str to collection of str
        Its tables with the mapped columns.
    periods : int
        Periods it covers whole.
    bought : int
        Orders with a positive amount.
    control : int
        Contacts of a control arm.
    recordings : int
        Recordings found among the first thousand that calls name.
    paid : bool
        Whether orders have amounts.
    """

    tables: Mapping[str, Collection[str]]
    periods: int
    bought: int
    control: int = 0
    recordings: int = field(default=0)
    paid: bool = True


def tasks(facts: Facts, settings: Settings) -> list[TaskReadiness]:
    """Return for every task whether the data allow it, and what blocks it."""
    orders = _orders(facts, settings)
    limits = _limits(facts, settings)
    return [
        TaskReadiness("churn", not orders, orders or limits),
        TaskReadiness("demand", not orders and facts.paid, [*([] if facts.paid else [UNPAID]), *(orders or limits)]),
        TaskReadiness("value", not orders, orders or _value(facts, settings)),
        TaskReadiness("segment", not orders, orders),
        TaskReadiness("response", False, [*_response(facts), LATER]),
        TaskReadiness("text (intent, sentiment)", not _absent(facts, "messages"), _absent(facts, "messages")),
        TaskReadiness("audio (calls)", not _audio(facts), _audio(facts)),
    ]


def _orders(facts: Facts, settings: Settings) -> list[str]:
    h, unit, found = settings.horizon, settings.grain, []
    if not facts.bought:
        found.append(
            "no order has a positive amount: map orders.amount, or give order_lines with quantity and unit_price; "
            "where nothing is paid (visits, log lines), leave amount out (amount: ''), and each counts as one"
        )
    if facts.periods < h + 1:
        found.append(
            f"{periods(facts.periods, unit)} are covered whole, {h + 1} are needed before one outcome of {periods(h, unit)} is known"
        )
    return found


def _limits(facts: Facts, settings: Settings) -> list[str]:
    """Say what this history allows: judging needs a model and an outcome after it, choosing four of them with a year before each."""
    h, unit, year = settings.horizon, settings.grain, settings.year
    if facts.periods < 2 * h + 1:
        return [f"trained but not judged: {2 * h + 1} whole {unit}s are needed, there are {facts.periods}"]
    found = []
    with_a_year = max((facts.periods - h - year) // h + 1, 0)
    blocks = min(with_a_year or (facts.periods - h - 1) // h, settings.evaluation_cutoffs)
    if blocks < BLOCKS_TO_CHOOSE:
        why = (
            f"evaluation_cutoffs is {settings.evaluation_cutoffs}"
            if settings.evaluation_cutoffs < BLOCKS_TO_CHOOSE
            else f"{year + BLOCKS_TO_CHOOSE * h} whole {unit}s are needed, there are {facts.periods}"
        )
        outcomes = f"{blocks} outcome{'s' if blocks > 1 else ''} of {periods(h, unit)}"
        found.append(
            f"judged on at most {outcomes} one after another, so no model is chosen by them and the fixed average stands: {why}"
        )
    known = year + year // 2 + 1
    if facts.periods < known:
        found.append(f"no season is known yet: {known} whole {unit}s are needed, there are {facts.periods}")
    return found


def _value(facts: Facts, settings: Settings) -> list[str]:
    year, unit = settings.year, settings.grain
    if facts.periods >= 2 * year:
        return []
    return [f"outcomes of {year} {unit}s need {2 * year} whole {unit}s, there are {facts.periods}: marked extrapolated"]


def _response(facts: Facts) -> list[str]:
    if "contacts" not in facts.tables:
        return _absent(facts, "contacts")
    return [] if facts.control else ["contacts.arm names no control arm, so no effect can be measured"]


def _audio(facts: Facts) -> list[str]:
    if "calls" not in facts.tables:
        return _absent(facts, "calls")
    if "audio_path" not in facts.tables["calls"]:
        return [
            "calls.audio_path is not mapped, so nothing is listened to; calls are counted all the same, and their transcripts read"
        ]
    return [] if facts.recordings else ["no recording that calls.audio_path names was found beside the source's files"]


def _absent(facts: Facts, table: str) -> list[str]:
    return [] if table in facts.tables else [f"there is no table {table}"]


def periods(count: int, unit: str) -> str:
    """Return a count of periods in words: ``1 month``, ``3 months``."""
    return f"{count} {unit}" + ("" if count == 1 else "s")
