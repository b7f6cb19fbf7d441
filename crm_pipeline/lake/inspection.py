"""Looks at a lake for what does not agree with itself: files without a name, names without a file. Nothing is written or mended here."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from crm_pipeline.lake.links import key_of_link, links, shows, single_file
from crm_pipeline.lake.living import is_alive
from crm_pipeline.lake.manifest import Manifest
from crm_pipeline.lake.store import DATA, HISTORY, MANIFESTS, Lake

Key = tuple[str, str]


@dataclass
class Inspection:
    """What was found.

    Attributes
    ----------
    current : dict
        The manifest of every partition that can be read.
    unreadable : list of str
        Where manifests lie that this version cannot read, of today or of the history.
    missing : dict
        Partition to files that its current manifest names and that are not there.
    damaged : dict
        Partition to files, in the home, that are there and are not what was published.
    lost_past : dict
        The same of earlier generations.
    orphans : list of str
        Where data files lie that nothing names.
    leftovers : list of Path
        Files staged by processes that have ended.
    links : list
        Partitions that outsiders do not see as they are.
    strays : list of Path
        Files for outsiders, of partitions that are not published.
    """

    current: dict[Key, Manifest] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)
    missing: dict[Key, list[str]] = field(default_factory=dict)
    damaged: dict[Key, list[str]] = field(default_factory=dict)
    lost_past: dict[Key, list[str]] = field(default_factory=dict)
    orphans: list[str] = field(default_factory=list)
    leftovers: list[Path] = field(default_factory=list)
    links: list[Key] = field(default_factory=list)
    strays: list[Path] = field(default_factory=list)


def inspect_lake(lake: Lake, keep_files: Iterable[str] = ()) -> Inspection:
    """Compare manifests, generations, data files and the links for outsiders; ``keep_files`` are files that others name."""
    found = Inspection()
    there = set(lake.storage.names(DATA))
    named = set(keep_files)
    for manifest in _manifests(lake, MANIFESTS, found):
        key = (manifest.asset, manifest.partition)
        found.current[key] = manifest
        files = {f.path for f in manifest.files}
        named |= files | {single_file(manifest)}
        if files - there:
            found.missing[key] = sorted(files - there)
        elif lake.storage.in_place and (bad := lake.damaged(manifest)):
            found.damaged[key] = bad
        elif lake.storage.in_place and not shows(lake, manifest):
            found.links.append(key)
    for manifest in _manifests(lake, HISTORY, found):
        key, files = (manifest.asset, manifest.partition), {f.path for f in manifest.files}
        named |= files
        gone = files - there - set(found.missing.get(key, ()))
        if gone:
            found.lost_past.setdefault(key, []).extend(sorted(gone))
    found.orphans = [lake.storage.place(name) for name in sorted(there - named) if lake.storage.collectable(name)]
    found.leftovers = [
        path
        for folder in _folders(lake.root / ".staging")
        if not is_alive(lake.home, folder.name.partition("-")[0])
        for path in _files(folder)
    ]
    found.strays = [path for path in links(lake) if key_of_link(lake, path) not in found.current]
    return found


def _manifests(lake: Lake, folder: str, found: Inspection) -> Iterator[Manifest]:
    for name, text in lake.storage.texts(folder):
        try:
            yield Manifest.from_json(text)
        except (ValueError, TypeError, KeyError):
            found.unreadable.append(lake.storage.place(name))


def _folders(base: Path) -> list[Path]:
    return sorted(path for path in base.iterdir() if path.is_dir()) if base.is_dir() else []


def _files(base: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(base):
        yield from (Path(folder, name) for name in names)
