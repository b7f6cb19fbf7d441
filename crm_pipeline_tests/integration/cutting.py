"""The sample company as it was at a moment: files from which everything later is removed. No tests."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import yaml

Row = dict[str, str]

TIMES = {  # file: main time, further times
    "customers.csv": ("since", ()),
    "messages.csv": ("sent_at", ()),
    "cases.csv": ("opened_at", ("first_reply_at", "closed_at")),
    "calls.csv": ("started", ()),
    "contacts.csv": ("sent_at", ("opened_at", "clicked_at", "converted_at", "opted_out_at")),
}


def cut_source(source: Path, out: Path, end: str) -> Path:
    """Copy a sample company and remove every event at or after ``end`` (a date of its own time zone).

    A row whose main event is later goes; a later time of a row is emptied, and the state that told of it reset. A
    time that cannot be read stays.
    """
    shutil.copytree(source, out)
    later = _later(end)
    for file, (main, further) in TIMES.items():
        _rewrite(out / file, later, main, further)
    gone: set[str] = set()
    for path in [*out.glob("orders/*.csv"), *out.glob("truth/fix/orders/*.csv")]:
        gone |= _rewrite(path, later, "ordered", ("cancelled", "returned"))
    for path in out.glob("order_lines/*.csv"):
        _keep(path, lambda row: row["order_no"] not in gone)
    campaigns = [line for line in (out / "campaigns.jsonl").read_text(encoding="utf-8").splitlines() if line]
    kept = [line for line in campaigns if not later(json.loads(line)["started_at"])]
    (out / "campaigns.jsonl").write_text("\n".join(kept) + "\n", encoding="utf-8")
    spec = yaml.safe_load((out / "source.yaml").read_text(encoding="utf-8"))
    spec["complete_through"] = f"{end} 00:00:00"
    (out / "source.yaml").write_text(yaml.safe_dump(spec, sort_keys=False), encoding="utf-8")
    return out


def _later(end: str) -> Callable[[str], bool]:
    moment = datetime.fromisoformat(end)

    def later(text: str) -> bool:
        for form in ("%Y-%m-%d %H:%M:%S", "%d.%m.%Y %H:%M:%S"):
            try:
                return datetime.strptime(text.strip(), form) >= moment
            except ValueError:
                continue
        return False

    return later


def _rewrite(path: Path, later: Callable[[str], bool], main: str, further: tuple[str, ...]) -> set[str]:
    """Cut one file; returns the values of the first column of the rows that went."""
    names, rows = _read(path)
    gone = {row[names[0]] for row in rows if later(row[main])}
    kept = [row for row in rows if not later(row[main])]
    for row in kept:
        for name in further:
            if later(row[name]):
                row[name] = ""
                row.update({"state": "completed"} if "state" in row else {})
                row.update({"satisfaction": ""} if name == "closed_at" else {})
    _write(path, names, kept)
    return gone


def _keep(path: Path, wanted: Callable[[Row], bool]) -> None:
    names, rows = _read(path)
    _write(path, names, [row for row in rows if wanted(row)])


def _read(path: Path) -> tuple[list[str], list[Row]]:
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
        return list(reader.fieldnames or ()), rows


def _write(path: Path, names: list[str], rows: list[Row]) -> None:
    if not rows:
        path.unlink()
        return
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(rows)
