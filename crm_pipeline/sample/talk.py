"""Turns the recorded events into the company's messages and calls, and the truth about them. No dirt, no files."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from crm_pipeline.sample import texts
from crm_pipeline.sample.columns import ids, instants, words
from crm_pipeline.sample.grid import Grid
from crm_pipeline.sample.history import History
from crm_pipeline.sample.process import SATISFACTION_SD
from crm_pipeline.sample.trade import Trade

CASE_WRITES, CASE_CALLS, REPLIED = 0.7, 0.3, 0.35
FAREWELL_SHARE, FAREWELL_DAYS = 0.35, 40.0
GERMAN_SHARE = 0.4
AROUSAL_SLOPE = 2.5
AGENTS = 12


def messages(
    customers: pa.Table,
    history: History,
    trade: Trade,
    grid: Grid,
    next_id: dict[str, int],
    effect: float,
    streams: tuple[np.random.Generator, np.random.Generator],
) -> tuple[pa.Table, pa.Table]:
    """Return the messages of one chunk and their truth: talk, cases, complaints after leaving (leak bait), replies.

    Of the two random streams the first says who writes when about what, the second which words.
    """
    rng, wording = streams
    rows = _occasions(history, trade, grid, rng)
    m = len(rows["who"])
    meant = texts.mean(rows["kind"], rows["mood"], rows["category"], effect, rng)
    german = (wording.random(len(customers)) < GERMAN_SHARE)[rows["who"]]
    written, truth = texts.write(meant, german, customers.take(pa.array(rows["who"])), wording)
    message_id = ids("M", next_id["messages"] + np.arange(m), 9)
    table = pa.table(
        {
            "message_id": message_id,
            "customer_id": customers["customer_id"].combine_chunks().take(pa.array(rows["who"])),
            "sent_at": instants(grid, rows["when"]),
            "channel": words(["email", "chat", "form"], rng.integers(0, 3, m)),
            "direction": words(["in", "out"], (rows["kind"] == texts.REPLY).astype(np.int8)),
            "subject": written["subject"],
            "body": written["body"],
            "language": written["language"],
            "case_id": ids("K", np.where(rows["case"] >= 0, next_id["cases"] + rows["case"], -1), 8),
        }
    )
    kinds = words(["talk", "case", "after leaving", "reply"], rows["kind"])
    return table, pa.table({"message_id": message_id, "kind": kinds, "satisfaction": rows["mood"], **truth})


def _occasions(history: History, trade: Trade, grid: Grid, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Say who writes when and why, before the words are found; in order of time, none after the export."""
    case = np.flatnonzero(rng.random(len(trade.case_who)) < CASE_WRITES)
    gone = np.flatnonzero((history.left > 0) & (rng.random(len(history.left)) < FAREWELL_SHARE))
    later = history.left[gone] + rng.uniform(1, FAREWELL_DAYS, len(gone))
    opened, category = trade.case_when[case] + 0.01, trade.case_category[case]
    parts = [
        _part(texts.TALK, history.talks["who"], history.talks["when"], history.talks["mood"]),
        _part(texts.CASE, trade.case_who[case], opened, trade.case_mood[case], case, category),
        _part(texts.FAREWELL_KIND, gone, later, np.full(len(gone), -1.0)),
    ]
    inbound = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    answered = rng.random(len(inbound["who"])) < REPLIED
    reply = {name: column[answered] for name, column in inbound.items()}
    reply["kind"] = np.full(len(reply["who"]), texts.REPLY)
    reply["when"] = reply["when"] + rng.uniform(0.1, 2.0, len(reply["who"]))
    rows = {name: np.concatenate([inbound[name], reply[name]]) for name in inbound}
    kept = np.flatnonzero(rows["when"] < grid.days)
    kept = kept[np.argsort(rows["when"][kept], kind="stable")]
    return {name: column[kept] for name, column in rows.items()}


def calls(
    customer_id: pa.Array,
    history: History,
    trade: Trade,
    grid: Grid,
    next_id: dict[str, int],
    effect: float,
    rng: np.random.Generator,
) -> tuple[pa.Table, pa.Table]:
    """Return the calls of one chunk (no recording is made yet) and their truth, the hidden arousal."""
    case = np.flatnonzero(rng.random(len(trade.case_who)) < CASE_CALLS)
    who = np.concatenate([history.calls["who"], trade.case_who[case]])
    when = np.concatenate([history.calls["when"], trade.case_when[case] + 0.1])
    mood = np.concatenate([history.calls["mood"], trade.case_mood[case]])
    kept = np.flatnonzero(when < grid.days)
    kept = kept[np.argsort(when[kept], kind="stable")]
    m = len(kept)
    call_id = ids("A", next_id["calls"] + np.arange(m), 8)
    table = pa.table(
        {
            "call_id": call_id,
            "customer_id": customer_id.take(pa.array(who[kept])),
            "started_at": instants(grid, when[kept]),
            "direction": words(["in", "out"], (rng.random(m) < 0.15).astype(np.int8)),
            "agent_id": ids("agent", rng.integers(1, AGENTS + 1, m), 2),
            "language": words(["en"], np.zeros(m, dtype=np.int8)),
            "audio_path": pa.nulls(m, pa.string()),
        }
    )
    arousal = rng.standard_normal(m) + effect * AROUSAL_SLOPE * -mood[kept] / SATISFACTION_SD
    return table, pa.table({"call_id": call_id, "satisfaction": mood[kept], "arousal": arousal})


def _part(
    kind: int,
    who: np.ndarray,
    when: np.ndarray,
    mood: np.ndarray,
    case: np.ndarray | None = None,
    category: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    none = np.full(len(who), -1)
    return {
        "kind": np.full(len(who), kind),
        "who": who.astype(np.int32),
        "when": when,
        "mood": mood.astype(np.float32),
        "case": none if case is None else case,
        "category": none if category is None else category,
    }
