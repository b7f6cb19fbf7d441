"""Where the files of a lake lie: in a local folder, or in an object store. What the files say is no business of this folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from crm_pipeline.lake.storage.base import ANYTHING, Conflict, Storage, Text
from crm_pipeline.lake.storage.local import LocalStorage
from crm_pipeline.lake.storage.objects import ObjectStorage

__all__ = ["ANYTHING", "Conflict", "LocalStorage", "ObjectStorage", "Storage", "Text", "open_storage"]


class Wanted(Protocol):
    """What the settings of a home say of its lake."""

    @property
    def lake(self) -> str:
        """Address of an object store; empty: the home."""

    @property
    def lake_options(self) -> Mapping[Any, str]:
        """How the store is reached."""

    @property
    def cache_bytes(self) -> int:
        """How much the copies in the home may take; 0: any."""


def open_storage(home: Path, wanted: Wanted) -> Storage:
    """Return where the lake of a home lies, by its settings."""
    root = Path(home).absolute() / "lake"
    if not wanted.lake:
        return LocalStorage(root)
    from crm_pipeline.lake.storage.s3 import S3

    return ObjectStorage(S3(wanted.lake, wanted.lake_options), root, wanted.cache_bytes)
