"""How an asset reads and publishes partitions of the lake: `publishes`, which every asset function wears, and its resource.

Inputs come by name, as lazy tables of the mapped partitions; what the function returns is staged, audited and published; a
partition whose pinned inputs and code version equal its manifest's is reused and the function is not called.
"""

import inspect
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import dagster as dg

from crm_pipeline.defs.changes import CHANGED, FileChanges, changed
from crm_pipeline.defs.checks import CHECK
from crm_pipeline.defs.common import inputs_of
from crm_pipeline.defs.lineage import Lineages
from crm_pipeline.errors import CrmError
from crm_pipeline.home.contract import Contract
from crm_pipeline.home.planning import stale_inputs
from crm_pipeline.home.project import Project
from crm_pipeline.home.watch import Watch
from crm_pipeline.lake import ALL, Graph, Manifest, keep_parts

FORCE_TAG = "crm/force"
"""Of a run: which assets it builds though they are fresh, separated by commas; ``true`` for all."""

OWN = ("dagster/row_count", "content_hash", "generation", "reused", "seconds", "published_at")
"""Metadata that every materialization gets from here."""


@dataclass(frozen=True)
class Result:
    """What an asset function may return instead of rows: rows for the lake, and metadata for the materialization.

    ``audit`` takes what the step staged, by asset, and returns what breaks the contract between the tables it reads and makes.
    """

    rows: Any
    metadata: Mapping[str, Any] = field(default_factory=dict)
    audit: Callable[[Mapping[str, Any]], list[str]] | None = None


class Read(NamedTuple):
    """One asset of a step: the manifests of what it reads, by asset, and what that pins."""

    manifests: Mapping[str, list[Manifest]]
    pins: dict[str, str]


@dataclass
class LakeResource:
    """The lake of a home as the assets of its code location use it.

    Parameters
    ----------
    project : Project
    graph : callable returning Graph
        Resolved lazily, because the graph is built from the same definitions.
    contracts : mapping of asset name to Contract
    look : callable or None
        Looks at the source before a run's first raw table; returns what it read, in a sentence.
    watches : mapping of asset name to Watch
        The check that warns of a published partition, of the few assets that have one.
    """

    project: Project
    graph: Callable[[], Graph]
    contracts: Mapping[str, Contract]
    look: Callable[[], str] | None = None
    looked: set[str] = field(default_factory=set)
    watches: Mapping[str, Watch] = field(default_factory=dict)
    lineages: Lineages = field(default_factory=Lineages)
    changes: FileChanges = field(default_factory=dict)

    def materialize(self, context: dg.AssetExecutionContext, compute: Callable[..., Any]) -> Iterator[Any]:
        """Yield what Dagster records of a step: a materialization with its check per selected asset.

        Raises
        ------
        CrmError
            When rows break the contract of their asset: the failed check is recorded and nothing of the step is published.
        """
        self.project.engine.release()
        names = {dep.asset: name for spec in context.assets_def.specs for name, dep in inputs_of(spec).items()}
        assets = [s.key.to_user_string() for s in context.assets_def.specs if s.key in context.selected_asset_keys]
        for check in context.selected_asset_check_keys:
            if check.asset_key not in context.selected_asset_keys:
                yield self._audited(check.asset_key.to_user_string(), check.name, context)
        if not assets:
            return
        partition = self._partition(assets[0], context) or ALL
        sources = [asset for asset in assets if self.graph().nodes[asset].source]
        if sources:
            self._look(context)
            for asset in sources:
                if self.project.lake.manifest(asset, partition) is None:
                    raise CrmError(self._no_rows(asset, partition))
        self._take_turn(assets, partition)
        with ExitStack() as locks:
            for asset in sorted(assets):
                locks.enter_context(self.project.lake.lock(asset, partition))
            read = {asset: self._read(asset, partition) for asset in assets}
            fresh = {asset: m for asset in assets if (m := self._fresh(context, asset, partition, read[asset].pins))}
            results, broken = self._audited_sources(fresh, partition)
            if not broken:
                results = [self._reused(context, asset, partition, manifest) for asset, manifest in fresh.items()]
                stale = {asset: read[asset] for asset in assets if asset not in fresh}
                if stale:
                    built, broken = self._build(context, partition, names, stale, compute)
                    results += built
        yield from results
        if broken:
            raise CrmError(broken)

    def _take_turn(self, assets: Iterable[str], partition: str) -> None:
        """Wait for what the step reads of other periods, where another process builds these; a check looks at the period before, too."""
        if self.project.turns is None:
            return
        graph = self.graph()
        keys = {(dep.asset, key) for asset in assets for dep, key in graph.inputs(asset, partition)}
        if partition != ALL:
            before = self.project.calendar.shift(partition, -1)
            keys |= {(asset, before) for asset in assets if asset in self.watches}
        self.project.turns(partition, sorted(key for key in keys if key[1] != partition))

    def _look(self, context: dg.AssetExecutionContext) -> None:
        """Look at the source's files, once a run."""
        if self.look is not None and context.run.run_id not in self.looked:
            context.log.info(self.look())
            self.looked.add(context.run.run_id)

    def _build(
        self,
        context: dg.AssetExecutionContext,
        partition: str,
        names: Mapping[str, str],
        stale: Mapping[str, Read],
        compute: Callable[..., Any],
    ) -> tuple[list[Any], str | None]:
        """Compute, stage, audit and publish what is stale; return what to record, and a sentence when a contract broke."""
        lake, started = self.project.lake, time.perf_counter()
        for asset in stale:
            self._notify("started", asset, partition)
        manifests = {source: found for read in stale.values() for source, found in read.manifests.items()}
        tables = {source: lake.read(m) if (m := manifests[source]) else None for source in names if source in manifests}
        inputs: dict[str, Any] = {names[source]: table for source, table in tables.items()}
        if "pins" in inspect.signature(compute).parameters:
            inputs["pins"] = {k: v for read in stale.values() for k, v in read.pins.items()}
        returned = compute(context, **inputs)
        rows = returned if isinstance(returned, dict) else dict.fromkeys(stale, returned)
        told = {asset: rows[asset] if isinstance(rows[asset], Result) else Result(rows[asset]) for asset in stale}
        staged = {asset: lake.stage(result.rows) for asset, result in told.items()}
        made = {asset: self.project.engine.table([file.path], file.columns) for asset, file in staged.items()}
        for asset, failures in self._failures(told, made, partition):
            what = "it was not published, the last good partition stays."
            return [self._verdict(asset, partition, failures)], f"{_breaks(asset, partition, failures)}; {what}"
        seconds = round(time.perf_counter() - started, 3)
        results: list[Any] = []
        for asset, file in staged.items():
            before = lake.manifest(asset, partition)
            manifest = lake.publish(
                asset,
                partition,
                [file],
                inputs=stale[asset].pins,
                code_version=self.graph().nodes[asset].code_version,
                run_id=context.run.run_id,
                stats={"seconds": seconds},
                grain=self.project.calendar.grain,
                locked=True,
            )
            keep_parts(lake, manifest.code_version)
            lineage = self.lineages.told(asset, manifest.code_version, told[asset].rows, tables)
            why = changed(lake, self.project.calendar, before, manifest, self.changes)
            metadata = {**told[asset].metadata, **lineage, **why, **self._warned(context, asset, partition)}
            results.append(self._recorded(asset, partition, manifest, metadata, seconds, reused=False))
        return results, None

    def _failures(
        self, told: Mapping[str, Result], made: Mapping[str, Any], partition: str
    ) -> Iterator[tuple[str, list[str]]]:
        """Yield what breaks a contract, by asset: of each staged table alone, then between it and those beside it."""
        for asset, table in made.items():
            failures = self.contracts[asset].audit(table, partition) if asset in self.contracts else []
            between = told[asset].audit
            if failures or (between is not None and (failures := between(made))):
                yield asset, failures

    def _audited_sources(self, found: Mapping[str, Manifest], partition: str) -> tuple[list[Any], str | None]:
        """Return a failed verdict and a sentence for the raw partition that breaks its contract: a sync published it unaudited."""
        for asset, manifest in found.items():
            if self.graph().nodes[asset].source and asset in self.contracts:
                failures = self.contracts[asset].audit(self.project.lake.read([manifest]), partition)
                if failures:
                    mend = "another version of the program read it: run into a new home (--home)."
                    return [self._verdict(asset, partition, failures)], f"{_breaks(asset, partition, failures)}; {mend}"
        return [], None

    def _warned(self, context: dg.AssetExecutionContext, asset: str, partition: str) -> dict[str, Any]:
        """Return a warning as metadata where scores or a report were built from inputs that are stale; the command has seen to these."""
        if self.look is None or asset.split("/")[0] not in ("scores", "reports"):
            return {}
        stale = stale_inputs(self.project, self.graph(), (asset, partition))
        if not stale:
            return {}
        shown = "\n".join(f"- `{s.asset}` of {s.partition}: {s.reason}" for s in stale[:20])
        told = f"{len(stale)} partitions that this was made from are stale: {stale[0].asset} of {stale[0].partition}, for one."
        context.log.warning(told)
        return {"stale_inputs": len(stale), "stale_inputs_told": dg.MetadataValue.md(f"{told}\n\n{shown}")}

    def _read(self, asset: str, partition: str) -> Read:
        """Resolve what an asset reads, once, to manifests and pins."""
        graph, lake = self.graph(), self.project.lake
        node = graph.nodes[asset]
        manifests: dict[str, list[Manifest]] = {dep.asset: [] for dep in node.deps}
        pins: dict[str, str] = {}
        missing: dict[str, list[str]] = {}
        inputs = graph.inputs(asset, partition)
        published = lake.manifests(dict.fromkeys((dep.asset, key) for dep, key in inputs))
        for dep, key in inputs:
            found = published.get((dep.asset, key))
            if found is None and not dep.optional:
                missing.setdefault(dep.asset, []).append(key)
            manifests[dep.asset] += [found] if found else []
            pins[f"{dep.asset}@{key}"] = found.content_hash if found else "absent"
            if dep.published:
                first = lake.first_edition(dep.asset, key, self.project.calendar.grain)
                pins[f"{dep.asset}@{key}#published"] = first.content_hash if first else "absent"
        if missing:
            raise CrmError(self._never_built(asset, partition, missing))
        if node.needs_complete:
            pins["complete"] = str(graph.complete(partition))
        return Read(manifests, pins)

    def _fresh(
        self, context: dg.AssetExecutionContext, asset: str, partition: str, pins: Mapping[str, str]
    ) -> Manifest | None:
        """Return the manifest of a partition that need not be built; that of a raw one, which the source sync published."""
        node, current = self.graph().nodes[asset], self.project.lake.manifest(asset, partition)
        if node.source:
            return current
        forced = {"true", asset} & set(context.run.tags.get(FORCE_TAG, "").split(","))
        same = current is not None and current.inputs == pins and current.code_version == node.code_version
        return current if same and not forced else None

    def _never_built(self, asset: str, partition: str, missing: Mapping[str, list[str]]) -> str:
        """Say which inputs of a partition were never built, and how to build them."""
        label = self.project.calendar.label

        def told(source: str, keys: list[str]) -> str:
            if keys == [ALL]:
                return source
            return f"{source} of {label(keys[0])}" + (
                f" to {label(keys[-1])} ({len(keys)} periods)" if keys[1:] else ""
            )

        what = "; ".join(told(source, keys) for source, keys in sorted(missing.items()))
        when = "" if partition == ALL else label(partition)
        return (
            f"{asset}{when and f' of {when}'} reads what was never built: {what}. Materialize these first (earlier periods before "
            f"later ones), or let `crm-pipeline run --home {self.project.home}{when and f' --through {when}'}` find and build them."
        )

    def _no_rows(self, asset: str, partition: str) -> str:
        """Say why a raw partition is not there: its period lies outside what the source has."""
        state, calendar = self.project.source, self.project.calendar
        if self.look is None or partition == ALL:
            return f"{asset} of {partition} was not read yet: run `crm-pipeline run --home {self.project.home}` once."
        return (
            f"The source '{state.name}' has nothing of {calendar.label(partition)} (it goes from {calendar.label(state.first)} to "
            f"{calendar.label(state.last)}): put the file where {state.path} finds it, and start again."
        )

    def _reused(self, context: dg.AssetExecutionContext, asset: str, partition: str, manifest: Manifest) -> Any:
        """Record a partition as it is, with what its computation had told (plots, links), so that it stays in sight."""
        told: Mapping[str, Any] = {}
        if not self.graph().nodes[asset].source:
            partitions = None if partition == ALL else [partition]
            wanted = dg.AssetRecordsFilter(asset_key=_key(asset), asset_partitions=partitions)
            found = context.instance.fetch_materializations(wanted, limit=1).records
            last = found[0].asset_materialization if found else None
            told = {k: v for k, v in last.metadata.items() if k not in (*OWN, *CHANGED)} if last else {}
        return self._recorded(asset, partition, manifest, told, 0.0, reused=True)

    def _recorded(
        self, asset: str, partition: str, manifest: Manifest, told: Mapping[str, Any], seconds: float, reused: bool
    ) -> dg.MaterializeResult:
        self._notify("reused" if reused else "built", asset, partition, manifest.rows)
        return dg.MaterializeResult(
            asset_key=_key(asset),
            data_version=dg.DataVersion(manifest.content_hash),
            metadata={
                **told,
                "dagster/row_count": manifest.rows,
                "content_hash": manifest.content_hash,
                "generation": manifest.generation,
                "reused": reused,
                "seconds": seconds,
                "published_at": dg.MetadataValue.timestamp(datetime.fromisoformat(manifest.published_at)),
            },
            check_results=[
                *([self._verdict(asset, partition, [])] if asset in self.contracts else []),
                *([self._watched(asset, partition)] if asset in self.watches else []),
            ],
        )

    def _watched(self, asset: str, partition: str) -> dg.AssetCheckResult:
        """Return what the check that warns says of a published partition."""
        seen = self.watches[asset].look(partition)
        return dg.AssetCheckResult(
            asset_key=_key(asset),
            check_name=self.watches[asset].name,
            passed=seen.usual,
            severity=dg.AssetCheckSeverity.WARN,
            description=seen.said,
            metadata={"partition": partition, "failures": [] if seen.usual else [seen.said], **seen.facts},
        )

    def _audited(self, asset: str, check: str, context: dg.AssetExecutionContext) -> dg.AssetCheckResult:
        """Return the verdict on what is published: a check that was asked for alone; one that warns looks at the newest period."""
        lake, asked = self.project.lake, self._partition(asset, context)
        if check != CHECK:
            published = [asked] if asked else lake.partitions(asset)
            if not published:
                raise CrmError(f"{asset} was never built, so there is nothing to look at: materialize it first.")
            return self._watched(asset, published[-1])
        partitions = [asked] if asked else lake.partitions(asset)
        tables = ((p, lake.table(asset, [p])) for p in partitions)
        failures = [f"{p}: {said}" for p, table in tables for said in self.contracts[asset].audit(table, p)]
        return self._verdict(asset, asked or ALL, failures)

    def _verdict(self, asset: str, partition: str, failures: list[str]) -> dg.AssetCheckResult:
        rules = len(self.contracts[asset].rules.splitlines())
        return dg.AssetCheckResult(
            asset_key=_key(asset),
            check_name=CHECK,
            passed=not failures,
            severity=dg.AssetCheckSeverity.ERROR,
            description=_breaks(asset, partition, failures) if failures else None,
            metadata={"partition": partition, "rules": rules, "rules_broken": len(failures), "failures": failures},
        )

    def _partition(self, asset: str, context: dg.AssetExecutionContext) -> str | None:
        """Return the partition that a run is for, None where it names none."""
        return context.partition_key if context.has_partition_key and self.graph().nodes[asset].partitioned else None

    def _notify(self, status: str, asset: str, partition: str, rows: int = 0) -> None:
        if callable(self.project.listener):
            self.project.listener(status, asset, partition, rows)


def publishes(function: Callable[..., Any]) -> Callable[..., Iterator[Any]]:
    """Make an asset function read its inputs from the lake and publish what it returns.

    The function takes the context and its inputs by name, each a lazy `ibis.Table` (None where there is no partition yet), and
    returns rows (a lazy table, an Arrow table or a DataFrame) or a `Result`; for several assets a dict of these by asset name.
    One that has a parameter ``pins`` gets what it reads as ``asset@partition`` to content hash.
    """

    def step(context: dg.AssetExecutionContext, lake: dg.ResourceParam[LakeResource]) -> Iterator[Any]:
        yield from lake.materialize(context, function)

    step.__name__, step.__doc__ = function.__name__, function.__doc__
    return step


def _breaks(asset: str, partition: str, failures: list[str]) -> str:
    more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
    return f"{asset} of {partition} breaks its contract: {failures[0]}{more}"


def _key(asset: str) -> dg.AssetKey:
    return dg.AssetKey(asset.split("/"))
