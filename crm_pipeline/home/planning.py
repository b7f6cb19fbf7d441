"""What of a home is stale: what a run has to build, in order, for which reason. Nothing is built or written here."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from statistics import median
from typing import NamedTuple

from crm_pipeline.errors import UsageError
from crm_pipeline.hashing import digest
from crm_pipeline.home.project import Project
from crm_pipeline.lake import ALL, Graph, Manifest, Stale
from crm_pipeline.sources.publishing import superfluous
from crm_pipeline.sources.state import CARRIED, read_state
from crm_pipeline.tracking import Tracker

Key = tuple[str, str]
"""An asset and a partition."""


class Planned(NamedTuple):
    """What a run is to do.

    Attributes
    ----------
    through : str
        The last period to score.
    targets : list of str
        The periods to score.
    plan : list of Stale
        What is to be built, in order, with the reasons.
    again : dict of key to str
        What is built though it is fresh, and why.
    """

    through: str
    targets: list[str]
    plan: list[Stale]
    again: dict[Key, str]


def plan_home(
    project: Project, graph: Graph, through: str | None = None, periods: int = 1, force: bool = False
) -> Planned:
    """Plan what the last ``periods`` periods through ``through`` need; with ``force`` all their assets, fresh or not.

    Raises
    ------
    UsageError
        When the period lies outside the data.
    """
    last, calendar = through_period(project, through), project.calendar
    targets = [p for p in calendar.range(calendar.shift(last, 1 - periods), last) if p >= project.source.first]
    index = _staying(project)
    wanted = _targets(graph, targets, index)
    needed = graph.needed(wanted) if force else set()
    again = {k: "asked for by --force" for k in needed if k[1] in targets and not graph.nodes[k[0]].source}
    return Planned(last, targets, _with_lost_models(project, graph, wanted, index, again), again)


def plan_range(
    project: Project, graph: Graph, first: str, last: str | None, select: Sequence[str] = (), force: bool = False
) -> Planned:
    """Plan a backfill: what the periods from ``first`` through ``last`` are to have, and what that reads.

    Parameters
    ----------
    first, last : str
        Periods such as ``2011-08``; None is the latest complete one.
    select : sequence of str
        Patterns of assets (``clean/*``): these alone, with what they read and is stale; all assets if empty.
    force : bool
        Build what is selected in the range though it is fresh.

    Raises
    ------
    UsageError
        When a period lies outside the data, they are out of order, or a pattern matches no asset.
    """
    start, end = through_period(project, first, "--from"), through_period(project, last, "--to")
    if start > end:
        raise UsageError(f"--from {first} comes after --to {last or project.calendar.label(end)}: exchange them.")
    periods, nodes = project.calendar.range(start, end), graph.nodes
    unknown = [pattern for pattern in select if not fnmatch.filter(nodes, pattern)]
    if unknown:
        raise UsageError(f"--select {unknown[0]} matches no asset; there are {', '.join(sorted(nodes)[:6])}, ….")
    index = _staying(project)
    chosen = {n for n in nodes if not select or any(fnmatch.fnmatch(n, pattern) for pattern in select)}
    wanted = [(n, p if nodes[n].partitioned else ALL) for n in chosen for p in periods]
    again = {key: "asked for by --force" for key in wanted if force and not nodes[key[0]].source}
    within = graph.needed(wanted)
    plan = _with_lost_models(project, graph, wanted, index, again)
    return Planned(end, periods, [item for item in plan if (item.asset, item.partition) in within], again)


class Cost(NamedTuple):
    """What carrying a plan out is expected to take, by the last runs of the same assets.

    Attributes
    ----------
    partitions, rows : int
    seconds : float
    unknown : int
        Partitions of assets that no run has measured.
    """

    partitions: int
    rows: int
    seconds: float
    unknown: int


def estimate(plan: Iterable[Stale], index: Mapping[Key, Manifest]) -> dict[str, Cost]:
    """Return the expected cost by layer (the first part of the assets' names), from the partitions that are published.

    A partition costs what its last build took, else the median of its asset's.
    """
    of_asset: dict[str, list[Manifest]] = {}
    for (asset, _), manifest in index.items():
        if "seconds" in manifest.stats:
            of_asset.setdefault(asset, []).append(manifest)
    found: dict[str, Cost] = {}
    for item in plan:
        own, others = index.get((item.asset, item.partition)), of_asset.get(item.asset, [])
        measured = [own] if own is not None and "seconds" in own.stats else others
        before = found.get(item.asset.split("/")[0], Cost(0, 0, 0.0, 0))
        found[item.asset.split("/")[0]] = Cost(
            before.partitions + 1,
            before.rows + (int(median(m.rows for m in measured)) if measured else 0),
            before.seconds + (median(m.stats["seconds"] for m in measured) if measured else 0.0),
            before.unknown + (not measured),
        )
    return found


def stale_inputs(project: Project, graph: Graph, key: Key) -> list[Stale]:
    """Return what of all that a partition reads, directly or not, is stale, in order."""
    keys = graph.needed([key]) - {key}
    read = {(dep.asset, p) for k in keys for dep, p in graph.inputs(*k)}  # what is optional too
    index = project.lake.manifests(keys | read)
    first, stale = first_hashes(project, graph, index), dict[Key, Stale]()
    for k in graph.ordered(keys):
        reason = graph.reason(k, index, stale, first)
        if reason is not None:
            stale[k] = Stale(*k, reason)
    return list(stale.values())


def next_period(graph: Graph, plan: Sequence[Stale], held: Collection[Key] = ()) -> list[Stale]:
    """Return what of a plan (in building order) is to be done next: the earliest period's items, without what is held or reads what is."""
    blocked = set(held)
    items: list[Stale] = []
    for item in plan:
        key = (item.asset, item.partition)
        if items and item.partition != items[0].partition:
            break
        if key in blocked or any((dep.asset, p) in blocked for dep, p in graph.inputs(*key)):
            blocked.add(key)
        else:
            items.append(item)
    return items


def fingerprint(graph: Graph, items: Iterable[Stale], index: Mapping[Key, Manifest]) -> str:
    """Return a digest of what would be built from what: the same again means that nothing changed since."""
    keys = [(item.asset, item.partition) for item in items]
    work = [[*key, graph.nodes[key[0]].code_version, graph.pins(*key, index)] for key in keys]
    return digest(json.dumps(work, sort_keys=True), 8)


def through_period(project: Project, text: str | None, option: str = "--through") -> str:
    """Return the period asked for by an option, or the latest that the source covers whole."""
    source, calendar = project.source, project.calendar
    if text is None:
        if source.complete_until is None:
            raise UsageError(
                f"The source '{source.name}' covers no {project.settings.grain} whole yet: "
                f"give complete_through in source.yaml, or name a period with {option}."
            )
        return source.complete_until
    period = calendar.parse(text)
    if not source.first <= period <= source.last:
        raise UsageError(
            f"{option} {text} lies outside the data of '{source.name}', which go from "
            f"{calendar.label(source.first)} to {calendar.label(source.last)}."
        )
    return period


def _staying(project: Project) -> dict[Key, Manifest]:
    """Return what is published and stays as a run begins: the source covers it still."""
    lake = project.lake
    carried = read_state(lake.home, CARRIED)
    gone = superfluous(lake.published(), carried, project.source, project.calendar, project.without)
    return {key: manifest for key, manifest in lake.index().items() if key not in gone}


def _targets(graph: Graph, periods: list[str], index: Iterable[Key]) -> list[Key]:
    """Return what the periods are to have, and the verdict on every score published in whatever period, once it is due."""
    layers = ("raw", "clean", "rejects", "scores", "plans", "track_record", "reports")
    names = [n for n in graph.nodes if n.split("/")[0] in layers]
    nodes = graph.nodes
    asked = [(n, p if nodes[n].partitioned else ALL) for n in names for p in periods]
    read = graph.read_as_published()
    scored = {key for key in (*asked, *index) if key[0] in read and graph.own(key)}
    return asked + sorted(graph.judging(scored, max(p for _, p in scored)))


def _with_lost_models(
    project: Project, graph: Graph, wanted: list[Key], index: dict[Key, Manifest], again: dict[Key, str]
) -> list[Stale]:
    """Plan what is wanted, and again (added to ``again``) the models that a planned step reads and that are lost."""
    first = first_hashes(project, graph, index)
    while True:
        plan = graph.plan(wanted, index, first, again)
        touched = {(dep.asset, p) for item in plan for dep, p in graph.inputs(item.asset, item.partition)}
        touched |= {(item.asset, item.partition) for item in plan}
        places = _model_places(project, {key: index[key] for key in touched - again.keys() if key in index})
        lost = Tracker(project.home).lost(places.values()) if places else set()
        found = {key for key, place in places.items() if place in lost}
        if not found:
            return plan
        again.update((key, "its model is lost") for key in found)


def first_hashes(project: Project, graph: Graph, index: dict[tuple[str, str], Manifest]) -> dict[tuple[str, str], str]:
    """Return the content hash of the first published generation, of partitions whose readers pin it."""
    read = graph.read_as_published()
    found = {}
    for key in index:
        if key[0] in read:
            first = project.lake.first_edition(*key, project.calendar.grain)
            if first is not None:
                found[key] = first.content_hash
    return found


def still_stale(project: Project, graph: Graph, items: list[Stale]) -> list[Stale]:
    """Drop from a period's plan what is fresh after all, because rebuilt inputs kept their content."""
    lake = project.lake
    wanted = {(dep.asset, p) for item in items for dep, p in graph.inputs(item.asset, item.partition)}
    index = lake.manifests(wanted | {(i.asset, i.partition) for i in items})
    stale: dict[tuple[str, str], Stale] = {}
    for item in items:
        key = (item.asset, item.partition)
        reason = graph.reason(key, index, stale, first_hashes(project, graph, index))
        if reason is not None:
            stale[key] = Stale(*key, reason)
    return list(stale.values())


def _model_places(project: Project, manifests: dict[Key, Manifest]) -> dict[Key, str]:
    """Return where the models lie that published cards and champions name."""
    cards = {key: m for key, m in manifests.items() if "model_uri" in m.schema}
    places = {key: project.lake.read([m]).model_uri.execute() for key, m in cards.items()}
    return {
        key: uri.iloc[0] for key, uri in places.items() if len(uri) and isinstance(uri.iloc[0], str) and uri.iloc[0]
    }
