"""What the code versions in a lake's manifests are made of, a small file each, so that two can be told apart. Nothing is hashed here."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from crm_pipeline.versions import Parts, parts_of

if TYPE_CHECKING:
    from crm_pipeline.lake.store import Lake


def keep_parts(lake: Lake, version: str) -> None:
    """Keep what a version is made of, where this process knows it and the lake does not yet."""
    path, parts = _path(lake, version), parts_of(version)
    if parts is None or path.exists():
        return
    path.parent.mkdir(exist_ok=True)
    temporary = lake.staging() / uuid.uuid4().hex
    temporary.write_text(json.dumps(parts._asdict()), encoding="utf-8")
    os.replace(temporary, path)


def kept_parts(lake: Lake, version: str) -> Parts | None:
    """Return what a version is made of, None where it is not kept (or its file is damaged)."""
    try:
        return Parts(**json.loads(_path(lake, version).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _path(lake: Lake, version: str) -> Path:
    return lake.root / ".versions" / f"{version}.json"
