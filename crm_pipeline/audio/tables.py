"""The table of calls that were listened to: what was measured, felt and said, a row for each channel. Nothing is decoded here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from crm_pipeline.audio.emotion import LEAST, UNSURE, EmotionModel, untold
from crm_pipeline.audio.measured import Channel, Measured
from crm_pipeline.audio.transcripts import LOW
from crm_pipeline.contracts.calls import AGENT, BOTH, CALL, CALLER, CALLS, CHANNEL
from crm_pipeline.contracts.column import arrow_schema
from crm_pipeline.contracts.texts import UNKNOWN
from crm_pipeline.text.masking import mask

SCHEMA = arrow_schema(CALLS)


def calls_table(
    calls: Sequence[dict[str, Any]],
    heard: dict[str, Measured | str],
    said: dict[str, Sequence[dict[str, Any]]],
    model: EmotionModel | None,
    caller_channel: int,
) -> pa.Table:
    """Return the columns of `contracts.calls.CALLS`, by call and channel.

    Parameters
    ----------
    calls : sequence of dict
        call_id, customer_id, event_at, recording.
    heard : dict
        Recording to what was measured of it, or why nothing could be.
    said : dict
        Recording to what was said in each channel, by `listening.listened_many`.
    model : EmotionModel or None
        None where there is nothing to learn feelings from.
    caller_channel : int
        From 1: where the customer is heard in a recording of two channels.
    """
    rows = [row for call in calls for row in _rows(call, heard[call["recording"]], said, model, caller_channel)]
    return pa.Table.from_pylist(rows, SCHEMA)


def masked(table: pa.Table, names: dict[str, str], regions: Sequence[str]) -> pa.Table:
    """Return the table with personal data masked in what was said; ``names`` are those of the customers."""
    own = pa.array([names.get(who) for who in table["customer_id"].to_pylist()], pa.string())
    for column in ("transcript", "utterances"):
        told = mask(table[column].combine_chunks(), names=own, regions=regions).texts
        table = table.set_column(table.schema.get_field_index(column), column, told)
    return table


def _rows(
    call: dict[str, Any],
    found: Measured | str,
    said: dict[str, Sequence[dict[str, Any]]],
    model: EmotionModel | None,
    caller_channel: int,
) -> Iterable[dict[str, Any]]:
    known = {name: call[name] for name in ("call_id", "customer_id", "event_at", "recording")}
    if isinstance(found, str):
        yield known | {"channel": 1, "speaker": BOTH, "reason": found, "emotion": UNKNOWN, "emotion_reason": found}
        return
    several = len(found.channels) > 1
    for number, (channel, spoken) in enumerate(zip(found.channels, said[call["recording"]], strict=True), 1):
        speaker = BOTH if not several else CALLER if number == caller_channel else AGENT
        whole = {c.name: _number(found.call.get(c.name)) for c in CALL}
        own = {c.name: _number((channel.values or {}).get(c.name)) for c in CHANNEL}
        yield {
            **known, **whole, **own, "channel": number, "speaker": speaker, "reason": channel.reason or None,
            **_felt(channel, model), **_said(spoken),
        }  # fmt: skip


def _number(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else value


def _felt(channel: Channel, model: EmotionModel | None) -> dict[str, Any]:
    """Return how a channel sounds: by the mean of its windows' probabilities, weighted with their length."""
    stretches = channel.stretches()
    if model is None or not len(stretches):
        reason = untold(1)["reason"][0] if model is None else channel.reason or "nothing long enough is said"
        return {"emotion": UNKNOWN, "emotion_reason": reason}
    told = model.predict(stretches)
    windows = [
        {"start": round(start, 2), "end": round(end, 2), "emotion": one.emotion, "probability": _rounded(one.probability)}
        for (start, end), one in zip(channel.windows.tolist(), told.itertuples(), strict=True)
    ]  # fmt: skip
    result = {"emotion": UNKNOWN, "emotion_windows": json.dumps(windows)}
    judged = told["probability"].notna().to_numpy()
    if not judged.any():
        return result | {"emotion_reason": str(told["reason"].mode()[0])}
    each = model.probabilities(stretches)[judged]
    mean = np.average(each, axis=0, weights=channel.lengths[judged])
    likeliest = float(mean.max())
    sure = likeliest >= LEAST
    return result | {
        "emotion": model.labels[int(mean.argmax())] if sure else UNKNOWN,
        "emotion_probability": likeliest,
        "emotion_reason": None if sure else UNSURE,
    }


def _said(spoken: dict[str, Any]) -> dict[str, Any]:
    """Return what is said in a channel, and how sure that is."""
    utterances = spoken["said"]
    watched = ", ".join(spoken["watched"]) or None
    if not utterances:
        return {"watched": watched}
    lengths = [max(one["end"] - one["start"], 0.01) for one in utterances]
    confidence = float(np.average([one["confidence"] for one in utterances], weights=lengths))
    short = [{name: one[name] for name in ("start", "end", "text", "confidence")} for one in utterances]
    return {
        "transcript": " ".join(one["text"] for one in utterances),
        "confidence": confidence,
        "low_confidence": confidence < LOW,
        "watched": watched,
        "utterances": json.dumps(short, ensure_ascii=False),
    }


def _rounded(value: float) -> float | None:
    return None if pd.isna(value) else round(float(value), 3)
