"""Spectra: librosa's values, however the signal is cut into blocks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_pipeline.audio import spectra
from crm_pipeline.audio.recordings import RATE

librosa = pytest.importorskip("librosa", reason="the extra 'audio' is not installed")


def noise(samples: int) -> np.ndarray:
    drawn = np.random.default_rng(samples).normal(0, 0.1, samples)
    return (drawn * np.linspace(1, 0.01, samples)).astype(np.float32)


@pytest.mark.parametrize("samples", [1, 511, 2048, 40_000])
def test_each_value_is_librosas(samples):
    y = noise(samples)
    found = spectra.spectra([y])
    near = {"rtol": 1e-4, "atol": 1e-6}

    np.testing.assert_allclose(spectra.mfcc(found.mel).T, librosa.feature.mfcc(y=y, sr=RATE, n_mfcc=13), atol=1e-3)
    np.testing.assert_allclose(found.centroid, librosa.feature.spectral_centroid(y=y, sr=RATE)[0], **near)
    np.testing.assert_allclose(found.roll_off, librosa.feature.spectral_rolloff(y=y, sr=RATE)[0], **near)
    np.testing.assert_allclose(found.crossings, librosa.feature.zero_crossing_rate(y)[0], **near)
    np.testing.assert_allclose(found.level, librosa.feature.rms(y=y)[0], **near)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 20_000), st.integers(1, 5_000))
def test_blocks_change_nothing(samples, length):
    y = noise(samples)
    whole, cut = spectra.spectra([y]), spectra.spectra(np.split(y, range(length, samples, length)))

    for name in ("centroid", "roll_off", "crossings", "level"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(cut, name))
    np.testing.assert_allclose(whole.mel, cut.mel, rtol=1e-5)


def test_silence_is_no_reason_for_a_warning():
    found = spectra.spectra([np.zeros(10_000, np.float32)])

    assert not found.centroid.any()
    assert np.isfinite(spectra.mfcc(found.mel)).all()


def test_tables_are_librosas():
    window, bands, hertz = spectra._tables()

    np.testing.assert_allclose(window, librosa.filters.get_window("hann", spectra.FRAME), atol=1e-7)
    np.testing.assert_allclose(
        bands.T, librosa.filters.mel(sr=RATE, n_fft=spectra.FRAME, n_mels=spectra.BANDS), atol=1e-9
    )
    np.testing.assert_allclose(hertz, librosa.fft_frequencies(sr=RATE, n_fft=spectra.FRAME))
