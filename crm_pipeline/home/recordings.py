"""What was made of a home's recordings, kept by their content: nothing is decoded twice. What is made of one belongs to audio."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from crm_pipeline.engine import storage_error
from crm_pipeline.errors import CrmError
from crm_pipeline.home.project import Project
from crm_pipeline.sources.recordings import Recording, look, place, remembered

FOLDER = "recordings"
"""Beside the lake: what stands there can be removed at any time, and is made again."""

AT_ONCE = 256
"""Recordings after which what was made is kept, so that a killed run has lost little."""


def made_of(
    project: Project, kind: str, version: str, wanted: Mapping[str, str], make: Callable[[dict[str, Path]], list[bytes]]
) -> Iterator[tuple[str, bytes]]:
    """Yield (SHA-256, what is made of the recording), in the order of ``wanted``.

    Parameters
    ----------
    project : Project
    kind, version : str
        What is made, and a digest of all but the recording that it follows from; what other versions made is removed.
    wanted : mapping of str to str
        SHA-256 of a recording to its ``audio_path``.
    make : callable
        From SHA-256 and path of several to what is made of each.

    Raises
    ------
    CrmError
        If a recording is not the one that was read with the source, or the disk is full.
    """
    folder = project.home / FOLDER / f"{kind}-{version}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for other in folder.parent.glob(f"{kind}-*"):
            if other != folder:
                shutil.rmtree(other, ignore_errors=True)
        new = [sha for sha in wanted if not (folder / sha).is_file()]
        known = remembered(project.lake) if new else {}
        for some in (new[at : at + AT_ONCE] for at in range(0, len(new), AT_ONCE)):
            paths = {sha: _located(Path(project.source.files), wanted[sha], sha, known) for sha in some}
            for sha, result in zip(some, make(paths), strict=True):
                write(folder / sha, result)
        for sha in wanted:
            yield sha, (folder / sha).read_bytes()
    except OSError as error:
        raise storage_error(error, project.home) from error


def forget(home: Path, known: Collection[str]) -> None:
    """Remove what was made of recordings that no call of the source names any more."""
    for path in (home / FOLDER).glob("*/*"):
        if path.name not in known:
            path.unlink(missing_ok=True)


def _located(root: Path, name: str, sha256: str, known: Mapping[str, Recording]) -> Path:
    found = look(root, [name], known)[name]
    path = place(root, name)
    if path is None or found.sha256 != sha256:
        raise CrmError(f"The recording {name} is not what it was when the source was read: run again.")
    return path


def write(path: Path, result: bytes) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(f".{uuid.uuid4().hex}")
    temporary.write_bytes(result)
    os.replace(temporary, path)
