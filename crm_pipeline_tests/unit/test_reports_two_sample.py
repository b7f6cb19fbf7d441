"""Whether two periods' customers can be told apart: by chance no, by a planted shift yes, whatever the order of the rows."""

from __future__ import annotations

import numpy as np
import pandas as pd

from crm_pipeline.reports.drift import two_sample


def features(seed: int, shift: float = 0.0, customers: int = 400) -> pd.DataFrame:
    g = np.random.default_rng(seed)
    a, b = g.normal(0, 1, (2, customers))
    ids = [f"{seed}-{i}" for i in range(customers)]
    return pd.DataFrame(
        {"customer_id": ids, "a": a, "b": a * shift + b, "tenure_days": g.normal(seed, 0.01, customers)}
    )


def test_two_samples_of_one_population_are_not_told_apart() -> None:
    found = [two_sample(features(s), features(s + 100)) for s in range(4)]
    assert np.mean([auc for auc, _ in found]) < 0.53, "the ageing feature, which would tell all, is left out"
    assert all(0.53 < chance < 0.54 for _, chance in found)


def test_a_shift_that_no_feature_shows_alone_is_told_by_all_together() -> None:
    auc, chance = two_sample(features(1), features(2, shift=2.0).assign(b=lambda t: t["b"] / np.sqrt(5)))
    assert auc > chance + 0.05
    shuffled = features(2, shift=2.0).assign(b=lambda t: t["b"] / np.sqrt(5)).sample(frac=1, random_state=0)
    assert two_sample(features(1), shuffled) == (auc, chance)


def test_with_few_customers_nothing_is_said() -> None:
    for before, now in ((features(1, customers=99), features(2)), (pd.DataFrame(), features(2))):
        assert np.isnan(two_sample(before, now)).all()
