"""The one I/O manager: reads mapped partitions from the lake lazily; audits, publishes and memoises what assets return."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import dagster as dg
import ibis
from dagster._core.events import DagsterEvent

from crm_pipeline.defs.project import Project
from crm_pipeline.engine import Staged
from crm_pipeline.errors import CrmError
from crm_pipeline.lake import ALL, Graph, Manifest

FORCE_TAG = "crm/force"
"""Of a run: which assets it builds though they are fresh, separated by commas; ``true`` for all."""

Audit = Callable[[ibis.Table, str | None], list[str]]
OWN = ("dagster/row_count", "content_hash", "generation", "reused", "seconds", "published_at")
"""Metadata that every materialization gets from here."""


@dataclass(frozen=True)
class Result:
    """What a computation gives: rows for the lake, and metadata for the materialization."""

    rows: Any
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Deferred:
    """A computation that runs only when the partition is not fresh (fitting a model, writing a report).

    ``compute`` returns a `Result`, a lazy table, an Arrow table or a DataFrame.
    """

    compute: Callable[[], Any]


class Adopted:
    """Stands for a partition that was already published to the lake (raw tables, by the source sync)."""


class LakeIOManager(dg.IOManager):
    """Reads and writes partitions of the lake.

    Inputs carry their offsets in the input's metadata (``offsets``, ``optional``); see `crm_pipeline.defs.common.reads`.
    An output whose pinned inputs and code version equal the manifest's is reused: nothing is computed.

    Parameters
    ----------
    project : Project
    graph : callable returning Graph
        Resolved lazily, because the graph is built from the same definitions.
    audits : mapping of asset name to a function that returns the contract's failures of a table and partition.
    """

    def __init__(self, project: Project, graph: Callable[[], Graph], audits: Mapping[str, Audit]) -> None:
        self.project = project
        self._graph = graph
        self._audits = audits
        self._pinned: dict[tuple[str, str], dict[str, str]] = {}

    # -- reading ---------------------------------------------------------------------------------

    def load_input(self, context: dg.InputContext) -> ibis.Table | None:
        """Return the mapped partitions of the upstream asset as one lazy table, None where there is none (yet)."""
        return self._read(context.step_context, context.asset_key.to_user_string())

    def read(self, context: dg.AssetExecutionContext, asset: str) -> ibis.Table:
        """Return what another output of the same step reads: a raw partition, which the source sync published."""
        table = self._read(context.op_execution_context.get_step_execution_context(), asset)
        if table is None:
            raise CrmError(f"{asset} of {context.partition_key} was not read yet: run `crm-pipeline run` once.")
        return table

    def _read(self, step: Any, asset: str) -> ibis.Table | None:
        graph, lake = self._graph(), self.project.lake
        downstream, period = self._downstream(step, asset)
        self._notify("started", downstream, period)
        wanted = [(dep, p) for dep, p in graph.inputs(downstream, period) if dep.asset == asset]
        if (step.run_id, step.step.key) not in self._pinned:
            self.project.engine.release()
        pins = self._pinned.setdefault((step.run_id, step.step.key), {})
        manifests: list[Manifest] = []
        for dep, partition in wanted:
            found = lake.snapshot(asset, [partition], optional=dep.optional)
            manifests += found
            pins[f"{asset}@{partition}"] = found[0].content_hash if found else "absent"
            if dep.published:
                first = lake.first_edition(asset, partition, self.project.calendar.grain)
                pins[f"{asset}@{partition}#published"] = first.content_hash if first else "absent"
        return lake.read(manifests) if manifests else None

    def pinned(self, context: dg.AssetExecutionContext) -> dict[str, str]:
        """Return what the step has read so far: ``asset@partition`` to content hash."""
        step = context.op_execution_context.get_step_execution_context()
        return dict(self._pinned.get((step.run_id, step.step.key), {}))

    def _downstream(self, step: Any, upstream: str) -> tuple[str, str]:
        """Return the asset (one that reads ``upstream``) and partition that the step is making."""
        nodes = self._graph().nodes
        made = (key.to_user_string() for key in step.job_def.asset_layer.get_assets_def_for_node(step.node_handle).keys)
        asset = next(a for a in sorted(made) if any(d.asset == upstream for d in nodes[a].deps))
        return asset, step.partition_key if nodes[asset].partitioned else ALL

    # -- writing ---------------------------------------------------------------------------------

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Publish what the asset returned, unless the partition is fresh; set data version and metadata."""
        asset = context.asset_key.to_user_string()
        partition = context.partition_key if context.has_asset_partitions else ALL
        started = time.perf_counter()
        extra: Mapping[str, Any] = {}
        if isinstance(obj, Adopted):
            manifest, reused = self.project.lake.snapshot(asset, [partition])[0], True
        else:
            pins = dict(self._pinned.get((context.run_id, context.step_key), {}))
            with self.project.lake.lock(asset, partition):
                manifest, reused, extra = self._publish(context, asset, partition, pins, obj)
            if reused:
                extra = self._told_before(context)
        context.step_context.set_data_version(context.asset_key, dg.DataVersion(manifest.content_hash))
        context.add_output_metadata(
            {
                **extra,
                "dagster/row_count": manifest.rows,
                "content_hash": manifest.content_hash,
                "generation": manifest.generation,
                "reused": reused,
                "seconds": round(time.perf_counter() - started, 3),
                "published_at": dg.MetadataValue.timestamp(datetime.fromisoformat(manifest.published_at)),
            }
        )
        self._notify("reused" if reused else "built", asset, partition, manifest.rows)

    def _publish(
        self, context: dg.OutputContext, asset: str, partition: str, pins: dict[str, str], obj: Any
    ) -> tuple[Manifest, bool, Mapping[str, Any]]:
        lake, graph = self.project.lake, self._graph()
        node = graph.nodes[asset]
        if node.needs_complete:
            pins["complete"] = str(graph.complete(partition))
        current = lake.manifest(asset, partition)
        forced = {"true", asset} & set(context.step_context.run_tags.get(FORCE_TAG, "").split(","))
        if current and not forced and current.inputs == pins and current.code_version == node.code_version:
            return current, True, {}
        started = time.perf_counter()
        result = obj.compute() if isinstance(obj, Deferred) else obj
        rows, extra = (result.rows, result.metadata) if isinstance(result, Result) else (result, {})
        staged = lake.stage(rows)
        failures = self._audit(asset, partition, staged)
        self._record_check(context, asset, partition, failures)
        if failures:
            raise CrmError(
                f"{asset} of {partition} breaks its contract: {failures[0]}"
                + (f" (and {len(failures) - 1} more)" if len(failures) > 1 else "")
                + "; it was not published, the last good partition stays."
            )
        manifest = lake.publish(
            asset,
            partition,
            [staged],
            inputs=pins,
            code_version=node.code_version,
            run_id=context.run_id,
            stats={"seconds": round(time.perf_counter() - started, 3)},
            grain=self.project.calendar.grain,
            locked=True,
        )
        return manifest, False, extra

    def _told_before(self, context: dg.OutputContext) -> Mapping[str, Any]:
        """Return what the computation of a reused partition had told (plots, links), so that it stays in sight."""
        partitions = [context.partition_key] if context.has_asset_partitions else None
        wanted = dg.AssetRecordsFilter(asset_key=context.asset_key, asset_partitions=partitions)
        found = context.step_context.instance.fetch_materializations(wanted, limit=1).records
        last = found[0].asset_materialization if found else None
        return {k: v for k, v in last.metadata.items() if k not in OWN} if last else {}

    def _audit(self, asset: str, partition: str, staged: Staged) -> list[str]:
        audit = self._audits.get(asset)
        return audit(self.project.engine.table([staged.path], staged.columns), partition) if audit else []

    def _record_check(self, context: dg.OutputContext, asset: str, partition: str, failures: list[str]) -> None:
        if asset not in self._audits:
            return
        evaluation = dg.AssetCheckEvaluation(
            check_name="contract",
            asset_key=context.asset_key,
            passed=not failures,
            metadata={"partition": partition, "failures": failures},
            partition=partition if partition != ALL else None,
        )
        # an I/O manager cannot yield events; `from_step` logs it in the run, with a failure recorded before we raise
        DagsterEvent.asset_check_evaluation(context.step_context, evaluation)

    def _notify(self, status: str, asset: str, partition: str, rows: int = 0) -> None:
        if callable(self.project.listener):
            self.project.listener(status, asset, partition, rows)
