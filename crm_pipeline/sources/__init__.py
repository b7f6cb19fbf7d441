"""Where raw tables come from: source.yaml, reading, sync. No cleaning rules and no Dagster belong here."""

from crm_pipeline.sources.index import index_files
from crm_pipeline.sources.readiness import Readiness, readiness, render_readiness
from crm_pipeline.sources.spec import Source, load_source
from crm_pipeline.sources.sync import SyncReport, sync

__all__ = [
    "Readiness",
    "Source",
    "SyncReport",
    "index_files",
    "load_source",
    "readiness",
    "render_readiness",
    "sync",
]
