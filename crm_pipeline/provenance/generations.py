"""The generations of a period that the lake keeps: chosen as a person names them, and found by what pinned them. No rows are read."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo

from crm_pipeline.errors import UsageError
from crm_pipeline.lake import Lake, Manifest
from crm_pipeline.periods import Calendar

FIRST = "first"
"""How a person names what was published first."""

RUN_LETTERS = 8
"""How many letters of a run's id the Dagster UI shows; so many are enough to name it."""


def generation(lake: Lake, calendar: Calendar, asset: str, partition: str, wanted: str) -> Manifest:
    """Return a generation of a period as a person names it.

    Parameters
    ----------
    wanted : str
        Its number, ``first``, or the Dagster run that published it (its id, or the beginning that the UI shows).

    Raises
    ------
    UsageError
        When it is not kept; says which are.
    """
    kept = lake.editions(asset, partition, calendar.grain)
    if wanted == FIRST:
        first = lake.first_edition(asset, partition, calendar.grain)
        found = [first] if first else []
    else:
        found = [m for m in kept if str(m.generation) == wanted] or [
            m for m in kept if len(wanted) >= RUN_LETTERS and m.run_id.startswith(wanted)
        ]
    if not found:
        what = {FIRST: "What was published first"}.get(
            wanted, f"Generation {wanted}" if wanted.isdigit() else f"What run '{wanted}' published"
        )
        raise UsageError(
            f"{what} of {asset} of {calendar.label(partition)} is not kept; kept {told(kept, calendar.timezone)}."
        )
    return found[-1]


def told(kept: list[Manifest], timezone: str) -> str:
    """Return which generations are kept, with their times, for a sentence."""
    listed = [f"{m.generation} (published {moment(m, timezone)}{_by(m)})" for m in kept]
    if not listed:
        return "is none"
    if len(listed) == 1:
        return f"is generation {listed[0]}"
    return f"are generations {', '.join(listed[:-1])} and {listed[-1]}"


def moment(manifest: Manifest, timezone: str) -> str:
    """Return when a generation was published, in the business's time zone."""
    return f"{datetime.fromisoformat(manifest.published_at).astimezone(ZoneInfo(timezone)):%Y-%m-%d %H:%M}"


def _by(manifest: Manifest) -> str:
    return f", run {manifest.run_id[:RUN_LETTERS]}" if manifest.run_id else ""


class Past:
    """The kept generations of a lake, found by the content that a reader pinned; each partition is read once."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self._history = cache(lake.history)

    def find(self, asset: str, partition: str, content_hash: str, before: int | None = None) -> Manifest | None:
        """Return the newest generation with a content, None where none is kept.

        ``before`` is the generation that came after it: content that came back has several, and the nearest older one is
        meant.
        """
        current = self.lake.manifest(asset, partition) if before is None else None
        if current is not None and current.content_hash == content_hash:
            return current
        found = [m for m in self._history(asset, partition) if m.content_hash == content_hash]
        older = [m for m in found if before is not None and m.generation < before]
        candidates = older or found
        return candidates[-1] if candidates else None

    def pinned(self, reader: Manifest, asset: str) -> list[Manifest]:
        """Return the kept generations of the partitions of an asset that a generation read, in order."""
        keys = [(*name.split("@"), pin) for name, pin in sorted(reader.inputs.items()) if name.startswith(f"{asset}@")]
        found = [self.find(asset, partition, pin) for _, partition, pin in keys if "#" not in partition]
        return [m for m in found if m is not None]
