"""Readers that loop while a home is being built, and note what they saw. No tests."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from crm_pipeline_tests.integration import world

FINGERPRINT = "count(*), sum(hash(customer_id, status, churn_probability, orders_12m, spend_12m)::HUGEINT)"
Print = tuple[int, int]


@dataclass
class Seen:
    """What readers saw: fingerprints of ``scores/customers`` by period, and how often each reader read."""

    prints: dict[str, set[Print]] = field(default_factory=dict)
    reads: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def note(self, reader: str, period: str, found: Print) -> None:
        self.prints.setdefault(period, set()).add(found)
        self.reads[reader] = self.reads.get(reader, 0) + 1


def published(home: Path, period: str) -> set[Print]:
    """Return the fingerprint of every generation of the scores of a period."""
    lake = world.lake_of(home)
    found = set()
    for manifest in lake.history("scores/customers", period):
        files = [str(lake.root / f.path) for f in manifest.files]
        found.add(_print(duckdb.sql(f"SELECT {FINGERPRINT} FROM read_parquet({files})").fetchall()[0]))
    return found


@contextmanager
def reading(home: Path, period: str) -> Iterator[Seen]:
    """Read the scores of a period in every way there is, over and over, until the block ends."""
    seen, over = Seen(), threading.Event()
    loops = [_views, _links, _lake, _command]
    threads = [threading.Thread(target=_forever, args=(loop, home, period, seen, over), daemon=True) for loop in loops]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        over.set()
        for thread in threads:
            thread.join(timeout=120)


def _forever(loop, home: Path, period: str, seen: Seen, over: threading.Event) -> None:
    while not over.is_set():
        try:
            loop(home, period, seen)
        except BaseException as error:  # the test is told of whatever a reader meets
            seen.failures.append(f"{loop.__name__}: {error!r}")
            if not isinstance(error, Exception):
                raise
        over.wait(0.3)


def _views(home: Path, period: str, seen: Seen) -> None:
    """An outsider's SQL over crm.duckdb: one connection, two looks at every period, which must agree."""
    with duckdb.connect(str(home / "crm.duckdb"), read_only=True) as con:
        query = f"SELECT as_of, {FINGERPRINT} FROM scores.customers GROUP BY as_of ORDER BY as_of"
        first, second = con.execute(query).fetchall(), con.execute(query).fetchall()
    if first != second:
        raise AssertionError(f"two looks through one connection differ: {first} {second}")
    wanted = [row[1:] for row in first if str(row[0])[:7] == _following(period)]
    seen.note("crm.duckdb", period, _print(wanted[0]))


def _links(home: Path, period: str, seen: Seen) -> None:
    path = home / "lake" / "scores" / "customers" / f"period={period}" / "part.parquet"
    with path.open("rb") as file:  # an open file stays the same one, whatever is put in its place
        rows = duckdb.sql(f"SELECT {FINGERPRINT} FROM read_parquet('/proc/self/fd/{file.fileno()}')").fetchall()
    seen.note("hard link", period, _print(rows[0]))


def _lake(home: Path, period: str, seen: Seen) -> None:
    lake = world.lake_of(home)
    manifest = lake.snapshot("scores/customers", [period])[0]
    files = [str(lake.root / f.path) for f in manifest.files]
    rows = duckdb.connect().execute(f"SELECT {FINGERPRINT} FROM read_parquet({files})").fetchall()
    seen.note("lake", period, _print(rows[0]))


def _command(home: Path, period: str, seen: Seen) -> None:
    command = [str(world.COMMAND), "scores", "--home", str(home), "--as-of", period[:7], "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, env=world.environment(), timeout=120, check=False)
    if done.returncode:
        raise AssertionError(f"exit code {done.returncode}: {done.stderr[-500:]}")
    rows = json.loads(done.stdout)
    seen.reads["command"] = seen.reads.get("command", 0) + 1
    if len({row["customer_id"] for row in rows}) != len(rows) or not rows:
        raise AssertionError(f"{len(rows)} rows, not one per customer")
    if len({row["scoring_release"] for row in rows}) != 1:
        raise AssertionError("the rows come from more than one release")


def _following(period: str) -> str:
    year, month = int(period[:4]), int(period[5:7])
    return f"{year + month // 12}-{month % 12 + 1:02d}"


def _print(row: tuple) -> Print:
    return int(row[0]), int(row[1] or 0)


if __name__ == "__main__":
    sys.exit("this is no command")
