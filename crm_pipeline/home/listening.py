"""What is measured and heard of a home's recordings, each once. How that is done belongs to audio, what becomes of it to the assets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ibis

from crm_pipeline.engine import storage_error
from crm_pipeline.errors import CrmError
from crm_pipeline.hashing import digest
from crm_pipeline.home.project import Project
from crm_pipeline.home.recordings import made_of, write
from crm_pipeline.sources.recordings import remembered
from crm_pipeline.versions import modules_version

if TYPE_CHECKING:
    from crm_pipeline.audio.keywords import Keywords
    from crm_pipeline.audio.measured import Measured

MEASURING, LISTENING = "crm_pipeline.audio.many", "crm_pipeline.audio.listening"
"""What is made of a recording, by module: a change of it makes the calls stale, and what is kept of recordings."""

KEYWORDS = "crm_pipeline.audio.keywords"
WORDS = "watched_words"
"""Of the home: how words sound that were learned for it. It can be removed at any time."""


def measured(project: Project, wanted: Mapping[str, str]) -> dict[str, Measured | str]:
    """Return what was measured of each recording, or why nothing could be.

    ``wanted`` maps the SHA-256 of each recording to its ``audio_path``. Raises what `made_of` raises.
    """
    from crm_pipeline.audio.many import measured_many
    from crm_pipeline.audio.measured import Measured

    def make(paths: dict[str, Path]) -> list[bytes]:
        found = measured_many([*paths.values()], project.settings.threads).to_pylist()
        return [row["measured"] or row["reason"].encode() for row in found]

    each = made_of(project, "measured", modules_version([MEASURING]), wanted, make)
    return {sha: Measured.from_bytes(made) if made.startswith(b"PK") else made.decode() for sha, made in each}


def listened(
    project: Project, wanted: Mapping[str, str], heard: Mapping[str, Measured | str]
) -> dict[str, Sequence[dict[str, Any]]]:
    """Return what was said in each channel of the recordings in which something was measured, by `audio.listening`."""
    from crm_pipeline.audio.listening import listened_many

    def learn(words: tuple[str, ...]) -> Keywords:
        return keywords_of(project.home, words)

    settings = project.settings
    spoken = {sha: [c.speech for c in found.channels] for sha, found in heard.items() if not isinstance(found, str)}

    def make(paths: dict[str, Path]) -> list[bytes]:
        each = [spoken[sha] for sha in paths]
        return listened_many(
            [*paths.values()], each, settings.transcriber, settings.watched_words, settings.threads, learn
        )

    follows = [modules_version([LISTENING, MEASURING]), settings.transcriber, settings.watched_words]
    each = made_of(project, "said", digest(json.dumps(follows), 16), {sha: wanted[sha] for sha in spoken}, make)
    return {sha: json.loads(made) for sha, made in each}


def ahead(project: Project) -> Iterator[None]:
    """Measure and hear what the source's calls name, before anybody asks: a recording at a time, those of the newest calls first.

    Yields after each piece of work. What cannot be read, or is not what it was, is left to the asset, which says so.
    """
    if "recordings" not in project.source.inputs:
        return
    calls = project.lake.table("raw/calls", project.lake.partitions("raw/calls"))
    named = calls.filter(calls.audio_path.notnull()).order_by(ibis.desc("event_at")).audio_path.to_pyarrow().to_pylist()
    known = remembered(project.lake)
    with suppress(CrmError):
        for found in filter(None, map(known.get, dict.fromkeys(named))):
            if found.sha256 and not found.problem:
                heard = measured(project, {found.sha256: found.name})
                yield
                listened(project, {found.sha256: found.name}, heard)
                yield


def keywords_of(home: Path, words: tuple[str, ...]) -> Keywords:
    """Return how watched words sound: as the package brings it, as the home has kept it, or else learned and then kept.

    Raises
    ------
    UsageError
        As `audio.keywords.learned` does.
    CrmError
        If the disk is full.
    """
    from crm_pipeline.audio import shipped
    from crm_pipeline.audio.keywords import learned

    if words == shipped.WORDS:
        return shipped.shipped()
    version = modules_version([KEYWORDS])
    path = home / WORDS / f"{digest(json.dumps([words, version]), 16)}.npz"
    if path.is_file():
        return shipped.from_bytes(path.read_bytes())[0]
    found = learned(words)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, shipped.to_bytes(found, version))
    except OSError as error:
        raise storage_error(error, home) from error
    return found
