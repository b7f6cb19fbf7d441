"""Small parts all asset files share: inputs with offsets, groups, code versions. No assets here."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg

from crm_pipeline.defs.project import Project
from crm_pipeline.lake import Dep, Graph, Node

OWNERS = ["team:crm-data"]
LAYERS = {
    "raw": "1_raw", "clean": "2_clean", "rejects": "2_clean", "quality": "2_clean", "activity": "3_activity", "lifetime": "3_activity",
    "features": "4_features", "outcomes": "4_features", "training": "5_models", "levels": "5_models",
    "models": "5_models", "evaluation": "6_evaluation", "scores": "7_scores", "track_record": "8_reports",
    "reports": "8_reports",
}  # fmt: skip
"""Layer (first part of the asset key) to the group shown in the UI, numbered so that groups sort in the way of the data."""


def group_of(asset: str) -> str:
    """Return an asset's group. A champion follows from the evaluations, so that no group leads back to an earlier one."""
    return LAYERS["evaluation" if asset.endswith("/champion") else asset.split("/")[0]]


def horizon_words(project: Project) -> str:
    """Return the horizon as people say it, such as ``3 months``."""
    h, grain = project.settings.horizon, project.settings.grain
    return f"{h} {grain}{'s' if h != 1 else ''}"


def partitions_of(project: Project) -> dg.TimeWindowPartitionsDefinition:
    """Return the one partitions definition of all dated assets, from the source's recorded span.

    A closed source ends with its last period; an open one goes on, the period that is not over yet included where the
    source has rows of it.
    """
    source, calendar = project.source, project.calendar
    now = calendar.key(datetime.now(ZoneInfo(source.timezone)).date())
    going = 0 if source.closed else max(0, calendar.distance(now, source.last) + 1)
    end = calendar.end_date(source.last).isoformat() if source.closed else None
    kind = dg.MonthlyPartitionsDefinition if project.settings.grain == "month" else dg.WeeklyPartitionsDefinition
    day: dict[str, Any] = {} if project.settings.grain == "month" else {"day_offset": 1}
    return kind(
        start_date=source.first, end_date=end, timezone=source.timezone, fmt="%Y-%m-%d", end_offset=going, **day
    )


def reads(
    asset: str, offsets: Sequence[int] = (0,), *, whole: bool = False, optional: bool = False, published: bool = False
) -> dg.AssetIn:
    """Return an input that reads the partitions of ``asset`` at these offsets (never positive).

    The partition mapping is the window that spans them; the exact offsets stand in the metadata, for the I/O
    manager and the plan. ``whole`` reads an undated asset's only partition.
    """
    mapping = None
    if not whole:
        with warnings.catch_warnings():
            # the parameter is marked beta; without it the first periods of a window cannot be built at all
            warnings.simplefilter("ignore", dg.BetaWarning)
            mapping = dg.TimeWindowPartitionMapping(
                min(offsets), max(offsets), allow_nonexistent_upstream_partitions=True
            )
    listed = None if whole else [int(o) for o in offsets]
    return dg.AssetIn(
        key=dg.AssetKey(asset.split("/")),
        partition_mapping=mapping,
        metadata={"offsets": listed, "optional": optional, "published": published},
    )


def described(
    project: Project,
    asset: str,
    code: str,
    *,
    kinds: Iterable[str] = ("duckdb",),
    schema: dg.TableSchema | None = None,
    **metadata: Any,
) -> dict[str, Any]:
    """Return the keyword arguments that every asset has: key, group, owners, kinds, code version, column schema."""
    return {
        "key": dg.AssetKey(asset.split("/")),
        "group_name": group_of(asset),
        "owners": OWNERS,
        "kinds": set(kinds),
        "code_version": code,
        "metadata": {**({"dagster/column_schema": schema} if schema else column_schema(project, asset)), **metadata},
    }


def column_schema(project: Project, asset: str) -> dict[str, Any]:
    """Return the column schema of an asset as definition metadata, from its contract."""
    from crm_pipeline.contracts.derived import derived_columns
    from crm_pipeline.contracts.tables import columns_of
    from crm_pipeline.transforms.features.catalogue import columns as features

    tables, settings = project.source.tables, project.settings
    columns = (
        *columns_of(asset, tables),
        *derived_columns(asset, features(tables, settings)),
        *_task_columns(project, asset),
    )
    if not columns:
        return {}
    table = [dg.TableColumn(c.name, c.type, description=_with_unit(c)) for c in columns]
    return {"dagster/column_schema": dg.TableSchema(table)}


def _task_columns(project: Project, asset: str) -> Iterable[Any]:
    """Return the columns of an asset that belong to a task: its labels and answers, its estimators and baselines."""
    from crm_pipeline.contracts.derived import outcome_columns, training_columns
    from crm_pipeline.contracts.outputs import Output, score_columns
    from crm_pipeline.modeling.estimators import chosen
    from crm_pipeline.modeling.tasks import tasks
    from crm_pipeline.transforms.features.catalogue import columns as features

    layer, _, name = asset.partition("/")
    task = tasks().get(name.removesuffix("_predictions"))
    if task is None:
        return ()
    if layer == "outcomes":
        return outcome_columns(task.labels)
    if layer == "training":
        return training_columns(task.labels, features(project.source.tables, project.settings))
    if layer == "scores":
        return score_columns(task.answers)
    if not (layer == "track_record" or name.endswith("_predictions")):
        return ()
    models = chosen(project.settings, task.name) if layer == "evaluation" else []
    return [
        *(Output(m, "float64", f"what the model {m} foretold", task.unit) for m in models),
        *(Output(f"baseline_{b}", "float64", f"what the baseline {b} foretold", task.unit) for b in task.baselines),
    ]


def _with_unit(column: Any) -> str:
    return f"{column.description} [{column.unit}]" if column.unit else column.description


def graph_of(assets: Iterable[dg.AssetsDefinition], project: Project) -> Graph:
    """Return the plan's graph of the Dagster assets: one source of truth for lineage and staleness."""
    nodes = []
    for definition in assets:
        reading = [
            Dep(
                definition.keys_by_input_name[name].to_user_string(),
                None if ins.metadata["offsets"] is None else tuple(ins.metadata["offsets"]),
                bool(ins.metadata["optional"]),
                bool(ins.metadata["published"]),
            )
            for name, ins in definition.op.ins.items()
            if name in definition.keys_by_input_name and "offsets" in (ins.metadata or {})
        ]
        for spec in definition.specs:
            asset = spec.key.to_user_string()
            also = [Dep(str(a)) for a in spec.metadata.get("also_reads", ())]
            within = {k.to_user_string() for k in definition.asset_deps[spec.key]} & {
                s.key.to_user_string() for s in definition.specs
            }
            nodes.append(
                Node(
                    asset,
                    spec.code_version or "",
                    ()
                    if asset.startswith("raw/")
                    else (*reading, *(Dep(a) for a in sorted(within - {d.asset for d in reading})), *also),
                    partitioned=definition.partitions_def is not None,
                    source=asset.startswith("raw/"),
                    needs_complete=bool(spec.metadata.get("needs_complete")),
                )
            )
    return Graph(nodes, project.calendar, project.source.first, project.source.complete_until, project.source.last)
