"""What is wrong with a home, and how to mend each thing. It looks and writes nothing; Dagster's part is `defs.health`."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, NamedTuple

import duckdb

from crm_pipeline.database import dagster_url, name_of
from crm_pipeline.engine import DuckDBEngine
from crm_pipeline.errors import CrmError, UsageError
from crm_pipeline.lake import (
    ALL,
    Inspection,
    Lake,
    Manifest,
    at_work,
    inspect_lake,
    is_alive,
    open_storage,
    outdated_views,
)
from crm_pipeline.settings import load_settings
from crm_pipeline.sources.index import index_files
from crm_pipeline.sources.state import read_state
from crm_pipeline.tracking import Tracker
from crm_pipeline.tracking_store import Database, revision, running

PACKAGE = "crm-pipeline"
MIGRATIONS = {"mlflow": "store/db_migrations/versions", "dagster": "_core/storage/alembic/versions"}
"""Where a package keeps the versions of its databases that it knows."""

SPARE = 256 * 2**20
"""Bytes that databases, logs and spilling need beside the data."""

UNREADABLE = (OSError, ValueError, TypeError, KeyError, sqlite3.Error, duckdb.Error)
"""How a damaged or unreadable file of a home shows."""


class Finding(NamedTuple):
    """One thing that is wrong.

    Attributes
    ----------
    severity : str
        ``error``: a run or a reader fails over it. ``warning``: something is out of step. ``note``: nothing is wrong.
    what, mend : str
        What was found, and what to do.
    """

    severity: Literal["error", "warning", "note"]
    what: str
    mend: str


def is_wrong(findings: Iterable[Finding]) -> bool:
    """Tell whether any of the findings is more than a note."""
    return any(finding.severity != "note" for finding in findings)


def examine(home: Path, models: bool = True) -> list[Finding]:
    """Return what is wrong with the versions, the disk, the lake, the source and the models of a home.

    Without ``models`` those of the cards are not looked for: where MLflow's store is not known here.
    """
    home = Path(home).absolute()
    found = versions_found(requires(PACKAGE) or (), installed_version, metadata(PACKAGE)["Requires-Python"])
    if not (home / "lake" / ".manifests").is_dir():
        return [
            *found,
            Finding(
                "error",
                f"{home} holds no lake, so nothing was ever run in it.",
                f"Name another --home, or begin: crm-pipeline run --source DIR --home {home}.",
            ),
        ]
    found += looked("its source", home, lambda: source_found(home))
    found += looked("the lake", home, lambda: _lake_found(home, models))
    found += looked("MLflow's mlflow.db", home, lambda: _mlflow_found(home))
    for database in sorted((home / "dagster").rglob("*.db")):
        found += looked(database.name, home, lambda at=database: schema_found(at, "dagster"))  # type: ignore[misc]
    return found + looked("Dagster's database", home, lambda: _server_found(home))


def looked(name: str, home: Path, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Return what a look finds; where it cannot look, that."""
    again = f"Mend or restore it (docs/operations.md, the worst day), then: crm-pipeline doctor --home {home}."
    try:
        return list(look())
    except UsageError as error:
        return [Finding("error", str(error), f"Mend it, then: crm-pipeline doctor --home {home}.")]
    except CrmError as error:
        return [Finding("error", str(error), again)]
    except UNREADABLE as error:
        if not os.access(home, os.W_OK):
            shut = f"{home} cannot be written (read-only, or not permitted), so {name} cannot be looked at."
            return [Finding("error", shut, f"Mend its rights, then: crm-pipeline doctor --home {home}.")]
        said = " ".join(str(error).split())
        return [Finding("error", f"{name} of {home} cannot be read ({type(error).__name__}: {said}).", again)]


# -- versions and disk -----------------------------------------------------------------------------


def installed_version(name: str) -> str | None:
    """Return the version of an installed package, None where it is not."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def versions_found(required: Iterable[str], installed: Callable[[str], str | None], python: str) -> list[Finding]:
    """Compare the interpreter and the installed packages with what is required of them; extras are left out."""
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

    found = []
    if platform.python_version() not in SpecifierSet(python):
        found.append(
            Finding(
                "error",
                f"Python is {platform.python_version()}, {PACKAGE} needs {python}.",
                "Set up again with a Python of that range: rm -r .venv, then make setup PYTHON=python3.11.",
            )
        )
    for text in required:
        need = Requirement(text)
        if need.marker is not None and not need.marker.evaluate({"extra": ""}):
            continue
        have = installed(need.name)
        if have is None or not need.specifier.contains(have, prereleases=True):
            found.append(
                Finding(
                    "error",
                    f"{need.name} is {have or 'not installed'}, {PACKAGE} needs {need.specifier or 'it'}.",
                    "Install what the lock file names: pip install --requirement requirements.lock.",
                )
            )
    return found


def schema_found(database: Database, package: str) -> Iterator[Finding]:
    """Tell of a database that a newer version of its package wrote."""
    written, spec = revision(database), find_spec(package)
    if written is None or spec is None or spec.origin is None:
        return
    name = name_of(database) if isinstance(database, str) else database
    known = Path(spec.origin).parent / MIGRATIONS[package]
    if known.is_dir() and not any(written in path.read_text(encoding="utf-8") for path in known.glob("*.py")):
        yield Finding(
            "error",
            f"{name} was written by another version of {package} than the installed {installed_version(package)} "
            f"(schema {written}).",
            f"Install the {package} that wrote it, or restore it from the time before.",
        )


def _server_found(home: Path) -> Iterator[Finding]:
    setting = load_settings(home).database_url
    if setting:
        yield from schema_found(dagster_url(setting), "dagster")


def disk_found(home: Path, free: int, manifests: Sequence[Manifest], size: Callable[[str], int]) -> Iterator[Finding]:
    """Compare the free space with what one partition, and a rebuild of all of them, would take."""
    sizes = [sum(size(f.path) for f in m.files) for m in manifests]
    largest, whole = max(sizes, default=0), sum(sizes)
    mend = "Free space on it, or lower keep_generations_days in crm.yaml: the next run collects what is older."
    said = f"{_bytes(free)} are free on the disk of {home}"
    if free < SPARE + 2 * largest:
        yield Finding("error", f"{said}: a run needs {_bytes(SPARE + 2 * largest)} for its largest partition.", mend)
    elif free < SPARE + whole:
        yield Finding("warning", f"{said}: building all {len(sizes):,} partitions anew takes {_bytes(whole)}.", mend)


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            break
        count, larger = count / 1000, {"B": "kB", "kB": "MB", "MB": "GB", "GB": "TB"}[unit]
        unit = larger
    return f"{count:,.0f} {unit}"


# -- source ----------------------------------------------------------------------------------------


def source_found(home: Path) -> Iterator[Finding]:
    """Tell of a source that is not where the home last read it."""
    state, settings = read_state(home), load_settings(home)
    if state is None:
        yield Finding(
            "error",
            f"{home}/lake/source.json is gone: the home does not know its source.",
            f"crm-pipeline run --source DIR --home {home} records it again.",
        )
        return
    for what, place in (("source.yaml", state.path), ("files folder", state.files)):
        if place and not Path(place).exists():
            yield Finding(
                "error",
                f"The {what} of '{state.name}' is not at {place} any more.",
                f"Bring it back, or say where it is now: crm-pipeline run --source DIR --files DIR --home {home}.",
            )
    if state.grain and state.grain != settings.grain:
        yield Finding(
            "warning",
            f"The home was last run by the {state.grain}, its settings say {settings.grain}.",
            f"crm-pipeline run --home {home} goes over to {settings.grain}s; or set grain: {state.grain} in crm.yaml.",
        )


# -- lake ------------------------------------------------------------------------------------------


def lake_to_look_at(home: Path) -> Lake:
    """Open the lake of a home without making anything in it.

    Raises
    ------
    UsageError, CrmError
        When it lies in a store that cannot be reached from here.
    """
    spill = Path(home) / "lake" / ".spill"
    try:
        settings = load_settings(home)
    except UsageError:  # told by other looks; it is no reason not to look here
        return Lake(home, DuckDBEngine("500MB", 1, spill), make=False)
    engine = DuckDBEngine("500MB", settings.threads, spill)
    return Lake(home, engine, make=False, storage=open_storage(home, settings))


def _lake_found(home: Path, models: bool) -> Iterator[Finding]:
    lake = lake_to_look_at(home)
    seen = inspect_lake(lake, index_files(lake))
    current = list(seen.current.values())
    yield from disk_found(home, shutil.disk_usage(home).free, current, lake.storage.size)
    yield from lake_found(home, seen, at_work(home))
    yield from looked("crm.duckdb", home, lambda: _views_found(lake, current))
    whole = {key: m for key, m in seen.current.items() if key not in seen.missing | seen.damaged and models}
    yield from looked("the model cards", home, lambda: _models_found(lake, list(whole.values())))


def lake_found(home: Path, seen: Inspection, working: int = 0) -> Iterator[Finding]:
    """Put into words what an inspection of the lake found, while ``working`` processes are at work."""
    run = f"crm-pipeline run --home {home}"
    for path in seen.unreadable:
        kept = path.replace("/.manifests/", "/.history/").removesuffix(".json")
        copy = f"copy the newest of {kept} over it" if "/.manifests/" in path else "move it away"
        yield Finding(
            "error",
            f"{path} is no manifest that this version can read.",
            f"Upgrade, if a later version wrote it; if it is damaged, restore it from a backup, or {copy}.",
        )
    for (asset, partition), files in sorted(seen.missing.items()):
        yield Finding(
            "error",
            f"{asset} of {partition} is published, but its file is gone: {', '.join(files)}.",
            f"Restore it from a backup, or build it again: {run}{'' if partition == ALL else f' --through {partition}'}.",
        )
    for (asset, partition), files in sorted(seen.damaged.items()):
        yield Finding(
            "error",
            f"{asset} of {partition} is published, but its file is damaged: {', '.join(files)}.",
            f"Restore it from a backup, or delete it and build it again: {run}{'' if partition == ALL else f' --through {partition}'}.",
        )
    for (asset, partition), files in sorted(seen.lost_past.items()):
        are = "file is" if len(files) == 1 else "files are"
        yield Finding(
            "note",
            f"{len(files)} {are} gone of earlier generations of {asset} of {partition}, first {files[0]}.",
            "Restore them from a backup; without, what was published then cannot be read again (today's is not touched).",
        )
    yield from _counted(
        "warning",
        seen.links,
        "partition is|partitions are",
        "not what lake/<layer>/<table> shows",
        f"{run} puts the links right",
    )
    yield from _counted("warning", seen.strays, "file for outsiders is|files for outsiders are", "of a partition that is not published",
                        "Delete them; they are links, the lake does not read them.")  # fmt: skip
    if not working:
        yield from _counted(
            "note", seen.orphans, "data file is|data files are", "named by no generation", f"{run} removes them"
        )
        yield from _counted(
            "note", seen.leftovers, "file was|files were", "left by processes that ended", f"{run} removes them"
        )


def _counted(
    severity: Literal["warning", "note"], things: Sequence[object], one_or_many: str, what: str, mend: str
) -> Iterator[Finding]:
    if things:
        one, many = one_or_many.split("|")
        first = things[0]
        named = "/".join(first) if isinstance(first, tuple) else str(first)
        yield Finding(
            severity,
            f"{len(things):,} {one if len(things) == 1 else many} {what}, first {named}.",
            f"{mend.removesuffix('.')}.",
        )


def _views_found(lake: Lake, current: Sequence[Manifest]) -> Iterator[Finding]:
    mend = f"crm-pipeline run --home {lake.home} writes it anew, with today's paths"
    views = outdated_views(lake, current)
    yield from _counted(
        "warning", views, "view of crm.duckdb is|views of crm.duckdb are", "not what is published", mend
    )


# -- models ----------------------------------------------------------------------------------------


def _models_found(lake: Lake, manifests: Sequence[Manifest]) -> Iterator[Finding]:
    """Tell of published model cards whose model MLflow no longer has."""
    places: dict[str, str] = {}
    for manifest in manifests:
        if "model_uri" not in manifest.schema:  # of a lake elsewhere, nothing else is fetched
            continue
        if files := [str(lake.path(f)) for f in manifest.files if f.rows]:
            rows = lake.engine.con.execute(
                "SELECT DISTINCT model_uri FROM read_parquet(?) WHERE model_uri <> ''", [files]
            )
            places |= {uri: f"{manifest.asset} of {manifest.partition}" for (uri,) in rows.fetchall()}
    lost = Tracker(lake.home).lost(places) if places else set()
    if lost:
        named = sorted(places[uri] for uri in lost)
        yield Finding(
            "warning",
            f"{len(lost)} of {len(places)} models that published cards name are not in MLflow's store, first that of {named[0]}.",
            f"Restore MLflow's database and mlartifacts/ together; or crm-pipeline run --home {lake.home} trains again those "
            "that it needs, with --force all of its period.",
        )


def _mlflow_found(home: Path) -> Iterator[Finding]:
    database = Tracker(home).database
    yield from schema_found(database, "mlflow")
    dead = [run for run, token in running(database).items() if not is_alive(home, token)]
    if dead:
        yield Finding(
            "warning",
            f"{len(dead)} MLflow runs are RUNNING though their process has ended, first {dead[0]}.",
            f"crm-pipeline run --home {home} ends them as KILLED.",
        )
