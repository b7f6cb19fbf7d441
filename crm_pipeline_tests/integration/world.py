"""What the integration tests share: the real command in real processes, a tiny source, and what a home holds. No tests."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import yaml

COMMAND = Path(sys.executable).parent / "crm-pipeline"
SMALL = {
    "churn_estimators": ["purchase_process", "logistic"],
    "demand_estimators": ["purchase_process"],
    "horizon": 1,
    "windows": [1, 2, 3],
    "training_cutoffs": 2,
    "evaluation_cutoffs": 1,
    "threads": 1,
}
TINY = {**SMALL, "tasks": ["churn"], "churn_estimators": ["purchase_process"]}
PUBLISHED = ("track_record/", "reports/")
"""Assets that depend on what was published before, so a backfill and a fresh build may differ in them."""

Key = tuple[str, str]


def environment() -> dict[str, str]:
    """The environment of the tests without settings of the pipeline."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("CRM_")}
    return {**kept, "MLFLOW_DISABLE_TELEMETRY": "true", "DAGSTER_DISABLE_TELEMETRY": "yes"}


def start(*arguments: Any, variables: Mapping[str, str] | None = None, **kw: Any) -> subprocess.Popen[str]:
    """Start the command, with variables beside those of `environment`, and return at once."""
    command, env = [str(COMMAND), *map(str, arguments)], {**environment(), **(variables or {})}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, **kw)


def finish(process: subprocess.Popen[str], expect: int = 0) -> subprocess.CompletedProcess[str]:
    """Wait for a started command and check its exit code."""
    out, err = process.communicate(timeout=600)
    assert process.returncode == expect, f"{process.args}: exit code {process.returncode}\n{out[-3000:]}\n{err[-6000:]}"
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def crm(*arguments: Any, expect: int = 0, **kw: Any) -> subprocess.CompletedProcess[str]:
    """Run the command and check its exit code."""
    return finish(start(*arguments, **kw), expect)


def plan(source: Path, home: Path, *more: Any) -> list[dict[str, str]]:
    """Return what `crm-pipeline plan --json` prints."""
    return json.loads(crm("plan", "--source", source, "--home", home, "--json", *more).stdout)


def new_home(home: Path, settings: Mapping[str, Any] = SMALL) -> Path:
    """Make a home with settings, of which nothing was built."""
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    (home / "crm.yaml").write_text(yaml.safe_dump(dict(settings)), encoding="utf-8")
    return home


def lake_of(home: Path) -> Any:
    """Open the lake of a home, to look at it from outside of a run."""
    from crm_pipeline.engine import DuckDBEngine
    from crm_pipeline.lake import Lake

    return Lake(home, DuckDBEngine("500MB", 1, home / "lake" / ".spill"))


def hashes(home: Path) -> dict[Key, str]:
    """Return the content hash of every published partition."""
    return {key: manifest.content_hash for key, manifest in lake_of(home).index().items()}


def differing(one: Mapping[Key, str], two: Mapping[Key, str], without: Iterable[str] = ()) -> list[Key]:
    """Name the partitions whose contents differ, or that only one side has, without those of some layers."""
    left_out = tuple(without)
    keys = sorted(one.keys() | two.keys())
    return [k for k in keys if one.get(k) != two.get(k) and not (left_out and k[0].startswith(left_out))]


def rows_of_csv(path: Path) -> int:
    """Count the rows of a CSV file below its header; a quoted field may hold line breaks."""
    with path.open(newline="", encoding="utf-8") as file:
        return sum(1 for row in csv.reader(file) if row) - 1


# -- the tiny source: two tables, made in no time --------------------------------------------------

MONTHS = ("2024-01", "2024-02", "2024-03", "2024-04", "2024-05")


def write_tiny(
    folder: Path, customers: int = 120, seed: int = 5, name: str = "tiny", months: Sequence[str] = MONTHS
) -> Path:
    """Write a source of two tables over some months of 2024: customers, and orders in one file a month."""
    rng = np.random.default_rng(seed)
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "orders").mkdir(parents=True)
    start = datetime(2024, 1, 1)
    end = datetime(2024 + int(months[-1][5:]) // 12, int(months[-1][5:]) % 12 + 1, 1)
    people, orders = ["customer_id,created_at,country"], {month: [] for month in months}
    for number in range(customers):
        customer = f"{number:05d}"  # a leading zero, as in many a CRM
        moment = start + timedelta(days=float(rng.uniform(0, 60)))
        people.append(f"{customer},{moment:%Y-%m-%dT%H:%M:%S},{rng.choice(['DE', 'FR'])}")
        pace, stay = float(rng.uniform(8, 30)), float(rng.exponential(150))
        leaves = moment + timedelta(days=stay)
        while moment < min(end, leaves):
            orders[f"{moment:%Y-%m}"].append((moment, customer, round(float(rng.gamma(2.0, 20.0)) + 1, 2)))
            moment += timedelta(days=float(rng.exponential(pace)) + 0.1)
    (folder / "customers.csv").write_text("\n".join(people) + "\n", encoding="utf-8")
    for month, rows in orders.items():
        lines = ["order_id,customer_id,ordered_at,amount"]
        lines += [f"{c}-{t:%m%d%H%M%S},{c},{t:%Y-%m-%dT%H:%M:%S},{a}" for t, c, a in sorted(rows)]
        (folder / "orders" / f"{month}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    write_source(folder, name, complete_through=f"{end:%Y-%m-%d} 00:00:00")
    return folder


def write_source(folder: Path, name: str = "tiny", **changes: Any) -> Path:
    """Write the source.yaml of the tiny source; ``changes`` replace its entries."""
    spec: dict[str, Any] = {
        "name": name,
        "timezone": "Europe/Berlin",
        "currency": "EUR",
        "complete_through": "2024-06-01 00:00:00",
        "closed": True,
        "tables": {
            "customers": {"files": "customers.csv"},
            "orders": {"files": "orders/*.csv"},
        },
        **changes,
    }
    path = folder / "source.yaml"
    path.write_text(yaml.safe_dump(spec, sort_keys=False), encoding="utf-8")
    return path
