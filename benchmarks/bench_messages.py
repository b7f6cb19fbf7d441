"""A million messages from `raw/messages` to the published `text/messages`: ``python -m benchmarks.bench_messages [--messages N]``.

The messages are those of `bench_text`, drawn word by word from real ones so that hardly two are equal; in one of fifty stands
personal data. All were written in one month by customers whose names are known. What is measured are the project's own steps,
each a Dagster run in this process: masking and cleaning (`clean/messages`, `rejects/messages`), then `text/messages` with the
models of the starter's labelled texts, which are learned before and off the clock. Memory is that of this process and those that
it started, added up every 50 ms: what they share counts twice.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from benchmarks.bench_text import make, questions
from benchmarks.meter import PAGE

SEED, TICK = 7, 0.05
CUSTOMERS = 100_000
PERIOD = "2024-03-01"
PERSONAL = (
    " Write to {first}.{last}@example.org.",
    " Call me on +49 30 9018{n:04}.",
    " My card is 4111 1111 1111 1111.",
    " My name is {First} {Last}.",
    " Pay to DE89 3704 0044 0532 0130 00.",
)
STEPS = {
    "masking and cleaning": ("clean/messages", "rejects/messages"),
    "understanding": ("text/messages",),
}
MODELS = ("text/labels", "text/intent_model", "text/sentiment_model")
SOURCE = """name: messages
timezone: Europe/London
currency: GBP
complete_through: 2024-04-01
tables:
  orders: {files: orders.csv}
  customers: {files: customers.csv}
  messages: {files: messages.parquet}
"""


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_messages", description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--result", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measured(Path(folder), given.messages, given.threads)
    print(json.dumps(found, indent=1))
    if given.result:
        given.result.write_text(json.dumps(found), encoding="utf-8")


def measured(folder: Path, messages: int, threads: int) -> dict[str, Any]:
    """Make a home with the messages in its lake, and carry the steps out."""
    from crm_pipeline.defs.run import prepare

    source, home = folder / "source", folder / "home"
    source.mkdir(), home.mkdir()
    distinct = company(source, messages)
    (home / "crm.yaml").write_text(f"threads: {threads}\nmemory_limit: 2GB\n", encoding="utf-8")
    prepared = prepare(source, home)
    _run(prepared, None, MODELS)
    found: dict[str, Any] = {
        "messages": messages,
        "distinct": distinct,
        "threads": threads,
    }
    found["steps"] = {}
    for name, assets in STEPS.items():
        watch, cpu, began = Memory(), processor(), time.perf_counter()
        _run(prepared, PERIOD, assets)
        seconds = time.perf_counter() - began
        found["steps"][name] = {"seconds": seconds, "cpu": processor() - cpu, "peak": watch.peak()}
    lake = prepared.project.lake
    said = lake.table("text/messages", [PERIOD])
    assert said.count().execute() == messages
    found["masked"] = int(sum(said[c].sum() for c in said.columns if c.startswith("masked_")).execute())
    found["hash"] = lake.manifest("text/messages", PERIOD).content_hash
    for total in ("seconds", "cpu"):
        found[total] = sum(step[total] for step in found["steps"].values())
    found["peak"] = max(step["peak"] for step in found["steps"].values())
    return found


def company(folder: Path, messages: int) -> int:
    """Write a source of one month of messages; return how many bodies are distinct."""
    draw = np.random.default_rng(SEED)
    file = folder / "messages.parquet"
    distinct = make(questions() or ["My card has not arrived, please help."], messages, file)
    bodies = pq.read_table(file)["body"].to_pylist()
    firsts, lasts = [np.array([f"{start}{end}" for start in ("Ad", "Gr", "Lo", "Mir", "Tor") for end in ends])
                     for ends in (("a", "ina", "elle", "old"), ("evick", "anson", "umann", "etti"))]  # fmt: skip
    names = [*zip(draw.choice(firsts, CUSTOMERS).tolist(), draw.choice(lasts, CUSTOMERS).tolist(), strict=True)]
    by = draw.integers(CUSTOMERS, size=messages)
    for row in np.flatnonzero(draw.random(messages) < 0.02).tolist():
        first, last = names[by[row]]
        kind = PERSONAL[row % len(PERSONAL)]
        bodies[row] += kind.format(first=first.lower(), last=last.lower(), First=first, Last=last, n=row % 10_000)
    start = np.datetime64(PERIOD, "us")
    sent = start + draw.integers(31 * 24 * 3_600, size=messages).astype("timedelta64[s]")
    columns = {"message_id": [f"m{row}" for row in range(messages)], "customer_id": [f"c{one}" for one in by.tolist()],
               "sent_at": sent, "body": bodies}  # fmt: skip
    pq.write_table(pa.table(columns), file)
    ids = [f"c{one}" for one in range(CUSTOMERS)]
    pyarrow.csv.write_csv(
        pa.table({"customer_id": ids, "name": [" ".join(name) for name in names]}), folder / "customers.csv"
    )
    (folder / "orders.csv").write_text(f"order_id,customer_id,ordered_at,amount\n1,c0,{PERIOD},1\n", encoding="utf-8")
    (folder / "source.yaml").write_text(SOURCE, encoding="utf-8")
    return distinct


def _run(prepared: Any, period: str | None, assets: tuple[str, ...]) -> None:
    """Materialise assets as the program does."""
    import dagster as dg

    from crm_pipeline.defs.instance import open_instance

    prepared.built.job.execute_in_process(
        instance=open_instance(prepared.project.home),
        partition_key=period,
        asset_selection=[dg.AssetKey(asset.split("/")) for asset in assets],
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )


def processor() -> float:
    """Return the processor seconds of this process and of those that it started and that ended."""
    return sum(
        of.ru_utime + of.ru_stime for of in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


class Memory:
    """Looks at the resident memory of this process and all below it, until it is asked for the highest."""

    def __init__(self) -> None:
        self._highest, self._ended = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def peak(self) -> int:
        """Return the highest, in bytes; nothing is looked at any more."""
        self._ended.set()
        self._thread.join()
        return self._highest

    def _watch(self) -> None:
        while not self._ended.wait(TICK):
            self._highest = max(self._highest, sum(map(resident, family(os.getpid()))))


def family(process: int) -> list[int]:
    """Return a process and all that came of it."""
    try:
        tasks = [*Path(f"/proc/{process}/task").iterdir()]
        children = [int(child) for task in tasks for child in (task / "children").read_text(encoding="ascii").split()]
    except OSError:  # it ended meanwhile
        return []
    return [process, *(one for child in children for one in family(child))]


def resident(process: int) -> int:
    """Return the resident memory of a process, in bytes; none where it ended."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


if __name__ == "__main__":
    main()
