"""Linear regression with a log link, for demand."""

from typing import Any

from crm_pipeline.modeling.estimators.entry import Context, Entry


def _build(context: Context) -> Any:
    from crm_pipeline.modeling.learners.splines import SplineAmount

    return SplineAmount()


ENTRIES = (
    Entry(
        "demand",
        "linear",
        "Linear regression on splines with a log link and Tweedie deviance, ridge-penalised.",
        2,
        _build,
    ),
)
