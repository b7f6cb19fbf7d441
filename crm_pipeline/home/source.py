"""Looks at a home's source and takes over what changed: the one way of the command, the UI's runs and the sensors. No planning."""

from __future__ import annotations

from pathlib import Path

from crm_pipeline.errors import CrmError
from crm_pipeline.home.project import Project
from crm_pipeline.home.recordings import forget
from crm_pipeline.lake import Lake, only_one
from crm_pipeline.settings import Settings
from crm_pipeline.sources.publishing import withdraw
from crm_pipeline.sources.recordings import remembered
from crm_pipeline.sources.spec import Source, load_source
from crm_pipeline.sources.state import CARRIED, read_state, write_state
from crm_pipeline.sources.sync import Pending, SyncReport, pending, sync


def look_at_source(source: Source, lake: Lake, settings: Settings) -> SyncReport:
    """Read the new and changed files of a source into raw tables; one process of a home at a time.

    Raises
    ------
    UsageError, CrmError
        One sentence about a file or the home.
    """
    with only_one(lake.root / ".locks" / "source.lock"):
        report = sync(source, lake, settings)
        forget(lake.home, {r.sha256 for r in remembered(lake).values() if r.sha256})
        return report


def pending_files(project: Project) -> list[Pending]:
    """Return which files of the home's source are new, changed or gone since they were last read."""
    state = project.source
    if not state.path:
        return []
    source = load_source(Path(state.path), Path(state.files) if state.files else None)
    return pending(source, project.lake, project.settings)


def begin(project: Project) -> None:
    """Withdraw what the source no longer covers, as a run begins."""
    lake, state = project.lake, project.source
    withdraw(lake, read_state(lake.home, CARRIED), state, project.calendar, project.without)
    write_state(lake.home, state, CARRIED)


def look_again(project: Project) -> SyncReport:
    """Look at the source that the home was last run with, or that the code location was started with.

    Raises
    ------
    CrmError
        When there is none, or nothing can be read from it.
    """
    state = project.source
    if not state.path:
        raise CrmError(
            f"{project.home} knows no source yet: start `crm-pipeline ui --source DIR`, or `crm-pipeline run` once."
        )
    source = load_source(Path(state.path), Path(state.files) if state.files else None)
    return look_at_source(source, project.lake, project.settings)
