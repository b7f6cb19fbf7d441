"""The pitch of a signal by probabilistic YIN, with librosa's values in a fraction of its time. What pitch says does not belong here.

Mauch and Dixon, "pYIN: A fundamental frequency estimator using probabilistic threshold distributions", ICASSP 2014. The
candidates of all frames are weighed at once, not frame by frame, and the decoding looks only at transitions that the local
window allows and, for the others, at the best state: every other way is at most as likely.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from crm_pipeline.audio.extra import imported
from crm_pipeline.audio.recordings import RATE

LOWEST, HIGHEST = 65.0, 500.0
"""Hz between which a voice is looked for."""

FRAME, HOP = 2048, 512
BINS_PER_SEMITONE = 10
BINS = int(np.floor(12 * BINS_PER_SEMITONE * np.log2(HIGHEST / LOWEST))) + 1
SHORTEST, LONGEST = int(np.floor(RATE / HIGHEST)), int(np.ceil(RATE / LOWEST))
THRESHOLDS = np.linspace(0, 1, 101)
BOLTZMANN, NO_TROUGH, SWITCH, TRANSITION_RATE = 2.0, 0.01, 0.01, 35.92
_REACH = round(TRANSITION_RATE * 12 * HOP / RATE) * BINS_PER_SEMITONE // 2
_TINY = float(np.finfo(np.float64).tiny)
_FRAMES_AT_ONCE = 512


def line(signal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the pitch of each frame as ``librosa.pyin(signal, fmin=LOWEST, fmax=HIGHEST, sr=RATE)`` does.

    Parameters
    ----------
    signal : ndarray of float32, shape (samples,)

    Returns
    -------
    hertz : ndarray of float64, shape (frames,)
        NaN where there is no voice.
    probability : ndarray of float64, shape (frames,)
        That there is one.
    """
    padded = np.pad(signal, FRAME // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP]
    found = [_observed(_difference(frames[at : at + _FRAMES_AT_ONCE])) for at in range(0, len(frames), _FRAMES_AT_ONCE)]
    voiced = np.concatenate(found)
    probability = np.clip(voiced.sum(axis=1), 0, 1)
    states = _decoded(voiced, (1 - probability) / BINS)
    hertz = LOWEST * 2 ** (np.arange(BINS) / (12 * BINS_PER_SEMITONE))
    return np.where(states < BINS, hertz[states % BINS], np.nan), probability


def _difference(frames: np.ndarray) -> np.ndarray:
    """Return YIN's cumulative mean normalised difference of each frame (rows) at each period (columns)."""
    fft = imported("scipy.fft")
    size = fft.next_fast_len(FRAME + LONGEST, real=True)
    spectrum = fft.rfft(frames, n=size, axis=1)
    correlation = fft.irfft(spectrum.real**2 + spectrum.imag**2, n=size, axis=1)[:, : LONGEST + 1]
    energy = np.cumsum(np.square(frames[:, :LONGEST]), axis=1)
    difference = 2 * (correlation[:, :1] - correlation[:, 1:]) - energy
    mean = np.cumsum(difference, axis=1) / np.arange(1, LONGEST + 1)
    kept = mean[:, SHORTEST - 1 :]
    return difference[:, SHORTEST - 1 :] / (kept + np.finfo(kept.dtype).tiny)


def _observed(yin: np.ndarray) -> np.ndarray:
    """Return how likely each frame (rows) shows each pitch (columns)."""
    trough = np.zeros(yin.shape, bool)
    trough[:, 1:-1] = (yin[:, 1:-1] < yin[:, :-2]) & (yin[:, 1:-1] <= yin[:, 2:])
    trough[:, 0], trough[:, -1] = yin[:, 0] < yin[:, 1], yin[:, -1] < yin[:, -2]
    frame, period = np.nonzero(trough)
    observed = np.zeros((len(yin), BINS + 1))
    if not len(frame):
        return observed[:, :BINS]
    first = np.flatnonzero(np.diff(frame, prepend=-1))
    probability = _weighed(yin[frame, period], first)
    likely = probability.astype(yin.dtype) != 0
    frame, period, probability = frame[likely], period[likely], probability[likely].astype(yin.dtype)
    hertz = RATE / (SHORTEST + period + _shift(yin, frame, period))
    place = np.clip(np.round(12 * BINS_PER_SEMITONE * np.log2(hertz / LOWEST)), 0, BINS).astype(int)
    observed[frame, place] = probability
    return observed[:, :BINS]


def _weighed(height: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Return the probability of each trough; those of a frame lie together, and begin at ``first``."""
    beta = _beta()
    group = np.repeat(np.arange(len(first)), np.diff(first, append=len(height)))
    below = height[:, None] < THRESHOLDS[1:]
    running = np.cumsum(below, axis=0)
    count = np.add.reduceat(below, first, axis=0, dtype=np.int64)
    place = running - (running[first] - below[first])[group] - 1
    share = (1 - np.exp(-BOLTZMANN)) / (1 - np.exp(-BOLTZMANN * np.maximum(count, 1)))
    weight = np.where(below, share[group] * np.exp(-BOLTZMANN * place), 0) @ beta
    lowest = np.minimum.reduceat(height, first)
    is_lowest = np.flatnonzero(height == lowest[group])
    is_lowest = is_lowest[np.diff(group[is_lowest], prepend=-1) > 0]
    missed = np.count_nonzero(~below[is_lowest], axis=1)
    weight[is_lowest] += NO_TROUGH * np.concatenate([[0], np.cumsum(beta)])[missed]
    return weight


def _shift(yin: np.ndarray, frame: np.ndarray, period: np.ndarray) -> np.ndarray:
    """Return how far from its sample each trough lies, by a parabola through it and its neighbours."""
    left, right = np.maximum(period - 1, 0), np.minimum(period + 1, yin.shape[1] - 1)
    before, here, after = yin[frame, left], yin[frame, period], yin[frame, right]
    curve, slope = after + before - 2 * here, (after - before) / 2
    inside = (np.abs(slope) < np.abs(curve)) & (period > 0) & (period < yin.shape[1] - 1)
    return np.where(inside, -slope / np.where(inside, curve, 1), 0).astype(yin.dtype)


@cache
def _beta() -> np.ndarray:
    """Return how likely the right threshold lies below each: the beta distribution (2, 18), in closed form."""
    above = 1 - THRESHOLDS
    return -np.diff(above**19 + 19 * THRESHOLDS * above**18)


@cache
def _transitions() -> np.ndarray:
    """Return log probabilities to a pitch (columns) from those near it (rows), the lowest first, without staying voiced or not."""
    window = 1 - np.abs(np.arange(-_REACH, _REACH + 1)) / (_REACH + 1)
    near = np.arange(BINS) + np.arange(-_REACH, _REACH + 1)[:, None]
    exists = (near >= 0) & (near < BINS)
    total = np.where(exists, window[:, None], 0).sum(axis=0)  # of the window around a pitch: it is symmetric
    with np.errstate(divide="ignore"):  # from a pitch that does not exist
        return np.log(np.where(exists, window[:, None] / total[np.clip(near, 0, BINS - 1)], 0))


def _decoded(voiced: np.ndarray, unvoiced: np.ndarray) -> np.ndarray:
    """Return the likeliest state of each frame: pitches, and from `BINS` on the same without a voice (Viterbi).

    Only how likely each state is at best is kept; from where it was reached is looked up for the states of the best way alone.
    """
    table, stay, change = _transitions(), np.log(1 - SWITCH), np.log(SWITCH)
    seen = np.log(np.stack([voiced, np.repeat(unvoiced[:, None], BINS, axis=1)], axis=1) + _TINY)
    values = np.full((len(seen), 2, BINS + 2 * _REACH), -np.inf)
    kept = values[:, :, _REACH : _REACH + BINS]
    kept[0] = seen[0] - np.log(2 * BINS)
    either, sums = np.full((2, BINS + 2 * _REACH), -np.inf), np.empty((2, *table.shape))
    windows = np.lib.stride_tricks.sliding_window_view(either, BINS, axis=1)
    for at in range(1, len(seen)):
        before = values[at - 1]
        np.maximum(before + stay, before[::-1] + change, out=either)
        np.add(windows, table, out=sums)
        far = before.max() + np.log(_TINY)
        kept[at] = seen[at] + np.maximum(sums.max(axis=1), far)
    return _way_back(values, table, stay, change)


def _way_back(values: np.ndarray, table: np.ndarray, stay: float, change: float) -> np.ndarray:
    """Return the states of the best way, from its end to its beginning."""
    kept = values[:, :, _REACH : _REACH + BINS].reshape(len(values), -1)
    states = np.empty(len(values), int)
    states[-1] = kept[-1].argmax()
    switch = np.array([[stay, change], [change, stay]])
    for at in range(len(values) - 1, 0, -1):
        silent, pitch = divmod(int(states[at]), BINS)
        ways = values[at - 1, :, pitch : pitch + 2 * _REACH + 1] + switch[silent][:, None] + table[:, pitch]
        best = int(kept[at - 1].argmax())
        if ways.max() >= kept[at - 1, best] + np.log(_TINY):
            row, step = divmod(int(ways.argmax()), 2 * _REACH + 1)
            best = row * BINS + pitch + step - _REACH
        states[at - 1] = best
    return states
