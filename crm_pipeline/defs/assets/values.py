"""The assets of what customers are worth over a year. The models lie in modeling."""

import json
from collections.abc import Mapping
from typing import Any

import dagster as dg
import ibis

from crm_pipeline.contracts.outputs import CARD, VALUE, conform
from crm_pipeline.defs.assets.models import load_card_model
from crm_pipeline.defs.assets.values_learned import LEARNED_CARD, spans_two_years
from crm_pipeline.defs.common import described, reads, together
from crm_pipeline.defs.lake import Result, publishes
from crm_pipeline.hashing import digest
from crm_pipeline.home.project import Project
from crm_pipeline.tracking import Tracker
from crm_pipeline.versions import code_version

CARD_OF = "models/value/gamma_gamma"


def value_assets(project: Project, tracker: Tracker) -> list[dg.AssetsDefinition]:
    """Return the step that fits the value of a purchase day, and says what every customer is worth over the next year."""
    settings, calendar = project.settings, project.calendar
    unit, year = float(settings.money_unit), f"{settings.year} {settings.grain}s"
    used = {
        "year": settings.year,
        "money_unit": settings.money_unit,
        "seed": settings.seed,
        "sample": settings.process_sample,
    }
    code = code_version(value_assets, used)
    told = {
        CARD_OF: (
            "What a customer spends on a purchase day (Gamma-Gamma), fitted on all that is known: its parameters, and whether spend "
            "goes with frequency."
        ),
        "scores/value": (
            f"What every customer who ever ordered should spend in the next {year}: expected purchase days × expected spend on one. "
            "Extrapolated where no outcome of that length has judged it; else with an interval, and what boosting expects beside."
        ),
    }
    ins = {"lifetime": reads("lifetime/customers"), "process": reads("features/purchase_process")}
    if spans_two_years(project):
        ins |= {"features": reads("features/customers"), "bands": reads("intervals/value"), "card": reads(LEARNED_CARD)}
    both = [described(project, asset, code, ins, kinds=("numpy",), description=what) for asset, what in told.items()]

    @dg.multi_asset(**together("value", both))
    @publishes
    def valued(
        context: dg.AssetExecutionContext,
        lifetime: ibis.Table,
        process: ibis.Table,
        pins: Mapping[str, str],
        **judged: ibis.Table,
    ) -> dict[str, Any]:
        from crm_pipeline.modeling.value import fit_value_of_a_day, value_of_customers
        from crm_pipeline.modeling.value_learned import with_learned

        known = lifetime.select("customer_id", "order_days", "spend").order_by("customer_id").execute()
        fitted = fit_value_of_a_day(known, unit, settings.process_sample, settings.seed)
        as_of = calendar.end_date(context.partition_key)
        version = digest(json.dumps([sorted(pins.items()), code]), 8)
        reason = f"extrapolated: no outcomes of {year} have judged it"
        rows = value_of_customers(known, process.execute(), fitted, unit, reason)
        rows = with_learned(rows, *_learned(tracker, judged, unit), horizon=year)
        rows = rows.assign(as_of=as_of, horizon_end=calendar.end_date(calendar.shift(context.partition_key, settings.year)),
                           model_version=version)  # fmt: skip
        card = _card(fitted) | {
            "model_version": version,
            "trained_as_of": as_of,
            "customers": int((known["order_days"] > 0).sum()),
        }
        shown = {"status": card["status"], "reason": card["reason"], "total": float(rows["value"].sum())}
        return {CARD_OF: Result(conform([card], CARD), shown), "scores/value": Result(conform(rows, VALUE), shown)}

    return [valued]


def _learned(tracker: Tracker, judged: Mapping[str, ibis.Table], unit: float) -> tuple[Any, Any]:
    """Return what boosting expects of those with an order in the last year, and the bands of the fixed model; None without."""
    import pandas as pd

    from crm_pipeline.modeling.conformal import bands_of
    from crm_pipeline.modeling.customers import Customers
    from crm_pipeline.modeling.value_learned import learned_value
    from crm_pipeline.modeling.value_names import FIXED

    if not judged:
        return None, None
    customers, model = Customers(judged["features"]), load_card_model(tracker, judged["card"])
    nothing = pd.Series(float("nan"), index=customers.ids)
    learned = nothing if model is None or not len(customers) else learned_value(model, customers, unit)
    return learned, bands_of(judged["bands"].execute(), FIXED)


def _card(fitted: Any) -> dict[str, Any]:
    """Return what the card says of the fit."""
    model = fitted.model
    parameters = {} if model is None else {"p": model.p, "q": model.q, "gamma": model.gamma, "mean": model.population_mean,
        "log_likelihood": model.log_likelihood, "converged": model.converged, "correlation": fitted.correlation,
        "rank_correlation": fitted.rank_correlation}  # fmt: skip
    return {"task": "value", "estimator": "gamma_gamma", "status": "abstained" if model is None else "fitted", "reason": fitted.reason,
            "rows": 0 if model is None else model.n, "features": json.dumps(["order_days", "spend"]),
            "parameters": json.dumps(parameters)}  # fmt: skip
