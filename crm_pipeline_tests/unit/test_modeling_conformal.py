"""Conformal intervals: hand-worked bands, coverage of what follows, adaptation, the order of rows, who has too little."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_pipeline.contracts.outputs import EVALUATION, INTERVALS, conform
from crm_pipeline.modeling.conformal import (
    BANDS,
    LIMITS,
    NOMINAL,
    ROWS,
    STEP,
    Bands,
    Judged,
    adapt,
    bands_of,
    calibrate,
    coverage,
    intervals,
    with_intervals,
)

CUTOFFS = ("2024-01-01", "2024-04-01", "2024-07-01", "2024-10-01")


def block(n: int, seed: int, wrong: float = 1.0, buys: float = 0.6) -> tuple[np.ndarray, np.ndarray]:
    """Return predictions, and outcomes of which so many are no zero and whose level is wrong by a factor."""
    rng = np.random.default_rng(seed)
    predicted = rng.lognormal(3, 1, n)
    return predicted, wrong * predicted * rng.lognormal(-0.3, 0.8, n) * (rng.random(n) < buys) / buys


def predictions(blocks: list[tuple[np.ndarray, np.ndarray]]) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"customer_id": [f"{i:05}" for i in range(len(y))], "cutoff": pd.Timestamp(c).date(), "outcome": y, "average": e})
        for c, (e, y) in zip(CUTOFFS, blocks, strict=False)
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def test_one_band_worked_by_hand() -> None:
    """100 outcomes 1 to 100 of a prediction of 1: 81 of them, ⌈101 · 0.8⌉, lie in 1 to 81, the first of the shortest."""
    bands = calibrate(np.ones(100), np.arange(1.0, 101.0))
    assert bands is not None
    assert bands.of(np.array([1.0, 2.0])) == pytest.approx(np.array([[1, 50.5, 81], [2, 101, 162]]))
    assert (bands.asked, bands.rows, bands.cutoffs) == (NOMINAL, 100, 1)


def test_the_shortest_interval_is_found_by_looking_at_all() -> None:
    predicted, actual = np.full(120, 7.0), block(120, 5, buys=1)[1]
    found = calibrate(predicted, actual)
    k, ordered = int(np.ceil(121 * NOMINAL)), sorted(actual)
    pairs = [(b - a, a, b) for i, a in enumerate(ordered) for j, b in enumerate(ordered) if j - i + 1 >= k]
    assert found is not None
    assert found.of(np.array([7.0]))[0, [0, 2]] == pytest.approx(min(pairs)[1:])


def test_where_four_in_five_buy_nothing_the_interval_is_zero() -> None:
    _, actual = block(1000, 1, buys=0.15)
    bands = calibrate(np.ones(1000), actual)
    assert bands is not None
    assert (bands.of(np.array([0.0, 1.0])) == 0).all()


def test_a_prediction_of_nothing_has_an_interval_too() -> None:
    """Everybody alike: the interval of all outcomes, whatever the prediction counts as."""
    _, actual = block(2000, 2)
    bands = calibrate(np.zeros(2000), actual)
    assert bands is not None
    low, _, high = bands.of(np.zeros(1))[0]
    assert low == 0
    assert high == pytest.approx(np.sort(actual)[int(np.ceil(2001 * NOMINAL)) - 1])


@given(st.integers(0, 10_000), st.sampled_from([0.1, 0.4, 0.7, 0.95]), st.sampled_from([300, 1500, 4000]))
def test_low_median_high_are_ordered_and_hold_the_share_asked(seed: int, buys: float, n: int) -> None:
    predicted, actual = block(n, seed, buys=buys)
    bands = calibrate(predicted, actual)
    if bands is None:
        assert actual.sum() == 0
        return
    low, median, high = bands.of(predicted).T
    assert (np.diff(np.c_[np.zeros(n), low, median, high]) >= 0).all()
    assert ((low * (1 - 1e-9) <= actual) & (actual <= high * (1 + 1e-9))).mean() >= NOMINAL
    assert len(bands.ratios) == min(BANDS, n // ROWS)


def test_coverage_of_new_customers_is_the_share_asked() -> None:
    """Exchangeable customers: within 80 %, and the two points that the choice of the shortest costs in bands of a few hundred."""
    seen = []
    for seed in range(30):
        bands = calibrate(*block(4000, seed))
        predicted, actual = block(4000, 1000 + seed)
        assert bands is not None
        low, _, high = bands.of(predicted).T
        seen.append(((low <= actual) & (actual <= high)).mean())
    assert np.mean(seen) == pytest.approx(NOMINAL, abs=0.02)


def test_a_miss_moves_the_share_asked_by_a_part_of_it() -> None:
    blocks = [block(2000, 1), block(2000, 2, wrong=2.0)]
    bands, judged = adapt(blocks)
    assert bands is not None
    assert len(judged) == 1
    assert judged[0].inside.mean() < 0.75
    assert bands.asked == pytest.approx(NOMINAL + STEP * (NOMINAL - judged[0].inside[judged[0].high > 0].mean()))


def test_where_the_level_stays_wrong_adapting_comes_closer() -> None:
    """Predictions that grow too low by a third from block to block: what asks for 80 % forever covers less."""
    blocks = [block(3000, at, wrong=1.35**at) for at in range(8)]
    _, judged = adapt(blocks)
    adapted = np.mean([one.inside.mean() for one in judged[2:]])
    fixed = []
    for at in range(3, 8):
        bands = calibrate(*(np.concatenate(side) for side in zip(*blocks[:at], strict=True)))
        assert bands is not None
        low, _, high = bands.of(blocks[at][0]).T
        fixed.append(((low <= blocks[at][1]) & (blocks[at][1] <= high)).mean())
    assert abs(adapted - NOMINAL) < abs(np.mean(fixed) - NOMINAL) - 0.02


def test_the_share_asked_stays_within_limits() -> None:
    bands, _ = adapt([block(500, at, wrong=10.0**at) for at in range(8)])
    assert bands is not None
    assert bands.asked == LIMITS[1]


def test_what_is_judged_at_a_cutoff_knew_only_earlier_ones() -> None:
    """Rule 8: other outcomes from a block on change no interval said before them."""
    blocks = [block(600, at) for at in range(4)]
    later = [*blocks[:2], (blocks[2][0], blocks[2][1] * 9), block(600, 99, wrong=5)]
    (_, first), (_, second) = adapt(blocks), adapt(later)
    for one, other in zip(first[:2], second[:2], strict=True):
        assert (one.low == other.low).all()
        assert (one.high == other.high).all()


def test_buyers_and_non_buyers_are_told_apart() -> None:
    judged = Judged(1, np.array([0.0, 0, 5, 9]), np.array([0.0, 1, 0, 0]), np.array([4.0, 3, 6, 8]))
    found = {row["metric"]: row["value"] for row in coverage(judged)}
    assert found == {"coverage": 0.5, "coverage_buyers": 0.5, "coverage_non_buyers": 0.5, "width": 5.0}
    nobody = {row["metric"]: row["value"] for row in coverage(judged._replace(actual=np.zeros(4)))}
    assert np.isnan(nobody["coverage_buyers"])


def test_tables_keep_their_contract_whatever_the_order_of_rows() -> None:
    frame = predictions([block(400, at) for at in range(3)]).assign(baseline_zero=0.0)
    frame.loc[frame["cutoff"] == frame["cutoff"].min(), "average"] = np.nan  # abstained there
    bands, judged = intervals("demand", frame)
    shuffled = intervals("demand", frame.sample(frac=1, random_state=0))
    assert all(a.equals(b) for a, b in zip((bands, judged), shuffled, strict=True))
    assert conform(bands, INTERVALS).num_rows == len(bands)
    assert conform(judged, EVALUATION).column_names == [c.name for c in EVALUATION]
    told = [(m, str(c)) for m, c in judged[["model", "cutoff"]].drop_duplicates().itertuples(index=False)]
    assert told == [("average", CUTOFFS[2]), *(("baseline_zero", c) for c in CUTOFFS[1:3])]
    assert not set(judged["n"]) - {400}
    read, made = bands_of(bands, "average"), adapt([block(400, at) for at in (1, 2)])[0]
    assert read is not None
    assert made is not None
    assert all(np.array_equal(a, b) for a, b in zip(read, made, strict=True))


def test_a_prediction_takes_its_interval_from_its_band() -> None:
    said = pd.DataFrame(
        {"value": [5.0, 500.0], "low": 0.0, "median": 0.0, "high": 0.0, "expected_orders": 1.0}, index=[7, 3]
    )
    bands = Bands(np.array([1.0, 100.0]), np.array([[0.0, 0.5, 2.0], [0.4, 0.9, 1.5]]), 0.83, 4_000, 1)
    found = with_intervals(said, "value", bands)
    assert found[["low", "median", "high"]].to_numpy() == pytest.approx(np.array([[0, 2.5, 10], [200, 450, 750]]))
    assert list(found.index) == [7, 3]
    assert set(found["interval_basis"]) == {"calibrated on 4,000 customers at 1 earlier cut-off"}


def test_with_too_little_nothing_is_calibrated() -> None:
    assert calibrate(np.ones(ROWS - 1), np.ones(ROWS - 1)) is None
    assert calibrate(np.ones(ROWS), np.zeros(ROWS)) is None
    assert adapt([]) == (None, [])
    bands, judged = intervals("demand", predictions([block(20, 0)]))
    assert bands.empty
    assert judged.empty
    assert bands_of(bands, "average") is None
    assert intervals("demand", predictions([block(20, 0)]).head(0))[0].empty
