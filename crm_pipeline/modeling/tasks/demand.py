"""Demand: how much will a customer who ordered in the last year buy in the horizon? The task, whole; what learns it is elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import ibis

from crm_pipeline.contracts.column import Output
from crm_pipeline.modeling.tasks.amount import MAJOR, AmountTask
from crm_pipeline.transforms.outcomes import bought_since


class Demand(AmountTask):
    """Spend and orders of the next h periods."""

    name = "demand"
    rank = 1
    question = "Gross value of the orders in the {h} after as_of, among customers with an order in the year before."
    outcome_told = "What those who could be scored {ago} bought since: spend and orders."
    score_told = "what each active customer will spend and order"
    labels = (
        Output("spend", "int64", "spend in the horizon after", "money units"),
        Output("orders", "int64", "orders in it", "orders"),
    )
    answers = (
        Output("value", "float64", "expected spend in the horizon (a mean)", MAJOR),
        Output("median", "float64", "median spend in the horizon", MAJOR),
        Output("expected_orders", "float64", "expected orders in the horizon", "orders"),
    )
    fixed = "average"
    instead = ("two_part", "purchase_process")
    joined: ClassVar[Mapping[str, str]] = {"rhythm": "spend"}  # orders and spend of a window: rank correlation 0.9
    ablated = "linear"
    baselines = ("zero", "mean", "last_spend", "last_season", "purchase_process")
    constant = "mean"
    not_for = (
        "It foretells gross orders, returns not deducted: it is no forecast of revenue for the books.",
        "It leaves out who orders for the first time, so that it is no plan of stock or of total sales.",
        "No decision with a legal or similar effect on a person (price, credit, service refused) may rest on it.",
    )
    not_behind: ClassVar[Mapping[str, str]] = {"wape": "last_spend"}
    within: ClassVar[Mapping[str, float]] = {"bias": 0.25}

    def outcome(self, features_then: Any, orders_since: Any, cutoff: str) -> Any:
        """Tell the spend (money units, placed orders, returns not deducted) and the orders; both 0 without an order."""
        joined = bought_since(features_then, orders_since)
        sums = {name: joined[name].fill_null(0).cast("int64") for name in ("spend", "orders")}
        return joined.select("customer_id", cutoff=ibis.date(cutoff), **sums)

    def looked_at(self, columns: Sequence[str], horizon: int) -> list[str]:
        """Return what the baselines and the expected orders look at."""
        from crm_pipeline.modeling.baselines import looked_at

        return looked_at(columns, horizon)

    def rules(self, training: Any, features: Any, *, horizon: int, money_unit: float) -> Any:
        """Return ``zero``, ``mean``, ``last_spend``, ``last_season`` and ``purchase_process`` in major units."""
        from crm_pipeline.modeling.baselines import spend_rules

        known = training[training[self.label].notna()] if self.label in training else training.iloc[:0]
        mean = float(self.actual(known, money_unit).mean()) if len(known) else None
        return spend_rules(features, horizon, money_unit, mean)


TASK = Demand()
