"""Makes files and their names outlast a power cut. What is written, and where, is the caller's business."""

from __future__ import annotations

import os
from pathlib import Path


def durable(path: Path) -> None:
    """Wait until the content of a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def durable_folders(folder: Path, root: Path) -> None:
    """Wait until a folder, and those between it and ``root``, are on the disk with the names in them."""
    for one in (folder, *folder.parents):
        durable(one)
        if one == root:
            break
