"""Reading the call queue that was published, for a person who acts on it. Nothing is ordered anew here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from crm_pipeline.errors import CrmError, UsageError
from crm_pipeline.scored import WITHOUT_CONSENT, open_home, refusing
from crm_pipeline.sources.state import SourceState

TABLE = "plans/service"
TIMES = ("called_at", "case_opened_at")
"""What the queue tells in the time zone of the source."""


@dataclass(frozen=True)
class Queue:
    """The call queue as of a period's end, its times as a clock of the business showed them, with current consent."""

    source: SourceState
    label: str
    frame: pd.DataFrame
    matters: int


def open_queue(home: Path, period: str | None = None, top: int | None = None) -> Queue:
    """Read the call queue of a period, the latest by default; the first ``top`` matters of it, or all.

    Raises
    ------
    UsageError, CrmError
        When the home does not exist or has no queue, or none of that period.
    """
    opened = open_home(home)
    lake, calendar = opened.lake, opened.calendar
    known = lake.partitions(TABLE)
    if not known and "recordings" not in opened.source.inputs:
        raise CrmError(
            f"{home} has no call queue: its source names no recording that is there (`audio_path` of the table calls)."
        )
    if not known:
        raise CrmError(f"{home} has no call queue yet: run `crm-pipeline run --home {home}` first.")
    wanted = calendar.parse(period) if period else known[-1]
    if wanted not in known:
        had = ", ".join(calendar.label(key) for key in known[-6:])
        raise UsageError(f"{home} has no call queue of {calendar.label(wanted)}; it has {had}.")
    frame = lake.table(TABLE, [wanted]).execute().sort_values("rank", ignore_index=True)
    hit = frame.customer_id.isin(refusing(lake))
    frame = frame.assign(
        not_contactable_reason=frame.not_contactable_reason.where(~hit, WITHOUT_CONSENT),
        **{name: local(frame[name], calendar.timezone) for name in TIMES},
    )
    return Queue(opened.source, calendar.label(wanted), frame if top is None else frame.head(top), len(frame))


def local(times: pd.Series, timezone: str) -> pd.Series:
    """Return UTC times as a clock of the zone showed them, to the second."""
    return times.dt.tz_localize("UTC").dt.tz_convert(timezone).dt.tz_localize(None).dt.floor("s")
