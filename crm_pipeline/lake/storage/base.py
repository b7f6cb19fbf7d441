"""What a lake asks of the place its files lie in. No place is chosen or reached here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol


class Conflict(Exception):
    """What was to be replaced is no longer what was read: another process replaced it first."""


class Text(NamedTuple):
    """What a small file says; ``tag`` is its version, empty where a lock between processes makes none needed."""

    text: str
    tag: str = ""


ANYTHING = Text("", "*")
"""Stands for what was seen where whatever is there may be replaced."""


class Storage(Protocol):
    """A place for files by name, such as ``.data/clean/orders/2026-05-01/<hash>.parquet``.

    Data files never change once they are there; manifests are small, and replaced whole.

    Attributes
    ----------
    in_place : bool
        Whether a file is read where it lies, so that outsiders can be given hard links and views; then a lock between
        processes of this home guards it alone.
    """

    in_place: bool

    def make(self) -> None:
        """Make what must be there before the first file."""

    def place(self, name: str) -> str:
        """Return how a person names where a file lies."""

    def path(self, name: str) -> Path:
        """Return where a data file can be read on this machine; it is fetched first where it must be.

        A file that is gone is told by who reads it.
        """

    def paths(self, names: Sequence[str]) -> list[Path]:
        """Return where many data files can be read, as `path` does."""

    def has(self, name: str) -> bool:
        """Tell whether a data file is there."""

    def missing(self, names: Iterable[str]) -> set[str]:
        """Return which of many data files are not there."""

    def names(self, folder: str) -> list[str]:
        """Return the names of all files in a folder and those below, in order."""

    def size(self, name: str) -> int:
        """Return the bytes of a data file, 0 where it is gone."""

    def read(self, name: str) -> Text | None:
        """Return what a small file says, None where it is not there."""

    def reads(self, names: Sequence[str]) -> list[Text | None]:
        """Return what many small files say, as `read` does."""

    def texts(self, folder: str) -> Iterator[tuple[str, str]]:
        """Yield name and text of every JSON file in a folder and those below, in order; one that vanishes meanwhile is left out."""

    def keep(self, staged: Path, name: str) -> None:
        """Move a staged data file to its name. It outlasts a power cut when this returns."""

    def replace(self, staged: Path, name: str, seen: Text | None = ANYTHING) -> None:
        """Put a staged small file under its name, at once, so that a reader sees the old or the new.

        ``seen`` is what was read there; None: nothing was.

        Raises
        ------
        Conflict
            When there is something else by now.
        """

    def remove(self, name: str, seen: Text | None = ANYTHING) -> None:
        """Remove a file, where it is there; raises `Conflict` where ``seen`` is not what it says by now."""

    def collectable(self, name: str) -> bool:
        """Tell whether a data file that nothing names is surely not one that is being published."""
