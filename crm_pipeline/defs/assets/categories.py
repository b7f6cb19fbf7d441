"""The assets of demand by category: what each customer should buy of each, and all customers together. The logic lies in modeling."""

from typing import Any

import dagster as dg
import ibis

from crm_pipeline.contracts.outputs import CATEGORIES, CATEGORY_TOTALS, EVALUATION, conform, conform_each
from crm_pipeline.defs.common import described, horizon_words, reads, together
from crm_pipeline.defs.lake import Result, publishes
from crm_pipeline.home.project import Project
from crm_pipeline.transforms.features.catalogue import activity_tables
from crm_pipeline.versions import code_version

OF_CUSTOMERS, IN_ALL, JUDGED = "scores/categories", "scores/category_totals", "track_record/categories"


def category_assets(project: Project) -> list[dg.AssetsDefinition]:
    """Return the step that divides expected spend over categories; none where products have no category, or demand is off."""
    settings, calendar = project.settings, project.calendar
    if "demand" not in project.tasks or "categories" not in activity_tables(project.source.inputs):
        return []
    known_from = project.source.known_from("order_lines")
    used = {"year": settings.year, "horizon": settings.horizon, "seed": settings.seed, "first": known_from}
    code = code_version(category_assets, used)
    told = {
        OF_CUSTOMERS: (
            f"What each scored customer should spend in the next {horizon_words(project)} by category: it adds up to the customer's "
            "expected spend, and over customers to the forecast of the category."
        ),
        IN_ALL: (
            f"What all scored customers together should spend in the next {horizon_words(project)} by category, beside the share that "
            "the category had in the last year and in last year's season."
        ),
    }
    two_years = tuple(range(1 - 2 * settings.year, 1))
    ins = {"bought": reads("activity/categories", two_years), "demand": reads("scores/demand")}
    both = [described(project, asset, code, ins, kinds=("numpy",), description=what) for asset, what in told.items()]

    @dg.multi_asset(**together("demand_by_category", both))
    @publishes
    def divided(context: dg.AssetExecutionContext, bought: ibis.Table, demand: ibis.Table) -> dict[str, Any]:
        from crm_pipeline.modeling.categories import by_category, in_all

        period = context.partition_key
        scored = demand.filter(demand.value.notnull())
        first = max(known_from, calendar.shift(period, two_years[0]))
        found = by_category(
            bought, scored, calendar.range(first, period), settings.year, settings.horizon, settings.seed
        )
        until = calendar.end_date(calendar.shift(period, settings.horizon))
        when = {"as_of": calendar.end_date(period), "horizon_end": until}
        totals = in_all(found)
        shown = {"categories": len(totals), "expected_spend": float(found.spend.sum())}
        rows = (part.assign(**when) for part in found.rows())
        return {
            OF_CUSTOMERS: Result(conform_each(rows, CATEGORIES), shown),
            IN_ALL: Result(conform(totals.assign(**when), CATEGORY_TOTALS), shown),
        }

    return [divided, _judged(project)]


def _judged(project: Project) -> dg.AssetsDefinition:
    settings, calendar = project.settings, project.calendar
    h, year = settings.horizon, settings.year
    code = code_version(_judged, {"year": year, "horizon": h})
    told = (
        f"Whether the category named first {horizon_words(project)} ago was the one that was bought, and how far the shares of the "
        "categories were off, beside rules. Empty where nothing was scored then (as those scores stand now), or the period is not complete."
    )
    ins = {
        "said": reads(OF_CUSTOMERS, (-h,), optional=True),
        "bought": reads("activity/categories", tuple(range(1 - h - year, 1))),
    }

    @dg.asset(**described(project, JUDGED, code, ins, kinds=("pandas",), description=told))
    @publishes
    def judged(context: dg.AssetExecutionContext, said: ibis.Table | None, bought: ibis.Table) -> Any:
        from crm_pipeline.modeling.category_judging import judge_categories

        rows = None if said is None else said.execute()
        if rows is None or rows.empty or not project.complete(context.partition_key):
            return conform([], EVALUATION)
        cutoff = calendar.shift(context.partition_key, -h)
        history = bought.select("customer_id", "category", "period_start", "spend").execute()
        then = history["period_start"].astype(str).str[:10] <= cutoff
        return conform(judge_categories(rows, history[then], history[~then], cutoff), EVALUATION)

    return judged
