"""Files of a lake in an object store, read through a folder of this machine. How a store is reached is not known here.

A data file never changes, so the copy of it under the same name in the home is as good as the store's: it is fetched once,
and DuckDB and Spark read plain local files. Manifests are always asked of the store; one is replaced only where it still is what
was read, so that of two writers one is told (`Conflict`), whatever home or machine they are on.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple, Protocol

from crm_pipeline.errors import CrmError
from crm_pipeline.lake.storage.base import ANYTHING, Conflict, Text

IN_FLIGHT = timedelta(days=1)
"""A file younger than this may be one whose manifest is not there yet: no lock tells, and a run is ended before that."""

UNUSED = 86_400
"""Seconds after which no step that is at work still reads a fetched file."""

AT_ONCE = 16
"""Small files that are read at the same time: it is the way to the store that takes time."""

HALF = ".half"
"""Of the name of a copy that is still being fetched; a killed process leaves one."""

PROBE = ".conditions"
"""A file that says the store keeps conditions; it is written once, and tried."""

ANOTHER = Text("", '"0"')
"""What no store has seen in the probe's place: no version is called that."""


class Listed(NamedTuple):
    """An object as a listing shows it."""

    tag: str
    changed: datetime
    size: int


class ObjectStore(Protocol):
    """What an object store must do; a listing shows what was written before. Faults are `CrmError`, in one sentence."""

    place: str

    def get(self, name: str) -> Text | None:
        """Return content and version of an object, None where there is none."""

    def put(self, name: str, content: bytes, seen: Text | None) -> None:
        """Write an object whole, where it still is as seen (None: is not there; `ANYTHING`: in any case); else raise `Conflict`."""

    def upload(self, file: Path, name: str) -> None:
        """Write an object from a file."""

    def download(self, name: str, file: Path) -> bool:
        """Write an object to a file; False where there is none."""

    def listed(self, folder: str) -> dict[str, Listed]:
        """Return all objects in a folder and those below."""

    def delete(self, name: str, seen: Text | None) -> None:
        """Delete an object, where it still is as seen; else raise `Conflict`. None that is not there is no fault."""


class ObjectStorage:
    """An object store, and the copies of its data files in the home.

    Parameters
    ----------
    store : ObjectStore
    root : Path
        The lake's folder in the home.
    cache_bytes : int
        How much the copies may take, 0: any; one that was read within a day stays.
    """

    in_place = False

    def __init__(self, store: ObjectStore, root: Path, cache_bytes: int = 0) -> None:
        self.store = store
        self.root = root
        self.cache_bytes = cache_bytes
        self._data: dict[str, Listed] | None = None
        self._texts: dict[str, Text] = {}
        self._tried = False

    def make(self) -> None:
        """Make the folders in the home, the object store needs none; copies beyond the limit are let go."""
        for name in (".data", ".manifests"):  # the latter stays empty: by it a home is known to have a lake
            (self.root / name).mkdir(parents=True, exist_ok=True)
        self._make_room()

    def place(self, name: str) -> str:
        """Return the address of a file."""
        return f"{self.store.place}/{name}"

    def path(self, name: str) -> Path:
        """Return where the copy of a data file lies; it is fetched where there is none."""
        copy, listed = self.root / name, (self._data or {}).get(name)
        if copy.exists() and (
            listed is None or listed.size == copy.stat().st_size
        ):  # else a power cut left a part of it
            os.utime(copy)
            return copy
        copy.parent.mkdir(parents=True, exist_ok=True)
        half = copy.with_name(f".{uuid.uuid4().hex}{HALF}")
        try:
            if not self.store.download(name, half):
                raise CrmError(
                    f"{self.place(name)} is gone: restore it, or build its partition again (crm-pipeline run)."
                )
            os.replace(half, copy)
        finally:
            half.unlink(missing_ok=True)
        return copy

    def paths(self, names: Sequence[str]) -> list[Path]:
        """Return where the copies of many data files lie; those that are not there are fetched several at a time."""
        if all((self.root / name).exists() for name in names):
            return [self.path(name) for name in names]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(self.path, names))

    def has(self, name: str) -> bool:
        """Tell whether a data file is there; what this process has listed or written is believed to be."""
        return not self.missing([name])

    def missing(self, names: Iterable[str]) -> set[str]:
        """Return which of many data files are not there; all are listed at once, and again where one is not among them."""
        wanted = set(names)
        gone = wanted - (self._data or {}).keys()
        if gone:
            self._data = self.store.listed(".data")
        return gone - (self._data or {}).keys()

    def names(self, folder: str) -> list[str]:
        """Return the names of all files in a folder and those below, in order."""
        return sorted(self._listed(folder))

    def size(self, name: str) -> int:
        """Return the bytes that a data file takes here, once fetched."""
        found = (self._data or {}).get(name)
        return found.size if found is not None else 0

    def read(self, name: str) -> Text | None:
        """Return what a small file says and its version, None where it is not there."""
        return self.store.get(name)

    def reads(self, names: Sequence[str]) -> list[Text | None]:
        """Return what many small files say, read several at a time."""
        if len(names) < 2:
            return [self.store.get(name) for name in names]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(self.store.get, names))

    def texts(self, folder: str) -> Iterator[tuple[str, str]]:
        """Yield name and text of every JSON file in a folder and those below, in order; read anew is what changed."""
        listed = {name: one for name, one in self._listed(folder).items() if name.endswith(".json")}
        anew = sorted(name for name, one in listed.items() if self._texts.get(name, Text("")).tag != one.tag)
        for name, text in zip(anew, self.reads(anew), strict=True):
            self._texts.pop(name, None)
            if text is not None:
                self._texts[name] = text
        for name in sorted(listed.keys() & self._texts.keys()):
            yield name, self._texts[name].text

    def keep(self, staged: Path, name: str) -> None:
        """Upload a staged data file; it then is the copy in the home."""
        self.store.upload(staged, name)
        if self._data is not None:
            self._data[name] = Listed("", datetime.now(UTC), staged.stat().st_size)
        copy = self.root / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        os.replace(staged, copy)

    def replace(self, staged: Path, name: str, seen: Text | None = ANYTHING) -> None:
        """Put a staged small file under its name, where it still is as seen."""
        self._try_conditions()
        self.store.put(name, staged.read_bytes(), seen)
        staged.unlink()

    def remove(self, name: str, seen: Text | None = ANYTHING) -> None:
        """Remove a file, and its copy; raises `Conflict` where it is not as seen."""
        self.store.delete(name, seen)
        (self._data or {}).pop(name, None)
        (self.root / name).unlink(missing_ok=True)

    def collectable(self, name: str) -> bool:
        """Tell whether a data file is so old that whoever uploaded it has named it or never will."""
        found = (self._data or {}).get(name)
        return found is not None and found.changed < datetime.now(UTC) - IN_FLIGHT

    def _listed(self, folder: str) -> dict[str, Listed]:
        found = self.store.listed(folder)
        if folder == ".data":
            self._data = found
        return found

    def _try_conditions(self) -> None:
        """Refuse a store that overwrites what it was told not to: two writers would lose each other's manifests."""
        if self._tried:
            return
        self._refuses(None)  # from now on it is there
        if not (self._refuses(None) and self._refuses(ANOTHER)):
            self.store.delete(PROBE, ANYTHING)
            raise CrmError(
                f"{self.store.place} overwrites objects that it was asked not to (If-None-Match, If-Match): "
                "a lake needs a store with conditional writes."
            )
        self._tried = True

    def _refuses(self, seen: Text | None) -> bool:
        """Tell whether the store refuses to write the probe for who saw this in its place."""
        try:
            self.store.put(PROBE, b"", seen)
        except Conflict:
            return True
        return False

    def _make_room(self) -> None:
        copies = []
        for path in (self.root / ".data").rglob("*"):
            with suppress(FileNotFoundError):  # another process fetches and lets go, too
                copies += [(path.stat(), path)] if path.is_file() else []
        taken, before = sum(stat.st_size for stat, _ in copies), time.time() - UNUSED
        for stat, path in sorted(copies, key=lambda copy: copy[0].st_mtime):
            if stat.st_mtime > before:
                break
            if path.suffix == HALF or 0 < self.cache_bytes < taken:
                path.unlink(missing_ok=True)
                taken -= stat.st_size
