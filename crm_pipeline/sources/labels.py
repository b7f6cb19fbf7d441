"""The labelled recordings that a source.yaml names: which labels they have, what their content is. Nothing is decoded here."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from crm_pipeline.errors import UsageError
from crm_pipeline.hashing import digest
from crm_pipeline.sources.recordings import Recording, look
from crm_pipeline.sources.state import SourceLabels


def labelled(root: Path, file: Path, known: Mapping[str, Recording]) -> tuple[SourceLabels, dict[str, Recording]]:
    """Return the labels of a CSV file, and what it and the recordings that it names are.

    Parameters
    ----------
    root : Path
        The folder of the source's files: no recording outside it is opened.
    file : Path
        In that folder; its paths are relative to its own.
    known : mapping of name to Recording

    Raises
    ------
    UsageError
        When the file cannot be read.
    """
    from crm_pipeline.audio.emotion_labels import parse

    name = os.path.relpath(file, root)
    try:
        rows = parse(file.read_bytes(), name).rows
    except OSError as error:
        raise UsageError(f"{name} cannot be read ({error.strerror}): mend its rights.") from error
    folder = os.path.dirname(name)
    names = [os.path.normpath(os.path.join(folder, path)) for path in rows["path"]]
    found = look(root, dict.fromkeys([name, *names]), known)
    version = digest("\n".join(f"{one} {found[one].sha256}" for one in [name, *names]))
    counts = Counter(rows["emotion"])
    return SourceLabels(name, version, dict(sorted(counts.items()))), found
