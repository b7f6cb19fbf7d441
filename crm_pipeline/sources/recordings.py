"""What a source's calls name as their recordings: where each lies, what it holds, what is wrong with it. Nothing is decoded here."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

from crm_pipeline.lake import Lake
from crm_pipeline.sources import reading

MISSING_EXTRA = (
    "Recordings of calls are not read, the calls are only counted: what reads them is the extra 'audio' "
    "(pip install --editable '.[audio]' in the clone)."
)

OUTSIDE = "its audio_path leads outside the source's folder"


@dataclass(frozen=True)
class Recording:
    """What an ``audio_path`` leads to.

    Attributes
    ----------
    name : str
        The path as the calls give it.
    sha256 : str or None
        Of the file; None where there is none, or where it must not be opened.
    problem : str or None
        Why the call is refused. A recording that is not there is none: recordings are deleted while calls stay.
    size, mtime_ns : int
        By which an unchanged file is known.
    """

    name: str
    sha256: str | None = None
    problem: str | None = None
    size: int = 0
    mtime_ns: int = 0


def readable() -> bool:
    """Return whether what reads recordings is installed."""
    return find_spec("soundfile") is not None


def look(root: Path, names: Iterable[str], known: Mapping[str, Recording]) -> dict[str, Recording]:
    """Return what each name leads to; a file of the size and time that is known is not read again.

    Parameters
    ----------
    root : Path
        The folder of the source's files: no file outside it is opened, by whatever way the path or a link leads there.
    names : iterable of str
    known : mapping of name to Recording
    """
    folder = root.resolve()
    return {name: _look(folder, name, known.get(name)) for name in names}


def place(root: Path, name: str) -> Path | None:
    """Return where a recording lies; None for a path that leads outside the folder."""
    path = (root / name).resolve()
    return path if path.is_relative_to(root.resolve()) else None


def _look(folder: Path, name: str, known: Recording | None) -> Recording:
    try:
        path = place(folder, name)
        if path is None:
            return Recording(name, problem=OUTSIDE)
        stat = path.stat()
    except RuntimeError:  # of Python 3.11 and 3.12
        return Recording(name, problem="its audio_path is a link that leads back to itself")
    except (OSError, ValueError):  # nothing there, or what can be no path: a null character, a name too long
        return Recording(name)
    if known is not None and known.sha256 and (known.size, known.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
        return known
    problem, sha256 = _problem(path), None
    if path.is_file():
        try:
            sha256 = reading.file_digest(path)
        except OSError as error:
            raise reading.unreadable(name, error) from error
    return Recording(name, sha256, problem, stat.st_size, stat.st_mtime_ns)


def _problem(path: Path) -> str | None:
    from crm_pipeline.audio.recordings import Unreadable, inspect

    try:
        inspect(path)
    except Unreadable as error:
        return f"its recording cannot be read: {error.reason}"
    return None


def changes(root: Path, known: Mapping[str, Recording]) -> list[tuple[str, str, int, int]]:
    """Return (name, ``new``, ``changed`` or ``gone``, size, mtime) of the recordings that are otherwise than they were, by content."""
    found = []
    for name, now in look(root, known, known).items():
        before = known[name]
        if (now.sha256, now.problem) != (before.sha256, before.problem):
            what = "new" if not before.sha256 else "changed" if now.sha256 else "gone"
            found.append((name, what, now.size, now.mtime_ns))
    return found


def sentences(before: Mapping[str, Recording], now: Mapping[str, Recording]) -> list[str]:
    """Return what a person should know of the recordings, one sentence each: those that are not there, are gone, or cannot be read."""
    gone = [n for n, r in now.items() if not r.sha256 and not r.problem and n in before and before[n].sha256]
    missing = [n for n, r in now.items() if not r.sha256 and not r.problem and n not in gone]
    refused = [r for r in now.values() if r.problem]
    found = []
    if missing:
        what = f"{len(missing):,} of {len(now):,} recordings that calls name are not in the source's folder"
        found.append(f"{what} ({missing[0]}): these calls are only counted.")
    if gone:
        found.append(f"{_many(gone)} gone: what was heard in it leaves the home.")
    if refused:
        first = f"{refused[0].name}: {refused[0].problem}"
        found.append(f"{len(refused):,} calls or more are refused for their recording ({first}); see rejects/calls.")
    return found


def _many(names: list[str]) -> str:
    return f"{names[0]} is" if len(names) == 1 else f"{len(names):,} recordings ({names[0]} …) are"


def remembered(lake: Lake) -> dict[str, Recording]:
    """Return what the last sync found; nothing before the first, or where that cannot be read."""
    try:
        rows = json.loads(_memory(lake).read_text(encoding="utf-8"))
        return {row["name"]: Recording(**row) for row in rows}
    except (FileNotFoundError, ValueError, TypeError, KeyError):  # then every recording is looked at anew
        return {}


def remember(lake: Lake, found: Mapping[str, Recording]) -> None:
    """Keep what was found for the next sync."""
    temporary = lake.staging() / uuid.uuid4().hex
    temporary.write_text(json.dumps([asdict(r) for r in found.values()]), encoding="utf-8")
    os.replace(temporary, _memory(lake))


def _memory(lake: Lake) -> Path:
    return lake.root / "recordings.json"
