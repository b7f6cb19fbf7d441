"""Assets of the layers scores, track_record and reports. Scoring lies in modeling, joining in transforms, pages in reports."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import ibis

from crm_pipeline.contracts.outputs import TRACK_RECORD, conform, score_columns
from crm_pipeline.defs.common import described, horizon_words, partitions_of, reads
from crm_pipeline.defs.io import Deferred, Result
from crm_pipeline.defs.project import Project
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

    @dg.asset(
        **described(project, f"scores/{task}", code, kinds=("xgboost", "scikitlearn")),
        description=f"The champion's word on {the_task(task).score_told}, with reasons in words and the factors behind them.",
        ins={
            "champion": reads(f"models/{task}/champion"),
            "features": reads("features/customers"),
            "level": reads(f"levels/{task}"),
        },
        partitions_def=partitions_of(project),
    )
    def scored(context: dg.AssetExecutionContext, champion: ibis.Table, features: ibis.Table, level: ibis.Table) -> Any:
        def compute() -> Any:
            return _score(
                project, tracker, task, context.partition_key, context.run.run_id, (champion, features, level)
            )

        return Deferred(compute)

    return scored


def _score(
    project: Project,
    tracker: Tracker,
    task: str,
    period: str,
    run_id: str,
    tables: tuple[ibis.Table, ibis.Table, ibis.Table],
) -> Result:
    from crm_pipeline.modeling.level import level_from_json
    from crm_pipeline.modeling.scoring import Release, abstain, score

    champion, features, level = (table.execute() for table in tables)
    settings, calendar = project.settings, project.calendar
    row = champion.iloc[0]
    release = Release(
        task=task,
        as_of=calendar.end_date(period),
        horizon_end=calendar.end_date(calendar.shift(period, settings.horizon)),
        label_definition=the_task(task).definition(settings.horizon, settings.grain),
        model=_text(row["champion"]),
        model_version=_text(row["model_version"]),
        run_id=run_id,
        currency=project.source.currency,
        money_unit=float(settings.money_unit),
        horizon=settings.horizon,
        year=settings.year,
        grain=settings.grain,
    )
    features = features.sort_values("customer_id", ignore_index=True)
    themes = {f.name: f.theme for f in catalogue(project.source.tables, settings)}
    model = tracker.load(row["model_uri"]) if _text(row["model_uri"]) else None
    if model is None or features.empty:
        frame = abstain(features, release, row["reason"])
    else:
        frame = score(model, features, release, level_from_json(level["level"].iloc[0]), themes)
    return Result(
        conform(frame, score_columns(the_task(task).answers)),
        {"champion": release.model, "model_version": release.model_version},
    )


def _text(value: object) -> str:
    """Return a text cell; a null one (no champion) is empty."""
    return value if isinstance(value, str) else ""


def _customers(project: Project) -> dg.AssetsDefinition:
    settings, source = project.settings, project.source
    names = activity_tables(source.tables)
    year = tuple(range(1 - settings.year, 1))
    used = {"eligibility": settings.eligibility, "horizon": settings.horizon, "money_unit": settings.money_unit,
            "timezone": source.timezone, "has_cases": "cases" in source.tables}  # fmt: skip
    code = code_version(_customers, used)
    ins: dict[str, dg.AssetIn] = {
        "lifetime": reads("lifetime/customers"),
        "orders": reads("activity/orders", year),
        **{f"scores_{task}": reads(f"scores/{task}") for task in project.tasks},
        **{f"champion_{task}": reads(f"models/{task}/champion") for task in project.tasks},
        **{name: reads(f"activity/{name}", year) for name in ("categories", "contacts") if name in names},
        "previous": reads("scores/customers", (-1,), optional=True),
    }

    @dg.asset(
        **described(project, "scores/customers", code),
        ins=ins,
        partitions_def=partitions_of(project),
    )
    def scored_customers(
        context: dg.AssetExecutionContext, lifetime: ibis.Table, orders: ibis.Table, **tables: Any
    ) -> Any:
        """The table the team acts on: every known customer with risk, value, reasons, and what to do."""

        def compute() -> Any:
            period, calendar = context.partition_key, project.calendar
            champions = [tables[f"champion_{task}"].execute().iloc[0] for task in project.tasks]
            frame = scores.Frame(
                calendar=calendar,
                first=source.first,
                period=period,
                as_of=calendar.end_date(period),
                horizon_end=calendar.end_date(calendar.shift(period, settings.horizon)),
                label_definition=the_task("churn").definition(settings.horizon, settings.grain),
                eligibility=f"{settings.eligibility} {settings.grain}s",
                unit=float(settings.money_unit),
                has_cases="cases" in source.tables,
                has_contacts="contacts" in source.tables,
                run_id=context.run.run_id,
                scored_at=datetime.now(ZoneInfo(source.timezone)).replace(tzinfo=None, microsecond=0),
                release=",".join(
                    f"{c['task']}:{_text(c['champion']) or 'none'}:{_text(c['model_version'])}" for c in champions
                ),
            )
            return scores.customers(
                lifetime,
                orders,
                tables.get("scores_churn"),
                tables.get("scores_demand"),
                frame,
                categories=tables.get("categories"),
                contacts=tables.get("contacts"),
                previous=tables.get("previous"),
            )

        return Deferred(compute)

    return scored_customers


def _track_record(project: Project, task: str) -> dg.AssetsDefinition:
    h = project.settings.horizon
    used = {"horizon": h, "money_unit": project.settings.money_unit}
    code = code_version(_track_record, used, also=[type(the_task(task)).__module__])
    asset = f"scores/{task}"

    @dg.asset(
        **described(project, f"track_record/{task}", code, kinds=("pandas",)),
        description=(
            f"The {task} scores as they were published {horizon_words(project)} ago, beside what happened since; "
            "a later backfill of those scores stands apart as restated."
        ),
        ins={
            "then": reads(asset, (-h,), optional=True, published=True),
            "outcomes": reads(f"outcomes/{task}"),
            "rules": reads(f"evaluation/{task}_predictions"),
        },
        partitions_def=partitions_of(project),
    )
    def record(context: dg.AssetExecutionContext, then: Any, outcomes: ibis.Table, rules: ibis.Table) -> Any:
        def compute() -> Any:
            from crm_pipeline.modeling.track_record import as_published

            editions = _editions(project, asset, project.calendar.shift(context.partition_key, -h))
            frame = as_published(
                task, editions, outcomes.execute(), rules.execute(), money_unit=float(project.settings.money_unit)
            )
            return Result(conform(frame, TRACK_RECORD), {"editions": len(editions)})

        return Deferred(compute)

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
