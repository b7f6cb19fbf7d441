"""The hidden process and its oracle: calibrated, better than recency, texts that say what they should, a fair experiment."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from crm_pipeline.sample import write_company
from crm_pipeline.sample.crm import BAD_ORDER
from crm_pipeline.sample.grid import make_grid
from crm_pipeline.sample.history import live
from crm_pipeline.sample.oracle import auc, foresee
from crm_pipeline.sample.process import draw_people, draw_products


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    out = tmp_path_factory.mktemp("truth") / "out"
    return out, write_company(out, customers=3000, seed=11)


def _mature(out):
    table = pq.read_table(out / "truth" / "oracle.parquet")
    return table.filter(pc.and_(table["eligible"], table["no_order"].is_valid()))


def test_the_oracle_beats_recency_and_is_not_certain(shop):
    _, summary = shop
    assert summary["recency_auc"] + 0.05 < summary["oracle_auc"] < 0.99
    assert summary["recency_auc"] > 0.65
    assert 0.1 < summary["churn_rate"] < 0.45
    assert 15 < summary["orders_per_customer"] < 25


def test_the_summary_follows_from_the_oracle_file(shop):
    out, summary = shop
    rows = _mature(out)
    last = rows.filter(pc.equal(rows["cutoff"].cast("string"), summary["cutoff"]))
    label = np.array(last["no_order"])
    assert len(last) == summary["eligible"]
    assert auc(np.array(last["no_order_probability"]), label) == pytest.approx(summary["oracle_auc"], abs=1e-4)


def test_the_oracle_is_calibrated(shop):
    rows = _mature(shop[0])
    probability, happened = np.array(rows["no_order_probability"]), np.array(rows["no_order"]).astype(float)
    for low, high in ((0.0, 0.1), (0.1, 0.3), (0.3, 0.6), (0.6, 0.9), (0.9, 1.01)):
        band = (probability >= low) & (probability < high)
        assert happened[band].mean() == pytest.approx(probability[band].mean(), abs=0.03)
    assert np.sum(rows["expected_orders"]) == pytest.approx(np.sum(rows["orders"]), rel=0.05)
    assert np.sum(rows["expected_spend"]) == pytest.approx(np.sum(rows["spend"]), rel=0.05)


def test_who_has_left_never_orders(shop):
    out, _ = shop
    states, oracle = (pq.read_table(out / "truth" / f"{name}.parquet") for name in ("states", "oracle"))
    gone = ~np.array(states["present"])
    assert gone.any()
    assert np.array(oracle["no_order_probability"])[gone].min() == 1.0
    assert sum(x or 0 for x in oracle.filter(gone)["orders"].to_pylist()) == 0


def _tone_against_mood(folder, **effects) -> dict[str, float]:
    write_company(folder, customers=1500, seed=2, **effects)
    truth = pq.read_table(folder / "truth" / "messages.parquet")
    tone = np.isin(np.array(truth["tone"].fill_null("")), ["negative", "leaving"]).astype(float)
    kind, decoy = np.array(truth["kind"]), np.array(truth["decoy"])
    mood = np.array(truth["satisfaction"]).astype(float)
    told = {"service": (kind == "talk") & ~decoy, "decoy": decoy, "case": kind == "case"}
    found = {name: float(np.corrcoef(tone[m], mood[m])[0, 1]) for name, m in told.items()}
    farewell = kind == "after leaving"
    return found | {"farewell": float(tone[farewell].mean() - tone[decoy].mean())}


def test_without_text_effect_messages_say_nothing_about_satisfaction(tmp_path):
    silent = _tone_against_mood(tmp_path / "silent", text_effect=0.0)
    assert abs(silent["service"]) < 0.08
    assert abs(silent["case"]) < 0.1
    assert abs(silent["farewell"]) < 0.12


def test_with_text_effect_messages_tell_and_decoys_do_not(tmp_path):
    loud = _tone_against_mood(tmp_path / "loud", text_effect=1.0)
    assert loud["service"] < -0.4
    assert abs(loud["decoy"]) < 0.08
    assert loud["farewell"] > 0.5


def test_audio_effect_scales_the_hidden_arousal(tmp_path):
    for effect, low, high in ((0.0, -0.1, 0.1), (1.0, -1.0, -0.6)):
        write_company(tmp_path / str(effect), customers=1000, seed=2, audio_effect=effect)
        calls = pq.read_table(tmp_path / str(effect) / "truth" / "calls.parquet")
        seen = np.corrcoef(np.array(calls["arousal"]), np.array(calls["satisfaction"]))[0, 1]
        assert low < seen < high


def test_the_randomised_arm_is_balanced_and_targeting_is_not():
    grid, rng = make_grid(18, "month"), np.random.default_rng(1)
    people = draw_people(20_000, grid.days, draw_products(rng), BAD_ORDER, rng)
    history = live(people, grid, rng)
    arm, who = history.contacts["arm"], history.contacts["who"]
    treated, control = who[arm == 1], who[arm == 2]
    assert len(treated) == pytest.approx(len(control), rel=0.05)
    for hidden in (people.base, people.price_sensitivity, people.satisfaction_mean, people.created):
        spread = hidden[who].std() * np.sqrt(1 / len(treated) + 1 / len(control))
        assert abs(hidden[treated].mean() - hidden[control].mean()) < 4 * spread
    assert people.base[who[arm == 0]].mean() < people.base[control].mean() - 0.1  # the silent ones are chosen
    assert len(who[arm == 0]) > 2 * (len(treated) + len(control))


def test_who_was_chosen_for_a_contact_buys_less_and_only_the_randomised_arm_shows_that_contacts_help():
    """Read as it stands, targeting says that contacts keep people from ordering: the silent ones are chosen."""
    grid, rng = make_grid(18, "month"), np.random.default_rng(4)
    people = draw_people(20_000, grid.days, draw_products(rng), BAD_ORDER, rng)
    history, span = live(people, grid, rng), 30.0
    orders, contacts = history.orders, history.contacts
    until = grid.days + span
    placed = np.sort(orders["who"] * until + orders["when"])

    def ordered(who: np.ndarray, since: np.ndarray) -> np.ndarray:
        key = who * until + since
        return np.searchsorted(placed, key + span) > np.searchsorted(placed, key)

    def active(who: np.ndarray, since: np.ndarray) -> np.ndarray:
        key = who * until + since
        return np.searchsorted(placed, key) > np.searchsorted(placed, np.maximum(key - 365, who * until))

    whole = contacts["sent"] + span < grid.days
    who, arm, sent = (contacts[name][whole] for name in ("who", "arm", "sent"))
    bought, known = ordered(who, sent), active(who, sent)
    shares = {name: bought[known & (arm == i)] for i, name in enumerate(("targeted", "treatment", "control"))}
    anyone, some_day = rng.integers(0, len(people), 60_000), rng.choice(sent, 60_000)
    naive = shares["targeted"].mean() - ordered(anyone, some_day)[active(anyone, some_day)].mean()
    effect = shares["treatment"].mean() - shares["control"].mean()
    error = np.sqrt(sum(share.var() / len(share) for share in (shares["treatment"], shares["control"])))
    assert naive < -0.02, f"{naive:+.4f}: the naive reading has the wrong sign"
    assert effect > 2 * error, f"{effect:+.4f} ± {error:.4f}"


def test_a_contact_helps_a_little_and_never_who_has_left():
    grid, rng = make_grid(12, "month"), np.random.default_rng(3)
    people = draw_people(1000, grid.days, draw_products(rng), BAD_ORDER, rng)
    history = live(people, grid, rng)
    moment = history.moments[8]
    seen = foresee(people, moment, 8, grid, rng)
    assert (seen["contact_effect"][moment.present] <= 0).all()
    assert -0.2 < seen["contact_effect"][moment.present].mean() < -0.005
    assert (seen["contact_effect"][~moment.present] == 0).all()


def test_auc_counts_ties_half():
    assert auc(np.array([1.0, 2.0, 2.0, 3.0]), np.array([False, True, False, True])) == pytest.approx(0.875)
    assert auc(np.array([1.0, 1.0]), np.array([True, False])) == 0.5
    assert np.isnan(auc(np.array([1.0]), np.array([True])))
