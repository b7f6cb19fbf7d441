"""Will buy × how much, for demand."""

from typing import Any

from crm_pipeline.modeling.estimators.entry import Context, Entry


def _build(context: Context) -> Any:
    from crm_pipeline.modeling.learners.boosting import BoostedChurn, BoostedLogAmount
    from crm_pipeline.modeling.learners.combined import ChurnAverage, TwoPart
    from crm_pipeline.modeling.learners.process import ProcessAmount, ProcessChurn, families
    from crm_pipeline.modeling.learners.splines import SplineLogAmount, SplineLogistic

    own = {"seed": context.seed, "threads": context.threads}
    lapse, amounts = [SplineLogistic(), BoostedChurn(**own)], [SplineLogAmount(), BoostedLogAmount(**own)]
    if families(context.columns) and {"order_days_all", "spend_all"} <= set(context.columns):
        lapse.append(ProcessChurn())
        amounts.append(ProcessAmount(money_unit=context.money_unit, buyers=True))
    return TwoPart(ChurnAverage(lapse), amounts)


ENTRIES = (
    Entry(
        "demand",
        "two_part",
        "Probability of buying × mean amount of buyers, each the average of splines, boosting and purchase process.",
        5,
        _build,
    ),
)
