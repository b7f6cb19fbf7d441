"""The content-addressed Parquet lake: manifests, generations, plan. Table logic and Dagster do not belong here."""

from crm_pipeline.lake.manifest import DataFile, Manifest
from crm_pipeline.lake.store import Lake

__all__ = ["DataFile", "Lake", "Manifest"]
