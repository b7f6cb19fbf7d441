"""The data-readiness report: what was found, what is refused and why, which tasks can run. Nothing is kept."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from crm_pipeline.contracts.canonical import CANONICAL
from crm_pipeline.engine import Engine, Staged
from crm_pipeline.lake import ALL, Lake
from crm_pipeline.periods import Calendar
from crm_pipeline.settings import Settings
from crm_pipeline.sources.horizon import CANDIDATES, Comeback, comebacks, proposed
from crm_pipeline.sources.mapping import local_sql
from crm_pipeline.sources.reading import literal
from crm_pipeline.sources.spec import Source
from crm_pipeline.sources.split import UNDATED
from crm_pipeline.sources.sync import SyncReport, sync
from crm_pipeline.transforms.cleaning import EXACT, clean_table, derive_orders

GENERAL = r"'[^']*'"
"""What of a reason names a single row's value."""


@dataclass(frozen=True)
class Refusal:
    """A reason, how many rows it refuses, and one of them."""

    reason: str
    rows: int
    example: str
    content: str


@dataclass(frozen=True)
class TableReadiness:
    """One table: its rows, what of them is kept, and which columns it has.

    Attributes
    ----------
    rows : int
        Rows of the source files, malformed lines included.
    kept, refused : int
        Event rows that keep the contract, and refused ones; a source row with a later event (a return) counts again.
    duplicates : int
        Refused rows that repeat an earlier one.
    first, last : str or None
        Local days of the first and last event.
    missing : list of str
        Columns that are not mapped.
    unknown_customers : int or None
        Rows of customers that ``customers`` does not have: kept.
    """

    name: str
    files: int
    rows: int
    kept: int
    refused: int
    duplicates: int
    first: str | None
    last: str | None
    columns: list[str]
    missing: list[str]
    unknown_customers: int | None
    refusals: list[Refusal] = field(default_factory=list)


@dataclass(frozen=True)
class TaskReadiness:
    """Whether the data allow a task, and what blocks it."""

    name: str
    possible: bool
    blocks: list[str]


@dataclass(frozen=True)
class Readiness:
    """What `crm-pipeline check` found.

    Attributes
    ----------
    horizon : int
        Proposed h, in periods, for the reason ``horizon_reason``; ``comebacks`` are the figures behind it.
    """

    source: str
    path: str
    files: str
    timezone: str
    currency: str
    grain: str
    first: str
    last: str
    complete_through: str
    complete_until: str | None
    customers: int
    tables: list[TableReadiness]
    absent: list[str]
    tasks: list[TaskReadiness]
    horizon: int
    horizon_reason: str
    comebacks: list[Comeback]
    warnings: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain lists and dicts, for JSON."""
        return asdict(self)


def readiness(source: Source, settings: Settings) -> Readiness:
    """Read and clean a source in a temporary home, and report on it.

    Raises
    ------
    UsageError, CrmError
        As `crm_pipeline.sources.sync.sync` does.
    """
    with tempfile.TemporaryDirectory(prefix="crm-check-") as folder:
        lake = Lake(Path(folder), Engine(settings.memory_limit, settings.threads, Path(folder) / "spill"))
        report = sync(source, lake, settings)
        return _Check(source, settings, lake, report).result()


class _Check:
    """One check: cleans every table whole, and counts."""

    def __init__(self, source: Source, settings: Settings, lake: Lake, report: SyncReport) -> None:
        self.source, self.settings, self.lake, self.report = source, settings, lake, report
        self.state = report.state
        self.calendar = Calendar(settings.grain, source.timezone)
        self.clean: dict[str, Staged] = {}
        self.rejects: dict[str, Staged] = {}

    def result(self) -> Readiness:
        for name in self.state.tables:
            self._clean(name)
        if "orders" not in self.state.tables:
            self.clean["orders"] = self.lake.stage(derive_orders(self._table(self.clean["order_lines"])))
        periods = self._complete_periods()
        found = self._comebacks(periods)
        horizon, why = proposed(found, self.settings.horizon)
        state = self.state
        return Readiness(
            source=state.name,
            path=state.path,
            files=state.files,
            timezone=state.timezone,
            currency=state.currency,
            grain=self.settings.grain,
            first=self.calendar.label(state.first),
            last=self.calendar.label(state.last),
            complete_through=self.report.complete_through.isoformat() + "Z",
            complete_until=self.calendar.label(state.complete_until) if state.complete_until else None,
            customers=self._one(f"SELECT count(DISTINCT customer_id) FROM {self._path('orders')} WHERE {BOUGHT}"),
            tables=[self._report(name) for name in state.tables],
            absent=[name for name in CANONICAL if name not in state.tables],
            tasks=tasks(self._facts(len(periods)), self.settings),
            horizon=horizon,
            horizon_reason=why,
            comebacks=found,
            warnings=self.report.warnings,
        )

    def _clean(self, name: str) -> None:
        columns = self.state.tables[name]
        orders = self._table(self.clean["orders"]) if name == "order_lines" and "orders" in self.clean else None
        lines = self._raw("order_lines") if name == "orders" and "order_lines" in self.state.tables else None
        cleaned = clean_table(
            self._raw(name), CANONICAL[name], currency=self.source.currency, orders=orders, lines=lines,
            columns=columns, money_unit=float(self.settings.money_unit),
        )  # fmt: skip
        self.clean[name], self.rejects[name] = self.lake.stage(cleaned.clean), self.lake.stage(cleaned.rejects)

    def _raw(self, name: str) -> Any:
        periods = self.calendar.range(self.state.first, self.state.last) if CANONICAL[name].main_time else [ALL]
        return self.lake.table(f"raw/{name}", periods)

    def _table(self, staged: Staged) -> Any:
        return self.lake.engine.table([staged.path], staged.columns)

    def _path(self, name: str) -> str:
        return f"read_parquet({literal(self.clean[name].path)})"

    def _one(self, query: str) -> Any:
        return self.lake.engine.con.execute(query).fetchall()[0][0]

    def _report(self, name: str) -> TableReadiness:
        contract, staged = CANONICAL[name], self.clean[name]
        undated = self.lake.snapshot(f"rejects/{name}", [UNDATED])[0]
        paths = [self.rejects[name].path, *(str(self.lake.root / f.path) for f in undated.files)]
        refusals = self._refusals(paths)
        span = (None, None)
        if contract.main_time:
            at = local_sql("event_at", self.source.timezone)
            query = f"SELECT min({at}), max({at}) FROM {self._path(name)}"
            span = tuple(
                None if t is None else f"{t:%Y-%m-%d}" for t in self.lake.engine.con.execute(query).fetchall()[0]
            )
        mapped = self.state.tables[name]
        unknown = None
        if "customers" in self.clean and name != "customers" and "customer_id" in staged.columns:
            unknown = self._one(
                f"SELECT count(*) FROM {self._path(name)} ANTI JOIN {self._path('customers')} USING (customer_id)"
            )
        return TableReadiness(
            name=name,
            files=len(self.report.conservation[name]),
            rows=self.report.rows[name],
            kept=staged.rows,
            refused=self.rejects[name].rows + undated.rows,
            duplicates=sum(r.rows for r in refusals if EXACT in r.reason or "repeats" in r.reason),
            first=span[0],
            last=span[1],
            columns=list(mapped),
            missing=[c.name for c in contract.source_columns if c.name not in mapped and c.name != "recorded_at"],
            unknown_customers=unknown,
            refusals=refusals,
        )

    def _refusals(self, paths: list[str]) -> list[Refusal]:
        rows = self.lake.engine.con.execute(
            f"SELECT regexp_replace(reasons, {literal(GENERAL)}, '…', 'g') AS reason, count(*) AS n, "
            "min({'file': source_file, 'line': source_line, 'content': content}) AS one "
            f"FROM read_parquet([{', '.join(map(literal, paths))}]) GROUP BY reason ORDER BY n DESC, reason"
        ).fetchall()
        return [Refusal(reason, n, f"{one['file']}:{one['line']}", str(one["content"])) for reason, n, one in rows]

    def _complete_periods(self) -> list[str]:
        state = self.state
        return self.calendar.range(state.first, state.complete_until) if state.complete_until else []

    def _comebacks(self, periods: list[str]) -> list[Comeback]:
        import numpy as np

        if not periods:
            return []
        starts = ", ".join(
            f"({i}, TIMESTAMP '{self.calendar.start(p)}', TIMESTAMP '{self.calendar.as_of(p)}')"
            for i, p in enumerate(periods)
        )
        found = self.lake.engine.con.execute(
            f"SELECT DISTINCT dense_rank() OVER (ORDER BY customer_id) - 1 AS who, p.i FROM {self._path('orders')} o "
            f"JOIN (VALUES {starts}) AS p(i, begins, ends) ON o.event_at >= p.begins AND o.event_at < p.ends WHERE {BOUGHT}"
        ).fetchnumpy()
        who, when = np.asarray(found["who"], dtype=np.int64), np.asarray(found["i"], dtype=np.int64)
        active = np.zeros((int(who.max()) + 1 if len(who) else 0, len(periods)), dtype=bool)
        active[who, when] = True
        return comebacks(active, self.settings.year, CANDIDATES[self.settings.grain])

    def _facts(self, periods: int) -> dict[str, Any]:
        """Return what `tasks` needs to know."""
        tables = self.state.tables
        facts: dict[str, Any] = {
            "tables": tables,
            "periods": periods,
            "bought": self._one(f"SELECT count(*) FROM {self._path('orders')} WHERE {BOUGHT}"),
        }
        if "contacts" in tables and "arm" in tables["contacts"]:
            facts["control"] = self._one(f"SELECT count(*) FROM {self._path('contacts')} WHERE arm = 'control'")
        if "calls" in tables:
            names = self.lake.engine.con.execute(
                f"SELECT DISTINCT audio_path FROM {self._path('calls')} LIMIT 1000"
            ).fetchall()
            facts["recordings"] = sum((self.source.root / name).is_file() for (name,) in names)
        return facts


BOUGHT = "event = 'placed' AND amount > 0"


def tasks(facts: Mapping[str, Any], settings: Settings) -> list[TaskReadiness]:
    """Return for every task whether the data allow it, and what blocks it.

    Parameters
    ----------
    facts : mapping
        ``tables`` (with mapped columns), ``periods`` (complete ones), ``bought`` (orders with a positive amount),
        ``control`` (contacts of a control arm), ``recordings`` (found among the first thousand).
    """
    tables, periods, h = facts["tables"], facts["periods"], settings.horizon
    unit = settings.grain
    orders = _blocks(
        (
            not facts["bought"],
            "no order has a positive amount: map orders.amount, or give order_lines with quantity and unit_price",
        ),
        (
            periods < h + 1,
            f"{periods} {unit}s are covered whole, {h + 1} are needed before one outcome of {h} {unit}s is known",
        ),
    )
    judged = (
        []
        if periods >= 2 * h + 1
        else [f"trained but not judged: {2 * h + 1} whole {unit}s are needed, there are {periods}"]
    )
    year = settings.year
    value = _blocks(
        (
            periods < 2 * year,
            f"outcomes of {year} {unit}s need {2 * year} whole {unit}s, there are {periods}: marked extrapolated",
        )
    )
    response = _blocks(
        ("contacts" not in tables, "there is no table contacts"),
        (
            "contacts" in tables and not facts.get("control"),
            "contacts.arm names no control arm, so no effect can be measured",
        ),
    )
    text = _blocks(("messages" not in tables, "there is no table messages"))
    audio = _blocks(
        ("calls" not in tables, "there is no table calls"),
        (
            "calls" in tables and not facts.get("recordings"),
            "no recording that calls.audio_path names was found beside the source's files",
        ),
    )
    later = ["not part of this version yet"]
    return [
        TaskReadiness("churn", not orders, orders or judged),
        TaskReadiness("demand", not orders, orders or judged),
        TaskReadiness("value", False, [*orders, *value, *later]),
        TaskReadiness("segment", False, [*orders, *later]),
        TaskReadiness("response", False, [*response, *later]),
        TaskReadiness("text (intent, sentiment)", False, [*text, *later]),
        TaskReadiness("audio (emotion)", False, [*audio, *later]),
    ]


def _blocks(*found: tuple[bool, str]) -> list[str]:
    return [why for blocked, why in found if blocked]


def _listed(names: Collection[str]) -> str:
    return ", ".join(names) or "none"


def render_readiness(found: Readiness) -> Any:
    """Return the report as something Rich can print."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    overview = Table(
        "table",
        "files",
        "rows",
        "facts kept",
        "refused",
        "duplicates",
        "unknown customers",
        "from",
        "to",
        title="Tables",
        title_justify="left",
    )
    refusals = Table("table", "rows", "why refused", "for example", title="Refused rows", title_justify="left")
    columns = Table("table", "columns not mapped", title="Columns", title_justify="left")
    for t in found.tables:
        unknown = "" if t.unknown_customers is None else f"{t.unknown_customers:,}"
        overview.add_row(
            t.name,
            f"{t.files:,}",
            f"{t.rows:,}",
            f"{t.kept:,}",
            f"{t.refused:,}",
            f"{t.duplicates:,}",
            unknown,
            t.first or "",
            t.last or "",
        )
        for r in t.refusals:
            refusals.add_row(t.name, f"{r.rows:,}", Text(r.reason), Text(r.example))
        columns.add_row(t.name, _listed(t.missing))
    able = Table("task", "possible", "what blocks it, or limits it", title="Tasks", title_justify="left")
    for task in found.tasks:
        able.add_row(task.name, "yes" if task.possible else "no", "; ".join(task.blocks))
    back = Table(
        "silent for", "cut-offs", "lapsed", "order again", "within", title="Who comes back", title_justify="left"
    )
    for one in found.comebacks:
        back.add_row(
            str(one.horizon),
            str(one.cutoffs),
            f"{one.lapse_rate:.0%}",
            f"{one.back:.0%}",
            f"{one.follow} {found.grain}s",
        )
    head = Text(
        f"{found.source}: {found.customers:,} customers, {found.first} to {found.last} ({found.timezone}), "
        f"complete until {found.complete_until or 'no whole ' + found.grain}"
    )
    advice = Text(f"Proposed horizon: {found.horizon} {found.grain}s ({found.horizon_reason}).")
    absent = Text(f"Tables that the source does not have: {_listed(found.absent)}.")
    notes = [Text(f"note: {w}") for w in found.warnings]
    return Group(
        head, overview, *([refusals] if refusals.row_count else []), columns, absent, able, back, advice, *notes
    )
