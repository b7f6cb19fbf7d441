"""A small source to try the sync on: files written from text, a home, and a look at what is in the lake."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from crm_pipeline.contracts.canonical import CANONICAL
from crm_pipeline.engine import DuckDBEngine
from crm_pipeline.lake import Lake
from crm_pipeline.settings import Settings
from crm_pipeline.sources.spec import load_source
from crm_pipeline.sources.sync import SyncReport, sync
from crm_pipeline.transforms.cleaning import clean_table
from crm_pipeline.transforms.columns import read_rows

TODAY = date(2020, 6, 1)

ORDERS = "order_id,customer_id,ordered_at,amount\n"


class World:
    """A source folder and a home."""

    def __init__(self, folder: Path, yaml: str = "", name: str = "shop", **settings: Any) -> None:
        self.root = folder / "files"
        self.root.mkdir(parents=True, exist_ok=True)
        self.settings = Settings(**settings)
        self.home = folder / "home"
        self.lake = Lake(self.home, DuckDBEngine("500MB", 2, folder / "spill"))
        if yaml:
            self.yaml(yaml, name)

    def yaml(self, tables: str, name: str = "shop", more: str = "timezone: Europe/London\ncurrency: GBP") -> None:
        self.write("source.yaml", f"name: {name}\n{more}\ntables:\n{tables}")

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def sync(self, **more: Any) -> SyncReport:
        return sync(load_source(self.root), self.lake, self.settings, today=more.pop("today", TODAY), **more)

    def raw(self, table: str, period: str) -> list[dict[str, Any]]:
        rows = self.lake.table(f"raw/{table}", [period]).to_pyarrow().to_pylist()
        return sorted(rows, key=lambda r: (r["source_file"], r["source_line"], str(r["event"])))

    def undated(self, table: str) -> list[dict[str, Any]]:
        rows = self.lake.table(f"rejects/{table}", ["undated"]).to_pyarrow().to_pylist()
        return sorted(rows, key=lambda r: (r["source_file"], r["source_line"]))

    def hashes(self) -> dict[tuple[str, str], str]:
        return {key: m.content_hash for key, m in self.lake.index().items()}

    def cleaned(self, report: SyncReport, table: str, period: str, **more: Any) -> tuple[list[dict], list[dict]]:
        raw = self.lake.table(f"raw/{table}", [period])
        found = clean_table(
            raw, CANONICAL[table], currency=report.state.currency, columns=report.state.tables[table], **more
        )
        clean, rejects = found.clean.to_pyarrow().to_pylist(), found.rejects.to_pyarrow().to_pylist()
        assert len(clean) + len(rejects) == (read_rows(raw).n_.sum().execute() or 0)
        return clean, rejects


def tables(**entries: str | Mapping[str, str]) -> str:
    """Return YAML of tables: a glob, or a mapping of keys to flow-style YAML values, ``files`` a glob."""
    lines = []
    for name, entry in entries.items():
        values = {"files": entry} if isinstance(entry, str) else dict(entry)
        values["files"] = f"'{values['files']}'"
        lines.append(f"  {name}:")
        lines += [f"    {key}: {value}" for key, value in values.items()]
    return "\n".join(lines) + "\n"
