"""Makes the sample company chunk by chunk: what the company knows and, apart, the truth. How things come about is elsewhere."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from crm_pipeline.errors import UsageError
from crm_pipeline.sample import crm, files, talk, trade, truth
from crm_pipeline.sample import recordings as audio
from crm_pipeline.sample.columns import ids
from crm_pipeline.sample.export import TextExport, TypedExport
from crm_pipeline.sample.grid import Grid, make_grid
from crm_pipeline.sample.history import live
from crm_pipeline.sample.process import Products, draw_people, draw_products
from crm_pipeline.sample.truth import Judged

TEXT_CUSTOMERS = 20_000  # up to here the company keeps CSV files, above Parquet
STREAMS = (
    "products",
    "people",
    "life",
    "trade",
    "crm",
    "messages",
    "calls",
    "oracle",
    "dirt",
    "brands",
    "wordings",
    "recordings",
    "labelled",
)


@dataclass(frozen=True)
class Plan:
    """What was asked for."""

    customers: int
    grid: Grid
    seed: int
    text_effect: float
    audio_effect: float
    chunk: int
    out: Path
    recordings: int

    def stream(self, name: str, chunk: int = 0) -> np.random.Generator:
        """Return the random stream of one stage of one chunk: stages do not disturb each other."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(STREAMS.index(name), chunk)))


@dataclass
class Part:
    """One chunk of the company: typed canonical tables, and the truth about them."""

    tables: dict[str, pa.Table]
    truth: dict[str, pa.Table]
    judged: Judged


def write_company(
    out: Path,
    *,
    customers: int = 2000,
    periods: int = 18,
    seed: int = 7,
    grain: str = "month",
    text_effect: float = 0.5,
    audio_effect: float = 0.5,
    chunk: int = 50_000,
    recordings: int = 0,
) -> dict[str, Any]:
    """Write a made-up company with known truths into the folder ``out``.

    Up to 20,000 customers it keeps CSV files (orders and lines one a period), with dirt in them and one wrongly exported
    period whose mend lies in ``truth/fix``; above that Parquet files, one per chunk, and the dirt in ``extra/*.csv``.
    Equal arguments give equal bytes.

    Parameters
    ----------
    customers : int
        Known customers; about a third joined within the span.
    periods : int
        Complete periods; the last one ends on a fixed day in the summer of 2026.
    grain : {"month", "week"}
        Length of a period.
    text_effect, audio_effect : float, at least 0
        How much the messages' words, and what is heard in calls, show of satisfaction beyond the tables; 0 is nothing.
    chunk : int
        Customers drawn at a time above 20,000: bounds the memory, and is part of what the seed determines.
    recordings : int
        So many of the last calls have a recording (of each chunk its share), the others none; and there are labelled ones to
        learn moods from. With 0 there are none.

    Returns
    -------
    dict
        ``synthetic`` (always true), the arguments, ``first_period, last_period, complete_through``, ``rows`` per table
        without dirt, ``orders_per_customer, left_share``, ``dirt`` (rows per table and kind), ``fix`` (the wrong file, or
        null), and, for the last cut-off that is known and the customers with a truth, ``cutoff, eligible, churn_rate,
        oracle_auc, recency_auc``. The same is in ``truth/summary.json``.

    Raises
    ------
    UsageError
        If an argument is out of range or the folder holds something else.
    """
    _check(customers, seed, chunk, recordings, text_effect=text_effect, audio_effect=audio_effect)
    out = Path(out)
    plan = Plan(
        customers, make_grid(periods, grain), seed, float(text_effect), float(audio_effect), chunk, out, recordings
    )
    files.empty_folder(out)
    files.write_readme(out, seed, bool(recordings))
    if recordings:
        audio.write_labelled(out, plan.stream("labelled"))
    products = draw_products(plan.stream("products"))
    product_table = trade.product_table(products, plan.stream("brands"))
    whole = {"products": product_table, "campaigns": crm.campaign_table(plan.grid)}
    small = customers <= TEXT_CUSTOMERS
    export = (TextExport if small else TypedExport)(out, plan.grid, plan.stream("dirt"))
    rows: Counter[str] = Counter({table: len(content) for table, content in whole.items()})
    left, judged = 0, []
    with truth.Writer(out / "truth") as writer:
        for part in _parts(plan, products, customers if small else chunk):
            export.write(part.tables, whole)
            writer.write(part.truth)
            rows.update({table: len(content) for table, content in part.tables.items()})
            left += part.truth["customers"].column("left_at").drop_null().length()
            judged.append(part.judged)
    export.finish(labelled=bool(recordings))
    summary = _summary(plan, rows, left) | {"dirt": export.dirt, "fix": export.fix} | truth.verdict(judged, plan.grid)
    _json(out / "truth" / "dirt.json", export.dirt)
    _json(out / "truth" / "summary.json", summary)
    return summary


def _check(customers: int, seed: int, chunk: int, recordings: int, **effects: float) -> None:
    whole = (("customers", customers, 1), ("chunk", chunk, 1), ("seed", seed, 0), ("recordings", recordings, 0))
    for name, value, least in whole:
        if value < least:
            raise UsageError(f"The sample company's {name} must be at least {least}, found {value}.")
    for name, effect in effects.items():
        if not 0 <= effect < float("inf"):
            raise UsageError(f"The sample company's {name} must be a number from 0 up, found {effect}.")
    if recordings:
        audio.needed()


def _parts(plan: Plan, products: Products, size: int) -> Iterator[Part]:
    """Draw the company chunk by chunk; ids go on counting."""
    next_id = {"orders": 1, "cases": 1, "messages": 1, "calls": 1}
    for number, first in enumerate(range(0, plan.customers, size)):
        part = _part(plan, products, number, first, min(size, plan.customers - first), next_id)
        for table in next_id:
            next_id[table] += len(part.tables[table])
        yield part


def _part(plan: Plan, products: Products, number: int, first: int, n: int, next_id: dict[str, int]) -> Part:
    grid = plan.grid
    numbers = 1 + first + np.arange(n)
    who = ids("C", numbers, 7)
    people = draw_people(n, grid.days, products, crm.BAD_ORDER, plan.stream("people", number))
    history = live(people, grid, plan.stream("life", number))
    sold = trade.trade(people, who, history, products, grid, next_id, plan.stream("trade", number))
    customers = crm.customer_table(people, numbers, history, grid, plan.stream("crm", number))
    streams = (plan.stream("messages", number), plan.stream("wordings", number))
    messages, said = talk.messages(customers, history, sold, grid, next_id, plan.text_effect, streams)
    calls, heard = talk.calls(who, history, sold, grid, next_id, plan.audio_effect, plan.stream("calls", number))
    spoken = {}
    if plan.recordings:
        before, through = (plan.recordings * position // plan.customers for position in (first, first + n))
        calls, spoken["recordings"] = audio.write_calls(
            plan.out, calls, heard, through - before, plan.stream("recordings", number)
        )
    tables = {
        "customers": customers,
        "orders": sold.orders,
        "order_lines": sold.lines,
        "messages": messages,
        "cases": sold.cases,
        "calls": calls,
        "contacts": crm.contact_table(who, history, grid),
    }
    limit = max(0, min(n, truth.TRUTH_CUSTOMERS - first))
    known, judged = truth.tables(people, who, history, sold.spend, grid, limit, plan.stream("oracle", number))
    return Part(tables, known | {"messages": said, "calls": heard} | spoken, judged)


def _summary(plan: Plan, rows: Counter[str], left: int) -> dict[str, Any]:
    grid = plan.grid
    return {
        "synthetic": True,
        "customers": plan.customers,
        "periods": grid.periods,
        "grain": grid.grain,
        "seed": plan.seed,
        "text_effect": plan.text_effect,
        "audio_effect": plan.audio_effect,
        "chunk": plan.chunk,
        **({"recordings": plan.recordings} if plan.recordings else {}),
        "first_period": grid.keys[0],
        "last_period": grid.keys[grid.periods - 1],
        "complete_through": grid.end.isoformat(),
        "rows": dict(sorted(rows.items())),
        "orders_per_customer": round(rows["orders"] / plan.customers, 3),
        "left_share": round(left / plan.customers, 4),
    }


def _json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
