"""Learns from a synthesizer how watched words sound, and finds them in a signal. No text is looked at here.

A window over the signal, whatever its length, becomes one row; small networks tell which word it holds, if any. They learn from
windows that lie on a word, beside it and on its parts, and again from those that the first of them took for a word.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from crm_pipeline.audio import sphinx
from crm_pipeline.audio.exemplars import VARIANTS, Exemplar, exemplars, material, others
from crm_pipeline.audio.extra import imported
from crm_pipeline.audio.recordings import RATE
from crm_pipeline.audio.spotting import Hit

FRAME, HOP, BINS = 400, 200, 512
BANDS, COEFFICIENTS, LOWEST, HIGHEST = 32, 16, 250.0, 3600.0
FRAMES, STEP, LENGTHS = 20, 4, 5
"""Frames of a row, hops from window to window, and how many lengths a window has."""

MARGIN = 0.12
"""What a window shows before and after it, of its length."""

SILENT, SPEECH = 45.0, 25.0
"""dB below the loudest at which quieter is held, and to which a frame counts for the mean that is taken off."""

ON, OFF = 0.7, 0.45
"""Overlap of a window and a word, over both together, from which it holds the word, and below which it does not."""

SAID, KEPT = 330, 70
"""Recordings to learn from, and those of other voices and sentences that set the threshold."""

HELD_OUT = 6
"""One in so many voices and sentences is kept for the threshold."""

BUDGET = 7.0
"""False alarms in an hour of the kept speech, for each word."""

NETS, HIDDEN, FIRST, ROUNDS, DECAY = 3, 96, 7, 12, 0.01
PLAIN, HARD = 40, 60  # windows without a word of each recording: any, and those first taken for one
SEED = 5
_A_SECOND = RATE / HOP


@dataclass(frozen=True)
class Keywords:
    """What was learned; made by `learned`.

    Attributes
    ----------
    words : tuple of str
    lengths : ndarray
        Of windows, in hops.
    nets : tuple of tuples of ndarray
        Weights and offsets of the two layers of each.
    threshold : float
        Least log odds of a hit.
    """

    words: tuple[str, ...]
    lengths: np.ndarray
    nets: tuple[tuple[np.ndarray, ...], ...]
    threshold: float

    def find(self, pieces: Sequence[tuple[float, np.ndarray]]) -> list[Hit]:
        """Return the watched words in a channel, in the order of time.

        Parameters
        ----------
        pieces : sequence of (start, levels)
            Of each piece of speech its first second, and `levels` of it.
        """
        if not pieces:
            return []
        hits = []
        frames = cepstra([found for _, found in pieces])
        for (begin, _), piece in zip(pieces, frames, strict=True):
            starts, ends = _grid(len(piece), self.lengths)
            odds = self.odds(piece)
            for place, word in enumerate(self.words):
                for at in _best(starts, ends, odds[:, place], self.threshold):
                    start, end = (begin + float(edge[at]) / _A_SECOND for edge in (starts, ends))
                    hits.append(Hit(word, round(start, 3), round(end, 3), float(1 / (1 + np.exp(-odds[at, place])))))
        return sorted(hits, key=lambda hit: (hit.start, hit.word))

    def odds(self, frames: np.ndarray) -> np.ndarray:
        """Return the log odds of each word in each window, with those of its neighbours in time."""
        rows = _rows(frames, *_grid(len(frames), self.lengths))
        mean = np.mean([_log_odds(rows, net)[:, : len(self.words)] for net in self.nets], axis=0)
        sizes = [_count(len(frames), length) for length in self.lengths]
        return np.concatenate([_smooth(part) for part in np.split(mean, np.cumsum(sizes)[:-1])])


@functools.lru_cache(maxsize=4)
def learned(watched: tuple[str, ...], said: int = SAID, variants: tuple[str, ...] = VARIANTS) -> Keywords:
    """Return what the synthesizer's voices teach of words; the same words give the same.

    Parameters
    ----------
    watched : tuple of str
        Words and phrases.
    said : int
        Recordings to learn from.
    variants : tuple of str
        Of the synthesizer's voices.

    Raises
    ------
    UsageError
        If there is no synthesizer, or no dictionary of English.
    """
    rng = np.random.default_rng(SEED)
    voices = [variants[i] for i in rng.permutation(len(variants))]
    sentences = sphinx.service_sentences()
    known = sphinx.pronunciations()
    learn, keep = (
        material(watched, known, [s for i, s in enumerate(sentences) if (i % HELD_OUT == 0) == kept], rng)
        for kept in (False, True)
    )
    heard = _heard(exemplars(learn, voices[len(voices) // HELD_OUT :], said, rng))
    lengths = _lengths(heard)
    nets = _nets(heard, lengths, len(watched), rng)
    kept = _heard(others(keep, voices[: len(voices) // HELD_OUT] or voices, KEPT * said // SAID or 1, rng))
    bare = Keywords(watched, lengths, nets, 0.0)
    return Keywords(watched, lengths, nets, _threshold(bare, [frames for frames, _ in kept]))


def levels(signal: np.ndarray) -> np.ndarray:
    """Return dB in each mel band of each frame of a signal of `RATE`."""
    window, bands = _tables()
    padded = np.pad(signal, (FRAME // 2, FRAME))
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP]
    power = np.square(np.abs(imported("scipy.fft").rfft(frames * window, BINS, axis=1))) @ bands
    return (10 * np.log10(power + 1e-12)).astype(np.float32)


def cepstra(pieces: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return cepstral coefficients of the frames of a channel's pieces, without what all its speech has in common."""
    whole = np.concatenate(pieces)
    whole = np.maximum(whole, np.percentile(whole, 98) - SILENT)
    loud = whole.mean(axis=1)
    whole -= whole[loud > loud.max() - SPEECH].mean(axis=0)
    found = imported("scipy.fft").dct(whole, axis=1, type=2, norm="ortho")[:, :COEFFICIENTS] / 10
    return np.split(found.astype(np.float32), np.cumsum([len(piece) for piece in pieces])[:-1])


Heard = tuple[np.ndarray, list[tuple[int, float, float]]]


def _heard(given: Iterable[Exemplar]) -> list[Heard]:
    """Return the frames of recordings and the words in them, in frames."""
    return [
        (cepstra([levels(one.signal)])[0], [(which, a * _A_SECOND, b * _A_SECOND) for which, a, b in one.words])
        for one in given
    ]


def _lengths(heard: Sequence[Heard]) -> np.ndarray:
    found = [end - start for _, words in heard for _, start, end in words]
    shortest, longest = (float(np.quantile(found, share)) for share in (0.05, 0.95))
    return np.unique(np.round(np.geomspace(shortest, longest, LENGTHS)).astype(int))


def _nets(
    heard: Sequence[Heard], lengths: np.ndarray, words: int, rng: np.random.Generator
) -> tuple[tuple[np.ndarray, ...], ...]:
    rows, labels, rest = [], [], []
    for frames, said in heard:
        starts, ends, holds = _labelled(frames, said, lengths, words)
        without = rng.permutation(np.flatnonzero(holds == words))
        used = np.concatenate([np.flatnonzero(holds < words), without[:PLAIN]])
        near, which = _shifted(said, rng)
        rows += [_rows(frames, starts[used], ends[used]), _rows(frames, *near)]
        labels += [holds[used], which]
        rest.append((frames, starts[without[PLAIN:]], ends[without[PLAIN:]]))
    first = _fitted(np.concatenate(rows), np.concatenate(labels), FIRST, SEED)
    for windows in rest:
        more = _rows(*windows)
        taken = more[_log_odds(more, first)[:, words] < np.log(9)][:HARD]
        rows.append(taken)
        labels.append(np.full(len(taken), words))
    every, all_labels = np.concatenate(rows), np.concatenate(labels)
    return tuple(_fitted(every, all_labels, ROUNDS, SEED + n) for n in range(NETS))


def _fitted(rows: np.ndarray, labels: np.ndarray, rounds: int, seed: int) -> tuple[np.ndarray, ...]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    net = MLPClassifier(
        (HIDDEN,), alpha=DECAY, batch_size=256, learning_rate_init=2e-3, max_iter=rounds, random_state=seed
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it is stopped early on purpose
        net.fit(rows, labels)
    (weights, out), (offsets, bias) = net.coefs_, net.intercepts_
    if len(bias) == 1:  # of one word it has the log odds of none alone
        out, bias = (np.hstack([np.zeros_like(part), part]) for part in (out, bias))
    return tuple(np.asarray(part, np.float32) for part in (weights, offsets, out, bias))


def _labelled(
    frames: np.ndarray, said: Sequence[tuple[int, float, float]], lengths: np.ndarray, words: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the windows and which word each holds, ``words`` where none; what is neither is left out."""
    starts, ends = _grid(len(frames), lengths)
    holds, clear = np.full(len(starts), words), np.ones(len(starts), bool)
    for which, a, b in said:
        shared = np.maximum(0, np.minimum(ends, b) - np.maximum(starts, a))
        share = shared / (np.maximum(ends, b) - np.minimum(starts, a))
        holds[share >= ON] = which
        clear &= (share <= OFF) | (share >= ON)
    return starts[clear], ends[clear], holds[clear]


def _shifted(
    said: Sequence[tuple[int, float, float]], rng: np.random.Generator, times: int = 4
) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Return windows that lie on the words, a little beside them."""
    which, starts, ends = (np.repeat([word[i] for word in said], times) for i in range(3))
    by = (ends - starts) * rng.uniform(-0.08, 0.08, (2, len(starts)))
    return (starts + by[0], ends + by[1]), which.astype(int)


def _threshold(found: Keywords, frames: Sequence[np.ndarray]) -> float:
    """Return the least log odds at which no more than the budget is found where nothing is said."""
    made_up: list[float] = []
    for one in frames:
        odds = found.odds(one)
        windows = _grid(len(one), found.lengths)
        for place in range(len(found.words)):
            made_up += odds[_best(*windows, odds[:, place], 0.0), place].tolist()
    allowed = int(BUDGET * len(found.words) * sum(map(len, frames)) / _A_SECOND / 3600)
    ordered = sorted(made_up, reverse=True)
    return float(np.nextafter(ordered[allowed], np.inf)) if allowed < len(ordered) else 0.0


def _best(starts: np.ndarray, ends: np.ndarray, odds: np.ndarray, least: float) -> list[int]:
    """Return the surest windows that do not overlap."""
    found: list[int] = []
    over = np.flatnonzero(odds >= least)
    for at in over[np.argsort(-odds[over], kind="stable")].tolist():
        if all(ends[at] <= starts[other] or starts[at] >= ends[other] for other in found):
            found.append(at)
    return found


def _log_odds(rows: np.ndarray, net: tuple[np.ndarray, ...]) -> np.ndarray:
    weights, offsets, out, bias = net
    score = np.maximum(rows @ weights + offsets, 0) @ out + bias
    score -= score.max(axis=1, keepdims=True)
    p = np.exp(score)
    p = np.clip(p / p.sum(axis=1, keepdims=True), 1e-9, 1 - 1e-6)
    return np.log(p) - np.log1p(-p)


def _smooth(odds: np.ndarray) -> np.ndarray:
    """Return the weighted mean of each window and the ones before and after it: what is heard once is chance."""
    if len(odds) < 3:
        return odds
    return np.concatenate([odds[:1], odds[1:-1] / 2 + (odds[:-2] + odds[2:]) / 4, odds[-1:]])


def _grid(frames: int, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    starts = [np.arange(_count(frames, length)) * float(STEP) for length in lengths]
    return np.concatenate(starts), np.concatenate([s + n for s, n in zip(starts, lengths, strict=True)])


def _count(frames: int, length: int) -> int:
    return max(0, frames - length) // STEP + 1


def _rows(frames: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return windows as rows: so many frames, whatever the length, and the length."""
    length = (ends - starts)[:, None]
    at = starts[:, None] - MARGIN * length + np.linspace(0, 1 + 2 * MARGIN, FRAMES) * length
    at = np.clip(at, 0, len(frames) - 1)
    low = at.astype(int)
    share = (at - low)[..., None].astype(np.float32)
    row = frames[low] * (1 - share) + frames[np.minimum(low + 1, len(frames) - 1)] * share
    return np.concatenate([row.reshape(len(at), FRAMES * COEFFICIENTS), (length / 40 - 1).astype(np.float32)], axis=1)


@functools.cache
def _tables() -> tuple[np.ndarray, np.ndarray]:
    """Return the window and the mel bands (bins, BANDS)."""
    lowest, highest = _mel(np.array([LOWEST, HIGHEST])).tolist()
    edges = np.linspace(lowest, highest, BANDS + 2)
    at = _mel(np.fft.rfftfreq(BINS, 1 / RATE))[:, None]
    slopes = (at - edges[:-2]) / np.diff(edges)[:-1], (edges[2:] - at) / np.diff(edges)[1:]
    return np.hanning(FRAME).astype(np.float32), np.maximum(0, np.minimum(*slopes)).astype(np.float32)


def _mel(hertz: np.ndarray) -> np.ndarray:
    return 2595 * np.log10(1 + hertz / 700)
