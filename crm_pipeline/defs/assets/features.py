"""Assets of the layers activity, lifetime, features, outcomes and training. The table logic lies in transforms."""

from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Any

import dagster as dg
import ibis

from crm_pipeline.defs.common import described, horizon_words, reads
from crm_pipeline.defs.lake import publishes
from crm_pipeline.engine import InRanges, in_ranges
from crm_pipeline.home.project import Project
from crm_pipeline.modeling.tasks import task as the_task
from crm_pipeline.transforms import activity, features, lifetime, training
from crm_pipeline.transforms.features.catalogue import activity_tables, history
from crm_pipeline.versions import code_version

EPOCH = date(1970, 1, 1)
UNDERSTOOD = ("texts", "audio")
"""Activity tables that are made of what was understood, beside the assets of that."""

SPANS = {"categories": "order_lines", "texts": "messages", "audio": "calls"}
"""The canonical table whose span an activity table has, where that is not the one of its name."""

OF_PARTS = ("categories", "order_lines", *UNDERSTOOD)
"""Activity tables of which ``lifetime/customers`` keeps nothing: they tell more of what another has counted."""


def feature_assets(project: Project) -> list[dg.AssetsDefinition]:
    """Return the assets from activity to the training tables."""
    names = activity_tables(project.source.inputs)
    tasks = project.tasks
    return [
        *(_activity(project, name) for name in names if name not in UNDERSTOOD),
        _lifetime(project, names),
        _purchase_process(project),
        _features(project, names),
        *(_outcomes(project, task) for task in tasks),
        _purchases(project),
        *(_training(project, task) for task in tasks),
    ]


def _activity(project: Project, name: str) -> dg.AssetsDefinition:
    told = project.source.tables.get("contacts", ())
    used = {"timezone": project.source.timezone, **({"told": sorted(told)} if name == "contacts" else {})}
    code = code_version(_activity, used)
    ins = {"events": reads("clean/order_lines" if name == "categories" else f"clean/{name}")}
    if name == "categories":
        ins["products"] = reads("clean/products", None)
    what: dict[str, Callable[..., ibis.Table]] = {
        "orders": lambda events, period: activity.orders(events, period, project.calendar),
        "order_lines": activity.order_lines,
        "categories": lambda events, period, products: activity.categories(events, products, period),
        "messages": activity.messages,
        "cases": activity.cases,
        "calls": activity.calls,
        "contacts": lambda events, period: activity.contacts(events, period, told),
    }
    sentence = (
        f"What each customer did in the period, counted and summed from clean/{name}"
        if name != "categories"
        else "What each customer bought in the period, by product category"
    )

    @dg.asset(
        **described(
            project,
            f"activity/{name}",
            code,
            ins,
            description=f"{sentence}: one row per customer with activity; sums of periods give any window.",
        )
    )
    @publishes
    def period_activity(context: dg.AssetExecutionContext, **tables: ibis.Table) -> ibis.Table:
        return what[name](tables.pop("events"), period=context.partition_key, **tables)

    return period_activity


def _lifetime(project: Project, names: tuple[str, ...]) -> dg.AssetsDefinition:
    merged = [n for n in names if n not in OF_PARTS]
    ins = {"previous": reads("lifetime/customers", (-1,)), **{n: reads(f"activity/{n}") for n in merged}}
    if "customers" in project.source.tables:
        ins["customers"] = reads("clean/customers")
    code = code_version(_lifetime, {})

    @dg.asset(**described(project, "lifetime/customers", code, ins))
    @publishes
    def lifetime_customers(context: dg.AssetExecutionContext, previous: Any, **tables: Any) -> ibis.Table:
        """Every customer known by the end of the period, with what needs all history: first and last order, rhythm, totals."""
        return lifetime.customers(
            previous, tables.pop("orders"), tables.pop("customers", None), tables, context.partition_key
        )

    return lifetime_customers


def _purchase_process(project: Project) -> dg.AssetsDefinition:
    settings, calendar = project.settings, project.calendar
    used = {
        "horizon": settings.horizon,
        "year": settings.year,
        "sample": settings.process_sample,
        "seed": settings.seed,
    }
    code = code_version(_purchase_process, used)

    @dg.asset(
        **described(
            project, "features/purchase_process", code, {"lifetime": reads("lifetime/customers")}, kinds=("numpy",)
        )
    )
    @publishes
    def purchase_process(context: dg.AssetExecutionContext, lifetime: ibis.Table) -> Any:
        """Expected purchases and the chance that a customer is still active, by two purchase-process models fitted on the period."""
        from crm_pipeline.modeling.purchase_process.features import purchase_process_features

        known = lifetime.select(
            "customer_id", first_order_day="first_day", last_order_day="last_day", n_order_days="order_days"
        )
        ends = [
            (calendar.end_date(calendar.shift(context.partition_key, i)) - EPOCH).days
            for i in (0, settings.horizon, settings.year)
        ]
        sample, seed = settings.process_sample, settings.seed
        return purchase_process_features(
            known.execute(), ends[0], ends[1] - ends[0], sample, seed, ends[2] - ends[0]
        ).features

    return purchase_process


def _features(project: Project, names: tuple[str, ...]) -> dg.AssetsDefinition:
    settings, calendar = project.settings, project.calendar
    window = tuple(range(1 - history(project.shape), 1))
    begins = {n: project.source.known_from(SPANS.get(n, n)) for n in names}
    used = {"windows": settings.windows, "horizon": settings.horizon, "eligibility": settings.eligibility,
            "timezone": project.source.timezone, "begins": sorted(begins.items()), "intents": project.shape.intents,
            "emotions": project.shape.emotions}  # fmt: skip
    code = code_version(_features, used)
    ins = {
        "lifetime": reads("lifetime/customers"),
        "process": reads("features/purchase_process"),
        **{n: reads(f"activity/{n}", window) for n in names},
    }

    table = partial(features.customers, shape=project.shape)

    @dg.asset(**described(project, "features/customers", code, ins))
    @publishes
    def customer_features(
        context: dg.AssetExecutionContext, lifetime: ibis.Table, process: ibis.Table, **windows: ibis.Table
    ) -> ibis.Table | InRanges:
        """What is known of each active customer at the period's end, in some eighty numbers: recency, rhythm, spend, season, service."""
        dates = project.engine.given(features.dates(context.partition_key, begins, calendar, project.shape), "dates")
        made = project.engine.once(table, windows, lifetime, process, dates)
        return in_ranges(made, "customer_id", lifetime, project.engine.at_once)

    return customer_features


def _outcomes(project: Project, task: str) -> dg.AssetsDefinition:
    h = project.settings.horizon
    code = code_version(_outcomes, {"horizon": h}, also=[type(the_task(task)).__module__])
    one = the_task(task)
    told = one.outcome_told.format(ago=f"{horizon_words(project)} ago") + " Empty while the period is not complete."
    ins = {"then": reads("features/customers", (-h,)), "since": reads("activity/orders", tuple(range(1 - h, 1)))}

    @dg.asset(**described(project, f"outcomes/{task}", code, ins, description=told, needs_complete=True))
    @publishes
    def happened(context: dg.AssetExecutionContext, then: ibis.Table | None, since: ibis.Table) -> ibis.Table:
        nobody = ibis.memtable([], schema={"customer_id": "string"})
        cutoff = project.calendar.shift(context.partition_key, -h)
        known = one.outcome(nobody if then is None else then, since, cutoff)
        return known if project.complete(context.partition_key) else known.limit(0)

    return happened


def _purchases(project: Project) -> dg.AssetsDefinition:
    settings, calendar, h = project.settings, project.calendar, project.settings.horizon
    used = {"horizon": h, "eligibility": settings.eligibility, "sample": settings.process_sample, "seed": settings.seed}
    code = code_version(_purchases, used)

    told = (
        f"How much the purchase process expected of all who could be scored {horizon_words(project)} ago, and how much "
        "they bought: one row, by which the season's level is set. Empty while the period is not complete."
    )
    ins = {"then": reads("lifetime/customers", (-h,)), "since": reads("activity/orders", tuple(range(1 - h, 1)))}

    @dg.asset(
        **described(project, "outcomes/purchases", code, ins, kinds=("numpy",), description=told, needs_complete=True)
    )
    @publishes
    def expected_and_bought(context: dg.AssetExecutionContext, then: ibis.Table | None, since: ibis.Table) -> Any:
        from crm_pipeline.contracts.derived import PURCHASES
        from crm_pipeline.contracts.outputs import conform
        from crm_pipeline.modeling.purchases import purchases_table

        found = purchases_table(
            then if project.complete(context.partition_key) else None,
            since,
            calendar.shift(context.partition_key, -h),
            calendar=calendar,
            horizon=h,
            eligibility=settings.eligibility,
            sample=settings.process_sample,
            seed=settings.seed,
        )
        return conform(found, PURCHASES)

    return expected_and_bought


def _training(project: Project, task: str) -> dg.AssetsDefinition:
    settings = project.settings
    back = [i * settings.training_stride for i in range(settings.training_cutoffs)]
    code = code_version(_training, {"rows": settings.training_rows, "seed": settings.seed})

    told = (
        f"What the {task} models of the period learn from: customers as they were at past cut-offs, with what happened."
    )
    ins = {
        "features": reads("features/customers", tuple(-settings.horizon - i for i in back)),
        "outcomes": reads(f"outcomes/{task}", tuple(-i for i in back)),
    }

    @dg.asset(**described(project, f"training/{task}", code, ins, description=told))
    @publishes
    def training_table(
        context: dg.AssetExecutionContext, features: ibis.Table | None, outcomes: ibis.Table
    ) -> ibis.Table:
        return training.design_matrix(
            features, outcomes, calendar=project.calendar, cap=settings.training_rows, seed=settings.seed
        )

    return training_table
