"""What a failed step says: the root of its error, as the user's one sentence. Nothing about runs or where it is shown."""

import dagster as dg


def root_of(event: dg.DagsterEvent) -> tuple[str, str]:
    """Return the class and the text of the error that a step failed with first, before others were raised from it."""
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return (error.cls_name or "Error", error.message.strip()) if error else ("Error", "unknown")


def sentence_of(event: dg.DagsterEvent) -> str:
    """Return what a failed step says: its `CrmError` as it is, whatever that was raised from; anything else with the step's name."""
    error = event.step_failure_data.error
    while error is not None and error.cls_name not in ("CrmError", "UsageError"):
        error = error.cause
    if error is not None:
        return error.message.strip().split(": ", 1)[-1]
    return f"{event.step_key} failed: {root_of(event)[1]}"
