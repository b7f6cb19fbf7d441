"""Measures `sync` into an empty home against DuckDB alone, in one process: ``python -m benchmarks.bench_reading``.

The limit is what DuckDB needs, with the same threads and memory, to read all Parquet files of the made-up company, join the order
lines to their orders for the time, and write every table by month (``COPY … PARTITION_BY``, zstd). It checks nothing: no types,
time zones, unreadable or repeated rows, a file's rows apart from another's, later events (cancelled, returned), counts or content
hashes. The small CSV files are read by `sync` alone. Both are measured in turn, and the files have been read once before.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.measure import OUT, SETTINGS, company
from benchmarks.meter import Meter
from crm_pipeline.contracts.canonical import CANONICAL
from crm_pipeline.engine import DuckDBEngine, literal
from crm_pipeline.lake import Lake
from crm_pipeline.settings import Settings
from crm_pipeline.sources.spec import Source, load_source
from crm_pipeline.sources.sync import sync

TODAY = date(2030, 1, 1)
"""After all that the company did."""


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_reading", description=__doc__)
    parser.add_argument(
        "--customers", type=int, default=1_000_000, help="Of the made-up company; up to 20,000 it has no Parquet files."
    )
    parser.add_argument(
        "--rounds", type=int, default=1, help="Of each way, in turn; the fewest processor seconds count."
    )
    parser.add_argument("--result", type=Path)
    given = parser.parse_args()
    found: dict[str, Any] = {"customers": given.customers}
    found |= compared(company(given.customers), given.rounds)
    print(json.dumps(found, indent=1))
    if given.result:
        given.result.write_text(json.dumps(found), encoding="utf-8")


def compared(folder: Path, rounds: int) -> dict[str, Any]:
    """Return seconds, processor seconds and peak memory of both ways, the rows that were read, and the ratio."""
    OUT.mkdir(exist_ok=True)
    source, meter, rows = load_source(folder), Meter(), 0
    for path in folder.rglob("*.parquet"):
        path.read_bytes()
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(dir=OUT) as empty:
            place = Path(empty)
            meter.mark("before")
            alone(source, place)
            meter.mark("alone")
            shutil.rmtree(place / "alone")
            meter.mark("before")
            rows = synced(source, place)
            meter.mark("sync")
    found: dict[str, Any] = {"rows": rows}
    for name in ("alone", "sync"):
        best = min((one for one in meter.stretches if one.name == name), key=lambda one: one.cpu)
        found[name] = {"seconds": best.seconds, "cpu": best.cpu, "peak": best.peak}
    return found | {"ratio": found["sync"]["cpu"] / found["alone"]["cpu"]}


def alone(source: Source, place: Path) -> None:
    """Read every table and write it by month, as fast as DuckDB does."""
    con = _engine(place).con
    for name, entries in source.tables.items():
        for number, entry in enumerate(entries):
            paths = [path for glob in entry.files for path in source.matches(glob) if path.suffix == ".parquet"]
            if not paths:
                continue
            rows = f"read_parquet([{', '.join(literal(str(path)) for path in paths)}])"
            at = entry.columns.get(CANONICAL[name].main_time or "")
            if name == "order_lines":
                rows = f"(SELECT l.*, o.__at FROM {rows} l JOIN orders o ON l.{entry.columns['order_id']} = o.__id)"
                at = "__at"
            if name == "orders":
                con.execute(
                    f"CREATE VIEW orders AS SELECT {entry.columns['order_id']} AS __id, {at} AS __at FROM {rows}"
                )
            month = f", strftime({at}, '%Y-%m') AS month" if at else ", 'all' AS month"
            target = place / "alone" / f"{name}-{number}"
            target.mkdir(parents=True)
            con.execute(
                f"COPY (SELECT *{month} FROM {rows}) TO {literal(str(target))} "
                "(FORMAT parquet, COMPRESSION zstd, PARTITION_BY (month))"
            )
    con.close()


def synced(source: Source, place: Path) -> int:
    """Read the source into an empty home; return how many rows it has."""
    engine = _engine(place)
    report = sync(source, Lake(place / "home", engine), Settings(), today=TODAY)
    engine.con.close()
    return sum(report.rows.values())


def _engine(place: Path) -> DuckDBEngine:
    return DuckDBEngine(SETTINGS["memory_limit"], SETTINGS["threads"], place / "spill")


if __name__ == "__main__":
    main()
