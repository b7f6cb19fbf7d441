"""An object store in memory that keeps conditions, and what can go wrong with one. Not a test."""

from __future__ import annotations

import threading
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from pathlib import Path

from crm_pipeline.lake.storage import ANYTHING, Conflict, Text
from crm_pipeline.lake.storage.objects import Listed


class InMemory:
    """Objects by name.

    ``before_put`` is called before a condition is looked at, as another writer would come between. ``ignored`` are the
    conditions that this store does not look at, by their headers.
    """

    place = "s3://bucket/lake"

    def __init__(self, ignored: AbstractSet[str] = frozenset()) -> None:
        self.objects: dict[str, tuple[bytes, str, datetime]] = {}
        self.before_put: Callable[[str], None] = lambda name: None
        self.ignored = ignored
        self.asked: list[str] = []
        self._lock, self._count = threading.Lock(), 0

    def get(self, name: str) -> Text | None:
        self.asked.append(f"get {name}")
        found = self.objects.get(name)
        return Text(found[0].decode(), found[1]) if found else None

    def put(self, name: str, content: bytes, seen: Text | None) -> None:
        self.before_put(name)
        with self._lock:
            self._check(name, seen)
            self._count += 1
            self.objects[name] = (content, f'"{self._count}"', datetime.now(UTC))

    def upload(self, file: Path, name: str) -> None:
        self.put(name, file.read_bytes(), ANYTHING)

    def download(self, name: str, file: Path) -> bool:
        self.asked.append(f"download {name}")
        found = self.objects.get(name)
        if found:
            file.write_bytes(found[0])
        return found is not None

    def listed(self, folder: str) -> dict[str, Listed]:
        self.asked.append(f"list {folder}")
        kept = {name: one for name, one in self.objects.items() if name.startswith(f"{folder}/")}
        return {name: Listed(tag, changed, len(content)) for name, (content, tag, changed) in kept.items()}

    def delete(self, name: str, seen: Text | None) -> None:
        with self._lock:
            if name in self.objects:
                self._check(name, seen)
                del self.objects[name]

    def _check(self, name: str, seen: Text | None) -> None:
        there = self.objects.get(name)
        condition = "If-Match" if seen else "If-None-Match"
        if condition in self.ignored or seen == ANYTHING:
            return
        if (there[1] if there else None) != (seen.tag if seen else None):
            raise Conflict(name)
