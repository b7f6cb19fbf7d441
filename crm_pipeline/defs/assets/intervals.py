"""Assets of the layer intervals: how far outcomes lie from what is predicted. How they are calibrated lies in modeling."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import ibis

from crm_pipeline.contracts.outputs import EVALUATION, INTERVALS, conform
from crm_pipeline.defs.common import described, together
from crm_pipeline.defs.lake import publishes
from crm_pipeline.home.project import Project
from crm_pipeline.lake import Dep
from crm_pipeline.modeling.tasks import task as the_task
from crm_pipeline.transforms.training import sample_of_cutoffs
from crm_pipeline.versions import code_version


def interval_assets(project: Project, task: str) -> list[dg.AssetsDefinition]:
    """Return the step that calibrates a task's intervals on its judged cut-offs; none for a task without."""
    settings = project.settings
    if not the_task(task).conformal:
        return []
    back = tuple(-i * settings.horizon for i in range(settings.evaluation_cutoffs))
    code = code_version(interval_assets, {"horizon": settings.horizon, "seed": settings.seed})
    bands, judged = f"intervals/{task}", f"evaluation/{task}_intervals"
    told = {
        bands: f"How far from the prediction four in five outcomes of {task} lay at earlier cut-offs: the intervals of the scores.",
        judged: f"How many outcomes of {task} lay in the intervals that earlier cut-offs had calibrated, of buyers and of non-buyers.",
    }
    ins = {"predictions": Dep(f"evaluation/{task}_predictions", back, block=settings.train_every)}
    both = [described(project, a, code, ins, kinds=("pandas",), description=what) for a, what in told.items()]

    @dg.multi_asset(**together(f"intervals_of_{task}", both))
    @publishes
    def calibrated(context: dg.AssetExecutionContext, predictions: ibis.Table | None) -> Mapping[str, Any]:
        from crm_pipeline.modeling.conformal import SAMPLE, intervals

        if predictions is None:
            return {bands: conform([], INTERVALS), judged: conform([], EVALUATION)}
        found, worth = intervals(task, sample_of_cutoffs(predictions, SAMPLE, settings.seed).execute())
        return {bands: conform(found, INTERVALS), judged: conform(worth, EVALUATION)}

    return [calibrated]
