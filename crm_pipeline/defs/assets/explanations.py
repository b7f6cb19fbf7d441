"""The assets that tell how far a champion's explanations can be trusted. What is measured lies in modeling."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import ibis

from crm_pipeline.contracts.explanations import DEPENDENCE, PARTIAL, REASONS, SURVIVES
from crm_pipeline.contracts.outputs import conform
from crm_pipeline.defs.common import described, last_trained, reads, together
from crm_pipeline.defs.lake import Result, publishes
from crm_pipeline.engine import frame
from crm_pipeline.home.project import Project
from crm_pipeline.modeling.tasks import task as the_task
from crm_pipeline.tracking import Tracker
from crm_pipeline.transforms.features.catalogue import catalogue
from crm_pipeline.versions import code_version


def explanation_assets(project: Project, tracker: Tracker) -> list[dg.AssetsDefinition]:
    """Return one step per task: whether its reasons survive a refit, and partial dependence."""
    return [_explained(project, tracker, task) for task in project.tasks]


def _explained(project: Project, tracker: Tracker, task: str) -> dg.AssetsDefinition:
    settings = project.settings
    used = {"horizon": settings.horizon, "seed": settings.seed, "money_unit": settings.money_unit}
    code = code_version(_explained, used, also=[type(the_task(task)).__module__])
    survives, partial = f"evaluation/{task}{SURVIVES}", f"evaluation/{task}{PARTIAL}"
    told = {
        survives: f"Whether the reasons of the {task} scores survive a refit: the champion fitted anew twice on customers drawn with "
        "replacement, and for how many customers both name the same first theme.",
        partial: f"What the {task} champion says on average when one of its five strongest features is set to one value for everybody: "
        "the model, not causes.",
    }
    ins = {
        "champion": reads(f"models/{task}/champion"),
        "features": reads("features/customers"),
        "training": last_trained(project, f"training/{task}"),
        "level": reads(f"levels/{task}"),
    }
    both = [described(project, a, code, ins, kinds=("pandas",), description=what) for a, what in told.items()]

    @dg.multi_asset(**together(f"explain_{task}", both))
    @publishes
    def explained(
        context: dg.AssetExecutionContext,
        champion: ibis.Table,
        features: ibis.Table,
        training: ibis.Table | None,
        level: ibis.Table,
    ) -> Mapping[str, Any]:
        from crm_pipeline.modeling.customers import Customers
        from crm_pipeline.modeling.dependence import dependence
        from crm_pipeline.modeling.explain import told_as
        from crm_pipeline.modeling.level import level_from_json
        from crm_pipeline.modeling.stability import measured

        row = champion.execute().iloc[0]
        customers = Customers(features)
        model = tracker.load(row["model_uri"]) if isinstance(row["model_uri"], str) and row["model_uri"] else None
        if model is None or training is None or not len(customers):
            return {survives: conform([], REASONS), partial: conform([], DEPENDENCE)}
        themes = told_as(task, {f.name: f.theme for f in catalogue(project.source.inputs, project.shape)})
        unit = float(settings.money_unit)
        found = measured(
            task, model, frame(training), customers, themes,
            horizon=settings.horizon, seed=settings.seed, money_unit=unit,
        )  # fmt: skip
        known = level_from_json(level.execute()["level"].iloc[0])
        points = dependence(task, model, customers, themes, level=known, money_unit=unit)
        same = {
            "task": task,
            "as_of": project.calendar.end_date(context.partition_key),
            "estimator": row["champion"],
            "model_version": row["model_version"],
        }
        shown = {name: found[name] for name in ("status", "reason", "first") if found[name] is not None}
        return {
            survives: Result(conform([same | found], REASONS), shown),
            partial: conform(points.assign(**{k: v for k, v in same.items() if k != "model_version"}), DEPENDENCE),
        }

    return explained
