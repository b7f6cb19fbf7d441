"""Why two generations of a partition differ: the pinned inputs of both, followed up to what differs by itself. No words for people."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import ibis

from crm_pipeline.lake import Lake, Manifest, kept_parts
from crm_pipeline.provenance.generations import Past

Kind = Literal["rows", "follows", "code", "came", "gone", "complete", "lost", "itself"]
"""What differs: rows of the source (``follows``: though its files are the same, by what other files say), the code (or settings,
libraries, mapping) that made it, that it is there at all, that its period is over, or nothing that is known: a generation is not
kept, or the same inputs gave another result."""

POSITION = {"source_line", "entry"}
"""Columns of a raw row that say where it stands, and not what it says."""

Step = tuple[str, str]
"""An asset and a partition."""


@dataclass(frozen=True)
class FileChange:
    """How the rows of one source file differ; a row that was mended is one that is gone and one that is new.

    ``customers`` are those whose rows differ, where the table names them.
    """

    file: str
    gone: int
    new: int
    customers: tuple[str, ...] = ()


class PartChange(NamedTuple):
    """A part of a step's code version that differs: which kind of part, its name, and its values (digests of code) if it has any."""

    part: Literal["function", "modules", "libraries", "settings", "files"]
    name: str
    before: str
    after: str


@dataclass(frozen=True)
class Cause:
    """A partition that differs by itself, and the shortest way from what was asked about up to it.

    ``made`` tells of a kind ``code`` which parts of its code version differ, where both versions' parts are kept.
    """

    asset: str
    partition: str
    kind: Kind
    way: tuple[Step, ...]
    files: tuple[FileChange, ...] = ()
    made: tuple[PartChange, ...] = ()


def file_changes(lake: Lake, old: Manifest, new: Manifest) -> tuple[FileChange, ...]:
    """Return how two generations of a raw partition differ, by source file; files of the lake that both hold are not read."""
    both = {f.path for f in old.files} & {f.path for f in new.files}
    before, after = (_rows(lake, m, both) for m in (old, new))
    names = [c for c in after.columns if c in before.columns and c not in POSITION]
    before, after = before.select(names), after.select(names)
    gone = _by_file(before.difference(after, distinct=False))
    came = _by_file(after.difference(before, distinct=False))
    nothing: tuple[int, set[str]] = (0, set())
    found = []
    for file in sorted(gone.keys() | came.keys()):
        (less, of), (more, to) = gone.get(file, nothing), came.get(file, nothing)
        found.append(FileChange(file, less, more, tuple(sorted(of | to))))
    return tuple(found)


def causes(
    lake: Lake,
    before: Manifest,
    after: Manifest,
    by_file: Callable[[Lake, Manifest, Manifest], tuple[FileChange, ...]] = file_changes,
    within: int | None = None,
) -> list[Cause]:
    """Return what made two generations of a partition differ, nearest first.

    A partition whose code differs is named even where its inputs differ too: both may have had a part. ``by_file`` tells how
    the rows of two generations of a raw partition differ; who asks for many partitions at once gives one that remembers, and
    is content with the nearest partitions that differ, ``within`` how many.
    """
    if before.content_hash == after.content_hash:
        return []
    past, found = Past(lake), []
    start: tuple[Step, ...] = ((after.asset, after.partition),)
    waiting, seen = deque([(before, after, start)]), set(start)
    while waiting:
        old, new, way = waiting.popleft()
        asset, partition = way[-1]
        differing = sorted(_differing(old, new))
        for kind in _own(old, new, differing):
            files = by_file(lake, old, new) if kind in ("rows", "follows") else ()
            found.append(Cause(asset, partition, kind, way, files, made(lake, old, new) if kind == "code" else ()))
        for name in differing:
            step = _step(name)
            if step is None or step in seen or (within is not None and len(seen) > within):
                continue
            seen.add(step)
            onward = (*way, step)
            pins = old.inputs.get(name, "absent"), new.inputs.get(name, "absent")
            if "absent" in pins:
                found.append(Cause(*step, "came" if pins[0] == "absent" else "gone", onward))
                continue
            newer = past.find(*step, pins[1])
            older = past.find(*step, pins[0], before=newer.generation if newer else None)
            if older is None or newer is None:
                found.append(Cause(*step, "lost", onward))
            else:
                waiting.append((older, newer, onward))
    return found


def made(lake: Lake, old: Manifest, new: Manifest) -> tuple[PartChange, ...]:
    """Return which parts of the code versions of two generations differ; none where they are not both kept."""
    before, after = (kept_parts(lake, m.code_version) for m in (old, new))
    if before is None or after is None:
        return ()
    found = [PartChange("function", "", "", "")] if before.function != after.function else []
    for part in ("settings", "libraries", "modules", "files"):
        one, two = getattr(before, part), getattr(after, part)
        names = sorted(name for name in one.keys() | two.keys() if one.get(name) != two.get(name))
        found += [PartChange(part, name, one.get(name, ""), two.get(name, "")) for name in names]
    return tuple(found)


def _differing(old: Manifest, new: Manifest) -> set[str]:
    names = old.inputs.keys() | new.inputs.keys()
    return {name for name in names if old.inputs.get(name) != new.inputs.get(name)}


def _step(name: str) -> Step | None:
    """Return the partition that a pin names; None for a pin that is no partition."""
    asset, at, partition = name.partition("@")
    return (asset, partition.partition("#")[0]) if at else None


def _own(old: Manifest, new: Manifest, differing: list[str]) -> Iterator[Kind]:
    """Yield how a partition differs by itself."""
    if old.asset.startswith(("raw/", "snapshot/")):
        if "source" in differing:
            yield "rows"
        if old.code_version != new.code_version:
            yield "code"
        elif "source" not in differing:
            yield "follows"
        return
    if "complete" in differing:
        yield "complete"
    if old.code_version != new.code_version:
        yield "code"
    elif not differing:
        yield "itself"


def _rows(lake: Lake, manifest: Manifest, without: set[str]) -> ibis.Table:
    return lake.read([replace(manifest, files=tuple(f for f in manifest.files if f.path not in without))])


def _by_file(rows: ibis.Table) -> dict[str, tuple[int, set[str]]]:
    """Return source file → how many rows, and of which customers."""
    named = "customer_id" in rows.columns
    who = rows.customer_id.collect(distinct=True) if named else ibis.literal(None)
    counted = rows.group_by("source_file").aggregate(n=rows.count(), who=who).execute()
    return {
        str(row.source_file): (int(row.n), set(row.who) if named and row.who is not None else set())
        for row in counted.itertuples()
    }
