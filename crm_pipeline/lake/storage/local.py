"""Files of a lake in a folder of this machine. Who may write at the same time is settled by the lake's locks, not here."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from crm_pipeline.lake.durable import durable, durable_folders
from crm_pipeline.lake.storage.base import ANYTHING, Text


class LocalStorage:
    """A folder; what is staged must be on its file system.

    Parameters
    ----------
    root : Path
    """

    in_place = True

    def __init__(self, root: Path) -> None:
        self.root = root

    def make(self) -> None:
        """Make the folders for data, manifests and generations."""
        for name in (".data", ".manifests", ".history"):
            (self.root / name).mkdir(parents=True, exist_ok=True)

    def place(self, name: str) -> str:
        """Return the path of a file."""
        return str(self.root / name)

    def path(self, name: str) -> Path:
        """Return the path of a file."""
        return self.root / name

    def paths(self, names: Sequence[str]) -> list[Path]:
        """Return the paths of many files."""
        return [self.root / name for name in names]

    def has(self, name: str) -> bool:
        """Tell whether a file is there."""
        return (self.root / name).exists()

    def missing(self, names: Iterable[str]) -> set[str]:
        """Return which of many files are not there; each folder is listed once."""
        listed: dict[str, frozenset[str]] = {}
        gone = set()
        for name in names:
            folder, _, last = name.rpartition("/")
            if folder not in listed:
                path = self.root / folder
                listed[folder] = frozenset(os.listdir(path)) if path.is_dir() else frozenset()
            if last not in listed[folder]:
                gone.add(name)
        return gone

    def names(self, folder: str) -> list[str]:
        """Return the names of all files in a folder and those below, in order."""
        skip = len(str(self.root)) + 1
        return sorted(os.path.join(at, name)[skip:] for at, _, names in os.walk(self.root / folder) for name in names)

    def size(self, name: str) -> int:
        """Return the bytes of a file, 0 where it is gone."""
        try:
            return (self.root / name).stat().st_size
        except OSError:
            return 0

    def read(self, name: str) -> Text | None:
        """Return what a small file says, None where it is not there."""
        try:
            return Text((self.root / name).read_text(encoding="utf-8", errors="replace"))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def reads(self, names: Sequence[str]) -> list[Text | None]:
        """Return what many small files say."""
        return [self.read(name) for name in names]

    def texts(self, folder: str) -> Iterator[tuple[str, str]]:
        """Yield name and text of every JSON file in a folder and those below, in order."""
        for name in self.names(folder):
            if name.endswith(".json") and (found := self.read(name)) is not None:
                yield name, found.text

    def keep(self, staged: Path, name: str) -> None:
        """Move a staged file to its name; content and name are on the disk when this returns."""
        target = self.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        durable(staged)
        os.replace(staged, target)
        durable_folders(target.parent, self.root)

    def replace(self, staged: Path, name: str, seen: Text | None = ANYTHING) -> None:
        """Put a staged file under its name, at once; what was seen there is still there, by the lake's lock."""
        self.keep(staged, name)

    def remove(self, name: str, seen: Text | None = ANYTHING) -> None:
        """Remove a file, where it is there."""
        (self.root / name).unlink(missing_ok=True)

    def collectable(self, name: str) -> bool:
        """Tell that whoever publishes holds the lock under which this is asked."""
        return True
