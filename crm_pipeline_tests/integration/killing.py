"""Runs the command, but kills its own process with SIGKILL at one point, the n-th time it gets there. Not a test.

Usage: python killing.py POINT N ARGUMENTS…  Production code knows nothing of this: methods are replaced here.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import Any

POINTS = {  # name: module, class or empty, function, and what the call must be about ("" for any)
    "before a manifest": ("crm_pipeline.lake.store", "Lake", "_record", "features/"),
    "between history and manifest": ("crm_pipeline.lake.store", "Lake", "_write", ".manifests/scores/"),
    "between publishing and linking": ("crm_pipeline.lake.store", "", "show", "scores/customers"),
    "between publishing and recording": (
        "dagster._core.instance", "DagsterInstance", "handle_new_event", "<ASSET_MATERIALIZATION>",
    ),
    "in the migrations of MLflow": ("alembic.ddl.impl", "DefaultImpl", "_exec", ""),
    "in an open MLflow run": ("mlflow.models", "", "infer_signature", ""),
    "between MLflow and the lake": ("crm_pipeline.lake.store", "Lake", "publish", "models/churn/"),
    "between raw tables": ("crm_pipeline.lake.store", "Lake", "publish", "raw/"),
    "between raw tables and their index": ("crm_pipeline.sources.sync", "", "save_index", ""),
    "before the views": ("crm_pipeline.defs.run", "", "publish_views", ""),
}  # fmt: skip


def arm(point: str, times: int) -> None:
    """Replace the function of a point by one that kills the process at the n-th call that fits."""
    module_name, owner_name, function, about = POINTS[point]
    module = importlib.import_module(module_name)
    owner = getattr(module, owner_name) if owner_name else module
    original, left = getattr(owner, function), [times]

    def deadly(*arguments: Any, **named: Any) -> Any:
        if about in " ".join(_words(a) for a in arguments):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **named)

    setattr(owner, function, deadly)


def _words(argument: Any) -> str:
    dagster_event = getattr(argument, "dagster_event", None)
    if dagster_event is not None:
        return f"<{dagster_event.event_type_value}>"
    return str(getattr(argument, "asset", argument))


if __name__ == "__main__":
    arm(sys.argv[1], int(sys.argv[2]))
    from crm_pipeline.cli import main

    main(sys.argv[3:])
