"""Which plots a task's predictions are shown by, in the UI and in MLflow. How they are drawn lies in `plots`."""

from __future__ import annotations

from typing import Any

from crm_pipeline.modeling.tasks import task as the_task
from crm_pipeline.reports import plots


def task_figures(task: str, said: Any, synthetic: bool = False) -> dict[str, Any]:
    """Return the plots of a task's predictions, the fixed model first, by name."""
    of = the_task(task)
    fixed = of.fixed if of.fixed in said else None
    return {name: getattr(plots, name)(said, fixed, synthetic=synthetic) for name in of.drawn}
