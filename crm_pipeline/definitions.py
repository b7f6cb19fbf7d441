"""The code location: assembles assets, checks, jobs and resources of one home. `dagster` and `dg` load `defs` from here."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg

from crm_pipeline.defs.build import build_defs
from crm_pipeline.home.project import open_project

DEFAULT_HOME = "data/home"


@dg.definitions
def defs() -> dg.Definitions:
    """Return the definitions of the home in ``CRM_HOME`` (default ``data/home``).

    ``CRM_SOURCE`` and ``CRM_FILES`` say where its source lies, if not where it was when the home was last run.
    """
    home, source, files = (os.environ.get(name) for name in ("CRM_HOME", "CRM_SOURCE", "CRM_FILES"))
    project = open_project(Path(home or DEFAULT_HOME), Path(source) if source else None, Path(files) if files else None)
    return build_defs(project, looks_at_source=True).definitions
