"""Will buy × how much, for demand."""

from typing import Any

from crm_pipeline.modeling.estimators.entry import Context, Entry


def _build(context: Context) -> Any:
    from crm_pipeline.modeling.learners.boosting import BoostedChurn, BoostedLogAmount
    from crm_pipeline.modeling.learners.combined import ChurnAverage, TwoPart
    from crm_pipeline.modeling.learners.process import ProcessChurn, families
    from crm_pipeline.modeling.learners.splines import SplineLogAmount, SplineLogistic

    own = {"seed": context.seed, "threads": context.threads}
    lapse = [SplineLogistic(), BoostedChurn(**own)]
    if families(context.columns) and "order_days_all" in context.columns:
        lapse.append(ProcessChurn())
    return TwoPart(ChurnAverage(lapse), [SplineLogAmount(offset=0.0), BoostedLogAmount(**own)])


ENTRIES = (
    Entry(
        "demand",
        "two_part",
        "Probability of buying (average of splines, boosting and purchase process) × mean amount of buyers, smeared.",
        5,
        _build,
    ),
)
