"""The data-readiness report: what was found, what is refused and why, which tasks can run. Nothing is kept."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from crm_pipeline.contracts.canonical import CANONICAL
from crm_pipeline.contracts.core import REPLACED
from crm_pipeline.engine import DuckDBEngine, Staged, literal, quote
from crm_pipeline.lake import ALL, Lake
from crm_pipeline.periods import Calendar
from crm_pipeline.readiness.horizon import CANDIDATES, Comeback, comebacks, proposed, untold
from crm_pipeline.readiness.tasks import Facts, TaskReadiness, tasks
from crm_pipeline.settings import Settings
from crm_pipeline.sources.findings import states
from crm_pipeline.sources.hints import shown
from crm_pipeline.sources.index import load_index
from crm_pipeline.sources.spec import Source
from crm_pipeline.sources.split import UNDATED
from crm_pipeline.sources.sync import SyncReport, sync
from crm_pipeline.sources.zones import local_sql
from crm_pipeline.transforms.cleaning import EXACT, clean_table, derive_orders

MANY = 0.1
"""Share of a table's rows from which customers that nobody knows are worth a warning."""

ENOUGH = 20
"""Customers from which one order each is odd."""

REPEATING = (EXACT, REPLACED, "repeats")
"""What the reasons of rows say that another row of their key makes superfluous."""

ROW = "(source_file, source_line)"
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
    kept : int
        Facts that keep the contract; a source row with a later event (a return) counts again.
    refused : int
        Rows of the source files of which a fact was refused, each once.
    duplicates : int
        Those of them that repeat another, or that a later version replaces.
    first, last : str or None
        Local days of the first and last event.
    missing : list of str
        Columns that are not mapped.
    unread : list of str
        Columns of its files that nothing is read from.
    unknown_customers : int or None
        Rows of customers that ``customers`` does not have: kept.
    without_customer : int
        Rows that name no customer: kept, and counted for nobody.
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
    unread: list[str]
    unknown_customers: int | None
    without_customer: int
    refusals: list[Refusal] = field(default_factory=list)


@dataclass(frozen=True)
class Readiness:
    """What `crm-pipeline check` found.

    Attributes
    ----------
    customers, customers_without_amount : int
        Those with an order of a positive amount, and those with other orders alone.
    states : dict of str to (int, str)
        Values of orders.status, lower case, with their rows and how each is read.
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
    customers_without_amount: int
    states: dict[str, tuple[int, str]]
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
        lake = Lake(Path(folder), DuckDBEngine(settings.memory_limit, settings.threads, Path(folder) / "spill"))
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
        complete = self._complete_periods()
        active, candidates = self._active(complete), CANDIDATES[self.settings.grain]
        found = comebacks(active, self.settings.year, candidates)
        why_not = "" if found else untold(active, self.settings.year, candidates)
        horizon, why = proposed(found, self.settings.horizon, why_not)
        customers, unpaid, placed = self._buyers()
        state = self.state
        reports = [self._report(name) for name in state.tables]
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
            customers=customers,
            customers_without_amount=unpaid,
            states=states(load_index(self.lake).tables),
            tables=reports,
            absent=[name for name in CANONICAL if name not in state.tables],
            tasks=tasks(self._facts(len(complete)), self.settings),
            horizon=horizon,
            horizon_reason=why,
            comebacks=found,
            warnings=[
                *self.report.warnings,
                *(w for t in reports for w in self._strangers(t)),
                *_ids(customers + unpaid, placed),
                *self._one_of_many(customers + unpaid, placed),
                *self._alike(),
                *self._partial(),
            ],
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
        keys = self.calendar.range(self.state.first, self.state.last) if CANONICAL[name].main_time else [ALL]
        return self.lake.table(f"raw/{name}", keys)

    def _table(self, staged: Staged) -> Any:
        return self.lake.engine.table([staged.path], staged.columns)

    def _path(self, name: str) -> str:
        return f"read_parquet({literal(self.clean[name].path)})"

    def _one(self, query: str) -> Any:
        return self.lake.engine.con.execute(query).fetchall()[0][0]

    def _report(self, name: str) -> TableReadiness:
        contract, staged = CANONICAL[name], self.clean[name]
        undated = self.lake.snapshot(f"rejects/{name}", [UNDATED])[0]
        paths = [self.rejects[name].path, *(str(self.lake.path(f)) for f in undated.files)]
        refusals, (refused, repeating) = self._refusals(paths), self._refused(paths)
        span: tuple[str | None, ...] = (None, None)
        if contract.main_time:
            at = local_sql("event_at", self.source.timezone)
            query = f"SELECT min({at}), max({at}) FROM {self._path(name)}"
            span = tuple(
                None if t is None else f"{t:%Y-%m-%d}" for t in self.lake.engine.con.execute(query).fetchall()[0]
            )
        mapped = self.state.tables[name]
        records = load_index(self.lake).tables[name].records.values()
        given = {*mapped, *(c for r in records for c in r.columns)}
        unknown = None
        if "customers" in self.clean and name != "customers" and "customer_id" in staged.columns:
            named = f"(SELECT customer_id FROM {self._path(name)} WHERE customer_id IS NOT NULL)"
            unknown = self._one(f"SELECT count(*) FROM {named} ANTI JOIN {self._path('customers')} USING (customer_id)")
        return TableReadiness(
            name=name,
            files=len(self.report.conservation[name]),
            rows=self.report.rows[name],
            kept=staged.rows,
            refused=refused,
            duplicates=repeating,
            first=span[0],
            last=span[1],
            columns=list(mapped),
            unread=list(dict.fromkeys(c for r in records for c in r.unread)),
            missing=[c.name for c in contract.source_columns if c.name not in given and c.name != "recorded_at"],
            unknown_customers=unknown,
            without_customer=self._without_customer(name),
            refusals=refusals,
        )

    def _without_customer(self, name: str) -> int:
        if "customer_id" not in self.clean[name].columns:
            return 0
        return self._one(f"SELECT count(*) FROM {self._path(name)} WHERE customer_id IS NULL")

    def _strangers(self, table: TableReadiness) -> list[str]:
        """Return the warning that many rows of a table name customers that ``customers`` does not have."""
        unknown = table.unknown_customers or 0
        if unknown < MANY * table.kept or not unknown:
            return []
        query = f"SELECT min(o.customer_id) FROM {self._path(table.name)} o ANTI JOIN {self._path('customers')} USING (customer_id)"
        strange, known = self._one(query), self._one(f"SELECT min(customer_id) FROM {self._path('customers')}")
        met, who, known_all = self._met(table.name)
        what = f"{unknown:,} of {table.kept:,} rows, of {who - met:,} of {who:,} customers, name customers that customers does not have"
        if met == known_all:
            return [
                f"{table.name}: {what}; all {met:,} of customers are met, so it just does not have everybody. They are kept."
            ]
        example = f"such as '{strange}', where customers has '{known}'"
        mend = "if they are the same people, mend the mapping of customer_id in source.yaml"
        return [f"{table.name}: {what} ({example}); they are kept: {mend}."]

    def _met(self, name: str) -> tuple[int, int, int]:
        """Return the customers of ``customers`` that a table names, all that it names, and all of ``customers``."""
        named = f"(SELECT DISTINCT customer_id FROM {self._path(name)} WHERE customer_id IS NOT NULL)"
        held = f"(SELECT DISTINCT customer_id FROM {self._path('customers')})"
        both = f"(SELECT count(*) FROM {named} SEMI JOIN {held} USING (customer_id))"
        return self.lake.engine.con.execute(
            f"SELECT {both}, (SELECT count(*) FROM {named}), (SELECT count(*) FROM {held})"
        ).fetchall()[0]

    def _refused(self, paths: list[str]) -> tuple[int, int]:
        """Return of how many source rows a fact was refused, and of how many of them because it repeats another."""
        repeats = " OR ".join(f"contains(reasons, {literal(word)})" for word in REPEATING)
        counted = f"count(DISTINCT {ROW})"
        tables = f"read_parquet([{', '.join(map(literal, paths))}])"
        return self.lake.engine.con.execute(f"SELECT {counted}, {counted} FILTER ({repeats}) FROM {tables}").fetchall()[
            0
        ]

    def _refusals(self, paths: list[str]) -> list[Refusal]:
        rows = self.lake.engine.con.execute(
            f"SELECT regexp_replace(reasons, {literal(GENERAL)}, '…', 'g') AS reason, count(DISTINCT {ROW}) AS n, "
            "min({'file': source_file, 'line': source_line, 'content': content}) AS one "
            f"FROM read_parquet([{', '.join(map(literal, paths))}]) GROUP BY reason ORDER BY n DESC, reason"
        ).fetchall()
        return [Refusal(reason, n, f"{one['file']}:{one['line']}", str(one["content"])) for reason, n, one in rows]

    def _complete_periods(self) -> list[str]:
        state = self.state
        return self.calendar.range(state.known_from("orders"), state.complete_until) if state.complete_until else []

    def _buyers(self) -> tuple[int, int, int]:
        """Return the customers with an order of a positive amount, those with other orders alone, and the orders."""
        return self.lake.engine.con.execute(
            "SELECT count(*) FILTER (bought), count(*) FILTER (NOT bought), coalesce(sum(n), 0)::BIGINT FROM (SELECT customer_id, "
            f"bool_or(coalesce({BOUGHT}, false)) AS bought, count(DISTINCT order_id) AS n FROM {self._path('orders')} GROUP BY customer_id)"
        ).fetchall()[0]

    def _one_of_many(self, customers: int, placed: int) -> list[str]:
        """Return the doubt that an id stands for nobody ('?', 'guest'), because so many orders have it."""
        if customers < ENOUGH:
            return []
        who, n = self.lake.engine.con.execute(
            f"SELECT customer_id, count(DISTINCT order_id) AS n FROM {self._path('orders')} GROUP BY customer_id ORDER BY n DESC, 1 LIMIT 1"
        ).fetchall()[0]
        if n < MANY * placed:
            return []
        mend = "if that is nobody, map customer_id to nothing there: nullif(…, 'id')"
        return [
            f"orders: {n:,} of {placed:,} orders are those of one of {customers:,} customers, {shown(who)}: {mend}."
        ]

    def _alike(self) -> list[str]:
        """Return how many lines are kept although another is equal to them."""
        if "order_lines" not in self.clean or "line_no" in self.state.tables["order_lines"]:
            return []
        names = ", ".join(map(quote, self.clean["order_lines"].columns))
        counted = f"SELECT count(*) AS n FROM {self._path('order_lines')} GROUP BY {names}"
        n = self._one(f"SELECT coalesce(sum(n - 1), 0)::BIGINT FROM ({counted})")
        if not n:
            return []
        lines = "1 line is" if n == 1 else f"{n:,} lines are"
        what = f"{lines} equal to another of the same file in all but the place there"
        return [
            f"order_lines: {what}; they are kept (two of a thing in one basket). Map line_no, if the files have one."
        ]

    def _partial(self) -> list[str]:
        """Return which period at the end is left out, because the data do not cover it whole."""
        state = self.state
        if state.complete_until is None or state.complete_until >= state.last:
            return []
        after = self.calendar.label(self.calendar.shift(state.complete_until, 1))
        through = self.calendar.label(state.complete_until)
        why = f"the data are complete to {self.report.complete_through:%Y-%m-%d %H:%M} UTC"
        effect = f"no outcome reaches into it, and scores are as of the end of {through}"
        return [
            f"{after} is not covered whole ({why}), so {effect}; if it is, give 'complete_through:' in {self.source.path}."
        ]

    def _active(self, complete: list[str]) -> Any:
        import numpy as np

        if not complete:
            return np.zeros((0, 0), dtype=bool)
        starts = ", ".join(
            f"({i}, TIMESTAMP '{self.calendar.start(p)}', TIMESTAMP '{self.calendar.as_of(p)}')"
            for i, p in enumerate(complete)
        )
        found = self.lake.engine.con.execute(
            f"SELECT DISTINCT dense_rank() OVER (ORDER BY customer_id) - 1 AS who, p.i FROM {self._path('orders')} o "
            f"JOIN (VALUES {starts}) AS p(i, begins, ends) ON o.event_at >= p.begins AND o.event_at < p.ends WHERE {BOUGHT}"
        ).fetchnumpy()
        who, when = np.asarray(found["who"], dtype=np.int64), np.asarray(found["i"], dtype=np.int64)
        active = np.zeros((int(who.max()) + 1 if len(who) else 0, len(complete)), dtype=bool)
        active[who, when] = True
        return active

    def _facts(self, complete: int) -> Facts:
        tables = self.state.tables
        bought = self._one(f"SELECT count(*) FROM {self._path('orders')} WHERE {BOUGHT}")
        control = recordings = 0
        if "contacts" in tables and "arm" in tables["contacts"]:
            control = self._one(f"SELECT count(*) FROM {self._path('contacts')} WHERE arm = 'control'")
        if "audio_path" in tables.get("calls", ()):
            query = f"SELECT DISTINCT audio_path FROM {self._path('calls')} WHERE audio_path IS NOT NULL ORDER BY 1 LIMIT 1000"
            names = self.lake.engine.con.execute(query).fetchall()
            recordings = sum((self.source.root / name).is_file() for (name,) in names)
        return Facts(tables, complete, bought, control, recordings, self.state.paid)


def _ids(customers: int, placed: int) -> list[str]:
    """Return the doubt that what is mapped to customer_id tells customers apart."""
    if customers < ENOUGH or customers != placed:
        return []
    return [
        f"orders: each of the {customers:,} customers has one order: is what is mapped to customer_id a customer's id, and not the order's?"
    ]


BOUGHT = "event = 'placed' AND amount > 0"
