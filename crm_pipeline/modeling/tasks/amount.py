"""What tasks share whose answer is an amount of money: major units, log amounts, totals. The questions are in their own modules."""

from __future__ import annotations

from typing import Any, ClassVar

from crm_pipeline.contracts.column import Output
from crm_pipeline.modeling.tasks.base import Task

MAJOR = "major currency units"
DECILES = 10
INTERVAL = (0.1, 0.5, 0.9)
"""Quantiles of actual over predicted that give the low, median and high amount: an 80 % interval."""


class AmountTask(Task):
    """A question about an amount; raw scores are logarithms of the expected amount in major units.

    Its labels hold, beside the amount in money units, the number of ``orders``.
    """

    kind: ClassVar[str] = "amount"
    drawn: ClassVar[tuple[str, ...]] = ("demand_deciles",)
    answers: ClassVar[tuple[Output, ...]] = (
        Output("value", "float64", "expected amount (a mean)", MAJOR),
        Output("median", "float64", "median amount", MAJOR),
        Output("expected_orders", "float64", "expected orders in the horizon", "orders"),
    )
    unit: ClassVar[str] = MAJOR
    effect: ClassVar[str] = "amount"
    raises_is_worse: ClassVar[bool] = False
    interval_basis: ClassVar[str] = "not calibrated, no cut-off has matured: the model's own training rows"
    conformal: ClassVar[bool] = True
    loss: ClassVar[str] = "deviance"
    shown: ClassVar[tuple[str, ...]] = ("spearman", "wape", "bias", "deviance")

    def actual(self, rows: Any, money_unit: float) -> Any:
        """Return the judged label in major units, never negative."""
        import numpy as np

        return np.maximum(rows[self.label].to_numpy("float64", na_value=float("nan")), 0) * money_unit

    def events(self, rows: Any) -> int:
        """Return the rows with an amount."""
        return int((rows[self.label] > 0).sum())

    def too_few(self, events: int, least: int) -> str:
        """Say that too few bought."""
        return f"{events:,} rows with an order, at least {least:,} are needed: more customers or more periods."

    def facts(self, model: Any, rows: Any, actual: Any) -> dict[str, Any]:
        """Return quantiles of actual over predicted by predicted decile, and actual over expected orders."""
        import numpy as np

        from crm_pipeline.modeling.calibration import expected_purchases

        predicted = model.predict(rows)
        edges = np.quantile(predicted, np.linspace(0, 1, DECILES + 1)[1:-1])
        group = np.searchsorted(edges, predicted, side="right")
        ratio = actual / np.maximum(predicted, 1e-9)
        table = [
            np.quantile(ratio[group == g], INTERVAL) if (group == g).any() else (0.0, 0.0, 1.0) for g in range(DECILES)
        ]
        expected, orders = expected_purchases(rows), rows["orders"].to_numpy("float64")
        total = np.nansum(expected)
        return {
            "mean": float(actual.mean()),
            "decile_edges": edges,
            "ratio_quantiles": np.array(table),
            "orders_factor": float(orders.sum() / total) if total > 0 else float("nan"),
            "orders_per_amount": float(orders.sum() / actual.sum()) if actual.sum() > 0 else 0.0,
        }

    def shift(self, model: Any, raw: Any, level: Any, money_unit: float) -> float:
        """Return what moves the total of the amounts to the level's forecast of spend."""
        import numpy as np

        from crm_pipeline.modeling.level import log_amount_shift

        return log_amount_shift(level, float(np.exp(raw).sum()), money_unit)

    def say(self, model: Any, features: Any, raw: Any, moved: Any, level: Any) -> Any:
        """Return ``value`` (the mean), ``median``, ``low``, ``high`` and ``expected_orders``.

        The quantiles are those of actual over predicted among the training rows of the same predicted decile, buyers and
        non-buyers together.
        """
        import numpy as np
        import pandas as pd

        from crm_pipeline.modeling.calibration import expected_purchases
        from crm_pipeline.modeling.level import orders_factor

        facts, value = model.facts_, np.exp(moved)
        group = np.searchsorted(facts["decile_edges"], np.exp(raw), side="right")
        low, median, high = (facts["ratio_quantiles"][group] * value[:, None]).T
        expected = expected_purchases(features) * facts["orders_factor"]
        orders = np.where(np.isfinite(expected), expected, value * facts["orders_per_amount"])
        orders = orders * orders_factor(level, float(orders.sum()))
        columns = {"value": value, "median": median, "low": low, "high": high, "expected_orders": orders}
        return pd.DataFrame(columns, index=features.index)

    def judgeable(self, actual: Any) -> bool:
        """Tell whether there are rows."""
        return len(actual) > 0

    def measure(self, y: Any, said: Any, weights: Any, threshold: float) -> Any:
        """Return the metrics of amounts."""
        from crm_pipeline.modeling.metrics import amount_metrics

        return amount_metrics(y, said, weights)
