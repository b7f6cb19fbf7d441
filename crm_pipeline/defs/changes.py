"""Why a partition that was published anew differs, as metadata of its materialization. Causes are found in `provenance.causes`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dagster as dg

from crm_pipeline.errors import CrmError
from crm_pipeline.lake import Lake, Manifest
from crm_pipeline.periods import Calendar
from crm_pipeline.provenance.causes import FileChange, causes, file_changes
from crm_pipeline.provenance.words import told

CHANGED = ("changed_because", "changed_rows")
"""Metadata of a materialization whose content is another than before; a later one that reuses it has none of it."""

FileChanges = dict[tuple[str, str], tuple[FileChange, ...]]
"""Old and new content hash of a raw partition to how its files differ: all that follows from it asks the same."""

NEAREST, SENTENCES, REMEMBERED = 100, 10, 200
"""How many partitions before it are looked at, so that a rebuild of everything stays cheap; how many causes are told; how many
raw partitions are remembered."""

FURTHER = (
    "what lies further back than the nearest {n} partitions that changed; `crm-pipeline diff` follows the scores to it"
)


def changed(
    lake: Lake, calendar: Calendar, before: Manifest | None, after: Manifest, known: FileChanges
) -> dict[str, Any]:
    """Return why a partition changed, and its rows; nothing where it was built first or its content is what it was."""
    if before is None or before.content_hash == after.content_hash:
        return {}
    try:
        sentences = told(causes(lake, before, after, _once(known), NEAREST), calendar)
    except CrmError as error:  # a file of an older generation is gone: what was published is right all the same
        sentences = [f"why is no longer known: {error}"]
    sentences = sentences or [FURTHER.format(n=NEAREST)]
    if len(sentences) > SENTENCES:
        sentences[SENTENCES:] = [f"and {len(sentences) - SENTENCES} more causes"]
    because = sentences[0] if len(sentences) == 1 else "\n".join(f"- {sentence}" for sentence in sentences)
    rows = f"{after.rows:,}, as before" if after.rows == before.rows else f"{before.rows:,} → {after.rows:,}"
    return dict(zip(CHANGED, (dg.MetadataValue.md(because), rows), strict=True))


def _once(known: FileChanges) -> Callable[[Lake, Manifest, Manifest], tuple[FileChange, ...]]:
    def look(lake: Lake, old: Manifest, new: Manifest) -> tuple[FileChange, ...]:
        key = old.content_hash, new.content_hash
        if key not in known:
            if len(known) >= REMEMBERED:
                known.clear()
            known[key] = file_changes(lake, old, new)
        return known[key]

    return look
