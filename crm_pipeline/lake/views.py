"""`crm.duckdb`: a read-only database of views over the published partitions, for outsiders' SQL."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import duckdb

from crm_pipeline.engine import storage_error
from crm_pipeline.lake.manifest import Manifest
from crm_pipeline.lake.store import Lake


def publish_views(lake: Lake) -> Path:
    """Write ``<home>/crm.duckdb`` anew and put it in place atomically.

    One schema per layer, one view per asset, each over the explicit immutable files of its current manifests, so
    that whoever has the database open keeps reading one consistent state. Where the lake does not lie in the home, there
    is no such database.
    """
    if not lake.storage.in_place:
        (lake.home / "crm.duckdb").unlink(missing_ok=True)
        return lake.home / "crm.duckdb"
    by_asset: dict[str, list[Manifest]] = defaultdict(list)
    for manifest in lake.index().values():
        by_asset[manifest.asset].append(manifest)
    temporary = lake.staging() / "crm.duckdb"
    temporary.unlink(missing_ok=True)
    try:
        with duckdb.connect(str(temporary)) as con:
            for asset, manifests in sorted(by_asset.items()):
                layer, _, name = asset.partition("/")
                con.execute(f'CREATE SCHEMA IF NOT EXISTS "{layer}"')
                con.execute(
                    f'CREATE OR REPLACE VIEW "{layer}"."{name.replace("/", "_")}" AS {_select(lake, manifests)}'
                )
        target = lake.home / "crm.duckdb"
        os.replace(temporary, target)
    except OSError as error:
        raise storage_error(error, lake.home) from error
    return target


def outdated_views(lake: Lake, current: Iterable[Manifest]) -> list[str]:
    """Return the assets whose view in ``crm.duckdb`` does not read the files of these manifests; all without the file."""
    if not lake.storage.in_place:
        return []
    wanted: dict[str, set[str]] = defaultdict(set)
    for manifest in current:
        files = {str(lake.path(f)) for f in manifest.files if f.rows}
        wanted[manifest.asset.replace("/", ".", 1).replace("/", "_")] |= files
    database, told = lake.home / "crm.duckdb", {}
    if database.exists():
        with duckdb.connect(str(database), read_only=True) as con:
            listed = con.execute("SELECT schema_name, view_name, sql FROM duckdb_views() WHERE NOT internal").fetchall()
        told = {f"{schema}.{view}": _files_in(sql) for schema, view, sql in listed}
    return sorted(name for name in wanted.keys() | told.keys() if told.get(name) != wanted.get(name))


def _files_in(sql: str) -> set[str]:
    """Return the files that a view's query names."""
    texts = re.findall(r"'((?:[^']|'')*)'", sql)
    return {text.replace("''", "'") for text in texts if text.endswith(".parquet")}


def _select(lake: Lake, manifests: list[Manifest]) -> str:
    newest = max(manifests, key=lambda m: m.published_at)
    files = [
        (m.partition, lake.path(f)) for m in sorted(manifests, key=lambda m: m.partition) for f in m.files if f.rows
    ]
    if not files:
        columns = ", ".join(f'CAST(NULL AS {kind}) AS "{name}"' for name, kind in newest.schema.items())
        return f"SELECT {columns or 'NULL AS nothing'} WHERE false"
    listed = ", ".join("'" + str(path).replace("'", "''") + "'" for _, path in files)
    return f"SELECT * FROM read_parquet([{listed}], union_by_name = true)"
