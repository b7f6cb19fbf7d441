"""The network over images of speech: asked in NumPy it says what Keras says, the same twice; varied images stay images."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_pipeline.audio import emotion_cnn


@given(st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_a_varied_image_is_an_image(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    images = rng.normal(0, 3, (count, 40, 64))
    found = emotion_cnn.varied(images, rng)
    assert found.shape == images.shape
    assert np.isfinite(found).all()
    assert found.mean(axis=2) == pytest.approx(0, abs=1e-9)


@pytest.mark.skipif(not emotion_cnn.available(), reason="needs the extra 'deep'")
def test_numpy_says_what_keras_says_and_the_same_is_learned_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emotion_cnn, "STEPS", 3)
    rng, codes = np.random.default_rng(0), np.repeat(np.arange(3), 4)
    images = rng.normal(0, 1, (12, 20, 25))
    network, again = (emotion_cnn.fit(images, codes, 3, seed=1) for _ in range(2))
    scores = network.scores(images)
    assert scores.shape == (12, 3)
    assert (scores == again.scores(images)).all()
    model = emotion_cnn.in_keras(3, images.shape[1:])
    model.set_weights(network.weights)
    assert scores == pytest.approx(np.asarray(model((images / emotion_cnn.SCALE)[..., None].astype("f4"))), abs=1e-3)
