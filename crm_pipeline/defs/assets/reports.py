"""The asset of the layer reports: gathers a period's frames for the page. What the page says and shows lies in reports."""

import os
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import ibis

from crm_pipeline.contracts.canonical import CANONICAL
from crm_pipeline.contracts.outputs import REPORT, conform
from crm_pipeline.defs.assets.tables import UNDATED
from crm_pipeline.defs.common import described, partitions_of, reads
from crm_pipeline.defs.io import Deferred, Result
from crm_pipeline.defs.project import Project
from crm_pipeline.modeling.estimators import chosen
from crm_pipeline.transforms.features.catalogue import catalogue
from crm_pipeline.versions import code_version

TEMPLATES = Path(__file__).parents[2] / "reports" / "templates"


def report_asset(project: Project) -> dg.AssetsDefinition:
    """Return the asset that writes one HTML page per period."""
    settings = project.settings
    h, tasks = settings.horizon, project.tasks
    back = tuple(-i * h for i in range(settings.evaluation_cutoffs))
    so_far = tuple(range(-project.calendar.distance(project.source.first, project.source.last), 1))
    ins = {
        "scores": reads("scores/customers"),
        "features": reads("features/customers", (-h, -1, 0), optional=True),
        "counts": reads("quality/rows", so_far),
    }
    for task in tasks:
        ins |= {
            f"evaluation_{task}": reads(f"evaluation/{task}", back),
            f"predictions_{task}": reads(f"evaluation/{task}_predictions"),
            f"champion_{task}": reads(f"models/{task}/champion"),
            f"scored_{task}": reads(f"scores/{task}"),
            f"record_{task}": reads(f"track_record/{task}", so_far, optional=True),
            **{f"card_{task}_{n}": reads(f"models/{task}/{n}") for n in chosen(settings, task)},
        }
    if "churn" in tasks:
        ins["lapsed"] = reads("outcomes/churn", (-h,), optional=True)
        ins["since"] = reads("activity/orders", tuple(range(1 - h, 1)))
    source = project.source
    used = {"currency": source.currency, "synthetic": source.synthetic, "timezone": source.timezone,
            "tables": sorted(source.tables), "eligibility": settings.eligibility}  # fmt: skip
    code = code_version(report_asset, used, files=sorted(TEMPLATES.iterdir()))

    @dg.asset(
        **described(project, "reports/period", code, kinds=("html",)),
        ins=ins,
        partitions_def=partitions_of(project),
    )
    def period_report(context: dg.AssetExecutionContext, **tables: Any) -> Any:
        """The page of the period: track record, data quality, who was scored, models against baselines, reasons, drift."""
        return Deferred(lambda: _write(project, context.partition_key, tables))

    return period_report


def _write(project: Project, period: str, tables: dict[str, ibis.Table | None]) -> Result:
    import pandas as pd

    from crm_pipeline.reports import plots
    from crm_pipeline.reports.report import render_report
    from crm_pipeline.scored import with_consent

    frames = {
        name: pd.DataFrame() if table is None else _read(name, table) for name, table in tables.items() if _wanted(name)
    }
    frames["scores"] = with_consent(project.lake, frames["scores"])
    data = _data(project, period, frames, tables)
    folder = project.home / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{project.calendar.label(period)}.html"
    temporary = project.lake.staging() / f"{period}.html"
    temporary.write_text(render_report(data), encoding="utf-8")
    os.replace(temporary, target)
    row = {"as_of": project.calendar.end_date(period), "path": Path("reports", target.name).as_posix()}
    base = os.environ.get("CRM_REPORTS_UI", "http://127.0.0.1:5001")
    metadata: dict[str, Any] = {
        "report": dg.MetadataValue.url(f"{base}/{target.name}"),
        "report_file": dg.MetadataValue.path(str(target)),
    }
    for task in project.tasks:
        if len(data.evaluation[task]):
            figure = plots.model_comparison(
                data.evaluation[task], champion=data.champion(task), synthetic=data.synthetic
            )
            metadata[f"{task}_models"] = dg.MetadataValue.md(plots.markdown_image(figure))
    return Result(conform(pd.DataFrame([row]), REPORT), metadata)


def _read(name: str, table: ibis.Table) -> Any:
    """Return a table's rows; a track record of years without the columns that the page does not show."""
    return (table.drop("customer_id", "model") if name.startswith("record_") else table).execute()


def _wanted(name: str) -> bool:
    return name not in ("lapsed", "since")


def _data(project: Project, period: str, frames: dict[str, Any], tables: dict[str, ibis.Table | None]) -> Any:
    import pandas as pd

    from crm_pipeline.reports.data import ReportData
    from crm_pipeline.reports.summary import refusals, row_quality, theme_shares

    settings, source, calendar = project.settings, project.source, project.calendar
    tasks = project.tasks
    features = frames["features"]
    as_of = calendar.end_date(period)
    now = features["as_of"].map(str) == str(as_of) if len(features) else pd.Series(dtype=bool)
    earlier = features[~now] if len(features) else features
    newest = max(earlier["as_of"].map(str)) if len(earlier) else None
    cards = [frames[f"card_{t}_{n}"] for t in tasks for n in chosen(settings, t)]
    return ReportData(
        source=source.name,
        period=period,
        as_of=as_of,
        horizon_end=calendar.end_date(calendar.shift(period, settings.horizon)),
        currency=source.currency,
        scores=frames["scores"],
        synthetic=source.synthetic,
        timezone=source.timezone,
        grain=settings.grain,
        horizon=settings.horizon,
        eligibility=settings.eligibility,
        track_record={t: frames[f"record_{t}"] for t in tasks},
        quality=row_quality(frames["counts"], [n for n in source.tables if n not in UNDATED]),
        refusals=refusals(frames["counts"]),
        absent_tables=tuple(name for name in CANONICAL if name not in source.tables),
        evaluation={t: frames[f"evaluation_{t}"] for t in tasks},
        predictions={t: frames[f"predictions_{t}"] for t in tasks},
        champions=pd.concat([frames[f"champion_{t}"] for t in tasks], ignore_index=True),
        cards=pd.concat(cards, ignore_index=True),
        features=features[now] if len(features) else features,
        previous_features=earlier[earlier["as_of"].map(str) == newest] if newest else earlier,
        previous_period=calendar.shift(calendar.key(date.fromisoformat(newest[:10])), -1) if newest else None,
        descriptions={f.name: f.description for f in catalogue(source.tables, settings)},
        reasons={t: theme_shares(frames[f"scored_{t}"]) for t in tasks},
        comebacks=_comebacks(tables, calendar.shift(period, -2 * settings.horizon), settings.horizon),
    )


def _comebacks(tables: dict[str, ibis.Table | None], cutoff: str, horizon: int) -> Any:
    """Count how many of those who had lapsed h periods ago ordered since."""
    import pandas as pd

    lapsed, since = tables.get("lapsed"), tables.get("since")
    if lapsed is None or since is None:
        return pd.DataFrame()
    gone = lapsed.filter(lapsed.churned == 1).select("customer_id")
    buyers = since.filter(since.n_orders > 0).select("customer_id").distinct()
    total, back = int(gone.count().execute()), int(gone.semi_join(buyers, "customer_id").count().execute())
    return pd.DataFrame([{"cutoff": cutoff, "lapsed": total, "returned": back, "periods": horizon}] if total else [])
