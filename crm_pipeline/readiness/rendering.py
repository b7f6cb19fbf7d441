"""The data-readiness report as Rich prints it. Nothing is counted here."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from crm_pipeline.readiness.report import Readiness
from crm_pipeline.readiness.tasks import periods


def _listed(names: Collection[str]) -> str:
    return ", ".join(names) or "none"


def render_readiness(found: Readiness) -> Any:
    """Return the report as something Rich can print."""
    from rich.console import Group
    from rich.text import Text

    unpaid = (
        f" (and {found.customers_without_amount:,} without a positive amount)" if found.customers_without_amount else ""
    )
    head = (
        f"{found.source}: {found.customers:,} customers{unpaid}, {found.first} to {found.last} ({found.timezone}), "
        f"complete until {found.complete_until or 'no whole ' + found.grain}"
    )
    advice = f"Proposed horizon: {periods(found.horizon, found.grain)} ({found.horizon_reason})."
    absent = f"Tables that the source does not have: {_listed(found.absent)}."
    refused = [_grid("Refused rows", REFUSED, _refused_rows(found))] if any(t.refusals for t in found.tables) else []
    return Group(
        Text(head),
        _grid("Tables", TABLES, _table_rows(found)),
        Text(
            "A row can be several facts: an order that was placed and then cancelled, a case that was opened and closed. "
            "Of a row that is refused, some facts may be kept."
        ),
        *refused,
        *([_grid("Status of orders", STATES, _state_rows(found))] if found.states else []),
        _grid("Columns", COLUMNS, [(t.name, _listed(t.missing), _listed(t.unread)) for t in found.tables]),
        Text(absent),
        _grid("Tasks", TASKS, [(t.name, "yes" if t.possible else "no", "; ".join(t.blocks)) for t in found.tasks]),
        _grid("Who comes back", BACK, _back_rows(found)),
        Text(advice),
        *(Text(f"note: {warning}") for warning in found.warnings),
    )


TABLES = (
    "table",
    "files",
    "rows",
    "facts kept",
    "rows refused",
    "of them repeats",
    "unknown customers",
    "no customer",
    "from",
    "to",
)
COLUMNS = ("table", "columns not mapped", "columns of the files that nothing is read from")
REFUSED = ("table", "rows", "why refused", "for example")
STATES = ("status", "rows", "read as")
TASKS = ("task", "possible", "what blocks it, or limits it")
BACK = ("silent for", "cut-offs", "lapsed", "order again", "within")


def _grid(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(*header, title=title, title_justify="left")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _table_rows(found: Readiness) -> list[tuple[str, ...]]:
    rows = []
    for t in found.tables:
        unknown = "" if t.unknown_customers is None else f"{t.unknown_customers:,}"
        nobody = f"{t.without_customer:,}" if t.without_customer else ""
        counts = (f"{n:,}" for n in (t.files, t.rows, t.kept, t.refused, t.duplicates))
        rows.append((t.name, *counts, unknown, nobody, t.first or "", t.last or ""))
    return rows


def _refused_rows(found: Readiness) -> list[tuple[str, ...]]:
    return [(t.name, f"{r.rows:,}", r.reason, r.example) for t in found.tables for r in t.refusals]


def _state_rows(found: Readiness) -> list[tuple[str, ...]]:
    return [(value, f"{rows:,}", meaning) for value, (rows, meaning) in found.states.items()]


def _back_rows(found: Readiness) -> list[tuple[str, ...]]:
    return [
        (
            periods(one.horizon, found.grain), str(one.cutoffs), f"{one.lapse_rate:.0%}", f"{one.back:.0%}",
            periods(one.follow, found.grain),
        )
        for one in found.comebacks
    ]  # fmt: skip
