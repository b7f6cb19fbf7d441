"""`<layer>/<table>/period=<P>/part.parquet`: every published partition as one file, for outsiders. Nothing of the lake is read by them.

They are hard links, so there are none where the lake does not lie in the home.
"""

from __future__ import annotations

import filecmp
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from crm_pipeline.engine import join_files
from crm_pipeline.lake.manifest import Manifest

if TYPE_CHECKING:
    from crm_pipeline.lake.store import Lake


def show(lake: Lake, manifest: Manifest) -> None:
    """Make the link of a partition show what its manifest names; call it under the partition's lock."""
    if not lake.storage.in_place:
        return
    source, link = lake.root / single_file(manifest), link_path(lake, manifest.asset, manifest.partition)
    if len(manifest.files) != 1 and not source.exists():
        source.parent.mkdir(parents=True, exist_ok=True)
        os.replace(_whole(lake, manifest), source)
    if link.exists() and os.path.samefile(source, link):
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    temporary = lake.staging() / uuid.uuid4().hex
    os.link(source, temporary)
    os.replace(temporary, link)


def _whole(lake: Lake, manifest: Manifest) -> Path:
    """Write all rows of a partition to a new staged file; without reading them where its files are alike."""
    files = [lake.path(file) for file in manifest.files if file.rows]
    joined = lake.staging() / f"{uuid.uuid4().hex}.parquet"
    if files and join_files(files, joined):
        return joined
    rows = lake.read([manifest]) if manifest.files else lake.engine.table([], manifest.schema)
    return Path(lake.stage(rows).path)


def shows(lake: Lake, manifest: Manifest) -> bool:
    """Tell whether outsiders see the file of this manifest: by its hard link, or by what a copied home has for it."""
    file, link = lake.root / single_file(manifest), link_path(lake, manifest.asset, manifest.partition)
    try:
        return os.path.samefile(file, link) or filecmp.cmp(file, link, shallow=False)
    except FileNotFoundError:
        return False


def repair_links(lake: Lake) -> None:
    """Make every link show the current file (a killed run may have left an old one); none where the lake lies elsewhere."""
    if lake.storage.in_place:
        for manifest in lake.index().values():
            show(lake, manifest)
    else:
        for link in links(lake):  # of the time when it lay in the home
            link.unlink(missing_ok=True)


def links(lake: Lake) -> list[Path]:
    """Return every link there is."""
    layers = [path for path in lake.root.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return sorted(link for layer in layers for link in layer.rglob("period=*/part.parquet"))


def key_of_link(lake: Lake, link: Path) -> tuple[str, str]:
    """Return the asset and partition that a link is of."""
    folder = link.parent
    return folder.parent.relative_to(lake.root).as_posix(), folder.name.removeprefix("period=")


def link_path(lake: Lake, asset: str, partition: str) -> Path:
    """Return where outsiders look for a partition."""
    return lake.root / asset / f"period={partition}" / "part.parquet"


def single_file(manifest: Manifest) -> str:
    """Return where all rows of a partition lie in one file; it is written when the partition has not exactly one."""
    if len(manifest.files) == 1:
        return manifest.files[0].path
    return f".data/{manifest.asset}/{manifest.partition}/whole-{manifest.content_hash}.parquet"
