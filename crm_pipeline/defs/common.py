"""What all asset files share, derived in one place: key, group, inputs, partition mapping, schema, check; and the plan's graph.

No assets here.
"""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple
from datetime import timedelta
from typing import Any

import dagster as dg

from crm_pipeline.defs.checks import check_spec, column_schema, watch_spec
from crm_pipeline.home.contract import contract_of
from crm_pipeline.home.project import Project
from crm_pipeline.home.watch import watch_of
from crm_pipeline.lake import Dep, Graph, Node

OWNERS = ["team:crm-data"]
READS = "reads"
"""Metadata of an asset: input name to asset, offsets in periods, whether it may be absent, whether as published too."""

LAYERS = {
    "raw": "1_raw", "clean": "2_clean", "rejects": "2_clean", "quality": "2_clean", "text": "2_text", "audio": "2_recordings",
    "activity": "3_activity", "lifetime": "3_activity", "features": "4_features", "outcomes": "4_features",
    "training": "5_models", "levels": "5_models", "models": "5_models", "evaluation": "6_evaluation", "intervals": "6_evaluation",
    "scores": "7_scores", "plans": "7_scores", "track_record": "8_reports", "reports": "8_reports",
}  # fmt: skip
"""Layer (first part of the asset key) to the group shown in the UI, numbered so that groups sort in the way of the data."""


def group_of(asset: str) -> str:
    """Return an asset's group, so that no group leads back to an earlier one.

    A champion follows from the evaluations, and the words of a period are sorted by what is known of customers.
    """
    if asset == "text/words":
        return LAYERS["lifetime"]
    return LAYERS["evaluation" if asset.endswith("/champion") else asset.split("/")[0]]


def horizon_words(project: Project) -> str:
    """Return the horizon as people say it, such as ``3 months``."""
    h, grain = project.settings.horizon, project.settings.grain
    return f"{h} {grain}{'s' if h != 1 else ''}"


def partitions_of(project: Project) -> dg.TimeWindowPartitionsDefinition:
    """Return the one partitions definition of all dated assets, from the source's recorded span.

    A closed source ends with its last period; an open one goes on, the period that is not over yet included.
    """
    source, calendar = project.source, project.calendar
    end = calendar.end_date(source.last).isoformat() if source.closed else None
    kind = dg.MonthlyPartitionsDefinition if project.settings.grain == "month" else dg.WeeklyPartitionsDefinition
    day: dict[str, Any] = {} if project.settings.grain == "month" else {"day_offset": 1}
    return kind(
        start_date=source.first,
        end_date=end,
        timezone=source.timezone,
        fmt="%Y-%m-%d",
        end_offset=0 if source.closed else 1,
        **day,
    )


def reads(asset: str, offsets: Sequence[int] | None = (0,), *, optional: bool = False, published: bool = False) -> Dep:
    """Return an input: the partitions of ``asset`` at these offsets (never positive), or an undated asset's only one (None)."""
    return Dep(asset, None if offsets is None else tuple(offsets), optional, published)


def last_trained(project: Project, model: str, ago: int = 0) -> Dep:
    """Return an input: the card of an estimator that stood ``ago`` periods ago, of the last training (`Settings.train_every`)."""
    return Dep(model, block=project.settings.train_every, lag=-ago)


def described(
    project: Project,
    asset: str,
    code: str,
    ins: Mapping[str, Dep],
    *,
    kinds: Iterable[str] = ("duckdb",),
    description: str | None = None,
    dated: bool = True,
    needs_complete: bool = False,
) -> dict[str, Any]:
    """Return the keyword arguments of ``dg.asset`` that every asset has.

    ``ins`` are its inputs by name. Each becomes a dependency on the window that spans its offsets; names and exact offsets
    stand in the asset's metadata, for `crm_pipeline.defs.lake` and the plan (Dagster wants the metadata of all dependencies on
    an asset to be the same).
    """
    partitions = partitions_of(project) if dated else None
    with warnings.catch_warnings():
        # partitioned checks and windows that begin before the first period are marked preview and beta; both were tried
        warnings.simplefilter("ignore", (dg.BetaWarning, dg.PreviewWarning))
        return {
            "key": dg.AssetKey(asset.split("/")),
            "group_name": group_of(asset),
            "owners": OWNERS,
            "kinds": set(kinds),
            "code_version": code,
            "description": description,
            "metadata": {
                "dagster/column_schema": column_schema(project, asset),
                READS: {name: list(astuple(d)) for name, d in ins.items()},
                **({"needs_complete": True} if needs_complete else {}),
            },
            "deps": [_dependency(dep) for dep in ins.values()],
            "freshness_policy": freshness_of(project) if asset == "scores/customers" else None,
            "partitions_def": partitions,
            "check_specs": [
                check_spec(asset, contract_of(project, asset), partitions),
                *watch_spec(asset, watch_of(project, asset), partitions),
            ],
        }


def freshness_of(project: Project) -> dg.FreshnessPolicy | None:
    """Return how old the scored table may be: a period, the time that late data have, and a day or three. None for a closed source."""
    if project.source.closed:
        return None
    period = 31 if project.settings.grain == "month" else 7
    due = timedelta(days=period + project.settings.schedule_delay_days)
    return dg.FreshnessPolicy.time_window(fail_window=due + timedelta(days=3), warn_window=due + timedelta(days=1))


def together(name: str, assets: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the keyword arguments of ``dg.multi_asset`` for assets that one step makes, any of which can be selected."""
    alone = ("check_specs", "partitions_def")
    return {
        "name": name,
        "specs": [dg.AssetSpec(**{k: v for k, v in asset.items() if k not in alone}) for asset in assets],
        "check_specs": [spec for asset in assets for spec in asset["check_specs"]],
        "partitions_def": assets[0]["partitions_def"],
        "can_subset": True,
    }


def _dependency(dep: Dep) -> dg.AssetDep:
    mapping = (
        None
        if dep.offsets is None
        else dg.TimeWindowPartitionMapping(*dep.span, allow_nonexistent_upstream_partitions=True)
    )
    return dg.AssetDep(dg.AssetKey(dep.asset.split("/")), partition_mapping=mapping)


def inputs_of(spec: dg.AssetSpec) -> dict[str, Dep]:
    """Return the inputs of an asset by name, as `described` was given them."""
    return {
        name: Dep(asset, None if offsets is None else tuple(offsets), *more)
        for name, (asset, offsets, *more) in spec.metadata[READS].items()
    }


def graph_of(assets: Iterable[dg.AssetsDefinition], project: Project) -> Graph:
    """Return the plan's graph of the Dagster assets: one source of truth for lineage and staleness."""
    nodes = [
        Node(
            spec.key.to_user_string(),
            spec.code_version or "",
            tuple(inputs_of(spec).values()),
            partitioned=spec.partitions_def is not None,
            source=spec.key.path[0] == "raw",
            needs_complete=bool(spec.metadata.get("needs_complete")),
        )
        for definition in assets
        for spec in definition.specs
    ]
    return Graph(nodes, project.calendar, project.source.first, project.source.complete_until, project.source.last)
