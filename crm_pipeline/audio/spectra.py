"""What one short-time spectrum tells of each frame of a signal, with librosa's values. What a whole call says does not belong here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from functools import cache

import numpy as np

from crm_pipeline.audio.extra import imported
from crm_pipeline.audio.recordings import RATE

FRAME, HOP = 2048, 512
BANDS = 128
COEFFICIENTS = 13
ROLL_OFF = 0.85
TOP = 80.0
"""dB below the loudest mel band of the whole signal at which every quieter one is held."""

DELTA = 9
"""Frames of the slope, and fewest frames of a signal that has one."""

_SLOPE = np.arange(-(DELTA // 2), DELTA // 2 + 1) / 60
_LOG_STEP = np.log(6.4) / 27
_FRAMES_AT_ONCE = 512


@dataclass(frozen=True)
class Spectra:
    """One value or row per frame of `FRAME` samples, the next `HOP` samples later, the first centred on the first sample.

    Attributes
    ----------
    mel : ndarray of float32, shape (frames, BANDS)
        Power in each mel band.
    centroid, roll_off, crossings, level : ndarray, shape (frames,)
        Hz; Hz; share of samples at which the sign changes; root mean square.
    """

    mel: np.ndarray
    centroid: np.ndarray
    roll_off: np.ndarray
    crossings: np.ndarray
    level: np.ndarray


def spectra(blocks: Iterable[np.ndarray]) -> Spectra:
    """Return what one short-time spectrum tells of each frame.

    Parameters
    ----------
    blocks : iterable of ndarray of float32, shape (samples,)
        A signal, in order; no more of it is held than a block and a few hundred frames.
    """
    going = Going()
    for block in blocks:
        going.add(block)
    return going.end()


class Going:
    """`spectra` of a signal of which the next block comes when it comes."""

    def __init__(self) -> None:
        self._found: list[list[np.ndarray]] = [[] for _ in fields(Spectra)]
        self._held: tuple[np.ndarray, np.ndarray] | None = (
            None  # what no frame has passed: between zeros, and its own ends
        )
        self._last = np.zeros(0, np.float32)

    def add(self, block: np.ndarray) -> None:
        """Take the next block."""
        if len(block):
            before = self._held or (np.zeros(FRAME // 2, np.float32), np.full(FRAME // 2, block[0], np.float32))
            self._take(*(np.concatenate([held, block]) for held in before))
            self._last = block[-1:].copy()

    def end(self) -> Spectra:
        """Return what all blocks tell; at least one had a sample."""
        assert self._held is not None
        zeros, edge = self._held
        self._take(np.pad(zeros, (0, FRAME // 2)), np.concatenate([edge, np.repeat(self._last, FRAME // 2)]))
        return Spectra(*(np.concatenate(self._found.pop(0)) for _ in fields(Spectra)))  # each part is let go of at once

    def _take(self, zeros: np.ndarray, edge: np.ndarray) -> None:
        ready = max(0, (len(zeros) - FRAME) // HOP + 1)
        for frames in _windows(zeros, edge, ready):
            for parts, part in zip(self._found, _of(*frames), strict=True):
                parts.append(part)
        self._held = zeros[ready * HOP :].copy(), edge[ready * HOP :].copy()


def mfcc(mel: np.ndarray) -> np.ndarray:
    """Return the mel-frequency cepstral coefficients of each frame, (frames, COEFFICIENTS); see `Spectra`."""
    fft, least = imported("scipy.fft"), np.float32(1e-10)
    quietest = 10 * np.log10(np.maximum(least, mel.max(initial=0))) - np.float32(TOP)
    found = np.empty((len(mel), COEFFICIENTS), mel.dtype)
    for at in range(0, len(mel), _FRAMES_AT_ONCE):
        level = np.maximum(10 * np.log10(np.maximum(least, mel[at : at + _FRAMES_AT_ONCE])), quietest)
        found[at : at + _FRAMES_AT_ONCE] = fft.dct(level, axis=1, type=2, norm="ortho")[:, :COEFFICIENTS]
    return found


def delta(lines: np.ndarray) -> np.ndarray:
    """Return how fast each column changes per frame: the slope over nine frames; at the ends that of the first or last nine."""
    count = len(lines) - DELTA + 1
    slope = sum(weight * lines[at : at + count] for at, weight in enumerate(_SLOPE.tolist()))
    return np.concatenate([slope[:1].repeat(DELTA // 2, axis=0), slope, slope[-1:].repeat(DELTA // 2, axis=0)])


def _windows(zeros: np.ndarray, edge: np.ndarray, count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    if count:
        cut = [np.lib.stride_tricks.sliding_window_view(one, FRAME)[::HOP][:count] for one in (zeros, edge)]
        for at in range(0, count, _FRAMES_AT_ONCE):
            yield cut[0][at : at + _FRAMES_AT_ONCE], cut[1][at : at + _FRAMES_AT_ONCE]


def _of(frames: np.ndarray, edge: np.ndarray) -> tuple[np.ndarray, ...]:
    window, bands, hertz = _tables()
    size = np.abs(imported("scipy.fft").rfft(frames * window, axis=1))
    total = np.cumsum(size, axis=1)
    share = size / np.where(total[:, -1:] > np.finfo(np.float32).tiny, total[:, -1:], 1)
    return (
        np.square(size) @ bands,
        (share * hertz).sum(axis=1),
        hertz[(total >= ROLL_OFF * total[:, -1:]).argmax(axis=1)],
        np.count_nonzero(np.diff(np.signbit(np.where(np.abs(edge) <= 1e-10, 0, edge)), axis=1), axis=1) / FRAME,
        np.sqrt(np.mean(np.square(frames), axis=1)),
    )


@cache
def _tables() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the window, the mel bands (bins, BANDS) and the Hz of the bins; librosa, which would compile for seconds, is not asked."""
    window = np.hanning(FRAME + 1)[:-1].astype(np.float32)
    hertz = np.fft.rfftfreq(FRAME, 1 / RATE)
    edges = _hertz(np.linspace(0, 15 + np.log(RATE / 2 / 1000) / _LOG_STEP, BANDS + 2))
    rising = (hertz[:, None] - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - hertz[:, None]) / np.diff(edges)[1:]
    bands = np.maximum(0, np.minimum(rising, falling)) * 2 / (edges[2:] - edges[:-2])
    return window, bands.astype(np.float32), hertz


def _hertz(mel: np.ndarray) -> np.ndarray:
    """Return the Hz of places on Slaney's mel scale: linear up to 1 kHz, then logarithmic."""
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp(_LOG_STEP * (mel - 15)))
