"""Pitch: librosa's values, whatever is heard."""

import numpy as np
import pytest

from crm_pipeline.audio import pitch
from crm_pipeline.audio.recordings import RATE

librosa = pytest.importorskip("librosa", reason="the extra 'audio' is not installed")


def glide(seconds: float = 2.0) -> np.ndarray:
    hertz = np.geomspace(90, 400, int(seconds * RATE))
    phase = 2 * np.pi * np.cumsum(hertz) / RATE
    return (sum(np.sin(n * phase) / n for n in range(1, 8)) / 10).astype(np.float32)


def noise(level: float, seconds: float = 1.0) -> np.ndarray:
    return np.random.default_rng(0).normal(0, level, int(seconds * RATE)).astype(np.float32)


@pytest.mark.parametrize(
    "signal",
    [
        glide(),
        glide() + noise(0.05, 2),
        noise(0.1),
        np.concatenate([glide(0.5), np.zeros(RATE, np.float32), glide(0.3)[::-1]]),
        np.concatenate([glide(0.2)[-1000:], glide(0.2)[:1000]] * 6),
        np.zeros(8_000, np.float32),
        np.full(1, 0.5, np.float32),
    ],
    ids=["glide", "noisy glide", "noise", "pause", "jumps", "silence", "one sample"],
)
def test_pitch_is_librosas(signal):
    hertz, voiced, probability = librosa.pyin(signal, fmin=pitch.LOWEST, fmax=pitch.HIGHEST, sr=RATE)

    found, likely = pitch.line(signal)

    np.testing.assert_array_equal(found, hertz)
    np.testing.assert_array_equal(np.isfinite(found), voiced)
    np.testing.assert_allclose(likely, probability, atol=1e-12)


def test_a_glide_is_followed():
    hertz = pitch.line(glide())[0]

    assert np.nanmin(hertz) == pytest.approx(90, rel=0.1)
    assert np.nanmax(hertz) == pytest.approx(400, rel=0.1)
