"""The feature layer against the same columns written by hand in SQL, and against pandas, on made-up activity tables.

Usage: ``python -m benchmarks.bench_features [--customers 100000] [--orders 20] [--rounds 3] [--pandas]``.
Both queries read the same Parquet files, run alternately in one process, and must give equal results. ``layer`` is what a
run pays for a period, ``layer_cold`` for its first, in which the layer's query is built and compiled, once for all.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import ibis

from crm_pipeline.engine import DuckDBEngine, Engine
from crm_pipeline.periods import Calendar
from crm_pipeline.settings import Settings
from crm_pipeline.transforms import features
from crm_pipeline.transforms.features.catalogue import history

PERIOD, BEFORE, FIRST = "2011-11-01", "2011-10-01", "2009-12-01"
TABLES = ("orders", "order_lines", "categories", "messages", "cases", "calls", "contacts")
SQL = Path(__file__).with_name("features_by_hand.sql")

ORDERS = """
create table events as
select 'C' || lpad((c % {customers})::varchar, 8, '0') customer_id, n_period, day, amount, channel from (
  select c, (hash(c, 1) % 24)::int n_period, (hash(c, 2) % 28)::int + 1 as day,
         (hash(c, 3) % 2000000)::bigint + 10000 as amount, ['web', 'shop', 'phone'][1 + (hash(c, 4) % 9 // 4)::int] channel
  from range({events}) t(c))
"""
ACTIVITY = {
    "orders": """
      select customer_id, period_start, count(*) n_orders, sum(amount)::bigint spend,
             sum(amount::decimal(19, 0) * amount::decimal(19, 0))::decimal(38, 0) spend_sumsq, min(amount) min_amount,
             max(amount) max_amount, (sum(amount) // 20)::bigint discount, min(channel) min_channel, max(channel) max_channel,
             max(channel) last_channel, count(distinct day) order_days, min(day)::bigint first_day, max(day)::bigint last_day,
             (count(distinct day) - 1)::bigint gaps, (max(day) - min(day))::bigint gap_days_sum,
             ((max(day) - min(day)) ** 2)::bigint gap_days_sumsq, (hash(customer_id, n_period) % 7 == 0)::bigint n_returns,
             (sum(amount) // 10)::bigint returned_amount, 0::bigint n_cancelled, 0::bigint cancelled_amount
      from in_period group by all""",
    "order_lines": """
      select customer_id, period_start, 3 * count(*) n_lines, count(*) n_orders, 3 * count(*) n_products, 5 * count(*) items
      from in_period group by all""",
    "categories": """
      select customer_id, 'category ' || (hash(customer_id, amount, i) % 12)::varchar category, period_start, count(*) n_lines,
             count(*) items, sum(amount // 3)::bigint spend
      from in_period, range(3) t(i) group by all""",
    "messages": """select customer_id, period_start, count(*) n_messages, 1::bigint n_in
      from in_period where hash(amount) % 4 = 0 group by all""",
    "cases": """select customer_id, period_start, count(*) n_opened, 0::bigint n_replied, 1::bigint n_closed
      from in_period where hash(amount) % 9 = 0 group by all""",
    "calls": """select customer_id, period_start, count(*) n_calls, 1::bigint n_in
      from in_period where hash(amount) % 7 = 0 group by all""",
    "contacts": """
      select customer_id, period_start, 2 * count(*) n_sent, 0::bigint n_control, count(*) n_opened, 1::bigint n_clicked,
             0::bigint n_converted from in_period where hash(amount) % 2 = 0 group by all""",
}
LIFETIME = """
  select customer_id, min(n_period * 30 + day + 14579)::bigint first_day, max(n_period * 30 + day + 14579)::bigint last_day,
         count(*) n_orders, count(*) order_days, sum(amount)::bigint spend, (count(*) - 1)::bigint gaps,
         (max(n_period * 30 + day) - min(n_period * 30 + day))::bigint gap_days_sum,
         ((max(n_period * 30 + day) - min(n_period * 30 + day)) ** 2)::bigint gap_days_sumsq,
         (hash(customer_id) % 3)::bigint cases_opened, 1::bigint cases_closed
  from events group by customer_id"""
PROCESS = """
  select customer_id, spend / 1e7 mbg_expected_orders, 0.5 mbg_alive, 0.4 mbg_no_order,
         spend / 2e7 pareto_expected_orders, 0.25 pareto_alive, 0.6 pareto_no_order
  from lifetime"""


def make_tables(con: ibis.BaseBackend, folder: Path, customers: int, orders: int, calendar: Calendar) -> None:
    """Write activity by period, lifetime and purchase process as Parquet, and define a view on each."""
    con.raw_sql(ORDERS.format(customers=customers, events=customers * orders))
    keys = calendar.range(FIRST, PERIOD)
    for i, key in enumerate(keys):
        con.raw_sql(
            f"create or replace temp view in_period as select *, date '{key}' period_start from events where n_period = {i}"
        )
        for name, sql in ACTIVITY.items():
            con.raw_sql(f"copy ({sql}) to '{folder}/{name}-{key}.parquet' (format parquet)")
    con.raw_sql(f"copy ({LIFETIME}) to '{folder}/lifetime.parquet' (format parquet)")
    con.raw_sql(f"create view lifetime as select * from '{folder}/lifetime.parquet'")
    con.raw_sql(f"copy ({PROCESS}) to '{folder}/purchase_process.parquet' (format parquet)")
    con.raw_sql(f"create view purchase_process as select * from '{folder}/purchase_process.parquet'")
    window = keys[-history(Settings()) :]
    for name in TABLES:
        files = [str(folder / f"{name}-{key}.parquet") for key in window]
        con.raw_sql(f"create view activity_{name} as select * from read_parquet({files})")
    con.raw_sql("drop table events cascade")


class Layer:
    """The layer as a run's steps compute it: built and compiled by the engine, which remembers both."""

    def __init__(self, engine: Engine, calendar: Calendar) -> None:
        self.engine, self.calendar = engine, calendar
        self.table = partial(features.customers, shape=Settings())
        self.windows = {name: engine.ibis.table(f"activity_{name}") for name in TABLES}
        self.others = [engine.ibis.table(name) for name in ("lifetime", "purchase_process")]

    def compute(self, period: str) -> None:
        self.engine.release()
        begins = dict.fromkeys(TABLES, FIRST)
        dates = self.engine.given(features.dates(period, begins, self.calendar, Settings()), "dates")
        found = self.engine.once(self.table, self.windows, *self.others, dates)
        self.engine.con.execute(f"create or replace table by_ibis as {self.engine.ibis.compile(found)}")


def clock(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def differences(con: ibis.BaseBackend) -> list[str]:
    """Name the columns in which the two results differ, and a difference in rows or columns."""
    mine, hand = (con.table(name).columns for name in ("by_ibis", "by_hand"))
    if tuple(mine) != tuple(hand):
        return [f"columns {sorted(set(mine) ^ set(hand)) or 'in another order'}"]
    close = "coalesce(abs(a.{c} - b.{c}) <= 1e-6 * greatest(1, abs(b.{c})), false)"
    off = ", ".join(
        f"count(*) filter (where a.{c} is distinct from b.{c} and not {close.format(c=c)})" for c in mine[2:]
    )
    rows = "count(*) filter (where a.customer_id is null or b.customer_id is null)"
    sql = f"select {rows}, {off} from by_ibis a full join by_hand b using (customer_id)"
    return [name for name, n in zip(["rows", *mine[2:]], con.raw_sql(sql).fetchall()[0], strict=True) if n]


def measure(customers: int, orders: int, rounds: int, threads: int, with_pandas: bool) -> dict[str, float]:
    """Time the layer and its yardsticks; their results must be equal.

    Returns
    -------
    dict
        ``layer`` and ``by_hand`` (medians), ``layer_cold`` (once, of the period before) and, where asked for, ``pandas`` in
        seconds; ``rows``, ``columns``.

    Raises
    ------
    SystemExit
        When the results differ.
    """
    calendar = Calendar("month", "UTC")
    with tempfile.TemporaryDirectory() as folder:
        engine = DuckDBEngine("4GB", threads, Path(folder))
        con = engine.ibis
        make_tables(con, Path(folder), customers, orders, calendar)
        layer = Layer(engine, calendar)
        hand = SQL.read_text(encoding="utf-8")
        con.raw_sql(f"create or replace table by_hand as {hand}")
        cold, ours, theirs = clock(lambda: layer.compute(BEFORE)), [], []
        for _ in range(rounds):
            ours.append(clock(lambda: layer.compute(PERIOD)))
            theirs.append(clock(lambda: con.raw_sql(f"create or replace table by_hand as {hand}")))
        found = differences(con)
        if found:
            raise SystemExit(f"results differ: {', '.join(found)}")
        result = {
            "layer": statistics.median(ours),
            "by_hand": statistics.median(theirs),
            "layer_cold": cold,
            "rows": con.raw_sql("select count(*) from by_ibis").fetchall()[0][0],
            "columns": len(con.table("by_ibis").columns),
        }
        return result | ({"pandas": in_pandas(con, Path(folder))} if with_pandas else {})


def in_pandas(con: ibis.BaseBackend, folder: Path) -> float:
    """Time the pandas version, and compare it with the result of the layer."""
    import numpy as np

    from benchmarks.features_in_pandas import run

    start = time.perf_counter()
    theirs = run(folder)
    taken = time.perf_counter() - start
    mine = con.table("by_ibis").execute().set_index("customer_id").loc[theirs.index]
    columns = [c for c in mine.columns if c != "as_of"]
    off = [
        c for c in columns if not np.allclose(mine[c], theirs[c].astype(float), rtol=1e-6, atol=1e-6, equal_nan=True)
    ]
    if off:
        raise SystemExit(f"pandas differs: {', '.join(off)}")
    return taken


def main() -> None:
    """Measure one size, and print the result as JSON or write it to a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--orders", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pandas", action="store_true")
    parser.add_argument("--result", type=Path, help="Write to this file instead of the terminal.")
    given = parser.parse_args()
    found = json.dumps(measure(given.customers, given.orders, given.rounds, given.threads, given.pandas))
    given.result.write_text(found, encoding="utf-8") if given.result else print(found)


if __name__ == "__main__":
    main()
