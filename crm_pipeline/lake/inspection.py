"""Looks at a lake for what does not agree with itself: files without a name, names without a file. Nothing is written or mended here."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from crm_pipeline.lake.living import is_alive
from crm_pipeline.lake.manifest import Manifest
from crm_pipeline.lake.store import Lake

Key = tuple[str, str]


@dataclass
class Inspection:
    """What was found.

    Attributes
    ----------
    current : dict
        The manifest of every partition that can be read.
    unreadable : list of Path
        Manifests that this version cannot read, of today or of the history.
    missing : dict
        Partition to files that its current manifest names and that are not there.
    lost_past : dict
        The same of earlier generations.
    orphans, leftovers : list of Path
        Data files that nothing names, and files staged by processes that have ended.
    links : list
        Partitions that outsiders do not see as they are.
    strays : list of Path
        Files for outsiders, of partitions that are not published.
    """

    current: dict[Key, Manifest] = field(default_factory=dict)
    unreadable: list[Path] = field(default_factory=list)
    missing: dict[Key, list[str]] = field(default_factory=dict)
    lost_past: dict[Key, list[str]] = field(default_factory=dict)
    orphans: list[Path] = field(default_factory=list)
    leftovers: list[Path] = field(default_factory=list)
    links: list[Key] = field(default_factory=list)
    strays: list[Path] = field(default_factory=list)


def inspect_lake(lake: Lake, keep_files: Iterable[str] = ()) -> Inspection:
    """Compare manifests, generations, data files and the links for outsiders; ``keep_files`` are files that others name."""
    found = Inspection()
    there = {path.relative_to(lake.root).as_posix() for path in _files(lake.root / ".data")}
    named = set(keep_files)
    for manifest in _manifests(lake.root / ".manifests", found):
        key = (manifest.asset, manifest.partition)
        found.current[key] = manifest
        files = {f.path for f in manifest.files}
        named |= files | {lake.single_file(manifest)}
        if files - there:
            found.missing[key] = sorted(files - there)
        elif not lake.shows(manifest):
            found.links.append(key)
    for manifest in _manifests(lake.root / ".history", found):
        key, files = (manifest.asset, manifest.partition), {f.path for f in manifest.files}
        named |= files
        gone = files - there - set(found.missing.get(key, ()))
        if gone:
            found.lost_past.setdefault(key, []).extend(sorted(gone))
    found.orphans = [lake.root / path for path in sorted(there - named)]
    found.leftovers = [
        path
        for folder in _folders(lake.root / ".staging")
        if not is_alive(lake.home, folder.name.partition("-")[0])
        for path in _files(folder)
    ]
    found.strays = [path for path in lake.links() if lake.key_of_link(path) not in found.current]
    return found


def _manifests(base: Path, found: Inspection) -> Iterator[Manifest]:
    for path in sorted(base.rglob("*.json")):
        try:
            yield Manifest.from_json(path.read_text(encoding="utf-8"))
        except (ValueError, TypeError, KeyError):
            found.unreadable.append(path)
        except FileNotFoundError:  # a run at work withdrew it, or collected a generation
            continue


def _folders(base: Path) -> list[Path]:
    return sorted(path for path in base.iterdir() if path.is_dir()) if base.is_dir() else []


def _files(base: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(base):
        yield from (Path(folder, name) for name in names)
