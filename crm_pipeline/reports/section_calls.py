"""The section *Calls*: how many were heard, how callers sound, and the head of the call queue, each with what was said."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from crm_pipeline.contracts.calls import AGENT
from crm_pipeline.reports import plots_calls, words
from crm_pipeline.reports.calls import CARDS, Calls
from crm_pipeline.reports.data import ReportData
from crm_pipeline.reports.view import Cell, Column, Draw, Table

LOW = 0.5
"""Confidence below which what was heard is marked."""

ROWS = 20


def calls_view(data: ReportData, draw: Draw) -> dict[str, Any] | None:
    """Return the section; None where no call has a recording."""
    found = data.calls
    if found is None:
        return None
    now = found.counts[found.counts["period"] == data.period] if len(found.counts) else found.counts
    heard = int(now["n"].sum()) if len(now) else 0
    said = found.watched[found.watched["period"] == data.period] if len(found.watched) else found.watched
    watched = int(said["n"].sum()) if len(said) else 0
    figure = plots_calls.figures(found.counts, found.watched, data.grain, data.synthetic)["calls"]
    return {
        "heard": words.plural(heard, "call"),
        "watched": words.number(watched),
        "matters": words.plural(len(found.queue), "open matter"),
        "over_time": draw(
            figure,
            f"Calls heard by {data.grain} and how the caller sounds, and calls with each watched word.",
            f"Calls with a recording by {data.grain}: how the caller sounds, and watched words. Rows: calls of the last year.",
        ),
        "cards": [_card(data, found, row, draw) for row in found.queue.head(CARDS).to_dict("records")],
        "rest": _rest(data, found.queue.iloc[CARDS:ROWS]),
    }


def _card(data: ReportData, found: Calls, row: dict[str, Any], draw: Draw) -> dict[str, Any]:
    own = found.channels[found.channels["call_id"] == row["call_id"]] if len(found.channels) else found.channels
    channels = own.to_dict("records")
    sha = str(channels[0]["recording"]) if channels else ""
    address = found.players.get(sha, "")
    return {
        "rank": int(row["rank"]),
        "customer": _customer(row),
        "ids": ", ".join(str(row[name]) for name in ("call_id", "case_id") if not words.missing(row[name])),
        "when": _when(data, row),
        "priority": words.number(row["priority"], 2),
        "reason": str(row["reason"]),
        "reply": str(row["suggested_reply"]),
        "no_selling": "" if words.missing(row["not_contactable_reason"]) else str(row["not_contactable_reason"]),
        "lines": sorted((line for one in channels for line in _lines(one)), key=lambda line: float(line["start"])),
        "embedded": address.startswith("data:"),
        "player": address,
        "drawing": _drawing(data, found, channels, sha, row, draw),
    }


def _drawing(
    data: ReportData, found: Calls, channels: list[dict[str, Any]], sha: str, row: dict[str, Any], draw: Draw
) -> Any:
    sound = found.sounds.get(sha)
    if sound is None:
        return None
    caller = [one for one in channels if one["speaker"] != AGENT]
    windows = (
        json.loads(caller[0]["emotion_windows"]) if caller and not words.missing(caller[0]["emotion_windows"]) else []
    )
    known = found.counts["emotion"].unique() if len(found.counts) else ()
    speakers = [str(one["speaker"]) for one in channels]
    figure = plots_calls.recording(sound, speakers, windows, known=known, synthetic=data.synthetic)
    felt = ", and how the caller sounds" if windows else ""
    told = f"Call {row['call_id']}, {words.number(sound.seconds, 0)} s: loudness of each voice, the caller's spectrum and pitch{felt}."
    return draw(figure, told, told)


def _lines(channel: dict[str, Any]) -> list[dict[str, Any]]:
    if words.missing(channel["utterances"]):
        return []
    return [
        {
            "start": one["start"],
            "at": f"{int(one['start']) // 60}:{int(one['start']) % 60:02d}",
            "who": str(channel["speaker"]),
            "text": str(one["text"]),
            "low": one["confidence"] < LOW,
            "confidence": words.number(one["confidence"], 2),
        }
        for one in json.loads(channel["utterances"])
    ]


def _customer(row: dict[str, Any]) -> str:
    return "not known" if words.missing(row["customer_id"]) else str(row["customer_id"])


def _when(data: ReportData, row: dict[str, Any]) -> str:
    at = row["called_at"] if not pd.isna(row["called_at"]) else row["case_opened_at"]
    return words.local_day(at, data.timezone)


def _rest(data: ReportData, rows: pd.DataFrame) -> Table | None:
    if rows.empty:
        return None
    cells: list[list[Cell | str]] = [
        [
            str(row["rank"]),
            Cell(_customer(row), "strong"),
            Cell(_when(data, row), "fixed"),
            Cell(words.number(row["priority"], 2), bar=float(row["priority"])),
            str(row["reason"]),
        ]
        for row in rows.to_dict("records")
    ]
    columns = [
        Column("", True),
        Column("Customer"),
        Column("Called, or opened", hint="the call; of a case without one, the day it was opened"),
        Column(
            "Priority", True, "from 0 to 1: a fixed sum of what was heard, the case, the risk of lapse and the value"
        ),
        Column("Why"),
    ]
    return Table("The next in the queue. Rows: open matters of customers.", columns, cells)
