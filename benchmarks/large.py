"""Measures the whole run at ten million customers, and at one million beside it: ``python -m benchmarks.large``.

The companies are those of the other sizes with what was bought alone: customers, products, orders and their lines. Messages, calls,
cases and contacts are left out, so that the two sizes differ in nothing but their size. It takes hours and some 60 GB of disk, and is
no part of ``make bench``. The sizes may be measured one at a time (``--sizes 1000000``): the others are kept.
"""

from __future__ import annotations

import argparse
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from benchmarks import measure, tables

RESULT = measure.OUT / "large.json"
TABLES = ("customers", "products", "orders", "order_lines")


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large", description=__doc__)
    parser.add_argument("--sizes", default="1000000,10000000", help="Customers, separated by commas.")
    given = parser.parse_args()
    measure.OUT.mkdir(exist_ok=True)
    known = (
        {size["customers"]: size for size in json.loads(RESULT.read_text("utf-8"))["sizes"]} if RESULT.exists() else {}
    )
    for customers in sorted(int(size) for size in given.sizes.split(",")):
        known[customers] = measured(customers)
        found = {"machine": measure.machine(), "sizes": [known[size] for size in sorted(known)]}
        RESULT.write_text(json.dumps(found, indent=1), encoding="utf-8")
        print(tables.plain(tables.layer_table(known[customers])), flush=True)
    print(tables.plain(tables.large_verdicts(found["sizes"])))


def measured(customers: int) -> dict[str, Any]:
    """Measure one size from an empty home, which is removed afterwards, as it may take half of the disk; that of a failed run is kept."""
    source, home = bought(customers), measure.empty_home(f"large_{customers}")
    run = measure.child("whole_run", [str(source), str(home), str(measure.OUT / f"large_{customers}.json")],
                        measure.OUT / f"large_{customers}.json")  # fmt: skip
    run["home"], run["source"] = size_of(home), size_of(source)
    if "failure" not in run:
        shutil.rmtree(home)
    when = datetime.now(UTC).isoformat(timespec="minutes")
    return {
        "customers": customers,
        "measured": when,
        "settings": measure.SETTINGS,
        "runs": [run],
        "straight": [],
        "features": {},
    }


def bought(customers: int) -> Path:
    """Return a folder that has of a made-up company what was bought alone, by links."""
    whole, folder = measure.company(customers), measure.OUT / f"bought_{customers}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    source = yaml.safe_load((whole / "source.yaml").read_text(encoding="utf-8"))
    source["tables"] = {name: entry for name, entry in source["tables"].items() if name in TABLES}
    (folder / "source.yaml").write_text(yaml.safe_dump(source, sort_keys=False), encoding="utf-8")
    for path in whole.iterdir():
        if path.stem in (*TABLES, "extra"):
            (folder / path.name).symlink_to(path)
    return folder


def size_of(folder: Path) -> int:
    """Return the bytes of the files of a folder, one that is linked more than once counted once."""
    known = {(stat.st_dev, stat.st_ino): stat.st_size for path in _files(folder) if (stat := path.stat())}
    return sum(known.values())


def _files(folder: Path) -> list[Path]:
    return [
        path
        for entry in folder.iterdir()
        for path in (entry.rglob("*") if entry.is_dir() else [entry])
        if path.is_file()
    ]


if __name__ == "__main__":
    main()
