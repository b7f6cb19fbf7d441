"""The content-addressed Parquet lake: manifests, generations, plan. Table logic and Dagster do not belong here."""

from crm_pipeline.lake.garbage import collect_garbage
from crm_pipeline.lake.living import is_alive, sign_of_life
from crm_pipeline.lake.locks import only_one
from crm_pipeline.lake.manifest import DataFile, Manifest
from crm_pipeline.lake.plan import ALL, Dep, Graph, Node, Stale
from crm_pipeline.lake.store import Lake
from crm_pipeline.lake.views import publish_views

__all__ = [
    "ALL",
    "DataFile",
    "Dep",
    "Graph",
    "Lake",
    "Manifest",
    "Node",
    "Stale",
    "collect_garbage",
    "is_alive",
    "only_one",
    "publish_views",
    "sign_of_life",
]
