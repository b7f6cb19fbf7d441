"""What the package brings of how the watched words sound, and how that is kept in a file. How words are learned is in `keywords`.

``watched_words.npz`` is made by `make words`, after a change of the code that it was learned by.
"""

from __future__ import annotations

import functools
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from crm_pipeline.audio.keywords import Keywords

WORDS = ("cancel", "refund", "lawyer", "supervisor")
"""The words that the package has learned: those that are watched unless set otherwise."""

FILE = Path(__file__).with_name("watched_words.npz")


@functools.cache
def shipped() -> Keywords:
    """Return how `WORDS` sound."""
    return from_bytes(FILE.read_bytes())[0]


def to_bytes(found: Keywords, version: str) -> bytes:
    """Return what was learned, and by which version of the code, as a file holds it."""
    arrays: dict[str, Any] = {
        f"net_{n}_{part}": array for n, net in enumerate(found.nets) for part, array in enumerate(net)
    }
    told = json.dumps({"words": found.words, "threshold": found.threshold, "nets": len(found.nets), "version": version})
    out = io.BytesIO()
    np.savez_compressed(out, told=np.array(told), lengths=found.lengths, **arrays)
    return out.getvalue()


def from_bytes(kept: bytes) -> tuple[Keywords, str]:
    """Return what `to_bytes` was given."""
    with np.load(io.BytesIO(kept), allow_pickle=False) as file:
        told = json.loads(str(file["told"]))
        nets = tuple(tuple(file[f"net_{n}_{part}"] for part in range(4)) for n in range(told["nets"]))
        return Keywords(tuple(told["words"]), file["lengths"], nets, told["threshold"]), told["version"]
