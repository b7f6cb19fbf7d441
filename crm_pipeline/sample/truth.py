"""The truth about the sample company, as tables under ``truth/``. The pipeline never reads it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from crm_pipeline.sample.columns import instants
from crm_pipeline.sample.grid import Grid
from crm_pipeline.sample.history import History, Moment
from crm_pipeline.sample.oracle import auc, foresee, outcomes
from crm_pipeline.sample.process import People, leave_rate, order_rate

TRUTH_CUSTOMERS = 20_000  # oracle and states are kept for the first so many customers, who are like all others


@dataclass
class Judged:
    """Eligible customers at the last known cut-off: the oracle's score, days of silence, and whether they lapsed."""

    oracle: np.ndarray
    silent_days: np.ndarray
    churned: np.ndarray


class Writer:
    """Streams the truth into one Parquet file a table; a context manager."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._open: dict[str, parquet.ParquetWriter] = {}

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *error: object) -> None:
        for writer in self._open.values():
            writer.close()

    def write(self, tables: dict[str, pa.Table]) -> None:
        """Append one chunk of every table."""
        for name, rows in tables.items():
            if name not in self._open:
                path = self._folder / f"{name}.parquet"
                self._open[name] = parquet.ParquetWriter(path, rows.schema, compression="zstd", compression_level=1)
            if len(rows):
                self._open[name].write_table(rows)


def tables(
    people: People,
    customer_id: pa.Array,
    history: History,
    spend: np.ndarray,
    grid: Grid,
    limit: int,
    rng: np.random.Generator,
) -> tuple[dict[str, pa.Table], Judged]:
    """Return ``customers`` (all of the chunk), and ``oracle`` and ``states`` of those of its first ``limit`` known by then.

    Amounts are in major units. ``no_order``, ``orders`` and ``spend`` are what happened in the h periods, null
    where they are not over.
    """
    oracle, states = [], []
    judged = Judged(np.empty(0), np.empty(0), np.empty(0, dtype=bool))
    for period in range(grid.periods if limit else 0):
        moment = history.moments[period]
        moment = replace(moment, present=moment.present & (np.arange(len(people)) < limit))
        who = np.flatnonzero(moment.known[:limit])
        seen = foresee(people, moment, period, grid, rng)
        happened = outcomes(people, history, spend, period, grid)
        mature = period + grid.horizon < grid.periods
        when = _when(grid, period, len(who))
        names = {"customer_id": customer_id.take(pa.array(who))} | when
        oracle.append(pa.table(names | _oracle({k: v[who] for k, v in (seen | happened).items()}, mature)))
        states.append(pa.table(names | _states(people.take(who), moment, who, period, grid)))
        if period == grid.periods - 1 - grid.horizon:
            e = who[happened["eligible"][who]]
            judged = Judged(seen["no_order"][e], happened["silent_days"][e], happened["orders"][e] == 0)
    known = {"customers": _customers(people, customer_id, history, grid)}
    if oracle:
        known |= {"oracle": pa.concat_tables(oracle), "states": pa.concat_tables(states)}
    return known, judged


def verdict(parts: list[Judged], grid: Grid) -> dict[str, Any]:
    """Return what the oracle and a recency rule reach at the last cut-off that is known; nulls where there is none."""
    oracle, silent, churned = (
        np.concatenate([getattr(p, f) for p in parts]) for f in ("oracle", "silent_days", "churned")
    )
    known = len(churned) and 0 < churned.sum() < len(churned)
    return {
        "cutoff": grid.keys[grid.periods - 1 - grid.horizon] if grid.periods > grid.horizon else None,
        "eligible": len(churned),
        "churn_rate": round(float(churned.mean()), 4) if len(churned) else None,
        "oracle_auc": round(auc(oracle, churned), 4) if known else None,
        "recency_auc": round(auc(silent, churned), 4) if known else None,
    }


def _when(grid: Grid, period: int, n: int) -> dict[str, pa.Array]:
    cutoff, as_of = (date.fromisoformat(grid.keys[period + i]) for i in (0, 1))
    return {"cutoff": pa.array([cutoff] * n, pa.date32()), "as_of": pa.array([as_of] * n, pa.date32())}


def _oracle(row: dict[str, np.ndarray], mature: bool) -> dict[str, pa.Array]:
    unknown = np.full(len(row["orders"]), not mature)
    return {
        "eligible": pa.array(row["eligible"]),
        "no_order_probability": pa.array(row["no_order"]),
        "expected_orders": pa.array(row["expected_orders"]),
        "expected_spend": pa.array(row["expected_spend"] / 100),
        "contact_effect": pa.array(row["contact_effect"]),
        "no_order": pa.array(row["orders"] == 0, mask=unknown),
        "orders": pa.array(row["orders"].astype(np.int64), mask=unknown),
        "spend": pa.array(row["spend"] / 100, mask=unknown),
    }


def _states(people: People, moment: Moment, who: np.ndarray, period: int, grid: Grid) -> dict[str, pa.Array]:
    state = moment.state.take(who)
    step, here = (period + 1) * grid.per_period, moment.present[who]
    rate = order_rate(people, state, grid.season[step], grid.sale[step])
    return {
        "present": pa.array(here),
        **{name: pa.array(value) for name, value in vars(state).items()},
        "orders_per_day": pa.array(np.where(here, rate, 0.0)),
        "leave_hazard_per_day": pa.array(leave_rate(state), mask=~here),
    }


def _customers(people: People, customer_id: pa.Array, history: History, grid: Grid) -> pa.Table:
    return pa.table(
        {
            "customer_id": customer_id,
            "left_at": instants(grid, history.left),
            "base_rate_per_day": np.exp(people.base),
            "season_load": people.season_load,
            "price_sensitivity": people.price_sensitivity,
            "contact_lift": people.contact_lift,
            "satisfaction_mean": people.satisfaction_mean,
            "bad_order_probability": people.bad_order,
            "mean_order_value": people.order_value / 100,
        }
    )
