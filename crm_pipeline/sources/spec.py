"""The model of a source.yaml: tables, files, mappings, time zone. No file but the YAML itself is read here."""

from __future__ import annotations

import codecs
import difflib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, available_timezones

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from crm_pipeline.contracts.canonical import CANONICAL
from crm_pipeline.errors import UsageError
from crm_pipeline.sources.opening import packed

Format = Literal["auto", "csv", "tsv", "blank", "parquet", "jsonl", "excel"]

FORMATS: dict[str, Format] = {
    ".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".parquet": "parquet", ".pq": "parquet",
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".xlsx": "excel", ".xlsm": "excel",
}  # fmt: skip
"""Suffix of a file to its format, where the YAML names none."""

NO_TEXT = ("punycode", "idna", "unicode-escape", "raw-unicode-escape", "undefined")
"""Encodings of Python (their names) in which no table is written."""

REQUIRED_TABLES = ("orders", "order_lines")
"""A source needs one of these."""


class Entry(BaseModel):
    """One group of files of a table, read and mapped alike; each key says in its description what it means."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    files: tuple[str, ...] = Field(
        description="A glob, or a list of them, relative to the folder of source.yaml (or to `--files`). A file that ends in `.gz`, or in "
        "`.zip` with one file within, is unpacked while it is read (text alone)."
    )
    format: Format = Field(
        "auto",
        description="`auto` goes by the suffix (.csv, .tsv, .parquet, .jsonl, .json, .xlsx; any other is csv). `blank`: columns parted by "
        "any run of blanks. `jsonl`: one JSON object per line, or one list of objects, alone or "
        'under a key of a document, such as `{"orders": [...]}`.',
    )
    encoding: str = Field(
        "utf-8", description="Of text: `cp1252` and `latin-1` are usual beside `utf-8`, and `utf-16`."
    )
    delimiter: str = Field(
        "",
        description="The one character that parts the values of a csv; empty: what parts the first lines alike, of `,` `;` `|` and tab. "
        'A tab is `"\\t"`.',
    )
    sheet: str = Field("", description="The sheet of a workbook; empty: its first.")
    header: tuple[str, ...] = Field(
        (), description="Column names of files that have no header line: `[id, customer, day, total]`."
    )
    skip: int = Field(
        0,
        ge=0,
        description="Lines before the header line, or before the first row where `header` is given.",
    )
    where: str = Field(
        "",
        description="Which rows are rows of this table, as an SQL condition over the file's columns: `stage = 'Won'`. The others are kept "
        "in `rejects`, with the reason *left out by where*.",
    )
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="Canonical column ([tables.md](tables.md)) to a column of the file, whatever blanks are in its name, or a scalar SQL "
        "expression (DuckDB) over its columns, in which a name with blanks stands in double quotes: "
        "`strptime(\"Order Date\", '%d.%m.%Y')`. "
        "Columns of text files are text: cast before you calculate. `source_line` and `source_file` are there beside the file's own. "
        "Columns of the same name need no mapping; an empty mapping leaves a column out.",
    )

    @field_validator("files", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("columns", mode="before")
    @classmethod
    def _texts(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError("columns must be 'canonical column: column or expression' lines")
        strange = next(((k, v) for k, v in value.items() if isinstance(k, bool) or isinstance(v, bool)), None)
        if strange is not None:
            raise ValueError(
                f"{strange[0]}: {strange[1]} is read by YAML as yes or no, not as a name: quote it, such as {strange[0]}: 'No'"
            )
        return {str(k): "" if v is None else str(v) for k, v in value.items()}

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, value: str) -> str:
        value = {"\\t": "\t", "tab": "\t"}.get(value.lower(), value)
        if len(value) > 1 or value in ('"', "\n", "\r"):
            raise ValueError(f"'{value}' is no delimiter: give one character, such as ';' (for a tab, \"\\t\")")
        return value

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        try:
            "".encode(value)
        except LookupError:
            raise ValueError(f"'{value}' is no encoding that Python knows, such as utf-8 or latin-1") from None
        if codecs.lookup(value).name in NO_TEXT:
            raise ValueError(f"'{value}' is no encoding of files: give one such as utf-8 or latin-1")
        return value.lower().replace("_", "-")

    def format_of(self, path: Path) -> Format:
        """Return the format of one file of this entry."""
        if self.format != "auto":
            return self.format
        inner = path.with_suffix("") if packed(path) else path
        return FORMATS.get(inner.suffix.lower(), "csv")


class SourceModel(BaseModel):
    """What stands in a source.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, description="Any name; a home holds one source, and knows it by this.")
    timezone: str = Field(
        "UTC",
        description="The business's time zone (IANA), such as `Europe/Berlin`: of times without an offset, and of where a day begins.",
    )
    currency: str = Field(
        "",
        pattern=r"^([A-Z]{3})?$",
        description="ISO code. Orders in another are refused; without it, orders in several are.",
    )
    complete_through: datetime | date | None = Field(
        None,
        description="To which day (whole) or moment the data are complete: `2024-06-30`, `2011-12-09T13:00`. Without it, to the end of the "
        "day on which the bulk of the orders ends.",
    )
    begins: date | None = Field(
        None, description="The day before which no time is credible; rows before it are kept in `rejects`."
    )
    closed: bool = Field(False, description="Nothing will ever be added.")
    synthetic: bool = Field(False, description="The data are made up, and reports say so.")
    missing_files: Literal["warn", "fail"] = Field(
        "warn", description="A file that is gone since the last run is said, or stops the run."
    )
    labels: dict[Literal["emotion"], str] = Field(
        default_factory=dict,
        description="What is labelled to the file that labels it: `emotion: labels.csv` ([calls.md](calls.md)).",
    )
    tables: dict[str, tuple[Entry, ...]] = Field(
        description="Table ([tables.md](tables.md)) to its files and columns, or to a list of such groups, where files of several kinds "
        "make one table. `orders` or `order_lines` is needed."
    )

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f"'{value}' is no time zone{_nearest(value, available_timezones())}")
        return value

    @field_validator("complete_through", mode="before")
    @classmethod
    def _moment(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return (
                date.fromisoformat(value.strip()) if len(value.strip()) == 10 else datetime.fromisoformat(value.strip())
            )
        except ValueError:
            raise ValueError(f"'{value}' is no moment: write it as 2011-12-09T13:00, or as a day, 2011-12-09") from None

    @field_validator("tables", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError("tables must be 'table: files and columns' lines")
        strange = next((str(t) for t in value if t not in CANONICAL), None)
        if strange is not None:
            raise ValueError(f"'{strange}' is no table{_nearest(strange, CANONICAL)}; known are {', '.join(CANONICAL)}")
        return {t: entries if isinstance(entries, list) else [entries] for t, entries in value.items()}

    @model_validator(mode="after")
    def _canonical(self) -> SourceModel:
        for table, entries in self.tables.items():
            known = [c.name for c in CANONICAL[table].source_columns]
            for entry in entries:
                strange = next((c for c in entry.columns if c not in known), None)
                if strange is not None:
                    raise ValueError(
                        f"tables.{table}.columns has '{strange}', which is no column of {table}"
                        f"{_nearest(strange, known)}; known are {', '.join(known)}"
                    )
        if not any(t in self.tables for t in REQUIRED_TABLES):
            raise ValueError("tables has neither orders nor order_lines; one of them is needed")
        return self


@dataclass(frozen=True)
class Source:
    """A source.yaml, read: what `sync` works on.

    Attributes
    ----------
    path : Path
        The YAML file.
    root : Path
        The folder that the globs are relative to.
    """

    path: Path
    root: Path
    model: SourceModel

    @property
    def name(self) -> str:
        """The source's name, by which a home knows it."""
        return self.model.name

    @property
    def timezone(self) -> str:
        """IANA name of the business's time zone."""
        return self.model.timezone

    @property
    def currency(self) -> str:
        """ISO code, empty when not given."""
        return self.model.currency

    @property
    def closed(self) -> bool:
        """Whether nothing will ever be added."""
        return self.model.closed

    @property
    def tables(self) -> dict[str, tuple[Entry, ...]]:
        """The entries of every table, in the order of the contracts."""
        return {name: self.model.tables[name] for name in CANONICAL if name in self.model.tables}

    @property
    def labels(self) -> dict[str, Path]:
        """Files of labelled recordings, by what they label."""
        return {str(name): self.root / place for name, place in self.model.labels.items()}

    @property
    def complete_through(self) -> datetime | None:
        """The moment (UTC-naive) to which the data are complete, None when not given; a day is meant whole."""
        value = self.model.complete_through
        if value is None:
            return None
        if not isinstance(value, datetime):
            value = datetime.combine(value + timedelta(days=1), time())
        if value.tzinfo is None:
            value = value.replace(tzinfo=ZoneInfo(self.timezone))
        return value.astimezone(UTC).replace(tzinfo=None)

    def matches(self, glob: str) -> list[Path]:
        """Return the files that a glob of this source matches, in order.

        Raises
        ------
        UsageError
            When it matches a folder.
        """
        found = sorted(self.root.glob(glob)) if not Path(glob).is_absolute() else sorted(_absolute(glob))
        folder = next((p for p in found if p.is_dir()), None)
        if folder is not None and all(p.is_dir() for p in found):
            raise UsageError(
                f"{folder} is a folder, not a file: write '{glob}/*.csv' (or its files' suffix) in {self.path}."
            )
        return [p for p in found if not p.is_dir()]

    def relative(self, path: Path) -> str:
        """Return the name by which a file is known in the lake."""
        try:
            return path.relative_to(self.root).as_posix()
        except ValueError:
            return path.as_posix()


def load_source(path: Path, files: Path | None = None) -> Source:
    """Read a source.yaml, or the one in a folder.

    Parameters
    ----------
    path : Path
        A YAML file, or a folder that holds ``source.yaml``.
    files : Path or None
        Where its files are when they do not lie beside the YAML.

    Raises
    ------
    UsageError
        One sentence: the file, the line or field, what was found, the mend.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "source.yaml"
    text = _read(path)
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        if "alias" in str(getattr(error, "context", "")):
            problem = "a value that begins with * must be quoted, such as '*.csv'"
        raise UsageError(f"{path}{where} is not valid YAML: {problem}.") from error
    if not isinstance(data, dict):
        raise UsageError(f"{path} must hold 'name:', 'timezone:' and 'tables:'; found {type(data).__name__}.")
    root = Path(files) if files is not None else path.parent
    if not root.is_dir():
        raise UsageError(f"{root} is not a folder: --files must name the folder that holds the source's files.")
    try:
        source = Source(path, root.absolute(), SourceModel(**data))
    except ValidationError as error:
        raise UsageError(f"{path}: {_sentence(error)}.") from None
    for name, place in source.labels.items():
        if not place.resolve().is_relative_to(source.root.resolve()):
            raise UsageError(
                f"{path}: labels.{name} is {place}, outside {root}: put the labels beside the source's files."
            )
    return source


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(
            f"{path} does not exist: --source must name a source.yaml or a folder that holds one."
        ) from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text (byte {error.start + 1}): save it as UTF-8.") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({os.strerror(error.errno or 0)}): mend its rights.") from error


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        inner = len(first["loc"]) > 1
        known = Entry.model_fields if inner else SourceModel.model_fields
        name = str(first["loc"][-1])
        return f"'{where}' is not known here{_nearest(name, known)}; known are {', '.join(known)}"
    if first["type"] == "missing":
        return f"'{where}' is missing"
    if first["type"] != "value_error":
        return f"'{where}' is {first['input']!r}: {first['msg'][:1].lower()}{first['msg'][1:]}"
    reason = str(first.get("ctx", {}).get("error", first["msg"]))
    return f"'{where}': {reason}" if where else reason


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean '{near[0]}'?" if near else ""


def _absolute(glob: str) -> list[Path]:
    path = Path(glob)
    return list(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
