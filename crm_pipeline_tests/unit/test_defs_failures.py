"""What a failed step says: the project's own sentence, whatever it was raised from, else the root of the error."""

from __future__ import annotations

import dagster as dg
import pytest

from crm_pipeline.defs.failures import root_of, sentence_of
from crm_pipeline.errors import CrmError, UsageError


def failure(first: Exception, then: Exception | None) -> dg.DagsterEvent:
    """The event of a step that fails with an error, or with one that was raised from it."""

    @dg.op
    def step() -> None:
        try:
            raise first
        except Exception as error:
            if then is None:
                raise
            raise then from error

    @dg.job
    def only() -> None:
        step()

    result = only.execute_in_process(raise_on_error=False)
    return next(event for event in result.all_events if event.is_step_failure)


@pytest.mark.parametrize("ours", [CrmError, UsageError])
def test_our_sentence_is_told_whatever_it_was_raised_from(ours: type[Exception]) -> None:
    event = failure(ImportError("No module named 'pyspark'"), ours("The engine spark needs PySpark: install it."))
    assert sentence_of(event) == "The engine spark needs PySpark: install it."
    assert root_of(event)[0] == "ImportError"
    assert sentence_of(failure(ours("Alone."), None)) == "Alone."


def test_of_other_errors_the_first_is_told_with_the_step() -> None:
    event = failure(KeyError("amount"), RuntimeError("later"))
    assert sentence_of(event) == "step failed: KeyError: 'amount'"
