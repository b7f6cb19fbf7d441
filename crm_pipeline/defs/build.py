"""Puts the code location together from the asset files, once per home. No assets and no logic here."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import dagster as dg

from crm_pipeline.defs.alerts import alert_sensors
from crm_pipeline.defs.assets.calls import call_assets
from crm_pipeline.defs.assets.categories import category_assets
from crm_pipeline.defs.assets.emotions import emotion_assets
from crm_pipeline.defs.assets.explanations import explanation_assets
from crm_pipeline.defs.assets.features import feature_assets
from crm_pipeline.defs.assets.models import model_assets
from crm_pipeline.defs.assets.plans import plan_assets
from crm_pipeline.defs.assets.reports import report_asset
from crm_pipeline.defs.assets.scores import score_assets
from crm_pipeline.defs.assets.segments import segment_assets
from crm_pipeline.defs.assets.tables import table_assets
from crm_pipeline.defs.assets.texts import text_assets
from crm_pipeline.defs.assets.values import value_assets
from crm_pipeline.defs.assets.values_learned import learned_value_assets
from crm_pipeline.defs.common import graph_of
from crm_pipeline.defs.jobs import EVERYTHING, jobs, period_end
from crm_pipeline.defs.lake import LakeResource
from crm_pipeline.defs.plan import plan_asset
from crm_pipeline.defs.sensors import after_a_data_fix
from crm_pipeline.defs.source import refresh, take_over
from crm_pipeline.home.contract import contract_of
from crm_pipeline.home.project import Project
from crm_pipeline.home.sqlite import relax_sqlite
from crm_pipeline.home.watch import watch_of
from crm_pipeline.lake import Graph, publish_views
from crm_pipeline.sources.state import read_state
from crm_pipeline.tracking import Tracker


@dataclass
class Built:
    """The definitions of a home, and the plan's graph of the same assets."""

    project: Project
    assets: list[dg.AssetsDefinition]
    definitions: dg.Definitions = field(default_factory=dg.Definitions)

    @cached_property
    def graph(self) -> Graph:
        """The asset graph as the plan sees it."""
        return graph_of(self.assets, self.project)

    def look_at_source(self) -> str:
        """Read what changed in the source, and see the plan by what it says now; returns what was read."""
        said = refresh(self.project, self.assets, all_assets)
        self.__dict__.pop("graph", None)
        return said

    def take_over(self) -> None:
        """See the source as the last sync of whatever process recorded it."""
        state = read_state(self.project.home)
        if state is None:
            return
        state = replace(state, path=self.project.source.path, files=self.project.source.files)
        if take_over(self.project, self.assets, all_assets, state):
            self.__dict__.pop("graph", None)

    @cached_property
    def job(self) -> dg.JobDefinition:
        """The job of all assets."""
        return self.definitions.resolve_job_def(EVERYTHING)


def all_assets(project: Project) -> list[dg.AssetsDefinition]:
    """Return the assets of a home."""
    tracker = Tracker(project.home)
    return [
        *table_assets(project),
        *text_assets(project, tracker),
        *emotion_assets(project, tracker),
        *call_assets(project, tracker),
        *feature_assets(project),
        *model_assets(project, tracker),
        *explanation_assets(project, tracker),
        *segment_assets(project, tracker),
        *learned_value_assets(project, tracker),
        *value_assets(project, tracker),
        *category_assets(project),
        *score_assets(project, tracker),
        *plan_assets(project),
        report_asset(project, tracker),
    ]


def build_defs(
    project: Project, resource_overrides: Mapping[str, Any] | None = None, looks_at_source: bool = False
) -> Built:
    """Assemble everything for one home.

    Parameters
    ----------
    project : Project
    resource_overrides : mapping, optional
        Resources that replace the real ones, for tests.
    looks_at_source : bool
        Whether a run that materializes raw tables looks at the source's files first; the command has done so before it plans.
    """
    if "sqlalchemy" in sys.modules:  # a process that runs has opened its instance; one that only looks need not pay
        relax_sqlite()
    built = Built(project, all_assets(project))
    names = [spec.key.to_user_string() for definition in built.assets for spec in definition.specs]
    contracts = {name: contract_of(project, name) for name in names}
    watches = {name: watch for name in names if (watch := watch_of(project, name)) is not None}
    lake = LakeResource(project, lambda: built.graph, contracts, watches=watches)

    @dg.resource(description="The lake of the home: reads inputs, audits and publishes.")
    def of_a_run(_: dg.InitResourceContext) -> Iterator[LakeResource]:
        """In a run of the UI, a schedule or a sensor, what the command does around its runs."""
        lake.look = built.look_at_source
        yield lake
        publish_views(project.lake)

    purposes = jobs(project)
    built.definitions = dg.Definitions(
        assets=[*built.assets, plan_asset(built)],
        jobs=purposes,
        schedules=[period_end(project)],
        sensors=[after_a_data_fix(built, purposes), *alert_sensors(project)],
        resources={"lake": of_a_run if looks_at_source else lake, **(resource_overrides or {})},
        executor=dg.in_process_executor,
    )
    return built
