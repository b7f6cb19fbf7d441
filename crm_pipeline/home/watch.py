"""What of a published partition is worth a warning: it is asked of the lake's manifests, and nothing is held back by it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from crm_pipeline.contracts.canonical import CANONICAL
from crm_pipeline.home.project import Project
from crm_pipeline.transforms import volume


class Seen(NamedTuple):
    """What a watch says of a partition: whether it is usual, a sentence, and the figures behind it."""

    usual: bool
    said: str
    facts: Mapping[str, float | int]


class Watch(NamedTuple):
    """A check that warns: its name, what it looks for in words, and the look at a partition."""

    name: str
    description: str
    look: Callable[[str], Seen]


def watch_of(project: Project, asset: str) -> Watch | None:
    """Return the check that warns of an asset, None for most: there is one on every clean table that has periods."""
    layer, _, name = asset.partition("/")
    if layer == "clean" and CANONICAL[name].main_time is not None:
        return Watch("volume", VOLUME, lambda period: volume_of(project, name, period))
    return None


VOLUME = (
    "The rows read and the rows kept are about as many as earlier periods and their season let expect. A warning: half a file may be "
    "missing, or a file read twice. The partition is published all the same. With few rows or few periods it passes and says so."
)


def volume_of(project: Project, table: str, period: str) -> Seen:
    """Hold the rows of a table's period, as read and as kept, against those of the periods before it, by the manifests."""
    if not project.complete(period):
        return Seen(True, "The period is not complete: nothing to say of its rows yet.", {})
    facts: dict[str, float | int] = {}
    for what, layer in (("read", "raw"), ("kept", "clean")):
        now = project.lake.manifest(f"{layer}/{table}", period)
        if now is None:  # orders that are made of their lines have no raw table
            continue
        found = volume.judge(now.rows, _earlier(project, f"{layer}/{table}", period), project.settings.year)
        facts[f"rows_{what}"] = found.rows
        if found.expected is None or found.low is None or found.high is None:
            continue
        facts |= {
            f"{what}_expected": round(found.expected),
            f"{what}_low": round(found.low),
            f"{what}_high": round(found.high),
        }
        if not found.usual:
            said = (
                f"{table} of {project.calendar.label(period)}: {found.rows:,} rows were {what}, where earlier periods let expect about "
                f"{found.expected:,.0f} ({found.low:,.0f} to {found.high:,.0f}); see whether a file is missing, cut or there twice."
            )
            return Seen(False, said, facts)
    judged = any(name.endswith("_expected") for name in facts)
    return Seen(True, "As many rows as expected." if judged else "Too few periods or rows to say.", facts)


def _earlier(project: Project, asset: str, period: str) -> list[int]:
    """Return the rows of the periods before one, the oldest first, without a gap, of at most two and a half years.

    The first period with rows is left out: it may be cut, or hold all that came before it.
    """
    calendar, most = project.calendar, project.settings.year * 5 // 2
    rows: list[int] = []
    for back in range(1, most + 1):
        key = calendar.shift(period, -back)
        manifest = project.lake.manifest(asset, key) if key >= project.source.first else None
        if manifest is None:
            break
        rows.insert(0, manifest.rows)
    begun = next((i for i, n in enumerate(rows) if n), len(rows))
    return rows[begun:] if len(rows) == most and not begun else rows[begun + 1 :]
