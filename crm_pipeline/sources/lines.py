"""Order lines that take their order's time and customer: the table of orders' times, and which line files an order touches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import duckdb

from crm_pipeline.contracts.core import REPEATED
from crm_pipeline.engine import Staged, literal
from crm_pipeline.lake import DataFile, Lake
from crm_pipeline.sources.index import Record
from crm_pipeline.sources.split import FIRST, SNAPSHOT, UNDATED

ORDER_TIMES = "sync_order_times"
FACTS = "order_id, customer_id, event_at, recorded_at, entry, source_file, source_line"


def build_order_times(lake: Lake, orders: Iterable[Record], markers: Sequence[DataFile | Staged]) -> str:
    """Make the temporary table (order_id, customer_id, event_at) of the orders.

    ``markers`` are the files that say which rows do not hold; of those that are left, the first of a repeated order holds.
    """
    con, placed = lake.engine.con, _placed(lake, orders, markers)
    con.execute(f"CREATE OR REPLACE TEMP TABLE {ORDER_TIMES} AS SELECT order_id, customer_id, event_at FROM ({placed})")
    # nearly all orders are of one row, which a number tells in half the time
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE sync_several AS SELECT hash(order_id) AS h FROM {ORDER_TIMES} GROUP BY h HAVING count(*) > 1"
    )
    if con.execute("SELECT count(*) FROM sync_several").fetchall()[0][0]:
        con.execute(f"DELETE FROM {ORDER_TIMES} WHERE hash(order_id) IN (FROM sync_several)")
        con.execute(
            f"INSERT INTO {ORDER_TIMES} SELECT order_id, first.customer_id, first.event_at FROM ("
            "SELECT order_id, arg_min({'customer_id': customer_id, 'event_at': event_at}, "
            "{'at': event_at, 'entry': entry, 'file': source_file, 'line': source_line}) AS first "
            f"FROM ({placed}) WHERE hash(order_id) IN (FROM sync_several) GROUP BY order_id)"
        )
    return ORDER_TIMES


def touched_lines(
    lake: Lake, old: Iterable[Record], new: Iterable[Record], lines: Iterable[Record], may_hold: str
) -> set[str]:
    """Return the ids of the line files whose rows can change because orders changed from ``old`` to ``new``.

    Those that hold a line of an order that was added, removed or changed, and those with orphans. ``may_hold`` is the SQL of whether
    a row of orders can be the version that holds: a change of that can give the order another time.
    """
    con, records = lake.engine.con, list(lines)
    before, after = (_placed(lake, of, may_hold=may_hold) for of in (old, new))
    con.execute(
        "CREATE OR REPLACE TEMP TABLE sync_changed_orders AS SELECT DISTINCT order_id FROM ("
        f"(SELECT * FROM ({before}) EXCEPT SELECT * FROM ({after})) UNION ALL (SELECT * FROM ({after}) EXCEPT SELECT * FROM ({before})))"
    )
    touched = {r.id for r in records if r.orphans}
    paths = {str(absolute(lake, f)): r.id for r in records for f in dated_files(r)}
    if paths and con.execute("SELECT count(*) FROM sync_changed_orders").fetchall()[0][0]:
        found = con.execute(
            f"SELECT DISTINCT l.__path FROM read_parquet([{', '.join(map(literal, paths))}], filename = '__path') l "
            "SEMI JOIN sync_changed_orders c ON l.order_id = c.order_id"
        ).fetchall()
        touched |= {paths[path] for (path,) in found}
    return touched


def dated_files(record: Record) -> list[DataFile | Staged]:
    """Return a record's data files that hold rows of periods."""
    return [f for bucket, files in record.buckets.items() if bucket not in (UNDATED, FIRST, SNAPSHOT) for f in files]


def absolute(lake: Lake, file: DataFile | Staged) -> Path:
    """Return where a data file lies, staged or published."""
    return lake.path(file) if isinstance(file, DataFile) else Path(file.path)


def _placed(
    lake: Lake, records: Iterable[Record], markers: Sequence[DataFile | Staged] = (), may_hold: str = "true"
) -> str:
    paths = [literal(str(absolute(lake, f))) for r in records for f in dated_files(r)]
    if not paths:
        return (
            "SELECT NULL::VARCHAR AS order_id, NULL::VARCHAR AS customer_id, NULL::TIMESTAMP AS event_at, NULL::TIMESTAMP AS recorded_at, "
            "NULL::BIGINT AS entry, NULL::VARCHAR AS source_file, NULL::BIGINT AS source_line, false AS back, false AS holds WHERE false"
        )
    kind = f"coalesce(amount < 0, false) AS back, ({may_hold}) AS holds"
    rows = f"SELECT {FACTS}, {kind} FROM read_parquet([{', '.join(paths)}]) WHERE event = 'placed' AND order_id IS NOT NULL"
    if not markers:
        return rows
    marked = ", ".join(literal(str(absolute(lake, f))) for f in markers)
    gone = f"SELECT entry, source_file, source_line FROM read_parquet([{marked}]) WHERE event = {literal(REPEATED)}"
    return f"SELECT * FROM ({rows}) ANTI JOIN ({gone}) USING (entry, source_file, source_line)"


def drop(con: duckdb.DuckDBPyConnection) -> None:
    """Drop the temporary tables."""
    for name in (ORDER_TIMES, "sync_several", "sync_changed_orders"):
        con.execute(f"DROP TABLE IF EXISTS {name}")
