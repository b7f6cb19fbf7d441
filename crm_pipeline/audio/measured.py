"""What was measured of one recording, and its bytes. How it is measured does not belong here."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, fields

import numpy as np

from crm_pipeline.audio.emotion_features import BANDS, WIDTH
from crm_pipeline.audio.emotion_stretches import Stretches

LENGTH, IMAGE = 591, (BANDS, WIDTH)
"""Values of a window's vector, and rows and columns of its image."""

IMAGE_RANGE = 8.0
"""Log power above and below its band's mean that an image tells; 0 is the lowest and 255 the highest."""

_ARRAYS = ("speech", "windows", "vectors", "images", "lengths", "levels", "envelope", "pitch", "picture")


@dataclass(frozen=True, eq=False)
class Channel:
    """What was measured of one channel.

    Attributes
    ----------
    values : dict of str to float, or None
        By the names of `crm_pipeline.contracts.calls.CHANNEL`; NaN where there is none. None if too little is heard.
    reason : str
        Why there are none.
    speech : ndarray of float64, shape (stretches, 2)
        Start and end in seconds of each stretch in which somebody speaks.
    windows : ndarray of float64, shape (windows, 2)
        Start and end of each window in which a feeling is looked for.
    vectors : ndarray of float32, shape (windows, 591)
    images : ndarray of uint8, shape (windows, 40, 64)
        See `from_images`.
    lengths, levels : ndarray of float64, shape (windows,)
        Seconds without the silence before and after; root mean square of the active frames.
    envelope : ndarray of float32, shape (points,)
        Largest sample in each of at most 400 equal parts from `Measured.begins` to `Measured.ends`.
    pitch : ndarray of float32, shape (n,)
        Hz every 96 ms from `Measured.begins`; NaN where no voice is heard.
    picture : ndarray of uint8, shape (40, columns)
        Mel bands, the lowest first, in at most 400 equal parts of the same time; 0 is 80 dB below 255.
    """

    values: dict[str, float] | None
    reason: str
    speech: np.ndarray
    windows: np.ndarray
    vectors: np.ndarray
    images: np.ndarray
    lengths: np.ndarray
    levels: np.ndarray
    envelope: np.ndarray
    pitch: np.ndarray
    picture: np.ndarray

    def stretches(self) -> Stretches:
        """Return the windows as a model of how voices sound takes them."""
        return Stretches(self.vectors, from_images(self.images), self.lengths, self.levels)


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured of a recording.

    Attributes
    ----------
    seconds : float
    n_channels, rate : int
        As the file says.
    format : str
    begins, ends : float
        Seconds between which anything is heard.
    call : dict of str to float
        By the names of `crm_pipeline.contracts.calls.CALL`; NaN where there is none.
    channels : tuple of Channel
        One or two; two that are equal are one, and a third and more are left out.
    """

    seconds: float
    n_channels: int
    rate: int
    format: str
    begins: float
    ends: float
    call: dict[str, float]
    channels: tuple[Channel, ...]

    def to_bytes(self) -> bytes:
        """Return it as an npz file; the same of the same."""
        told = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "channels"}
        told["channels"] = [{"values": one.values, "reason": one.reason} for one in self.channels]
        arrays = {f"{n}/{name}": getattr(one, name) for n, one in enumerate(self.channels) for name in _ARRAYS}
        file = io.BytesIO()
        np.savez_compressed(file, told=np.frombuffer(json.dumps(told).encode(), np.uint8), **arrays)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, stored: bytes) -> Measured:
        """Return what `to_bytes` stored."""
        with np.load(io.BytesIO(stored), allow_pickle=False) as file:
            told = json.loads(file["told"].tobytes())
            channels = tuple(
                Channel(**one, **{name: file[f"{n}/{name}"] for name in _ARRAYS})
                for n, one in enumerate(told["channels"])
            )
        return cls(**told | {"channels": channels})


def to_image(picture: np.ndarray) -> np.ndarray:
    """Return the picture of a window by `emotion_features.pictured` as it is stored."""
    return np.round((picture.clip(-IMAGE_RANGE, IMAGE_RANGE) / IMAGE_RANGE + 1) * 127.5).astype(np.uint8)


def from_images(images: np.ndarray) -> np.ndarray:
    """Return stored images as `emotion_features.pictured` returns them: float32 (windows, bands, columns)."""
    return (images.astype(np.float32) / 127.5 - 1) * IMAGE_RANGE
