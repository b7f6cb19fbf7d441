"""Stretches of speech as a model of how voices sound takes them: measured, as arrays and as a table. No learning, no files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from crm_pipeline.audio.emotion_features import BANDS, HOP, RATE, WIDTH, described, frames_of, pictured

NUMBERS = "<f4"
"""How numbers are written in a table."""


@dataclass(frozen=True)
class Stretches:
    """What was measured of each stretch, one row each.

    Attributes
    ----------
    vectors, images : arrays (n, width), (n, bands, columns)
        By `crm_pipeline.audio.emotion_features`.
    seconds, levels : arrays (n,)
        Length without the silence before and after; root mean square of the active frames, 0 where all is silent.
    """

    vectors: np.ndarray
    images: np.ndarray
    seconds: np.ndarray
    levels: np.ndarray

    def __len__(self) -> int:
        return len(self.vectors)

    def only(self, kept: np.ndarray) -> Stretches:
        """Return some of them, by a mask or by their places."""
        return Stretches(*(getattr(self, field.name)[kept] for field in fields(self)))

    def to_frame(self) -> pd.DataFrame:
        """Return them as a table: ``seconds``, ``level``, and ``vector`` and ``image`` as the bytes of their numbers (`NUMBERS`)."""
        return pd.DataFrame(
            {
                "seconds": self.seconds.astype(float),
                "level": self.levels.astype(float),
                "vector": [one.astype(NUMBERS).tobytes() for one in self.vectors],
                "image": [one.astype(NUMBERS).tobytes() for one in self.images],
            }
        )

    @classmethod
    def of_frame(cls, rows: pd.DataFrame) -> Stretches:
        """Return the stretches that `to_frame` wrote."""
        return cls(
            np.array([np.frombuffer(one, NUMBERS) for one in rows["vector"]]),
            np.array([np.frombuffer(one, NUMBERS) for one in rows["image"]]).reshape(-1, BANDS, WIDTH),
            rows["seconds"].to_numpy(float),
            rows["level"].to_numpy(float),
        )


def measured(signals: Iterable[np.ndarray]) -> Stretches:
    """Return what is measured of stretches, each one channel (samples,) as `crm_pipeline.audio.recordings` gives it out."""
    found = [frames_of(signal) for signal in signals]
    return Stretches(
        np.stack([described(one) for one in found]),
        np.stack([pictured(one) for one in found]),
        np.array([len(one) * HOP / RATE for one in found]),
        np.array([one.level for one in found]),
    )


def example() -> pd.DataFrame:
    """Return a table of one stretch that is a tone: what may be shown as an input, never a voice."""
    at = np.arange(RATE) / RATE
    return measured([(0.05 * np.sin(2 * np.pi * 220 * at)).astype(np.float32)]).to_frame()


def joined(parts: Sequence[Stretches]) -> Stretches:
    """Return all stretches of several."""
    return Stretches(*(np.concatenate([getattr(one, field.name) for one in parts]) for field in fields(Stretches)))
