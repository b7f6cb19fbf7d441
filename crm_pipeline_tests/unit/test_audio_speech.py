"""Where somebody speaks: by the level alone, over the noise of a line."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_pipeline.audio import speech


def level(seconds: float, *spoken: tuple[float, float], noise: float = -50.0, loud: float = -20.0) -> np.ndarray:
    drawn = np.random.default_rng(0).chisquare(80, round(seconds * 100)) / 80
    power = 10 ** (noise / 10) * drawn
    for start, end in spoken:
        power[round(start * 100) : round(end * 100)] += 10 ** (loud / 10)
    return speech.level_line(power)


@pytest.mark.parametrize("noise", [-90.0, -50.0, -35.0])
def test_speech_stands_out_of_the_noise_of_a_line(noise):
    found = speech.stretches(level(40, (2, 4), (4.1, 5), (20, 23), noise=noise))

    np.testing.assert_allclose(found, [[2, 5], [20, 23]], atol=0.05)


def test_noise_that_rises_is_still_noise():
    assert not len(speech.stretches(np.r_[level(30, noise=-60), level(30, noise=-45)][: 60 * 100])[2:])


def test_a_click_is_not_speech():
    assert not len(speech.stretches(level(5, (2, 2.02))))


def test_peaks_after_which_the_level_falls_are_syllables():
    hills = -20 - 10 * np.cos(2 * np.pi * np.arange(100) / 25)
    ripples = -20 - 0.5 * np.cos(2 * np.pi * np.arange(100) / 25)

    assert speech.syllables(hills, np.ones(100, bool)) == 4
    assert speech.syllables(hills, np.arange(100) < 50) == 2
    assert speech.syllables(ripples, np.ones(100, bool)) == 1
    assert speech.syllables(np.zeros(0), np.zeros(0, bool)) == 0


edges = st.lists(st.integers(0, 200), unique=True, max_size=20).map(sorted)


def made(places: list[int]) -> np.ndarray:
    return np.array(places[: len(places) // 2 * 2], float).reshape(-1, 2)


@given(edges, edges)
def test_overlap_and_silences_are_those_of_single_seconds(one, other):
    one, other = made(one), made(other)
    speaks = [np.zeros(200, bool), np.zeros(200, bool)]
    for on, own in zip(speaks, (one, other), strict=True):
        for start, end in own.astype(int):
            on[start:end] = True
    silent = speech.silences([one, other], 200)

    assert speech.overlap([one, other]) == np.count_nonzero(speaks[0] & speaks[1])
    assert speech.length(silent) == np.count_nonzero(~(speaks[0] | speaks[1]))
    assert (silent[1:, 0] > silent[:-1, 1]).all()


@given(edges, st.integers(1, 50), st.integers(0, 20))
def test_pieces_hold_all_speech_and_none_is_too_long(places, longest, gap):
    spoken = made(places)
    found = speech.pieces(spoken, gap, longest)

    assert (np.diff(found) <= longest + 1e-9).all()
    assert speech.overlap([spoken, found]) == pytest.approx(speech.length(spoken))
