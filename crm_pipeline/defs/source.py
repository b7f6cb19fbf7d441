"""The source inside the graph: a run that materializes raw tables looks at the files first, once. The looking lies in `home.source`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dagster as dg

from crm_pipeline.errors import CrmError
from crm_pipeline.home.project import Project
from crm_pipeline.sources.state import SourceState

RELOAD = "Deployment → Code locations → Reload"


def refresh(project: Project, assets: list[dg.AssetsDefinition], rebuild: Callable[[Project], Any]) -> str:
    """Read what changed in the source into raw tables, and let the project know; return what was read, in a sentence.

    Parameters
    ----------
    project : Project
        Its source is replaced by what was found.
    assets : list of AssetsDefinition
        The loaded definitions.
    rebuild : callable
        Project → the assets that would be loaded for it.

    Raises
    ------
    CrmError
        When the source cannot be read, or `take_over` refuses it.
    """
    from crm_pipeline.home.source import begin, look_again

    report = look_again(project)
    take_over(project, assets, rebuild, report.state)
    begin(project)
    return f"{report.read:,} new or changed files of '{report.state.name}' read."


def take_over(
    project: Project, assets: list[dg.AssetsDefinition], rebuild: Callable[[Project], Any], state: SourceState
) -> bool:
    """Let the project know what the source says now; return whether that is anything new.

    Raises
    ------
    CrmError
        When the source changed so that the loaded definitions no longer describe it, with what to do.
    """
    if state == project.source:
        return False
    changed = _outdated(assets, rebuild(Project(project.home, project.settings, state)))
    if changed:
        raise CrmError(
            f"The source '{state.name}' has changed so that the loaded assets no longer describe it ({changed}): "
            f"start the run again, it loads them anew; the UI shows them after {RELOAD}."
        )
    project.source = state
    return True


def _outdated(loaded: list[dg.AssetsDefinition], wanted: list[dg.AssetsDefinition]) -> str:
    """Return what loaded definitions lack or have otherwise, in words; empty when they are as those wanted."""
    before, after = ({s.key: s for d in definitions for s in d.specs} for definitions in (loaded, wanted))
    names = sorted(key.to_user_string() for key in before.keys() ^ after.keys())
    if names:
        return f"{names[0]}{f' and {len(names) - 1} more' if len(names) > 1 else ''} came or went"
    for key, spec in after.items():
        if spec.code_version != before[key].code_version:
            return f"{key.to_user_string()} has other columns or another beginning"
        if _span(spec) != _span(before[key]):
            return "it begins or ends in another period"
    return ""


def _span(spec: dg.AssetSpec) -> Any:
    periods = spec.partitions_def
    return (
        (periods.start, periods.end, periods.timezone)
        if isinstance(periods, dg.TimeWindowPartitionsDefinition)
        else None
    )
