"""Collects what no reader can reach: staging of killed processes and files that no kept generation names."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from crm_pipeline.lake.links import single_file
from crm_pipeline.lake.living import forget_the_dead, is_alive
from crm_pipeline.lake.store import DATA, Lake, generation_name


def collect_garbage(lake: Lake, keep_days: int, keep_files: Iterable[str] = (), keep_first: Iterable[str] = ()) -> int:
    """Remove dead staging directories, generations superseded for more than ``keep_days``, and orphaned files.

    ``keep_files`` are lake-relative paths that are kept though no manifest names them; ``keep_first`` are the assets
    whose first published generation (of each grain) is still read (`Graph.read_as_published`), so it stays however old
    it is. Returns the number of files and directories removed. A partition's files are looked at under its lock, so a
    run that is publishing at the same time loses nothing.
    """
    removed = _dead_staging(lake)
    kept, first = set(keep_files), set(keep_first)
    oldest = datetime.now(UTC) - timedelta(days=keep_days)
    # without a lock that tells, each look takes requests: only where there is a file that today's manifests do not name
    settled = kept if lake.storage.in_place else kept | {f.path for m in lake.index().values() for f in m.files}
    for folder, found in itertools.groupby(lake.storage.names(DATA), lambda name: name.rpartition("/")[0]):
        names = list(found)
        if not lake.storage.in_place and settled.issuperset(names):
            continue
        asset, _, partition = folder.removeprefix(f"{DATA}/").rpartition("/")
        with lake.lock(asset, partition):
            removed += _partition(lake, asset, partition, names, oldest, kept, asset in first)
    return removed


def _partition(
    lake: Lake, asset: str, partition: str, there: list[str], oldest: datetime, kept: set[str], keep_first: bool
) -> int:
    current = lake.manifest(asset, partition)
    generations = lake.history(asset, partition)
    named = set(kept)
    if current is not None:
        named |= {single_file(current), *(f.path for f in current.files)}
    removed = 0
    firsts = {m.grain: m.generation for m in reversed(generations)} if keep_first else {}
    for old, following in itertools.zip_longest(generations, generations[1:]):
        first = firsts.get(old.grain) == old.generation
        superseded = not first and following is not None and datetime.fromisoformat(following.published_at) < oldest
        # a process killed between recording a generation and publishing it: nobody ever read it
        unpublished = current is not None and old.generation > current.generation
        if superseded or unpublished:
            lake.storage.remove(generation_name(old))
            removed += 1
        else:
            named |= {f.path for f in old.files}
    for name in there:
        if name not in named and lake.storage.collectable(name):
            lake.storage.remove(name)
            removed += 1
    return removed


def _dead_staging(lake: Lake) -> int:
    removed = 0
    for folder in (lake.root / ".staging").iterdir():
        if not is_alive(lake.home, folder.name.partition("-")[0]):
            shutil.rmtree(folder, ignore_errors=True)
            removed += 1
    forget_the_dead(lake.home)
    return removed
