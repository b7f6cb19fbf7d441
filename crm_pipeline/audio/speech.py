"""Where somebody speaks in a channel, and how fast; where two speak at once, and where nobody does. What is said does not belong here.

Somebody speaks where the level stands out from the noise around it. A steady noise or tone is noise, also where it is loud; music
is not told from speech.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

STEP = 0.01
"""Seconds from one value of a level line to the next."""

FLOOR, AROUND = 10, 10.0
"""Percentile of the levels that is noise, taken anew in each of so many seconds."""

ABOVE, BELOW, LOWEST = 6.0, 30.0, -65.0
"""dB above the noise from which, below the loudest down to which, and of full scale down to which a level is speech."""

LOUDEST = 0.3
"""Seconds that the loudest levels last, of which the quietest is the loudest level: a click is shorter."""

PAUSE, SHORTEST = 0.2, 0.08
"""Seconds of a pause within speech at most; of speech at least."""

DIP = 2.0
"""dB by which the level falls after a syllable's peak (de Jong and Wempe)."""

HOLD = 10.0
"""Seconds in which nobody speaks from which a caller is on hold."""

_SMOOTH = 5  # values: 50 ms

Stretches = np.ndarray
"""Start and end in seconds of each, one after the other: float64, (stretches, 2)."""


def level_line(power: np.ndarray) -> np.ndarray:
    """Return the level in dB of full scale, smoothed over 50 ms.

    Parameters
    ----------
    power : ndarray, shape (n,)
        Mean square of the samples in each `STEP`.
    """
    window = np.hanning(_SMOOTH + 2)[1:-1]
    known = np.convolve(np.ones(len(power)), window)[_SMOOTH // 2 :][: len(power)]
    return 10 * np.log10(np.maximum(np.convolve(power, window)[_SMOOTH // 2 :][: len(power)] / known, 1e-10))


def stretches(level: np.ndarray) -> Stretches:
    """Return where somebody speaks, by a channel's `level_line`."""
    if not len(level):
        return np.zeros((0, 2))
    place = max(0, len(level) - max(1, round(LOUDEST / STEP)))
    loudest = np.partition(level, place)[place]
    speaks = level > np.maximum(_noise(level) + ABOVE, max(loudest - BELOW, LOWEST))
    begins, ends = np.flatnonzero(np.diff(np.r_[0, speaks, 0]) == 1), np.flatnonzero(np.diff(np.r_[0, speaks, 0]) == -1)
    new = begins[1:] - ends[:-1] > round(PAUSE / STEP)
    found = np.stack([begins[np.r_[True, new]], ends[np.r_[new, True]]], axis=1) if len(begins) else np.zeros((0, 2))
    return found[found[:, 1] - found[:, 0] >= round(SHORTEST / STEP)] * STEP


def syllables(level: np.ndarray, voiced: np.ndarray) -> int:
    """Return how many syllables a stretch of speech has: peaks of the level that are voiced and after which it falls.

    De Jong and Wempe, "Praat script to detect syllable nuclei and measure speech rate automatically", Behavior Research
    Methods 41 (2009).

    Parameters
    ----------
    level : ndarray, shape (n,)
        The stretch's part of the `level_line`.
    voiced : ndarray of bool, shape (n,)
    """
    around = np.r_[-np.inf, level, -np.inf]
    peaks = np.flatnonzero((level > around[:-2]) & (level >= around[2:]))
    if not len(peaks):
        return 0
    falls = level[peaks] - np.minimum.reduceat(level, peaks)
    return int(np.count_nonzero(voiced[peaks] & ((falls > DIP) | (np.arange(len(peaks)) == len(peaks) - 1))))


def pieces(speech: Stretches, gap: float, longest: float) -> Stretches:
    """Return speech in pieces: stretches that follow each other at once are one, and a longer one is cut where nobody speaks if it can be.

    Parameters
    ----------
    gap : float
        Seconds between stretches of one piece at most.
    longest : float
        Seconds of a piece at most; a stretch that is longer is cut into equal parts.
    """
    found: list[list[float]] = []
    for start, end in speech.tolist():
        if found and start - found[-1][1] <= gap and end - found[-1][0] <= longest:
            found[-1][1] = end
            continue
        edges = np.linspace(start, end, max(1, int(np.ceil((end - start) / longest))) + 1).tolist()
        found += [list(pair) for pair in pairwise(edges)]
    return np.array(found).reshape(-1, 2)


def length(speech: Stretches) -> float:
    """Return the seconds that stretches last together."""
    return float((speech[:, 1] - speech[:, 0]).sum())


def overlap(channels: Sequence[Stretches]) -> float:
    """Return the seconds in which all of the channels speak."""
    common = channels[0]
    for other in channels[1:]:
        starts = np.maximum(common[:, None, 0], other[None, :, 0]).ravel()
        ends = np.minimum(common[:, None, 1], other[None, :, 1]).ravel()
        common = np.stack([starts, ends], axis=1)[ends > starts]
    return length(common)


def silences(channels: Sequence[Stretches], seconds: float) -> Stretches:
    """Return where nobody speaks in a recording of so many seconds, its beginning and end among them."""
    speech = np.concatenate(list(channels))
    speech = speech[np.argsort(speech[:, 0], kind="stable")]
    starts = np.r_[0.0, np.maximum.accumulate(speech[:, 1])]
    ends = np.r_[speech[:, 0], max(seconds, starts[-1])]
    return np.stack([starts, ends], axis=1)[ends > starts]


def hold(silent: Stretches) -> float:
    """Return the seconds of `silences` that last `HOLD` or longer."""
    return length(silent[silent[:, 1] - silent[:, 0] >= HOLD])


def _noise(level: np.ndarray) -> np.ndarray:
    """Return the level of the noise at each place: between the middles of parts of about `AROUND` seconds on a line."""
    count = max(1, round(len(level) * STEP / AROUND))
    parts = np.array_split(level, count)
    middles = (np.arange(count) + 0.5) * len(level) / count
    return np.interp(np.arange(len(level)), middles, [np.percentile(part, FLOOR) for part in parts])
