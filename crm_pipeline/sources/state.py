"""What a home knows about its source since the last sync: the record that the definitions are built from. No reading of tables."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from crm_pipeline.errors import CrmError


@dataclass(frozen=True)
class TableSpan:
    """From when to when a table has events.

    Attributes
    ----------
    first, last : str
        The local days on which the bulk of its events begins and ends.
    known_from, complete_until : str or None
        Keys of the first and last period that the table covers whole.
    """

    first: str
    last: str
    known_from: str
    complete_until: str | None


@dataclass(frozen=True)
class SourceLabels:
    """A file of labelled recordings.

    Attributes
    ----------
    path : str
        Relative to the source's files.
    version : str
        Follows from its content and that of the recordings it names.
    counts : dict[str, int]
        How many recordings have each label.
    """

    path: str
    version: str
    counts: dict[str, int]


@dataclass(frozen=True)
class SourceState:
    """The recorded facts of a source.

    Attributes
    ----------
    tables : dict[str, tuple[str, ...]]
        Canonical tables the source gives, each with the canonical columns it maps, and those that tell of files which are there;
        without the amount of orders where none is positive.
    first, last : str
        Keys of the first and last period with data.
    complete_until : str or None
        Key of the last period that the orders cover whole: outcomes ask about orders.
    path, files : str
        Where the source.yaml and its files were.
    spans : dict[str, TableSpan]
        By table with times.
    grain : str
        Length of a period; empty in the record of an older version.
    labels : dict[str, SourceLabels]
        By what is labelled.
    """

    name: str
    timezone: str
    currency: str
    tables: dict[str, tuple[str, ...]]
    first: str
    last: str
    complete_until: str | None
    closed: bool = False
    synthetic: bool = False
    path: str = ""
    files: str = ""
    spans: dict[str, TableSpan] = field(default_factory=dict)
    grain: str = ""
    labels: dict[str, SourceLabels] = field(default_factory=dict)

    @property
    def inputs(self) -> frozenset[str]:
        """What features can be made of: the canonical tables there are, and ``recordings`` where there are any."""
        return frozenset(self.tables) | ({"recordings"} if "recording" in self.tables.get("calls", ()) else set())

    @property
    def paid(self) -> bool:
        """Whether orders have (positive) amounts; without, each counts as one (`crm_pipeline.transforms.cleaning`)."""
        return "amount" in self.tables.get("orders", ()) or "order_lines" in self.tables

    def known_from(self, table: str) -> str:
        """Return the key of the first period over which a table tells everything; lines stand in for absent orders."""
        span = self.spans.get(table) or (self.spans.get("order_lines") if table == "orders" else None)
        return span.known_from if span else self.first


CARRIED = "carried.json"
"""The state of the source as it was when a run last began, beside the one of the last sync."""


def read_state(home: Path, name: str = "source.json") -> SourceState | None:
    """Return the recorded state of a home, None before the first sync; or that under another name."""
    path = _path(home, name)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        data["tables"] = {name: tuple(columns) for name, columns in data["tables"].items()}
        data["spans"] = {name: TableSpan(**span) for name, span in data.get("spans", {}).items()}
        data["labels"] = {name: SourceLabels(**found) for name, found in data.get("labels", {}).items()}
        return SourceState(**data)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, NotADirectoryError) as error:
        raise CrmError(f"{path} is damaged ({error}): remove it, the next run makes it anew.") from error


def write_state(home: Path, state: SourceState, name: str = "source.json") -> None:
    """Record the state of a home, atomically."""
    path = _path(home, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_text(json.dumps(asdict(state), indent=1), encoding="utf-8")
    os.replace(temporary, path)


def _path(home: Path, name: str) -> Path:
    return Path(home) / "lake" / name
