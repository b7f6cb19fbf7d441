"""The asset of all models beside each other. What is computed lies in modeling, who reigns in the champion's asset."""

import dagster as dg
import ibis

from crm_pipeline.contracts.leaderboards import LEADERBOARD, LEADERS
from crm_pipeline.contracts.outputs import conform
from crm_pipeline.defs.common import described, reads
from crm_pipeline.defs.lake import Result, publishes
from crm_pipeline.home.project import Project
from crm_pipeline.lake import Dep
from crm_pipeline.modeling.tasks import task as the_task
from crm_pipeline.versions import code_version


def leaderboard_asset(project: Project, task: str) -> dg.AssetsDefinition:
    """Return the asset that puts all models and baselines of a task beside each other, over the blocks of its decision."""
    settings = project.settings
    back = tuple(-i * settings.horizon for i in range(settings.evaluation_cutoffs))
    code = code_version(leaderboard_asset, {}, also=[type(the_task(task)).__module__])
    told = (
        f"Every {task} model and baseline over the blocks of time on which the champion was decided: mean loss, blocks won, paired "
        "differences to the champion and to the best baseline with their block standard errors, and the chief metrics."
    )
    ins = {
        "evaluations": Dep(f"evaluation/{task}", back, block=settings.train_every),  # as the champion reads them
        "champion": reads(f"models/{task}/champion"),
    }

    @dg.asset(**described(project, f"evaluation/{task}{LEADERS}", code, ins, kinds=("pandas",), description=told))
    @publishes
    def leaders(context: dg.AssetExecutionContext, evaluations: ibis.Table | None, champion: ibis.Table) -> Result:
        from crm_pipeline.modeling.decision import read_decision
        from crm_pipeline.modeling.leaderboard import leaderboard

        decision = read_decision(champion.execute().iloc[0])
        if evaluations is None or not decision.cutoffs:
            return Result(conform([], LEADERBOARD), {"judged": "No outcome has judged a model yet."})
        table = leaderboard(task, evaluations.execute(), decision)
        shown = table.convert_dtypes().astype(object).where(table.notna(), None).to_dict("records")
        return Result(
            conform(table, LEADERBOARD), {"leaderboard": dg.MetadataValue.table([dg.TableRecord(row) for row in shown])}
        )

    return leaders
