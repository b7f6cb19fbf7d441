"""What is stale and why, from manifests and the asset graph alone. Dagster, tables and disks do not belong here.

A partition is stale when it was never built, when its code version differs, when what it pinned differs from what
is published now, or when something it reads is stale. The first three are facts; the last says *may change*: a
run rebuilds less, because a rebuilt input can turn out to have the same content.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from crm_pipeline.lake.manifest import Manifest
from crm_pipeline.periods import Calendar

ALL = "all"
"""Partition key of an asset that has no periods (an undated dimension)."""

NOT_BUILT = "not built yet"
"""Why a partition is stale that never was; all other reasons are those of one that is there."""

Key = tuple[str, str]
Index = Mapping[Key, Manifest]


@dataclass(frozen=True)
class Dep:
    """What an asset reads of another: the partitions at these offsets (never positive), or its only one.

    ``optional`` reads what there is; a missing partition is then no error and pins ``absent``.
    ``published`` reads the first published generation beside the current one, so both are pinned.
    With a ``block`` of more than 1 the offsets count from the last period of a block of so many (`Calendar.last_of_block`) up to
    the partition's own, or to that ``lag`` (never positive) from it.
    """

    asset: str
    offsets: tuple[int, ...] | None = (0,)
    optional: bool = False
    published: bool = False
    block: int = 1
    lag: int = 0

    @property
    def span(self) -> tuple[int, int]:
        """The first and the last offset from the partition's own period at which anything can be read."""
        offsets = self.offsets or (0,)
        return min(offsets) + self.lag - (self.block - 1), max(offsets) + self.lag


@dataclass(frozen=True)
class Node:
    """An asset as the plan sees it."""

    asset: str
    code_version: str
    deps: tuple[Dep, ...] = ()
    partitioned: bool = True
    source: bool = False
    needs_complete: bool = False


class Stale(NamedTuple):
    """One line of the plan."""

    asset: str
    partition: str
    reason: str


class Graph:
    """The assets in topological order, over the periods of a source.

    Parameters
    ----------
    nodes : iterable of Node
    calendar : Calendar
    first : str
        Key of the source's first period; offsets that reach before it are dropped.
    complete_until : str or None
        Key of the last period that the source covers whole.
    last : str or None
        Key of the source's last period; None for one without an end.
    """

    def __init__(
        self,
        nodes: Iterable[Node],
        calendar: Calendar,
        first: str,
        complete_until: str | None,
        last: str | None = None,
    ) -> None:
        self.calendar = calendar
        self.first, self.last = first, last
        self.complete_until = complete_until
        self.nodes = _topological({n.asset: n for n in nodes})

    def inputs(self, asset: str, partition: str) -> list[tuple[Dep, str]]:
        """Return what a partition reads, as (dependency, partition) pairs, within the source's periods."""
        found = []
        for dep in self.nodes[asset].deps:
            if dep.offsets is None or not self.nodes[dep.asset].partitioned:
                found.append((dep, ALL))
                continue
            base = self.calendar.last_of_block(self.calendar.shift(partition, dep.lag), dep.block)
            for offset in sorted(dep.offsets):
                key = self.calendar.shift(base, offset)
                if key >= self.first:
                    found.append((dep, key))
        return found

    def own(self, key: Key) -> bool:
        """Tell whether a published partition is one of the graph's: of a known asset and within the source's periods."""
        asset, partition = key
        if asset not in self.nodes or not self.nodes[asset].partitioned:
            return asset in self.nodes and partition == ALL
        inside = self.first <= partition and (self.last is None or partition <= self.last)
        return inside and self.calendar.holds(partition)

    def read_as_published(self) -> set[str]:
        """Return the assets whose first published generation some asset reads."""
        return {dep.asset for node in self.nodes.values() for dep in node.deps if dep.published}

    def judging(self, published: Iterable[Key], through: str) -> set[Key]:
        """Return the partitions that read any of ``published`` as it was published, up to the complete ``through``."""
        readers: dict[str, list[tuple[str, int]]] = {}
        for node in self.nodes.values():
            for dep in node.deps:
                if dep.published:
                    readers.setdefault(dep.asset, []).extend((node.asset, offset) for offset in dep.offsets or ())
        due = {
            (reader, self.calendar.shift(partition, -offset))
            for asset, partition in published
            for reader, offset in readers.get(asset, ())
        }
        return {key for key in due if key[1] <= through and self.complete(key[1])}

    def complete(self, partition: str) -> bool:
        """Tell whether the source covers the period whole."""
        return self.complete_until is not None and partition <= self.complete_until

    def pins(
        self, asset: str, partition: str, index: Index, first_hash: Mapping[Key, str] | None = None
    ) -> dict[str, str]:
        """Return what a build of the partition would pin now: ``asset@partition`` to content hash."""
        pins = {}
        for dep, key in self.inputs(asset, partition):
            manifest = index.get((dep.asset, key))
            pins[f"{dep.asset}@{key}"] = manifest.content_hash if manifest else "absent"
            if dep.published and first_hash is not None:
                pins[f"{dep.asset}@{key}#published"] = first_hash.get((dep.asset, key), "absent")
        if self.nodes[asset].needs_complete:
            pins["complete"] = str(self.complete(partition))
        return pins

    def needed(self, targets: Iterable[Key]) -> set[Key]:
        """Return the targets and everything that must be built for them (optional inputs are not)."""
        seen: set[Key] = set()
        waiting = list(targets)
        while waiting:
            key = waiting.pop()
            if key in seen:
                continue
            seen.add(key)
            waiting += [(dep.asset, p) for dep, p in self.inputs(*key) if not dep.optional]
        return seen

    def ordered(self, keys: Iterable[Key]) -> list[Key]:
        """Return keys in an order in which they can be built: undated first, then period by period."""
        rank = {asset: i for i, asset in enumerate(self.nodes)}
        return sorted(keys, key=lambda k: ("" if k[1] == ALL else k[1], rank[k[0]]))

    def reason(
        self, key: Key, index: Index, stale: Mapping[Key, Any], first_hash: Mapping[Key, str] | None = None
    ) -> str | None:
        """Return why a partition is stale, None when it is fresh; ``stale`` holds what is already known to be."""
        asset, partition = key
        node, manifest = self.nodes[asset], index.get(key)
        if node.source:
            return None
        if manifest is None:
            return NOT_BUILT
        if manifest.code_version != node.code_version:
            return "its code, settings or libraries changed"
        pins = self.pins(asset, partition, index, first_hash)
        for name in sorted(pins.keys() | manifest.inputs.keys()):
            if pins.get(name) != manifest.inputs.get(name):
                return f"{name} changed" if name in pins else f"{name} is no longer read"
        for dep, p in self.inputs(asset, partition):
            if (dep.asset, p) in stale:
                return f"{dep.asset}@{p} may change"
        return None

    def plan(
        self,
        targets: Iterable[Key],
        index: Index,
        first_hash: Mapping[Key, str] | None = None,
        again: Mapping[Key, str] | None = None,
    ) -> list[Stale]:
        """Name all that is stale among the targets, what they need, and what is published, in building order.

        ``again`` holds what is to be built anew though it is fresh, with the reason.
        What is published may be stale because it now reads what nobody asked for before (a setting): that is named too.
        """
        keys = self.needed(targets) | {key for key in index if self.own(key)}
        while True:
            stale: dict[Key, Stale] = {}
            for key in self.ordered(keys):
                reason = self.reason(key, index, stale, first_hash) or (again or {}).get(key)
                if reason is not None:
                    stale[key] = Stale(*key, reason)
            more = self.needed(stale) - keys
            if not more:
                return list(stale.values())
            keys |= more


def _topological(nodes: dict[str, Node]) -> dict[str, Node]:
    """Order nodes so that what is read in the same period comes first; raises on a positive offset (rule 1)."""
    ordered: dict[str, Node] = {}

    def visit(asset: str, path: tuple[str, ...]) -> None:
        if asset in ordered:
            return
        if asset in path:
            raise ValueError(f"the asset graph has a cycle within a period: {' → '.join((*path, asset))}")
        for dep in nodes[asset].deps:
            if dep.offsets is not None and (max(dep.offsets, default=0) > 0 or dep.lag > 0):
                raise ValueError(f"{asset} reads {dep.asset} of a later period: time has one direction")
            if dep.offsets is None or (0 in dep.offsets and not dep.lag):
                visit(dep.asset, (*path, asset))
        ordered[asset] = nodes[asset]

    for asset in nodes:
        visit(asset, ())
    return ordered
