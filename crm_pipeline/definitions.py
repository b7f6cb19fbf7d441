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
    """Return the definitions of the home in ``CRM_HOME`` (default ``data/home``)."""
    return build_defs(open_project(Path(os.environ.get("CRM_HOME", DEFAULT_HOME)))).definitions
