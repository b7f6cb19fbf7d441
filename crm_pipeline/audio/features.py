"""Everything that is measured of one recording, with an hour of it never in memory. Who speaks in a channel does not belong here.

Times are seconds of the recording. A long recording is read twice after its outline: for spectra and levels, and for the
stretches in which somebody speaks, each measured alone. Two pitch trackers stay: pYIN's path through a stretch tells how a voice
speaks, while `emotion_features` describes a voice by a bare autocorrelation every 10 ms, on which its published figures rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crm_pipeline.audio import emotion_features, pitch, speech
from crm_pipeline.audio.emotion_features import described, frames_of, pictured
from crm_pipeline.audio.measured import IMAGE, LENGTH, Channel, Measured, to_image
from crm_pipeline.audio.recordings import RATE, Outline, blocks, outline
from crm_pipeline.audio.spectra import DELTA, HOP, Going, Spectra, delta, mfcc

LEAST = 0.3
"""Seconds of speech in a channel from which it is measured."""

PIECE, GAP = 30.0, 0.6
"""Seconds of a piece of speech whose pitch is followed at most, and of a pause within it."""

WINDOW, SHORTEST = 4.0, 0.5
"""Seconds of a window in which the feeling of a voice is looked for: at most and at least."""

HELD = 60.0
"""Seconds of a recording whose signal is held; a longer one is read once more."""

POINTS, BANDS = 400, 40
"""Points of the envelope and columns of the picture at most, and bands of the picture."""

_STEP = round(speech.STEP * RATE)


@dataclass(frozen=True)
class _Heard:
    """A channel after the first reading; per `speech.STEP` its mean square and its peak."""

    spectra: Spectra
    power: np.ndarray
    peak: np.ndarray


def measured(path: Path | str, seconds: float = 30) -> Measured:
    """Return everything that is measured of a recording.

    Parameters
    ----------
    path : Path or str
    seconds : float
        Read at once; changes nothing.

    Raises
    ------
    crm_pipeline.audio.recordings.Unreadable
        If it is no recording that can be read.
    """
    known = outline(path)
    header, begins = known.header, known.start / RATE
    signal: Iterable[np.ndarray] = blocks(path, seconds, known)
    if known.stop - known.start <= HELD * RATE:
        signal = list(signal)
    heard = _first(signal, known.channels)
    levels = [speech.level_line(one.power) for one in heard]
    spoken = [speech.stretches(level) for level in levels]
    pieces = [aligned(speech.pieces(one, GAP, PIECE), known.stop - known.start) for one in spoken]
    voices = [
        _Voice(level, one, len(each.spectra.level)) for level, one, each in zip(levels, spoken, heard, strict=True)
    ]
    for channel, start, said in cut(signal if isinstance(signal, list) else blocks(path, seconds, known), pieces):
        voices[channel].add(start, said)
    length = known.samples / RATE
    silent = speech.silences([one + begins for one in spoken], length)
    call = {
        "seconds": length,
        "overlap_share": speech.overlap(spoken) / length if len(spoken) > 1 else np.nan,
        "hold_seconds": speech.hold(silent),
        "longest_silence": float(np.diff(silent).max(initial=0)),
    }
    channels = tuple(_channel(known, n, *both) for n, both in enumerate(zip(heard, voices, strict=True)))
    return Measured(length, header.channels, header.rate, header.format, begins, known.stop / RATE, call, channels)


class _Voice:
    """What is measured of the pieces of speech of a channel, one after the other."""

    def __init__(self, level: np.ndarray, spoken: np.ndarray, frames: int) -> None:
        self.level, self.spoken, self.syllables = level, spoken, 0
        self.pitch = np.full(frames, np.nan, np.float32)
        self.windows: list[tuple[float, float]] = []
        self.vectors: list[np.ndarray] = []
        self.images: list[np.ndarray] = []
        self.lengths: list[float] = []
        self.levels: list[float] = []

    def add(self, start: int, signal: np.ndarray) -> None:
        """Measure a piece that begins at a sample, the first of a frame."""
        hertz = pitch.line(signal)[0][: len(self.pitch) - start // HOP]
        self.pitch[start // HOP : start // HOP + len(hertz)] = hertz
        begins, ends = start / RATE, (start + len(signal)) / RATE
        within = self.spoken[(self.spoken[:, 0] < ends) & (self.spoken[:, 1] > begins)].clip(begins, ends)
        for first, last in np.round(within / speech.STEP).astype(int).tolist():
            place = np.round((np.arange(first, last) + 0.5) * _STEP / HOP).astype(int)
            voiced = np.isfinite(self.pitch[np.minimum(place, len(self.pitch) - 1)])
            self.syllables += speech.syllables(self.level[first:last], voiced[: len(self.level[first:last])])
        for first, last in speech.pieces(within, GAP, WINDOW).tolist():
            if last - first >= SHORTEST:
                frames = frames_of(signal[round(first * RATE) - start : round(last * RATE) - start])
                self.windows.append((first, last))
                self.vectors.append(described(frames))
                self.images.append(to_image(pictured(frames)))
                self.lengths.append(len(frames) * emotion_features.HOP / RATE)
                self.levels.append(frames.level)


def _first(parts: Iterable[np.ndarray], channels: int) -> list[_Heard]:
    going = [Going() for _ in range(channels)]
    rest = np.zeros((channels, 0), np.float32)
    power, peak = [], []
    for part in parts:
        for one, signal in zip(going, part, strict=True):
            one.add(signal)
        part = np.concatenate([rest, part], axis=1)
        whole = part.shape[1] // _STEP * _STEP
        steps = part[:, :whole].reshape(channels, -1, _STEP)
        power.append(np.square(steps).mean(axis=2))
        peak.append(np.abs(steps).max(axis=2))
        rest = part[:, whole:]
    if rest.shape[1]:
        power.append(np.square(rest).mean(axis=1, keepdims=True))
        peak.append(np.abs(rest).max(axis=1, keepdims=True))
    lines = np.concatenate(power, axis=1), np.concatenate(peak, axis=1)
    return [_Heard(one.end(), *both) for one, both in zip(going, zip(*lines, strict=True), strict=True)]


def aligned(pieces: np.ndarray, samples: int) -> np.ndarray:
    """Return first sample and end of each piece: whole frames, so that those of pieces are those of the signal."""
    first = np.floor(pieces[:, 0] * RATE / HOP).astype(int) * HOP
    return np.stack([first, np.minimum(np.ceil(pieces[:, 1] * RATE / HOP).astype(int) * HOP, samples)], axis=1)


def cut(parts: Iterable[np.ndarray], pieces: list[np.ndarray]) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yield channel, first sample and signal of each piece; no more is held than a piece and a block."""
    waiting = sorted((end, start, channel) for channel, own in enumerate(pieces) for start, end in own.tolist())
    held, at = np.zeros((len(pieces), 0), np.float32), 0
    for part in parts:
        if not waiting:
            return
        held = np.concatenate([held, part], axis=1)
        while waiting and waiting[0][0] <= at + held.shape[1]:
            end, start, channel = waiting.pop(0)
            yield channel, start, held[channel, start - at : end - at]
        keep = min((start for _, start, _ in waiting), default=at + held.shape[1])
        drop = min(max(0, keep - at), held.shape[1])
        held, at = held[:, drop:], at + drop


def _channel(known: Outline, number: int, heard: _Heard, voice: _Voice) -> Channel:
    begins = known.start / RATE
    return Channel(
        *_values(known, number, heard.spectra, voice),
        speech=voice.spoken + begins,
        windows=np.array(voice.windows).reshape(-1, 2) + begins,
        vectors=np.array(voice.vectors, np.float32).reshape(-1, LENGTH),
        images=np.array(voice.images, np.uint8).reshape(-1, *IMAGE),
        lengths=np.array(voice.lengths),
        levels=np.array(voice.levels),
        envelope=_columns(np.maximum, heard.peak)[0],
        pitch=voice.pitch[::3],
        picture=_picture(heard.spectra.mel),
    )


def _values(known: Outline, number: int, found: Spectra, voice: _Voice) -> tuple[dict[str, float] | None, str]:
    """Return what the channel's numbers are, or None and why there are none."""
    spoken = speech.length(voice.spoken)
    frames = len(found.level)
    if spoken < LEAST or frames < DELTA:
        return None, f"{spoken:.2f} s of speech are heard in it, less than {LEAST} s"
    times = np.arange(frames) * HOP / RATE
    place = np.searchsorted(voice.spoken[:, 0], times, side="right") - 1
    speaks = (place >= 0) & (times < voice.spoken[place, 1])
    cepstra = mfcc(found.mel)
    level = 20 * np.log10(np.maximum(found.level, 1e-5) / known.gain[number])
    lines = {f"mfcc_{n}": line for n, line in enumerate(cepstra.T, 1)}
    lines |= {f"mfcc_delta_{n}": line for n, line in enumerate(delta(cepstra).T, 1)}
    lines |= {"centroid": found.centroid, "roll_off": found.roll_off, "crossings": found.crossings, "level": level}
    values: dict[str, float] = {}
    for name, line in lines.items():
        heard = line[speaks].astype(np.float64)
        values |= {f"{name}_mean": float(heard.mean()), f"{name}_spread": float(heard.std())}
    hertz = voice.pitch[speaks].astype(np.float64)
    voiced = hertz[np.isfinite(hertz)]
    low, middle, high = np.percentile(voiced, (5, 50, 95)).tolist() if len(voiced) else (np.nan, np.nan, np.nan)
    values |= {
        "pitch_median": middle,
        "pitch_range": float(12 * np.log2(high / low)),
        "voiced_share": len(voiced) / len(hertz),
    }
    values |= {"speaking_rate": voice.syllables / spoken, "speech_seconds": spoken}
    values |= {"silence_share": 1 - spoken * RATE / known.samples, "clipped_share": float(known.clipped[number])}
    return values, ""


def _picture(mel: np.ndarray) -> np.ndarray:
    """Return the mean power in bands (rows) and columns of time, 80 dB from black to white."""
    edges = np.linspace(0, mel.shape[1], BANDS + 1).astype(int)[:-1]
    power, counts = _columns(np.add, mel)
    level = 10 * np.log10(np.maximum(np.add.reduceat(power / counts[:, None], edges, axis=1), 1e-10)).T
    return np.round((level - level.max()).clip(-80, 0) * 255 / 80 + 255).astype(np.uint8)


def _columns(how: np.ufunc, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return values in at most `POINTS` groups, each of which is made one, and how many went into each."""
    starts = np.unique(np.linspace(0, len(values), POINTS + 1).astype(int)[:-1])
    return how.reduceat(values, starts, axis=0), np.diff(starts, append=len(values))
