"""Churn: will a customer who ordered in the last year order nothing in the horizon? The task, whole; what learns it is elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ibis

from crm_pipeline.contracts.column import Output
from crm_pipeline.modeling.tasks.probability import ProbabilityTask
from crm_pipeline.transforms.outcomes import bought_since


class Churn(ProbabilityTask):
    """No order in the next h periods."""

    name = "churn"
    rank = 0
    question = "No order with a positive amount in the {h} after as_of, by a customer who ordered in the year before."
    outcome_told = "What happened to those who could be scored {ago}: did they order nothing since?"
    score_told = "how likely each active customer is to lapse"
    labels = (Output("churned", "int8", "1: no order in the horizon after, 0: an order"),)
    answers = (Output("probability", "float64", "probability of no order in the horizon", "probability"),)
    averted = True
    fixed = "average"
    instead = ("purchase_process",)
    ablated = "logistic"
    baselines = ("recency", "rfm", "purchase_process", "last_season")
    constant = "last_season"
    not_for = (
        "It foretells who orders nothing in the horizon, which is a lapse and no farewell: many order again later.",
        "It does not say whom a contact would keep: only a control group measures that.",
        "No decision with a legal or similar effect on a person (price, credit, service refused) may rest on it.",
    )

    def outcome(self, features_then: Any, orders_since: Any, cutoff: str) -> Any:
        """Tell who lapsed: ``churned`` is 1 without an order."""
        joined = bought_since(features_then, orders_since)
        lapsed = (joined.orders.fill_null(0) == 0).cast("int8")
        return joined.select("customer_id", cutoff=ibis.date(cutoff), churned=lapsed)

    def looked_at(self, columns: Sequence[str], horizon: int) -> list[str]:
        """Return what the baselines look at."""
        from crm_pipeline.modeling.baselines import looked_at

        return looked_at(columns, horizon)

    def shift(self, model: Any, raw: Any, level: Any, money_unit: float) -> float:
        """Return the shift of the log-odds that follows from the season's log-intensity of ordering."""
        from crm_pipeline.modeling.level import log_odds_shift

        return log_odds_shift(level, model.facts_)

    def rules(self, training: Any, features: Any, *, horizon: int, money_unit: float) -> Any:
        """Return ``recency``, ``rfm``, ``purchase_process`` and ``last_season`` as probabilities."""
        from crm_pipeline.modeling.baselines import lapse_rules

        return lapse_rules(training, features, self.label)


TASK = Churn()
