"""Groups of people compared: planted unfairness is found, chance is not taken for it, and who is too few is not judged."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_pipeline.modeling import fairness
from crm_pipeline.modeling.fairness import BETWEEN, LEAST, OTHERS, UNKNOWN, age_bands, beyond, compare, labels_of
from crm_pipeline.modeling.preprocessing import candidate_features
from crm_pipeline.modeling.tasks import COMPARED, NEVER_FEATURES
from crm_pipeline.transforms.features.catalogue import catalogue
from crm_pipeline_tests.unit.features_world import Shape

AS_OF = date(2026, 2, 1)


def people(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "customer_id": [f"c{i:05}" for i in range(n)],
            "gender": rng.choice(np.array(["f", "m", "d", None], dtype=object), n, p=[0.47, 0.45, 0.01, 0.07]),
            "birth_year": np.where(rng.random(n) < 0.05, np.nan, rng.integers(1940, 2006, n)),
            "region": rng.choice(["north", "south", "west"], n),
        }
    )


def world(n: int = 3000, seed: int = 1, unfair: float = 0.0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A right model, ``fair``; and one that says more (log-odds) of women than is so, ``model``."""
    rng, known = np.random.default_rng(seed + 100), people(n, seed)
    z = rng.normal(0, 1.2, n)
    outcome = (rng.random(n) < 1 / (1 + np.exp(-z))).astype("float64")
    raised = z + unfair * (known["gender"] == "f").to_numpy()
    said = pd.DataFrame({"customer_id": known["customer_id"], "cutoff": date(2026, 1, 1), "outcome": outcome})
    return said.assign(fair=1 / (1 + np.exp(-z)), model=1 / (1 + np.exp(-raised)), baseline_rfm=0.5), known


def of(found: pd.DataFrame, model: str, attribute: str, group: str = BETWEEN) -> pd.DataFrame:
    mine = (found["model"] == model) & (found["attribute"] == attribute) & (found["group"] == group)
    return found[mine].set_index("metric")


def test_planted_unfairness_is_found_and_where_there_is_none_the_interval_holds_zero() -> None:
    said, known = world(unfair=0.8)
    found = compare("churn", said, known, as_of=AS_OF)
    assert set(found["model"]) == {"fair", "model"}
    assert set(found["attribute"]) == {"gender", "age", "region"}
    unfair, fair = of(found, "model", "gender"), of(found, "fair", "gender")
    for metric in ("selection_rate", "false_positive_rate", "false_negative_rate", "calibration"):
        assert unfair.loc[metric, "low"] > 0.05, metric
        assert fair.loc[metric, "low"] == 0, metric
        assert unfair.loc[metric, "low"] < unfair.loc[metric, "value"] < unfair.loc[metric, "high"]
    women, men = of(found, "model", "gender", "f"), of(found, "model", "gender", "m")
    assert women.loc["calibration", "low"] > 0.1
    assert men.loc["calibration", "low"] < 0 < men.loc["calibration", "high"]
    assert (of(found, "model", "region")["low"].dropna() < 0.01).all()


def test_rates_are_those_of_fairlearn() -> None:
    from fairlearn import metrics

    said, known = world(unfair=0.5)
    known["gender"] = known["gender"].where(known["gender"] != "d")
    found = compare("churn", said, known, as_of=AS_OF, threshold=0.6)
    theirs = known["gender"].notna().to_numpy()
    told = {
        "y_true": said["outcome"][theirs],
        "y_pred": said["model"][theirs] >= 0.6,
        "sensitive_features": known["gender"][theirs],
    }
    names = ("selection_rate", "false_positive_rate", "false_negative_rate")
    frame = metrics.MetricFrame(metrics={name: getattr(metrics, name) for name in names}, **told)
    between = of(found, "model", "gender")["value"]
    for name in names:
        for group in ("f", "m"):
            assert of(found, "model", "gender", group).loc[name, "value"] == pytest.approx(
                frame.by_group.loc[group, name]
            )
        assert between[name] == pytest.approx(frame.difference()[name])
    assert between["selection_rate"] == pytest.approx(metrics.demographic_parity_difference(**told))
    assert between["selection_rate_ratio"] == pytest.approx(metrics.demographic_parity_ratio(**told))
    odds = max(between["false_positive_rate"], between["false_negative_rate"])
    assert odds == pytest.approx(metrics.equalized_odds_difference(**told))


def test_between_groups_that_do_not_differ_the_interval_holds_zero_nineteen_times_in_twenty() -> None:
    misses = dict.fromkeys(("selection_rate", "false_positive_rate", "calibration"), 0)
    for seed in range(40):
        said, known = world(600, seed)
        compared = compare("churn", said.drop(columns="model"), known[["customer_id", "birth_year"]], as_of=AS_OF)
        found = of(compared, "fair", "age")
        for metric in misses:
            misses[metric] += int(found.loc[metric, "low"] > 0)
    assert max(misses.values()) <= 5, f"{misses} of 40; 2 are expected at most"


def test_who_is_too_few_is_counted_and_not_judged_and_the_unknown_are_a_group() -> None:
    said, known = world(2000)
    found = compare("churn", said, known, as_of=AS_OF)
    few = of(found, "model", "gender", OTHERS)
    counts = known["gender"].fillna(UNKNOWN).value_counts()
    assert counts["d"] < LEAST
    assert set(few["n"]) == {counts["d"]}
    assert few[["value", "low", "high", "events"]].isna().all(axis=None)
    unknown = of(found, "model", "gender", UNKNOWN)
    assert unknown["value"].notna().all()
    between = of(found, "model", "gender")
    assert set(between["n"]) == {counts["f"] + counts["m"]}, "differences are those between people of known gender"


def test_small_groups_are_pooled_and_one_group_alone_is_compared_with_nobody() -> None:
    customers = pd.Series([f"c{i}" for i in range(2000)])
    known = pd.DataFrame({"customer_id": customers, "country": "DE", "region": [f"r{i % 90:02}" for i in range(2000)]})
    assert labels_of(customers, known, AS_OF).keys() == {"region"}
    assert set(labels_of(customers, known, AS_OF)["region"]) == {OTHERS}
    many = known.assign(region=[f"r{min(i % 40, 15)}" for i in range(2000)])
    assert len(set(labels_of(customers, many, AS_OF)["region"])) == fairness.GROUPS + 1
    assert compare("churn", world(50)[0], known, as_of=AS_OF).empty, "of nobody is anything known"


@given(st.integers(1880, 2030))
def test_ages_are_those_at_the_cutoff(year: int) -> None:
    band = age_bands(pd.Series([year]), AS_OF).iloc[0]
    age = AS_OF.year - year
    if not 5 <= age <= 115:
        assert pd.isna(band)
    elif band.startswith("under"):
        assert age < 25
    elif band.endswith("over"):
        assert age >= 65
    else:
        low, high = map(int, band.split(" to "))
        assert low <= age <= high


def test_the_same_whatever_the_order_of_rows() -> None:
    said, known = world(500, unfair=0.3)
    found = compare("churn", said, known, as_of=AS_OF)
    shuffled = compare("churn", said.sample(frac=1, random_state=1), known.sample(frac=1, random_state=2), as_of=AS_OF)
    pd.testing.assert_frame_equal(found, shuffled)


def test_of_amounts_the_top_fifth_and_the_total_are_compared() -> None:
    said, known = world(3000)
    rng = np.random.default_rng(3)
    expected = rng.lognormal(3, 0.5, 3000)
    said = said.assign(outcome=rng.poisson(expected / 10) * 10.0, fair=expected)
    said["model"] = expected * np.where(known["gender"] == "f", 1.3, 1.0)
    found = compare("demand", said, known, as_of=AS_OF)
    women = of(found, "model", "gender", "f")
    assert women.loc["total_ratio", "low"] < 1.3 < women.loc["total_ratio", "high"]
    assert of(found, "model", "gender").loc["total_ratio", "low"] > 0.1
    assert of(found, "model", "gender").loc["selection_rate", "low"] > 0.05
    assert of(found, "fair", "gender").loc["total_ratio", "low"] == 0
    assert "false_positive_rate" not in women.index


def test_where_nothing_can_be_judged_nothing_is_said() -> None:
    said, known = world(100)
    for rows in (said.head(0), said.assign(outcome=1.0), said.assign(outcome=np.nan)):
        assert compare("churn", rows, known, as_of=AS_OF).empty
    assert compare("churn", said, known[["customer_id"]], as_of=AS_OF).empty


def test_the_gate_goes_by_what_is_sure_at_the_newest_cutoff() -> None:
    said, known = world(unfair=0.8)
    found = compare("churn", said, known, as_of=AS_OF)
    told = beyond(found, "model", 0.1)
    assert len(told) == 1
    assert told[0].startswith("It chooses unequally by gender")
    assert beyond(found, "fair", 0.1) == beyond(found, None, 0.1) == beyond(found, "model", 0.5) == []
    newer = compare("churn", said.assign(model=said["fair"], cutoff=date(2026, 4, 1)), known, as_of=AS_OF)
    assert beyond(pd.concat([found, newer]), "model", 0.1) == []
    assert beyond(pd.DataFrame(), "model", 0.1) == []


def test_none_of_the_attributes_is_a_feature() -> None:
    shape = Shape((1, 3, 12), 3, 12, 12)
    every = {"orders", "order_lines", "products", "customers", "subscriptions", "messages", "cases", "calls",
             "recordings", "campaigns", "contacts"}  # fmt: skip
    assert not {f.name for f in catalogue(every, shape)} & {*NEVER_FEATURES, *COMPARED, *COMPARED.values()}
    table = pd.DataFrame({name: [1.0] for name in (*NEVER_FEATURES, "spend_3")})
    assert candidate_features(table) == ["spend_3"], "not even where a table has it"
