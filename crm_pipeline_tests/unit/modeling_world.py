"""A made-up training table for the tests of modeling: buyers with a rate of their own, some of them gone."""

import numpy as np
import pandas as pd

CUTOFFS = ["2020-01-01", "2020-02-01", "2020-03-01", "2020-04-01"]


def training_table(customers: int = 350, seed: int = 0, cutoffs: list[str] | None = None) -> pd.DataFrame:
    """One row per customer and cut-off: keys, labels (spend in money units of 0.0001), features."""
    g = np.random.default_rng(seed)
    rate, value = g.gamma(1.0, 1.0, customers), np.exp(g.normal(4, 0.7, customers))
    parts = []
    for cutoff in CUTOFFS if cutoffs is None else cutoffs:
        alive = g.random(customers) < 0.7
        recent = g.poisson(rate * 3 * alive)
        before = g.poisson(rate * 3)
        orders = g.poisson(rate * 3 * alive)
        known = recent + before + 1
        table = pd.DataFrame({
            "customer_id": [f"c{i:05d}" for i in range(customers)],
            "cutoff": pd.Timestamp(cutoff),
            "as_of": pd.Timestamp(cutoff) + pd.DateOffset(months=1),
            "churned": (orders == 0).astype("int8"),
            "spend": np.rint(orders * value * 10_000).astype("int64"),
            "orders": orders.astype("int64"),
            "recency_days": np.where(recent > 0, g.integers(1, 90, customers), g.integers(91, 300, customers)).astype(float),
            "tenure_days": g.integers(300, 900, customers).astype(float),
            "orders_3": recent.astype(float),
            "orders_m1": g.binomial(recent, 0.4).astype(float),
            "orders_m2": g.binomial(recent, 0.3).astype(float),
            "orders_m3": g.binomial(recent, 0.3).astype(float),
            "orders_6": (recent + before).astype(float),
            "spend_3": recent * value * 10_000,
            "spend_6": (recent + before) * value * 10_000,
            "gap_mean_days": np.where(known > 1, 180 / known, np.nan),
            "orders_all": known.astype(float),
            "order_days_all": known.astype(float),
            "spend_all": known * value * 10_000,
            "mbg_alive": np.clip(0.3 + 0.6 * (recent > 0) + g.normal(0, 0.03, customers), 0.01, 0.99),
            "always_null": np.nan,
            "constant": 7.0,
        })  # fmt: skip
        table["mbg_expected_orders"] = table["mbg_alive"] * known / 2
        table["mbg_no_order"] = 1 - table["mbg_alive"] * (1 - np.exp(-known / 2))
        parts.append(table)
    return pd.concat(parts, ignore_index=True)


THEMES = {
    "recency_days": "recency",
    "mbg_alive": "recency",
    "mbg_no_order": "recency",
    "tenure_days": "rhythm",
    "orders_3": "rhythm",
    "orders_m1": "rhythm",
    "orders_m2": "rhythm",
    "orders_m3": "rhythm",
    "orders_6": "rhythm",
    "orders_all": "rhythm",
    "order_days_all": "rhythm",
    "gap_mean_days": "rhythm",
    "mbg_expected_orders": "rhythm",
    "spend_3": "spend",
    "spend_6": "spend",
    "spend_all": "spend",
}
