"""Assets of the layers scores, track_record and reports. Scoring lies in modeling, joining in transforms, pages in reports."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import ibis

from crm_pipeline.contracts.outputs import TRACK_RECORD, conform, conform_each, score_columns
from crm_pipeline.defs.common import described, horizon_words, reads
from crm_pipeline.defs.lake import Result, publishes
from crm_pipeline.home.project import Project
from crm_pipeline.lake import Dep
from crm_pipeline.modeling.tasks import task as the_task
from crm_pipeline.tracking import Tracker
from crm_pipeline.transforms import scores
from crm_pipeline.transforms.features.catalogue import activity_tables, catalogue
from crm_pipeline.versions import code_version


def score_assets(project: Project, tracker: Tracker) -> list[dg.AssetsDefinition]:
    """Return the assets from the scores to the report."""
    tasks = project.tasks
    return [
        *(_scores(project, tracker, task) for task in tasks),
        _customers(project),
        *(_track_record(project, task) for task in tasks),
    ]


def _scores(project: Project, tracker: Tracker, task: str) -> dg.AssetsDefinition:
    settings = project.settings
    used = {"currency": project.source.currency, "horizon": settings.horizon, "money_unit": settings.money_unit}
    code = code_version(_scores, used, also=[type(the_task(task)).__module__])

    told = f"The champion's word on {the_task(task).score_told}, with reasons in words and the factors behind them."
    ins = {
        "champion": reads(f"models/{task}/champion"),
        "features": reads("features/customers"),
        "level": reads(f"levels/{task}"),
        **({"intervals": reads(f"intervals/{task}")} if the_task(task).conformal else {}),
    }

    @dg.asset(**described(project, f"scores/{task}", code, ins, kinds=("xgboost", "scikitlearn"), description=told))
    @publishes
    def scored(
        context: dg.AssetExecutionContext,
        champion: ibis.Table,
        features: ibis.Table,
        level: ibis.Table,
        intervals: ibis.Table | None = None,
    ) -> Result:
        from crm_pipeline.modeling.conformal import bands_of
        from crm_pipeline.modeling.customers import Customers
        from crm_pipeline.modeling.explain import told_as
        from crm_pipeline.modeling.level import level_from_json
        from crm_pipeline.modeling.scoring import abstain, score

        row = champion.execute().iloc[0]
        release = _release(project, task, context, row)
        customers = Customers(features, project.engine)
        model = tracker.load(row["model_uri"]) if _text(row["model_uri"]) else None
        if model is None or not len(customers):
            rows = abstain(customers, release, row["reason"])
        else:
            themes = told_as(task, {f.name: f.theme for f in catalogue(project.source.inputs, project.shape)})
            known = level_from_json(level.execute()["level"].iloc[0])
            bands = None if intervals is None else bands_of(intervals.execute(), release.model)
            rows = score(model, customers, release, known, themes, bands, project.settings.threads)
        told = {"champion": release.model, "model_version": release.model_version}
        return Result(conform_each(rows, score_columns(the_task(task).answers)), told)

    return scored


def _release(project: Project, task: str, context: dg.AssetExecutionContext, champion: Any) -> Any:
    """Return what is the same for all score rows of a task and period."""
    from crm_pipeline.modeling.scoring import Release

    settings, calendar, period = project.settings, project.calendar, context.partition_key
    return Release(
        task=task,
        as_of=calendar.end_date(period),
        horizon_end=calendar.end_date(calendar.shift(period, settings.horizon)),
        label_definition=the_task(task).definition(settings.horizon, settings.grain),
        model=_text(champion["champion"]),
        model_version=_text(champion["model_version"]),
        run_id=context.run.run_id,
        currency=project.source.currency,
        money_unit=float(settings.money_unit),
        horizon=settings.horizon,
        year=settings.year,
        grain=settings.grain,
    )


def _text(value: object) -> str:
    """Return a text cell; a null one (no champion) is empty."""
    return value if isinstance(value, str) else ""


def _customers(project: Project) -> dg.AssetsDefinition:
    settings, source = project.settings, project.source
    names = activity_tables(source.inputs)
    year = tuple(range(1 - settings.year, 1))
    used = {"eligibility": settings.eligibility, "horizon": settings.horizon, "money_unit": settings.money_unit,
            "timezone": source.timezone, "has_cases": "cases" in source.tables,
            "has_opt_outs": "opted_out_at" in source.tables.get("contacts", ()), "train_every": settings.train_every}  # fmt: skip
    code = code_version(_customers, used)
    divided = "categories" in names and "demand" in project.tasks
    ins: dict[str, Dep] = {
        "lifetime": reads("lifetime/customers"),
        "orders": reads("activity/orders", year),
        **{f"scores_{task}": reads(f"scores/{task}") for task in project.tasks},
        **{f"champion_{task}": reads(f"models/{task}/champion") for task in project.tasks},
        **{name: reads(f"activity/{name}", year) for name in ("categories", "contacts", "texts") if name in names},
        "value": reads("scores/value"),
        "segments": reads("scores/segments"),
        "process": reads("features/purchase_process"),
        **({"next": reads("scores/categories")} if divided else {}),
        "previous": reads("scores/customers", (-1,), optional=True),
    }

    @dg.asset(**described(project, "scores/customers", code, ins))
    @publishes
    def scored_customers(
        context: dg.AssetExecutionContext, lifetime: ibis.Table, orders: ibis.Table, **tables: Any
    ) -> ibis.Table:
        """The table the team acts on: every known customer with risk, value, reasons, and what to do."""
        return scores.customers(
            lifetime,
            orders,
            tables.get("scores_churn"),
            tables.get("scores_demand"),
            _frame(project, context, [tables[f"champion_{task}"].execute().iloc[0] for task in project.tasks]),
            categories=tables.get("categories"),
            next_best=tables.get("next"),
            contacts=tables.get("contacts"),
            texts=tables.get("texts"),
            value=tables["value"],
            segments=tables["segments"],
            process=tables["process"],
            previous=tables.get("previous"),
        )

    return scored_customers


def _frame(project: Project, context: dg.AssetExecutionContext, champions: list[Any]) -> scores.Frame:
    """Return what is the same for all rows of the scored table of a period."""
    settings, source, calendar, period = project.settings, project.source, project.calendar, context.partition_key
    return scores.Frame(
        calendar=calendar,
        first=source.first,
        period=period,
        as_of=calendar.end_date(period),
        horizon_end=calendar.end_date(calendar.shift(period, settings.horizon)),
        label_definition=the_task("churn").definition(settings.horizon, settings.grain),
        eligibility=f"{settings.eligibility} {settings.grain}s",
        unit=float(settings.money_unit),
        has_cases="cases" in source.tables,
        has_opt_outs="opted_out_at" in source.tables.get("contacts", ()),
        run_id=context.run.run_id,
        model_age=calendar.distance(calendar.last_of_block(period, settings.train_every), period),
        scored_at=datetime.now(ZoneInfo(source.timezone)).replace(tzinfo=None, microsecond=0),
        release=",".join(
            f"{c['task']}:{_text(c['champion']) or 'none'}:{_text(c['model_version'])}" for c in champions
        ),
    )


def _track_record(project: Project, task: str) -> dg.AssetsDefinition:
    h = project.settings.horizon
    used = {"horizon": h, "money_unit": project.settings.money_unit}
    code = code_version(_track_record, used, also=[type(the_task(task)).__module__])
    asset = f"scores/{task}"

    told = (
        f"The {task} scores as they were published {horizon_words(project)} ago, beside what happened since; "
        "a later backfill of those scores stands apart as restated."
    )
    ins = {
        "then": reads(asset, (-h,), optional=True, published=True),
        "outcomes": reads(f"outcomes/{task}"),
        "rules": reads(f"evaluation/{task}_predictions"),
    }

    @dg.asset(**described(project, f"track_record/{task}", code, ins, kinds=("pandas",), description=told))
    @publishes
    def record(
        context: dg.AssetExecutionContext, then: ibis.Table | None, outcomes: ibis.Table, rules: ibis.Table
    ) -> Result:
        from crm_pipeline.modeling.track_record import as_published

        editions = _editions(project, asset, project.calendar.shift(context.partition_key, -h))
        unit = float(project.settings.money_unit)
        rows = as_published(task, editions, outcomes.execute(), rules.execute(), money_unit=unit)
        return Result(conform(rows, TRACK_RECORD), {"editions": len(editions)})

    return record


def _editions(project: Project, asset: str, period: str) -> Mapping[tuple[str, str], Any]:
    """Return the first published generation of a partition, and the current one where its content differs."""
    if period < project.source.first:
        return {}
    grain = project.calendar.grain
    first, editions = project.lake.first_edition(asset, period, grain), project.lake.editions(asset, period, grain)
    found = {}
    if first is not None:
        found["published", first.published_at] = project.lake.read([first]).execute()
    if editions and (first is None or editions[-1].content_hash != first.content_hash):
        found["restated", editions[-1].published_at] = project.lake.read(editions[-1:]).execute()
    return found
