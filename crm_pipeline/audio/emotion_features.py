"""What of a voice tells how it sounds: one vector and one image per stretch of speech, and whether it is speech. No learning, no files.

Everything is looked at below 3.8 kHz, so that a voice on a telephone line and one in a studio are described alike. The vector has
two parts: *course*, how cepstra without their mean go through the stretch, and *manner*, statistics of pitch, loudness, voice
quality and spectrum (after the extended Geneva set, Eyben et al. 2016). The image is the log-mel spectrogram at a fixed width.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

RATE = 16_000
WINDOW, HOP, SPECTRUM = 400, 160, 512
"""Samples of a frame, from one frame to the next, and of the Fourier transform."""

BANDS, LOWEST, HIGHEST = 40, 60.0, 3_800.0
"""Mel bands and their range in Hz."""

PITCH_WINDOW, PITCH_SPECTRUM, LOWEST_PITCH, HIGHEST_PITCH = 800, 2_048, 65, 500
"""Samples of a frame whose pitch is looked for, of its transform, and the pitches that are possible in Hz."""

LEVEL = 0.05
"""Root mean square of active frames, to which a stretch is brought."""

RANGE, LOUD = 10**-3.5, 10**-3.0
"""Share of the loudest frame's power above which a frame is within the speech; above which it is loud."""

VOICED = 0.6
"""Autocorrelation at the pitch's lag from which a frame is voiced."""

SLOTS, COURSE_CEPSTRA, CEPSTRA = 8, 16, 20
"""Places in the course of a stretch, cepstra that are followed there, and cepstra whose statistics are taken."""

WIDTH = 64
"""Columns of the image."""

MODULATIONS = ((0.5, 2), (2, 4), (4, 8), (8, 16), (16, 32))
"""Ranges in Hz in which the movement of bands is measured."""

QUANTILES = (5, 25, 50, 75, 95)


@dataclass(frozen=True)
class Frames:
    """A stretch of sound, a frame every 10 ms, without the silence before and after.

    Attributes
    ----------
    mel : array (frames, BANDS)
        Log power.
    pitch, voicing, energy : arrays (frames,)
        Hz; autocorrelation at its lag, 0 to 1; log power.
    level : float
        Root mean square of the active frames as given; 0 where all is silent.
    """

    mel: np.ndarray
    pitch: np.ndarray
    voicing: np.ndarray
    energy: np.ndarray
    level: float

    def __len__(self) -> int:
        return len(self.energy)

    @property
    def loud(self) -> np.ndarray:
        """Which frames are loud; all, where hardly any is."""
        loud = self.energy > self.energy.max() + np.log(LOUD)
        return loud if loud.sum() >= 5 else np.ones_like(loud)

    @property
    def voiced(self) -> np.ndarray:
        """Which frames are voiced and loud."""
        return (self.voicing > VOICED) & self.loud


def frames_of(signal: np.ndarray) -> Frames:
    """Return the frames of one channel (samples,) at `RATE`."""
    signal = np.asarray(signal, np.float64)  # else sums differ in what is kept, from one process to the next
    signal = signal - (signal.mean() if len(signal) else 0)
    power = np.square(_cut(signal, WINDOW)).mean(axis=1)
    within = np.flatnonzero(power > power.max() * RANGE)
    if not len(within):
        within = np.array([0])
    power = power[within[0] : within[-1] + 1]
    signal = signal[within[0] * HOP : within[-1] * HOP + WINDOW]
    level = float(np.sqrt(power[power >= power.max() * LOUD].mean()))
    signal = signal * (LEVEL / np.sqrt(level**2 + 1e-12))
    spectra = _power(_cut(signal, WINDOW) * np.hanning(WINDOW), SPECTRUM)
    pitch, voicing = _pitched(signal, len(spectra))
    mel = np.log(spectra @ _bank().T + 1e-7)
    energy = np.log(spectra.mean(axis=1) + 1e-9)
    return Frames(
        mel.astype(np.float32),
        pitch.astype(np.float32),
        voicing.astype(np.float32),
        energy.astype(np.float32),
        level,
    )


def described(found: Frames) -> np.ndarray:
    """Return the vector of a stretch, float32 (`width`,)."""
    return np.concatenate([_course(found.mel), _manner(found)]).astype(np.float32)


def pictured(found: Frames) -> np.ndarray:
    """Return the image of a stretch, float32 (BANDS, WIDTH): log power without its mean per band, at a fixed width."""
    at = (np.arange(WIDTH) + 0.5) / WIDTH * len(found) - 0.5
    before = np.clip(np.floor(at).astype(int), 0, len(found) - 1)
    after, share = np.minimum(before + 1, len(found) - 1), np.clip(at - before, 0, 1)[:, None]
    mel = found.mel - found.mel.mean(axis=0)
    return (mel[before] * (1 - share) + mel[after] * share).T.astype(np.float32)


def _cut(signal: np.ndarray, window: int) -> np.ndarray:
    padded = np.pad(signal, (0, max(0, window - len(signal))))
    return np.lib.stride_tricks.sliding_window_view(padded, window)[::HOP]


def _power(frames: np.ndarray, size: int) -> np.ndarray:
    from scipy import fft

    return np.abs(fft.rfft(frames, size, axis=1)) ** 2


@lru_cache(maxsize=1)
def _bank() -> np.ndarray:
    """Return triangular filters (BANDS, bins), each with the sum 1."""
    low, high = (2595 * np.log10(1 + edge / 700) for edge in (LOWEST, HIGHEST))
    edges = 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1)
    bins = np.arange(SPECTRUM // 2 + 1) * RATE / SPECTRUM
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    filters = np.maximum(0, np.minimum(rising, falling))
    return (filters / filters.sum(axis=1, keepdims=True)).astype(np.float32)


def _pitched(signal: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return pitch and voicing: the highest peak of the autocorrelation, freed of the window's own (Boersma 1993)."""
    from scipy import fft

    longest = RATE // LOWEST_PITCH + 1
    hann = np.hanning(PITCH_WINDOW)
    frames = _cut(np.pad(signal, ((PITCH_WINDOW - WINDOW) // 2, PITCH_WINDOW)), PITCH_WINDOW)[:count]
    frames = (frames - frames.mean(axis=1, keepdims=True)) * hann
    lags = fft.irfft(_power(frames, PITCH_SPECTRUM), axis=1)[:, :longest]
    own = fft.irfft(_power(hann[None], PITCH_SPECTRUM), axis=1)[0, :longest]
    lags = lags / (lags[:, :1] + 1e-9) / (own / own[0])
    period = np.arange(RATE // HIGHEST_PITCH, RATE // LOWEST_PITCH)
    octave = np.log2(period / period[0]) / np.log2(period[-1] / period[0])
    best = (lags[:, period] * (1 - 0.1 * octave)).argmax(axis=1)  # of peaks as high, the shorter period
    return RATE / period[best], np.clip(lags[np.arange(len(lags)), period[best]], 0, 1)


def _cepstra(mel: np.ndarray, count: int) -> np.ndarray:
    from scipy import fft

    return fft.dct(mel, axis=1, norm="ortho")[:, :count]


def _slope(values: np.ndarray) -> np.ndarray:
    padded = np.pad(values, ((2, 2), (0, 0)), mode="edge")
    return (padded[3:-1] - padded[1:-3] + 2 * (padded[4:] - padded[:-4])) / 10


def _course(mel: np.ndarray) -> np.ndarray:
    cepstra = _cepstra(mel, COURSE_CEPSTRA)
    cepstra = cepstra - cepstra.mean(axis=0)
    at = (np.arange(len(mel)) + 0.5) / len(mel) * SLOTS - 0.5
    weights = np.maximum(0, 1 - np.abs(at - np.arange(SLOTS)[:, None]))
    weights /= weights.sum(axis=1, keepdims=True) + 1e-9
    return np.concatenate([(weights @ cepstra).ravel(), (weights @ _slope(cepstra)).ravel(), [np.log(len(mel))]])


def _statistics(values: np.ndarray) -> np.ndarray:
    quantiles = np.percentile(values, (10, 50, 90), axis=0)
    return np.concatenate([values.mean(axis=0), values.std(axis=0), _slope(values).std(axis=0), quantiles.ravel()])


def _manner(found: Frames) -> np.ndarray:
    loud, voiced = found.loud, found.voiced
    if voiced.sum() < 3:
        voiced = loud
    cepstra, power = _cepstra(found.mel, CEPSTRA), np.exp(found.mel)
    return np.concatenate(
        [
            _prosody(found, loud, voiced),
            _statistics(cepstra[loud]),
            _statistics(_shape(found.mel, power)[loud]),
            np.log(power[voiced].mean(axis=0)),
            _statistics(cepstra[voiced][:, :13]),
            _movement(found.mel),
        ]
    )


def _prosody(found: Frames, loud: np.ndarray, voiced: np.ndarray) -> np.ndarray:
    """Return what pitch (in semitones), voicing and loudness do, and how fast syllables follow."""
    semitones = 12 * np.log2(found.pitch)
    pitch = semitones[voiced]
    steps = np.abs(np.diff(semitones))[voiced[1:] & voiced[:-1]]
    steps = steps[steps < 3] if (steps < 3).any() else np.zeros(1)  # more is an octave mistaken
    energy, voicing = found.energy[loud], found.voicing[loud]
    low, high = np.percentile(pitch, (5, 95))
    begins = np.count_nonzero(np.diff(voiced.astype(int)) == 1)
    single = [pitch.mean(), pitch.std(), high - low, steps.mean(), steps.std(), voiced.mean()]
    single += [
        voicing.mean(),
        voicing.std(),
        loud.mean(),
        energy.std(),
        np.abs(np.diff(found.energy)).sum() / len(found),
    ]
    single += [np.log(len(found)), begins / len(found) * RATE / HOP]
    return np.concatenate(
        [
            single,
            np.percentile(pitch, QUANTILES),
            np.percentile(voicing, (10, 50, 90)),
            np.percentile(energy - found.energy.max(), QUANTILES),
        ]
    )


def _shape(mel: np.ndarray, power: np.ndarray) -> np.ndarray:
    """Return per frame the spectrum's centre, its tilt in three ways, and how much it changes."""
    total = power.sum(axis=1)
    low, mid = BANDS * 3 // 10, BANDS * 9 // 20
    return np.stack(
        [
            power @ np.arange(BANDS) / total,
            np.log(power[:, :low].sum(axis=1) / power[:, low:].sum(axis=1)),
            mel[:, :mid].max(axis=1) - mel[:, mid:].max(axis=1),
            mel[:, :4].max(axis=1) - mel[:, 4:low].max(axis=1),
            np.r_[0, np.sqrt(np.square(np.diff(mel, axis=0)).mean(axis=1))],
        ],
        axis=1,
    )


def _movement(mel: np.ndarray) -> np.ndarray:
    """Return how strongly groups of bands move at the rates of phrases, syllables and roughness."""
    from scipy import fft

    groups = mel.reshape(len(mel), 8, -1).mean(axis=2)
    size = max(256, len(mel))
    power = np.abs(fft.rfft(groups - groups.mean(axis=0), size, axis=0)) ** 2 / len(mel)
    rates = np.arange(len(power)) * RATE / HOP / size
    return np.concatenate(
        [np.log(power[(rates >= low) & (rates < high)].mean(axis=0) + 1e-6) for low, high in MODULATIONS]
    )
