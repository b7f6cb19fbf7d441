"""Writes the sample company's tables in its own names and formats, and the source.yaml. Draws nothing."""

# pyright: reportAttributeAccessIssue=false, reportArgumentType=false
# (pyarrow.compute makes its functions at import; its stubs know few of them)

from __future__ import annotations

import json
import shutil
from datetime import datetime, time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import yaml
from pyarrow import csv, parquet

from crm_pipeline.errors import UsageError
from crm_pipeline.sample.grid import TIMEZONE, Grid

# canonical column -> the company's own name; columns not named here are called as in the contract
NAMES: dict[str, dict[str, str]] = {
    "customers": {
        "customer_id": "customer_no",
        "created_at": "since",
        "consent_marketing": "optin",
        "consent_profiling": "profiling",
    },
    "products": {"product_id": "sku", "unit_cost": "cost"},
    "orders": {
        "order_id": "order_no",
        "customer_id": "client",
        "ordered_at": "ordered",
        "status": "state",
        "amount": "total",
        "discount": "rebate",
        "cancelled_at": "cancelled",
        "returned_at": "returned",
        "recorded_at": "booked",
    },
    "order_lines": {"order_id": "order_no", "product_id": "sku", "quantity": "pieces", "unit_price": "price"},
    "messages": {"customer_id": "client"},
    "cases": {"case_id": "ticket"},
    "calls": {"started_at": "started"},
    "campaigns": {"campaign_id": "id"},
    "contacts": {"campaign_id": "campaign", "customer_id": "client"},
}
# what a text file needs beyond a name, as SQL over the company's columns
TEXT_EXPRESSIONS: dict[str, dict[str, str]] = {
    "customers": {"consent_marketing": "optin = 'J'", "consent_profiling": "profiling = 'J'"},
    "products": {"unit_cost": "CAST(cost AS DECIMAL(18, 4)) / 100"},
    "calls": {"started_at": "try_strptime(started, '%d.%m.%Y %H:%M:%S')"},
}
BY_PERIOD = ("orders", "order_lines")
TEXT_FILES = {"products": "products.tsv", "campaigns": "campaigns.jsonl"}
SINGLE = ("products", "campaigns")
LABELS = "training/emotions.csv"
TYPED = "parquet"
MARK = "synthetic: the made-up sample company of crm_pipeline"
OWN = (*NAMES, "truth", "extra", "recordings", "training", "source.yaml", "README.txt")
README = f"""This folder is {MARK}.

No row describes a real person, company or event: every name, address, number, message and amount was drawn at random
(seed {{seed}}). Any figure computed from it is a figure about synthetic data.

source.yaml   maps the files onto crm_pipeline's canonical tables
truth/        what the company itself cannot know: hidden states, the oracle's scores, times of leaving, what the
              messages and calls really show, counts of the planted dirt (dirt.json), and in truth/fix/ the corrected
              version of a file that was exported wrongly. The pipeline never reads this folder.

{{recordings}}
"""
RECORDED = """The recordings of the last calls lie in recordings/ (agent and caller on two channels, synthetic voices), and
training/ has short ones of other voices, labelled with how they sound. Truth about the calls: truth/recordings.parquet."""


def empty_folder(out: Path) -> None:
    """Make ``out`` ready: new, empty, or an earlier sample whose files are removed.

    Raises
    ------
    UsageError
        If the folder holds something else.
    """
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file: name a folder for the sample company.")
    if out.is_dir() and any(out.iterdir()):
        readme = out / "README.txt"
        if not readme.is_file() or MARK not in readme.read_text(encoding="utf-8", errors="replace"):
            raise UsageError(f"{out} holds other files: name a new or empty folder for the sample company.")
        for path in out.iterdir():
            if path.name.split(".")[0] in OWN or path.name in OWN:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{out} cannot be made ({error.strerror}): choose another --out.") from error


def own_names(table: str, rows: pa.Table) -> pa.Table:
    """Return the rows with the company's own column names."""
    names = NAMES[table]
    return rows.rename_columns([names.get(c, c) for c in rows.column_names])


def write_text(path: Path, table: str, rows: pa.Table) -> None:
    """Write text rows (canonical names) to a CSV, TSV or JSON lines file, by its extension."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = own_names(table, _own_writing(table, rows))
    if path.suffix == ".jsonl":
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows.to_pylist()]
        path.write_text("".join(lines), encoding="utf-8")
        return
    delimiter = "\t" if path.suffix == ".tsv" else ","
    csv.write_csv(rows.combine_chunks(), path, csv.WriteOptions(delimiter=delimiter, quoting_style="needed"))


def write_parquet(path: Path, rows: pa.Table) -> None:
    """Write typed rows to one Parquet file; only columns with few values are dictionary-encoded."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unique = {
        "order_id",
        "order_no",
        "message_id",
        "case_id",
        "ticket",
        "call_id",
        "body",
        "email",
        "phone",
        "audio_path",
    }
    few = [f.name for f in rows.schema if pa.types.is_string(f.type) and f.name not in unique]
    parquet.write_table(rows, path, compression="zstd", compression_level=1, use_dictionary=few, write_statistics=True)


def write_source(out: Path, grid: Grid, text: bool, extra: tuple[str, ...] = (), labelled: bool = False) -> None:
    """Write source.yaml; ``extra`` names tables with a hand-kept CSV file in ``extra/`` beside the Parquet."""
    tables: dict[str, Any] = {}
    for table in NAMES:
        entry = {"files": file_pattern(table, text), "columns": _mapping(table, text)}
        beside = {"files": f"extra/{table}.csv", "columns": _mapping(table, True)}
        tables[table] = [entry, beside] if table in extra else entry
    end = datetime.combine(grid.end, time())  # with the hour: a bare day could be read as the whole of it
    head: dict[str, Any] = {
        "name": "sample",
        "synthetic": True,
        "timezone": TIMEZONE,
        "currency": "EUR",
        "complete_through": end,
        "closed": True,
    }
    if labelled:
        head["labels"] = {"emotion": LABELS}
    body = yaml.safe_dump(head | {"tables": tables}, sort_keys=False, allow_unicode=True, width=120)
    (out / "source.yaml").write_text(f"# {MARK}\n{body}", encoding="utf-8")


def write_readme(out: Path, seed: int, recorded: bool = False) -> None:
    """Write the README that says what the folder is, first of all: an unfinished company can be told and removed."""
    (out / "README.txt").write_text(
        README.format(seed=seed, recordings=RECORDED if recorded else "No call has a recording."),
        encoding="utf-8",
    )


def file_pattern(table: str, text: bool) -> str:
    """Return where the files of a table lie, relative to the folder."""
    if text:
        return f"{table}/*.csv" if table in BY_PERIOD else TEXT_FILES.get(table, f"{table}.csv")
    return f"{table}.parquet" if table in SINGLE else f"{table}/*.parquet"


def _mapping(table: str, text: bool) -> dict[str, str]:
    return NAMES[table] | (TEXT_EXPRESSIONS.get(table, {}) if text else {})


def _own_writing(table: str, rows: pa.Table) -> pa.Table:
    """Some departments write differently: costs in cents, German times."""
    if table == "products":
        cents = pc.replace_substring(rows.column("unit_cost"), ".", "")
        rows = rows.set_column(rows.column_names.index("unit_cost"), "unit_cost", cents)
    if table == "calls":
        iso = rows.column("started_at")
        parts = [pc.utf8_slice_codeunits(iso, a, b) for a, b in ((8, 10), (5, 7), (0, 4), (11, 19))]
        german = pc.binary_join_element_wise(parts[0], ".", parts[1], ".", parts[2], " ", parts[3], "")
        rows = rows.set_column(rows.column_names.index("started_at"), "started_at", german)
    return rows
