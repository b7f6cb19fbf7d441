"""The assets of the segments: what is fitted, and who belongs to which. The logic lies in modeling."""

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

import dagster as dg
import ibis

from crm_pipeline.contracts.outputs import SEGMENT_CARD, SEGMENTS, conform
from crm_pipeline.defs.common import described, reads
from crm_pipeline.defs.lake import Result, publishes
from crm_pipeline.hashing import digest
from crm_pipeline.home.project import Project
from crm_pipeline.tracking import Tracker
from crm_pipeline.versions import code_version

MODEL = "models/segments"
READ = ("customer_id", "first_day", "last_day", "order_days", "spend")


def segment_assets(project: Project, tracker: Tracker) -> list[dg.AssetsDefinition]:
    """Return the assets of the segments."""
    return [_model(project, tracker), _customers(project)]


def _day(day: date) -> int:
    return (day - date(1970, 1, 1)).days


def _model(project: Project, tracker: Tracker) -> dg.AssetsDefinition:
    settings, calendar = project.settings, project.calendar
    used = {
        "horizon": settings.horizon,
        "year": settings.year,
        "seed": settings.seed,
        "money_unit": settings.money_unit,
    }
    code = code_version(_model, used)
    told = (
        "Which kinds of customers there are: k-means over recency, purchase days, spend on one and tenure, named from the centres and "
        "matched with the period before; how many, by the silhouette; an MLflow run."
    )
    ins = {"lifetime": reads("lifetime/customers", (-1, 0))}

    @dg.asset(**described(project, MODEL, code, ins, kinds=("mlflow", "scikitlearn"), description=told))
    @publishes
    def fitted(context: dg.AssetExecutionContext, lifetime: ibis.Table, pins: Mapping[str, str]) -> Result:
        from crm_pipeline.modeling.segment_names import Yardsticks
        from crm_pipeline.modeling.segments import fit_beside_before, measures_of

        period, before = context.partition_key, calendar.shift(context.partition_key, -1)
        known = lifetime.select("as_of_period", *READ).execute()
        parts = known["as_of_period"].astype("str").str[:10]
        now, then = (
            measures_of(known[parts == key], _day(calendar.end_date(key)), float(settings.money_unit))
            for key in (period, before)
        )
        end = calendar.end_date(period)
        ahead = (
            _day(calendar.end_date(calendar.shift(period, n))) - _day(end) for n in (settings.horizon, settings.year)
        )
        model, stability = fit_beside_before(now, then, Yardsticks(*ahead), settings.seed)
        card = _card(model, stability) | {
            "model_version": digest(json.dumps([sorted(pins.items()), code]), 8),
            "trained_as_of": end,
        }
        shown: dict[str, Any] = {
            n: card[n] for n in ("status", "reason", "k", "silhouette", "stability", "refit_stability") if n in card
        }
        if not isinstance(model, str):
            tags = {"dagster.run_id": context.run.run_id, "crm.asset": MODEL, "crm.partition": period,
                    "crm.model_version": card["model_version"], "crm.code_version": code,
                    "crm.inputs": json.dumps(pins)[:4000]}  # fmt: skip
            tracked = _tracked(tracker, f"segments@{period}", model, card, now, tags)
            card |= tracked._asdict()
            shown |= {
                "mlflow": dg.MetadataValue.url(tracker.link(tracked.run_id)),
                "segments": dg.MetadataValue.md(_centres(model, now)),
            }
        return Result(conform([card], SEGMENT_CARD), shown)

    return fitted


def _card(model: Any, stability: Any) -> dict[str, Any]:
    """Return what the card says of segments, or of why there are none."""
    if isinstance(model, str):
        return {"task": "segments", "estimator": "k_means", "status": "abstained", "reason": model, "rows": 0, "customers": 0,
                "features": "[]", "parameters": "{}"}  # fmt: skip
    from crm_pipeline.modeling.segments import MEASURES

    best = model.silhouettes[str(model.k)]
    tried = ", ".join(f"{k}: {quality:.2f}" for k, quality in model.silhouettes.items())
    return {
        "task": "segments",
        "estimator": "k_means",
        "status": "fitted",
        "reason": f"{model.k} segments of {model.customers:,} customers; mean silhouettes {tried}.",
        "rows": model.customers,
        "customers": model.customers,
        "features": json.dumps(MEASURES),
        "parameters": json.dumps({"k": model.k, "silhouettes": model.silhouettes}),
        "k": model.k,
        "silhouette": best,
        "stability": stability.customers,
        "refit_stability": stability.refit,
        "segments": model.to_json(),
    }


def _tracked(
    tracker: Tracker, name: str, model: Any, card: Mapping[str, Any], rows: Any, tags: Mapping[str, str]
) -> Any:
    """Log the segments with their card as one MLflow run."""
    from crm_pipeline.modeling.segment_model import SegmentModel
    from crm_pipeline.modeling.segments import MEASURES

    measured = {n: card[n] for n in ("rows", "k", "silhouette", "stability", "refit_stability") if card[n] == card[n]}
    return tracker.log_model(
        name,
        SegmentModel(model.to_json()),
        parameters={"k": model.k},
        metrics=measured,
        tags=tags,
        example=rows[list(MEASURES)].head(5),
    )


def _centres(model: Any, rows: Any) -> str:
    """Return the segments as a Markdown table: name, customers, and the median of each measure."""
    from crm_pipeline.modeling.segments import MEASURES

    grouped = rows.groupby(model.assign(rows))[list(MEASURES)]
    lines = [f"| segment | customers | {' | '.join(MEASURES)} |", "|---" * (len(MEASURES) + 2) + "|"]
    for at, medians in grouped.median().iterrows():
        size = len(grouped.get_group(at))
        lines.append(f"| {model.names[at]} | {size:,} | {' | '.join(f'{v:,.0f}' for v in medians)} |")
    return "\n".join(lines)


def _customers(project: Project) -> dg.AssetsDefinition:
    calendar, unit = project.calendar, float(project.settings.money_unit)
    code = code_version(_customers, {"money_unit": project.settings.money_unit})
    ins = {"lifetime": reads("lifetime/customers"), "model": reads(MODEL)}

    @dg.asset(**described(project, "scores/segments", code, ins, kinds=("numpy",)))
    @publishes
    def segments(context: dg.AssetExecutionContext, lifetime: ibis.Table, model: ibis.Table) -> Any:
        """What kind of customer everyone known is, in words (loyal, new, slipping, lost, ...), and the RFM quintiles."""
        from crm_pipeline.modeling.segments import Segments, measures_of, segments_of_customers

        end = calendar.end_date(context.partition_key)
        known = lifetime.select(*READ).order_by("customer_id").execute()
        card = model.execute().iloc[0]
        fitted = Segments.from_json(card["segments"]) if card["status"] == "fitted" else str(card["reason"])
        rows = segments_of_customers(known["customer_id"], measures_of(known, _day(end), unit), fitted)
        return conform(rows.assign(as_of=end, model_version=card["model_version"]), SEGMENTS)

    return segments
