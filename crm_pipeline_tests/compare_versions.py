"""Whether two versions of the program give the same content: ``python -m crm_pipeline_tests.compare_versions COMMIT``.

Runs COMMIT and the code of this checkout on the sample company, and on Online Retail where its files are, each into a home of
its own, and compares every published partition, columns that name a version, a run or a moment aside. Prints what differs
(asset, partition, columns) and ends with 1 if anything does.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb

from crm_pipeline.engine import VOLATILE

ROOT = Path(__file__).parent.parent
NAMES = (*sorted(VOLATILE), "model_version", "scoring_release", "mlflow_run", "features_hash")
"""Columns that name a version, a run or a moment."""


def run(code: Path, source: Path, home: Path, *more: str) -> None:
    """Carry a source out with the code in a folder."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CRM_")} | {"PYTHONPATH": str(code)}
    command = [sys.executable, "-m", "crm_pipeline.cli", "run", "--source", str(source), "--home", str(home), *more]
    subprocess.run(command, cwd=code, env=environment, check=True, stdout=subprocess.DEVNULL)


def partitions(home: Path) -> dict[tuple[str, str], Path]:
    """Return the published files of a home, by asset and partition."""
    lake = home / "lake"
    files = [
        p for p in lake.rglob("part.parquet") if not any(part.startswith(".") for part in p.relative_to(lake).parts)
    ]
    return {(p.parent.parent.relative_to(lake).as_posix(), p.parent.name): p for p in files}


def differences(one: Path, other: Path) -> Iterator[str]:
    """Tell what differs between two homes, a line each."""
    before, after = partitions(one), partitions(other)
    for asset, period in sorted(before.keys() ^ after.keys()):
        yield f"{asset} {period}: only {'before' if (asset, period) in before else 'after'}"
    with duckdb.connect() as con:
        for key in sorted(before.keys() & after.keys()):
            tables = [f"read_parquet('{files[key]}', hive_partitioning = false)" for files in (before, after)]
            columns = [
                dict(con.sql(f"DESCRIBE FROM {t}").project("column_name, column_type").fetchall()) for t in tables
            ]
            kept = [{k: v for k, v in c.items() if k not in NAMES} for c in columns]
            if kept[0] != kept[1]:
                yield f"{' '.join(key)}: columns {sorted(set(kept[0].items()) ^ set(kept[1].items()))}"
                continue
            names = ", ".join(f'"{c}"' for c in kept[0]) or "1"
            queries = [f"SELECT {names} FROM {t}" for t in tables]
            counts = [
                con.sql(f"SELECT count(*) FROM (({a}) EXCEPT ALL ({b}))").fetchall()[0][0]
                for a, b in (queries, queries[::-1])
            ]
            if any(counts):
                yield f"{' '.join(key)}: {counts[0]} rows only before, {counts[1]} only after"


def main() -> None:
    """Run both and print what differs."""
    parser = argparse.ArgumentParser(prog="python -m crm_pipeline_tests.compare_versions", description=__doc__)
    parser.add_argument("commit", help="The version to compare with.")
    parser.add_argument("--customers", type=int, default=500, help="Of the sample company.")
    given = parser.parse_args()
    data = Path(os.environ.get("CRM_REAL_DATA", ROOT.parent / "shared" / "data")) / "online_retail"
    found = 0
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        subprocess.run(
            ["git", "worktree", "add", "--quiet", "--detach", work / "code", given.commit], cwd=ROOT, check=True
        )
        try:
            sample = work / "sample"
            command = ["sample", "--out", str(sample), "--customers", str(given.customers), "--recordings", "0"]
            subprocess.run(
                [sys.executable, "-m", "crm_pipeline.cli", *command], cwd=ROOT, check=True, stdout=subprocess.DEVNULL
            )
            cases = {"sample": (sample, ())}
            if data.is_dir():
                recipe = ROOT / "data" / "recipes" / "online_retail.yaml"
                cases["Online Retail"] = (recipe, ("--files", str(data), "--through", "2011-08"))
            for name, (source, more) in cases.items():
                homes = [work / f"{name}-{which}" for which in ("before", "after")]
                for code, home in zip((work / "code", ROOT), homes, strict=True):
                    run(code, source, home, *more)
                lines = list(differences(*homes))
                found += len(lines)
                print(
                    "\n".join([f"{name}: {len(partitions(homes[1]))} partitions, {len(lines)} differ", *lines]),
                    flush=True,
                )
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", work / "code"], cwd=ROOT, check=True)
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
