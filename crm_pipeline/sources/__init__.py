"""Where raw tables come from: source.yaml, reading, sync. No cleaning rules and no Dagster belong here."""

from crm_pipeline.sources.spec import Source, load_source
from crm_pipeline.sources.sync import SyncReport, sync

__all__ = ["Source", "SyncReport", "load_source", "sync"]
