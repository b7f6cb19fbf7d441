import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skops.io import dump, dumps, get_untrusted_types, loads

from crm_pipeline.modeling.calibration import expit
from crm_pipeline.modeling.estimators import gru
from crm_pipeline.modeling.estimators.recurrent_network import sequence
from crm_pipeline.modeling.prediction import predict
from crm_pipeline.modeling.preprocessing import learnable, usable_features
from crm_pipeline.modeling.training import Abstained, fit
from crm_pipeline_tests.unit.modeling_world import training_table

OPTIONS = {"horizon": 3, "seed": 1, "threads": 1}


def a_network(units: int = 4, seed: int = 0) -> gru.Network:
    g = np.random.default_rng(seed)
    return gru.Network(
        g.normal(size=(1, 3 * units)), g.normal(size=(units, 3 * units)), g.normal(size=3 * units), g.normal(size=units),
        g.normal(size=2), 0.5,
    )  # fmt: skip


@pytest.fixture(scope="module")
def rows():
    return training_table()


@given(st.sets(st.integers(1, 12)))
def test_a_sequence_ends_before_the_first_gap(known):
    found = sequence([f"orders_m{i}" for i in known] + ["orders_12", "spend_m1"])
    assert found == [f"orders_m{i}" for i in range(len(found), 0, -1)]
    assert len(found) + 1 not in known


@given(st.integers(0, 100), st.integers(1, 12))
def test_what_the_places_add_sums_to_the_whole(seed, length):
    network, sequences = a_network(seed=seed), np.random.default_rng(seed).normal(size=(5, length))
    whole = network.of_sequences(sequences) - network.of_sequences(np.zeros((1, length)))
    np.testing.assert_allclose(network.shares(sequences).sum(axis=1), whole, atol=1e-5)


def test_a_place_as_in_the_average_customer_adds_nothing():
    sequences = np.random.default_rng(1).normal(size=(6, 5))
    sequences[:, 2] = 0
    assert np.abs(a_network().shares(sequences)[:, 2]).max() < 1e-6


@pytest.mark.slow
def test_it_learns_which_month_was_which_over_the_whole_sequence():
    g = np.random.default_rng(4)
    sequences = g.normal(size=(6_000, 12))
    y = (g.random(6_000) < expit(2 * (sequences[:, -1] - sequences[:, 0]))).astype(int)
    known = np.arange(len(y)) < 4_000
    said = gru.fit(sequences, np.zeros((len(y), 1)), y, known, ~known, seed=0).of_sequences(sequences)
    assert np.corrcoef(said, sequences[:, -1] - sequences[:, 0])[0, 1] > 0.9


def test_without_the_extra_one_sentence_names_it(rows, monkeypatch):
    monkeypatch.setattr(gru, "available", lambda: False)
    found = fit("churn", "recurrent_network", rows, **OPTIONS)
    assert found == Abstained(
        "recurrent_network was not fitted: it needs the extra 'deep': pip install --editable '.[deep]' in the clone."
    )


def test_without_single_periods_it_abstains(rows):
    found = fit("churn", "recurrent_network", rows.drop(columns="orders_m2"), **OPTIONS)
    assert isinstance(found, Abstained)
    assert "single periods" in found.reason


def test_a_fitted_network_predicts_explains_and_is_stored(rows):
    """One test, as fitting compiles for seconds."""
    model = fit("churn", "recurrent_network", rows, **OPTIONS)
    assert sorted(model.columns_) == sorted(learnable(rows[usable_features(rows)[0]]))
    means = predict("churn", model, rows)["probability"].groupby(rows["churned"]).mean()
    assert means[1] > means[0] + 0.1
    terms, base = model.attributions(rows)
    np.testing.assert_allclose(terms.sum(axis=1) + base, model.raw(rows), atol=1e-5)
    again = fit("churn", "recurrent_network", rows.sample(frac=1, random_state=3), **OPTIONS)
    np.testing.assert_array_equal(again.raw(rows), model.raw(rows))
    says_what_keras_says(gru.Network(**model.weights_))
    kept = dumps(model)
    np.testing.assert_array_equal(loads(kept, trusted=get_untrusted_types(data=kept)).raw(rows), model.raw(rows))


def says_what_keras_says(network: gru.Network) -> None:
    g = np.random.default_rng(2)
    sequences, beside = g.normal(size=(50, 12)), g.normal(size=(50, len(network.linear)))
    model = gru.in_keras(12, len(network.linear))
    model.set_weights([
        network.kernel, network.recurrent, network.bias, network.out[:, None], np.array([network.level]),
        network.linear[:, None],
    ])  # fmt: skip
    said = np.asarray(model([sequences, beside])).ravel()
    np.testing.assert_allclose(network.log_odds(sequences, beside), said, atol=1e-4)


@pytest.mark.slow
def test_a_stored_network_says_the_same_in_a_process_that_has_no_keras(rows, tmp_path):
    model, folder = fit("churn", "recurrent_network", rows, **OPTIONS), tmp_path
    dump(model, folder / "model.skops")
    rows.to_parquet(folder / "rows.parquet")
    asks = (
        "import sys; sys.modules['keras'] = sys.modules['jax'] = None\n"
        "import numpy, pandas, skops.io\n"
        "kinds = skops.io.get_untrusted_types(file='model.skops')\n"
        "model = skops.io.load('model.skops', trusted=kinds)\n"
        "numpy.save('raw.npy', model.raw(pandas.read_parquet('rows.parquet')))\n"
    )
    here = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    subprocess.run([sys.executable, "-c", asks], cwd=folder, check=True, env=here)
    np.testing.assert_array_equal(np.load(folder / "raw.npy"), model.raw(rows))
