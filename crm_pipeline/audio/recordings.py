"""Opens a recording of any format and makes it comparable with every other. What is measured on it does not belong here.

A recording is read twice, in blocks: once to know its offset, loudness and where it begins and ends, and once to give the
signal out. The signal is what ``librosa.load(path, sr=16000, mono=False)`` returns, without its offset, at one loudness per
channel, and without the silence before and after.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crm_pipeline.audio.extra import imported
from crm_pipeline.errors import CrmError

RATE = 16_000
"""Samples per second of every signal given out."""

LEVEL = -26.0
"""Loudness of speech in every signal given out: dB of full scale, over active frames (ITU-T P.56 measures it like this)."""

GREATEST_GAIN = 30.0
"""dB by which a channel is made louder at most, so that the noise of a line on which nobody speaks stays noise."""

FRAME = RATE // 50
"""Samples of a frame that is active or not: 20 ms."""

RANGE = 35.0
"""dB below the loudest frames (the 95th percentile of those above `FLOOR`) down to which a frame is active."""

FLOOR = -65.0
"""dB of full scale below which no frame is active."""

MARGIN = 5
"""Frames kept before the first and after the last active one: 0.1 s."""

CLIPPED = 0.9999
"""Part of full scale from which a sample counts as clipped."""

CHANNELS = 2
"""Channels kept; more are left out."""

_READ = 1 << 18  # samples per channel read at a time


class Unreadable(CrmError):
    """A file is not a recording that can be read.

    Attributes
    ----------
    reason : str
        Why, without the file's name.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} cannot be read as a recording: {reason}.")
        self.reason = reason


@dataclass(frozen=True)
class Header:
    """What a recording says of itself.

    Attributes
    ----------
    frames : int
        Samples per channel; of a file that was cut off, what is left where its format tells, else what it should have had.
    rate : int
        Samples per second.
    channels : int
    format : str
        Container and encoding, such as ``WAV PCM_24``.
    """

    frames: int
    rate: int
    channels: int
    format: str


@dataclass(frozen=True)
class Outline:
    """What must be known of a whole recording before its signal can be given out.

    Attributes
    ----------
    header : Header
    channels : int
        Channels given out: 1 or 2. Two that are equal are one.
    samples : int
        Per channel, at `RATE`, before the silence at both ends is cut.
    start, stop : int
        Of these the first that is given out, and the one after the last; 0 and `samples` if nothing is active.
    offset, gain : ndarray of float32, shape (channels,)
        Subtracted from the samples, and then multiplied with them.
    level : ndarray of float64, shape (channels,)
        dB of full scale of the active frames as recorded; NaN if there are none.
    clipped : ndarray of float64, shape (channels,)
        Share of the recorded samples at full scale.
    """

    header: Header
    channels: int
    samples: int
    start: int
    stop: int
    offset: np.ndarray
    gain: np.ndarray
    level: np.ndarray
    clipped: np.ndarray


def inspect(path: Path | str) -> Header:
    """Return what a recording says of itself.

    Raises
    ------
    Unreadable
        If there is no such file, if it is empty or not a recording of a format that is known, or if it holds no sample.
    """
    with _opened(Path(path)) as sound:
        return _header(sound)


def outline(path: Path | str) -> Outline:
    """Return what must be known of a whole recording before its signal can be given out.

    Raises
    ------
    Unreadable
        If `inspect` would raise it, or if not one sample can be read.
    """
    path = Path(path)
    clipped, recorded, sums, squares, rest = np.zeros(CHANNELS), 0, [], [], np.zeros((CHANNELS, 0), np.float32)
    equal = True
    with _opened(path) as sound:
        header = _header(sound)

        def counted() -> Iterator[np.ndarray]:
            nonlocal equal, recorded
            for block in _raw(sound):
                clipped[: block.shape[1]] += np.count_nonzero(np.abs(block) >= CLIPPED, axis=0)
                recorded += len(block)
                equal = equal and bool(np.array_equal(block[:, 0], block[:, -1]))
                yield block

        samples = 0
        for part in _resampled(counted(), header):
            samples += part.shape[1]
            part = np.concatenate([rest[: len(part)], part], axis=1)
            whole = part.shape[1] // FRAME * FRAME
            frames = part[:, :whole].reshape(len(part), -1, FRAME).astype(np.float64)
            sums.append(frames.sum(axis=2))
            squares.append(np.square(frames).sum(axis=2))
            rest = part[:, whole:]
    if not samples:
        raise Unreadable(path, "it holds no sample")
    if rest.shape[1]:
        last = rest.astype(np.float64)
        sums.append(last.sum(axis=1, keepdims=True))
        squares.append(np.square(last).sum(axis=1, keepdims=True))
    channels = 1 if equal else CHANNELS
    lengths = np.full(-(-samples // FRAME), FRAME)
    lengths[-1] = samples - FRAME * (len(lengths) - 1)
    sum_, square = np.concatenate(sums, axis=1)[:channels], np.concatenate(squares, axis=1)[:channels]
    offset = (sum_.sum(axis=1) / samples).astype(np.float32)
    means = offset[:, None].astype(np.float64)
    power = np.maximum(square - 2 * means * sum_ + lengths * means**2, 0) / lengths
    active = _active(power)
    level = np.array([_decibel(one[on].mean()) if on.any() else np.nan for one, on in zip(power, active, strict=True)])
    start, stop = _extent(np.any(active, axis=0), samples)
    gain = 10 ** (np.minimum(LEVEL - np.nan_to_num(level, nan=LEVEL), GREATEST_GAIN) / 20)
    return Outline(
        header, channels, samples, start, stop, offset, gain.astype(np.float32), level, clipped[:channels] / recorded
    )


def blocks(path: Path | str, seconds: float = 30, known: Outline | None = None) -> Iterator[np.ndarray]:
    """Yield the signal of a recording in blocks; put together they are the same whatever their length.

    Parameters
    ----------
    path : Path or str
    seconds : float
        Length of each block but the last.
    known : Outline, optional
        Of this recording, where it is known already.

    Yields
    ------
    ndarray of float32, shape (channels, samples)
        At `RATE`: without offset, active frames at `LEVEL`, without the silence before and after.
    """
    path = Path(path)
    known = known or outline(path)
    with _opened(path) as sound:
        signal = _resampled(_raw(sound), known.header)
        yield from _cut(_prepared(signal, known), max(1, round(seconds * RATE)))


def read(path: Path | str, known: Outline | None = None) -> np.ndarray:
    """Return the whole signal of a short recording: float32, (channels, samples); see `blocks`."""
    return np.concatenate(list(blocks(path, known=known)), axis=1)


def _opened(path: Path) -> Any:
    if not path.is_file():
        raise Unreadable(path, "there is no such file")
    if not path.stat().st_size:
        raise Unreadable(path, "it is empty (0 bytes)")
    soundfile = imported("soundfile")
    try:
        return soundfile.SoundFile(path)
    except (soundfile.LibsndfileError, TypeError, OSError) as error:  # TypeError: a headerless file, by its name
        said = getattr(error, "error_string", None) or "it has no header that tells its rate"
        raise Unreadable(path, f"it holds no audio in a format that is known ({said.strip().rstrip('.')})") from error


def _header(sound: Any) -> Header:
    if sound.frames <= 0:
        raise Unreadable(Path(sound.name), "it holds no sample")
    return Header(sound.frames, sound.samplerate, sound.channels, f"{sound.format} {sound.subtype}")


def _raw(sound: Any) -> Iterator[np.ndarray]:
    """Yield what is recorded, (samples, channels), as far as it can be read."""
    soundfile = imported("soundfile")
    whole = True
    while whole:
        block = np.full((_READ, sound.channels), np.nan, np.float32)
        try:
            block = sound.read(out=block)
        except soundfile.LibsndfileError:  # cut off in the middle: what came before is good
            block, whole = block[: np.flatnonzero(np.isfinite(block[:, 0])).max(initial=-1) + 1], False
        if not len(block):
            return
        kept = block[:, :CHANNELS]
        yield np.where(np.isfinite(kept), kept, np.float32(0))


def _resampled(raw: Iterable[np.ndarray], header: Header) -> Iterator[np.ndarray]:
    """Yield (channels, samples) at `RATE`."""
    if header.rate == RATE:
        yield from (block.T for block in raw)
        return
    channels = min(header.channels, CHANNELS)
    stream = imported("soxr").ResampleStream(header.rate, RATE, channels, dtype="float32")
    empty, taken, given = np.zeros((0, channels), np.float32), 0, 0
    for block in itertools.chain(raw, [empty]):
        part = stream.resample_chunk(block, last=block is empty).T
        taken, given = taken + len(block), given + part.shape[1]
        yield part
    yield np.zeros((channels, max(0, -(-taken * RATE // header.rate) - given)), np.float32)  # as librosa.load does


def _prepared(signal: Iterable[np.ndarray], known: Outline) -> Iterator[np.ndarray]:
    at = 0
    for part in signal:
        kept = part[: known.channels, max(0, known.start - at) : max(0, known.stop - at)]
        at += part.shape[1]
        yield (kept - known.offset[:, None]) * known.gain[:, None]


def _cut(parts: Iterable[np.ndarray], length: int) -> Iterator[np.ndarray]:
    """Yield the parts anew, each of the given length but the last."""
    held: list[np.ndarray] = []
    size = 0
    for part in parts:
        held.append(part)
        size += part.shape[1]
        if size >= length:
            joined = np.concatenate(held, axis=1)
            whole = size // length * length
            yield from np.split(joined[:, :whole], size // length, axis=1)
            held, size = [joined[:, whole:]], size - whole
    if size:
        yield np.concatenate(held, axis=1)


def _active(power: np.ndarray) -> np.ndarray:
    """Return which frames are active, (channels, frames)."""
    level = _decibel(power)
    active = np.zeros(level.shape, bool)
    for row, on in zip(level, active, strict=True):
        heard = row > FLOOR
        if heard.any():
            on[:] = heard & (row > np.percentile(row[heard], 95) - RANGE)
    return active


def _extent(active: Any, samples: int) -> tuple[int, int]:
    places = np.flatnonzero(active)
    if not len(places):
        return 0, samples
    return max(0, int(places[0]) - MARGIN) * FRAME, min(samples, (int(places[-1]) + 1 + MARGIN) * FRAME)


def _decibel(power: Any) -> Any:
    return 10 * np.log10(np.maximum(power, 1e-20))
