"""The one hash of texts by which versions and contents are named. What is hashed, and how it is written as text, is the callers'."""

from __future__ import annotations

import hashlib


def digest(text: str, size: int = 12) -> str:
    """Return BLAKE2b of a text as ``2 * size`` hexadecimal digits."""
    return hashlib.blake2b(text.encode(), digest_size=size).hexdigest()
