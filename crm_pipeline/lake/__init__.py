"""The content-addressed Parquet lake: manifests, generations, plan. Table logic and Dagster do not belong here."""

from crm_pipeline.lake.garbage import collect_garbage
from crm_pipeline.lake.inspection import Inspection, inspect_lake
from crm_pipeline.lake.links import repair_links, single_file
from crm_pipeline.lake.living import at_work, is_alive, sign_of_life
from crm_pipeline.lake.locks import only_one
from crm_pipeline.lake.manifest import DataFile, Manifest
from crm_pipeline.lake.plan import ALL, NOT_BUILT, Dep, Graph, Node, Stale
from crm_pipeline.lake.steps import keep_parts, kept_parts
from crm_pipeline.lake.storage import open_storage
from crm_pipeline.lake.store import Lake
from crm_pipeline.lake.views import outdated_views, publish_views

__all__ = [
    "ALL",
    "NOT_BUILT",
    "DataFile",
    "Dep",
    "Graph",
    "Inspection",
    "Lake",
    "Manifest",
    "Node",
    "Stale",
    "at_work",
    "collect_garbage",
    "inspect_lake",
    "is_alive",
    "keep_parts",
    "kept_parts",
    "only_one",
    "open_storage",
    "outdated_views",
    "publish_views",
    "repair_links",
    "sign_of_life",
    "single_file",
]
