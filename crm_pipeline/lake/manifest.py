"""What a published partition is: its files, content hash and pinned inputs, as JSON. No reading or writing of disks here."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from crm_pipeline.hashing import digest


@dataclass(frozen=True)
class DataFile:
    """An immutable Parquet file in the lake; ``path`` is relative to the lake."""

    path: str
    rows: int
    content_sum: int
    columns: dict[str, str]
    told_sum: int = 0


@dataclass(frozen=True)
class Manifest:
    """One generation of one partition.

    Attributes
    ----------
    asset, partition : str
    generation : int
        Counts what this partition has held, from 1: contents, and columns that must be right though no content.
    content_hash : str
        Of rows and schema, without volatile columns; the Dagster data version.
    inputs : dict[str, str]
        ``asset@partition`` to the content hash that was read.
    code_version : str
    published_at : str
        UTC, ISO 8601: when this generation was first published.
    stats : dict
        Whatever the maker wants to keep (seconds, counts per source file).
    grain : str
        Of the period that the key stands for: a first that is a Monday is a month and a week. Empty where nobody reads
        the partition as it was published.
    """

    asset: str
    partition: str
    generation: int
    content_hash: str
    files: tuple[DataFile, ...]
    schema: dict[str, str]
    rows: int
    inputs: dict[str, str]
    code_version: str
    run_id: str
    published_at: str
    stats: dict[str, Any] = field(default_factory=dict)
    grain: str = ""

    def to_json(self) -> str:
        """Return the manifest as JSON text."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """Read what `to_json` wrote."""
        data = json.loads(text)
        data["files"] = tuple(DataFile(**f) for f in data["files"])
        return cls(**data)


def content_hash(files: Iterable[Any], schema: dict[str, str]) -> str:
    """Return the order-independent hash of a partition: rows and schema, whatever the order or split of its rows.

    ``files`` have ``rows`` and ``content_sum``. The schema takes part because row hashes ignore names and widths.
    """
    listed = list(files)
    text = json.dumps([sum(f.rows for f in listed), str(sum(f.content_sum for f in listed)), sorted(schema.items())])
    return digest(text)
