"""What the page says of calls, gathered from the lake's tables: counts over time, and the head of the call queue. No words, no drawing."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import ibis
import pandas as pd
from ibis.expr.types import Table

from crm_pipeline.periods import Calendar
from crm_pipeline.settings import YEAR
from crm_pipeline.transforms.calls import of_callers

if TYPE_CHECKING:
    from crm_pipeline.audio.measured import Measured

CARDS = 5
"""Matters of the queue that the page shows with their recording."""

EMBEDDED = 300_000
"""Bytes of a recording up to which it stands in the page; a larger one is linked."""

KINDS = {".wav": "audio/wav", ".mp3": "audio/mpeg", ".ogg": "audio/ogg", ".opus": "audio/ogg", ".flac": "audio/flac"}
"""What a browser plays, by the ending of a file's name."""


@dataclass(frozen=True)
class Calls:
    """What was heard, of one period and the year before it, and who needs a person first.

    Attributes
    ----------
    counts : DataFrame
        period, emotion, n: calls in which something was heard of the caller, by how the caller sounds.
    watched : DataFrame
        period, watched, n: calls by the watched words in them, as ``audio/calls`` lists them.
    queue : DataFrame
        ``plans/service`` of the period, by rank.
    channels : DataFrame
        Rows of ``audio/calls`` of the first `CARDS` matters.
    sounds : mapping of str to Measured
        What was measured of their recordings, by SHA-256.
    players : mapping of str to str
        Where a browser finds them, by SHA-256: the recording itself as a data URI, or its place.
    """

    counts: pd.DataFrame = field(default_factory=pd.DataFrame)
    watched: pd.DataFrame = field(default_factory=pd.DataFrame)
    queue: pd.DataFrame = field(default_factory=pd.DataFrame)
    channels: pd.DataFrame = field(default_factory=pd.DataFrame)
    sounds: Mapping[str, Measured] = field(default_factory=dict)
    players: Mapping[str, str] = field(default_factory=dict)


def gather_calls(heard: Table, queue: Table, period: str, calendar: Calendar) -> Calls:
    """Return what the page of a period says of calls, without sounds and players.

    Parameters
    ----------
    heard : Table
        ``audio/calls`` of the last year.
    queue : Table
        ``plans/service`` of the period.
    """
    first = calendar.shift(period, 1 - YEAR[calendar.grain])
    starts = [(key, calendar.start(key)) for key in calendar.range(first, period)]
    of_period = ibis.cases(*((heard.event_at >= at, key) for key, at in reversed(starts)), else_=starts[0][0])
    mine = of_callers(heard).mutate(period=of_period)
    counted = mine.group_by("period", "emotion").aggregate(n=mine.count()).order_by("period", "emotion")
    said = mine.filter(mine.watched.length() > 0)
    words = said.group_by("period", "watched").aggregate(n=said.count()).order_by("period", "watched")
    rows = queue.order_by("rank").execute()
    shown = rows["call_id"].head(CARDS).dropna().tolist()
    channels = heard.filter(heard.call_id.isin(shown)).order_by("call_id", "channel").execute()
    return Calls(counted.execute(), words.execute(), rows, channels)


def player(path: Path) -> str:
    """Return a small recording as a data URI, and where a larger one, or one that no browser plays, lies."""
    kind = KINDS.get(path.suffix.lower())
    if kind and path.stat().st_size <= EMBEDDED:
        return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
    return path.absolute().as_uri()
