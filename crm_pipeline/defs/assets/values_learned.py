"""Assets of the value of a year where such outcomes exist: what was spent, what boosting learns of it, how both models did.

Models and judging lie in modeling. A source that does not span two years has none of these.
"""

import json
from collections.abc import Mapping
from typing import Any

import dagster as dg
import ibis

from crm_pipeline.contracts.outputs import CARD, EVALUATION, INTERVALS, PREDICTIONS, conform
from crm_pipeline.defs.assets.models import load_card_model, track_model
from crm_pipeline.defs.common import described, reads, together
from crm_pipeline.defs.lake import Result, publishes
from crm_pipeline.engine import frame
from crm_pipeline.hashing import digest
from crm_pipeline.home.project import Project
from crm_pipeline.modeling.estimators import entry
from crm_pipeline.modeling.tasks import task as the_task
from crm_pipeline.modeling.value_names import LEARNED, LIKE
from crm_pipeline.tracking import Tracker
from crm_pipeline.transforms import training
from crm_pipeline.versions import code_version

LEARNED_CARD = f"models/value/{LEARNED}"


def spans_two_years(project: Project) -> bool:
    """Tell whether a year's outcomes can be known of customers with a year of history before."""
    source, calendar = project.source, project.calendar
    return calendar.distance(source.known_from("orders"), source.last) >= 2 * project.settings.year - 1


def learned_value_assets(project: Project, tracker: Tracker) -> list[dg.AssetsDefinition]:
    """Return the assets from the year's outcomes to the judged models; none for a source that spans less than two years."""
    if not spans_two_years(project):
        return []
    return [_outcomes(project), _training(project), _model(project, tracker), _evaluation(project, tracker)]


def _outcomes(project: Project) -> dg.AssetsDefinition:
    year, one = project.settings.year, the_task(LIKE)
    code = code_version(_outcomes, {"year": year}, also=[type(one).__module__])
    told = (
        "What those who had an order in the year before spent in the year since: what a value is judged by, and learned from. "
        "Empty while the period is not complete, or the first of the two years is not whole."
    )
    ins = {"then": reads("features/customers", (-year,)), "since": reads("activity/orders", tuple(range(1 - year, 1)))}

    @dg.asset(**described(project, "outcomes/value", code, ins, description=told, needs_complete=True))
    @publishes
    def spent(context: dg.AssetExecutionContext, then: ibis.Table | None, since: ibis.Table) -> ibis.Table:
        cutoff = project.calendar.shift(context.partition_key, -year)
        nobody = ibis.memtable([], schema={"customer_id": "string"})
        known = one.outcome(nobody if then is None else then, since, cutoff)
        whole = project.calendar.distance(project.source.known_from("orders"), cutoff) >= year - 1
        return known if whole and project.complete(context.partition_key) else known.limit(0)

    return spent


def _training(project: Project) -> dg.AssetsDefinition:
    settings = project.settings
    code = code_version(_training, {"rows": settings.training_rows, "seed": settings.seed, "year": settings.year})
    told = "What boosting learns the value of a year from: customers as they were a year and two years ago, with what they spent since."
    ins = {
        "features": reads("features/customers", (-2 * settings.year, -settings.year)),
        "outcomes": reads("outcomes/value", (-settings.year, 0)),
    }

    @dg.asset(**described(project, "training/value", code, ins, description=told))
    @publishes
    def training_table(
        context: dg.AssetExecutionContext, features: ibis.Table | None, outcomes: ibis.Table
    ) -> ibis.Table:
        return training.design_matrix(
            features, outcomes, calendar=project.calendar, cap=settings.training_rows, seed=settings.seed
        )

    return training_table


def _model(project: Project, tracker: Tracker) -> dg.AssetsDefinition:
    settings = project.settings
    how = {"year": settings.year, "seed": settings.seed, "threads": settings.threads}
    module = entry(LIKE, LEARNED).module
    code = code_version(
        _model, how | {"money_unit": settings.money_unit}, also=[module, type(the_task(LIKE)).__module__]
    )
    told = "Gradient boosting on what customers spent in the year after past cut-offs. An MLflow run."
    ins = {"training": reads("training/value")}

    @dg.asset(**described(project, LEARNED_CARD, code, ins, kinds=("mlflow", "xgboost"), description=told))
    @publishes
    def trained(context: dg.AssetExecutionContext, training: ibis.Table, pins: Mapping[str, str]) -> Result:
        from crm_pipeline.modeling.training import Abstained, card_rows, describe
        from crm_pipeline.modeling.value_learned import learn_value

        rows = frame(training)
        model = learn_value(rows, **how, money_unit=float(settings.money_unit))
        version = digest(json.dumps([sorted(pins.items()), code]), 8)
        trained_as_of = project.calendar.end_date(context.partition_key)
        own = {"task": "value", "estimator": LEARNED, "model_version": version, "trained_as_of": trained_as_of}
        card = describe(model) | own
        shown: dict[str, Any] = {"model_version": version, "status": card["status"], "reason": card["reason"]}
        if not isinstance(model, Abstained):
            tags = {"dagster.run_id": context.run.run_id, "crm.asset": LEARNED_CARD, "crm.partition": context.partition_key,
                    "crm.model_version": version, "crm.code_version": code, "crm.inputs": json.dumps(pins)[:4000]}  # fmt: skip
            tracked = track_model(tracker, f"value/{LEARNED}@{context.partition_key}", model, card, rows, tags)
            card |= tracked._asdict()
            shown |= {"mlflow": dg.MetadataValue.url(tracker.link(tracked.run_id)), "model_uri": tracked.model_uri}
        return Result(conform(card_rows(card), CARD), shown)

    return trained


def _evaluation(project: Project, tracker: Tracker) -> dg.AssetsDefinition:
    settings, year, unit = project.settings, project.settings.year, float(project.settings.money_unit)
    used = {"year": year, "money_unit": settings.money_unit, "seed": settings.seed, "sample": settings.process_sample}
    code = code_version(_evaluation, used, also=[type(the_task(LIKE)).__module__])
    told = {
        "evaluation/value_predictions": "What each model of a year ago expected each customer to spend, beside what was spent.",
        "evaluation/value": "How well the values of a year ago foretold the year since, beside the baselines.",
        "intervals/value": "How far from the value four in five outcomes of the last year lay: the intervals of the values.",
    }
    ins = {
        "outcomes": reads("outcomes/value"),
        "features": reads("features/customers", (-year,)),
        "lifetime": reads("lifetime/customers", (-year,)),
        "process": reads("features/purchase_process", (-year,)),
        "card": reads(LEARNED_CARD, (-year,)),
    }
    parts = [described(project, a, code, ins, kinds=("pandas",), description=what) for a, what in told.items()]

    @dg.multi_asset(**together("evaluate_value", parts))
    @publishes
    def judged(context: dg.AssetExecutionContext, outcomes: ibis.Table, **then: ibis.Table | None) -> Mapping[str, Any]:
        from crm_pipeline.modeling.conformal import intervals
        from crm_pipeline.modeling.customers import Customers
        from crm_pipeline.modeling.value import fit_value_of_a_day
        from crm_pipeline.modeling.value_learned import foretold_values, judge_values

        features, lifetime, process, card = (then.get(name) for name in ("features", "lifetime", "process", "card"))
        happened = outcomes.execute()
        if happened.empty or features is None or lifetime is None or process is None:
            nothing = (conform([], PREDICTIONS), conform([], EVALUATION), conform([], INTERVALS))
            return dict(zip(told, nothing, strict=True))
        known = lifetime.select("customer_id", "order_days", "spend").order_by("customer_id").execute()
        said = foretold_values(
            Customers(features),
            happened,
            known,
            process.execute(),
            fit_value_of_a_day(known, unit, settings.process_sample, settings.seed),
            None if card is None else load_card_model(tracker, card),
            cutoff=project.calendar.shift(context.partition_key, -year),
            year=year,
            money_unit=unit,
        )
        bands, _ = intervals("value", said)
        tables = (
            conform(said, PREDICTIONS),
            conform(judge_values(said, settings.seed), EVALUATION),
            conform(bands, INTERVALS),
        )
        return dict(zip(told, tables, strict=True))

    return judged
