"""The one place that knows what runs behind Ibis. No table logic and no lake paths belong here.

Everything above speaks `ibis.Table` and `Engine`. To add another engine, give a module with a class that keeps that protocol.
"""

from crm_pipeline.engine.base import TOLD, VOLATILE, Engine, Staged
from crm_pipeline.engine.duckdb import ZSTD_LEVEL, DuckDBEngine, without
from crm_pipeline.engine.frames import frame
from crm_pipeline.engine.in_order import in_order
from crm_pipeline.engine.joining import join_files
from crm_pipeline.engine.ranges import InRanges, in_ranges
from crm_pipeline.engine.sql import literal, quote
from crm_pipeline.engine.storage import storage_error

__all__ = [
    "TOLD",
    "VOLATILE",
    "ZSTD_LEVEL",
    "DuckDBEngine",
    "Engine",
    "InRanges",
    "Staged",
    "frame",
    "in_order",
    "in_ranges",
    "join_files",
    "literal",
    "quote",
    "storage_error",
    "without",
]
