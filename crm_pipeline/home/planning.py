"""What of a home is stale: what a run has to build, in order, for which reason. Nothing is built or written here."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
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
    last, lake, calendar = through_period(project, through), project.lake, project.calendar
    targets = [p for p in calendar.range(calendar.shift(last, 1 - periods), last) if p >= project.source.first]
    gone = superfluous(lake.published(), read_state(lake.home, CARRIED), project.source, calendar)
    index = {key: manifest for key, manifest in lake.index().items() if key not in gone}
    wanted = _targets(graph, targets, index)
    needed = graph.needed(wanted) if force else set()
    again = {k: "asked for by --force" for k in needed if k[1] in targets and not graph.nodes[k[0]].source}
    return Planned(last, targets, _with_lost_models(project, graph, wanted, index, again), again)


class Next(NamedTuple):
    """What of a plan is to be done next.

    Attributes
    ----------
    period : str
        The earliest period in which something can be built.
    items : list of Stale
        What of it is stale.
    digest : str
        Of what would be built from what: the same again means that nothing changed since.
    """

    period: str
    items: list[Stale]
    digest: str


def next_period(
    graph: Graph, plan: Sequence[Stale], index: Mapping[Key, Manifest], held: Collection[Key]
) -> Next | None:
    """Return the earliest period of a plan and its items, without what is held or reads what is; None when nothing is left."""
    blocked = set(held)
    items: list[Stale] = []
    for item in plan:
        key = (item.asset, item.partition)
        if key in blocked or any((dep.asset, p) in blocked for dep, p in graph.inputs(*key)):
            blocked.add(key)
        elif not items or item.partition == items[0].partition:
            items.append(item)
    if not items:
        return None
    pins = [
        [i.asset, i.partition, graph.nodes[i.asset].code_version, graph.pins(i.asset, i.partition, index)]
        for i in items
    ]
    return Next(items[0].partition, items, digest(json.dumps(pins, sort_keys=True), 8))


def through_period(project: Project, text: str | None) -> str:
    """Return the period to score: the one asked for, or the latest that the source covers whole."""
    source, calendar = project.source, project.calendar
    if text is None:
        if source.complete_until is None:
            raise UsageError(
                f"The source '{source.name}' covers no {project.settings.grain} whole yet: "
                "give complete_through in source.yaml, or name a period with --through."
            )
        return source.complete_until
    period = calendar.parse(text)
    if not source.first <= period <= source.last:
        raise UsageError(
            f"--through {text} lies outside the data of '{source.name}', which go from "
            f"{calendar.label(source.first)} to {calendar.label(source.last)}."
        )
    return period


def _targets(graph: Graph, periods: list[str], index: Iterable[Key]) -> list[Key]:
    """Return what the periods are to have, and the verdict on every score published in whatever period, once it is due."""
    names = [
        n for n in graph.nodes if n.split("/")[0] in ("raw", "clean", "rejects", "scores", "track_record", "reports")
    ]
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
    index = {key: m for key in wanted | {(i.asset, i.partition) for i in items} if (m := lake.manifest(*key))}
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
