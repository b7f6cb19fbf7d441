"""What texts are worth, from their words to the interval over cut-offs: nothing where they show nothing, more the more they show."""

import pytest

from crm_pipeline_tests.unit.texts_world import JUDGED, LOSS, worths


@pytest.mark.parametrize("task", LOSS)
def test_texts_that_show_nothing_are_worth_nothing(task):
    nothing = worths(0.0)[task]
    assert nothing.blocks == len(JUDGED)
    assert not nothing.shown, nothing


@pytest.mark.slow
def test_the_more_they_show_the_more_they_are_worth():
    none, some, much = (worths(effect)["churn"] for effect in (0.0, 0.3, 3.0))
    assert much.shown, much
    assert much.low > 0
    assert none.mean < some.mean < much.mean
    assert worths(3.0)["demand"].mean > worths(0.0)["demand"].mean


@pytest.mark.parametrize("task", LOSS)
def test_decoys_earn_nothing_whatever_the_others_show(task):
    decoys = worths(3.0, decoys=True)[task]
    assert decoys.blocks == len(JUDGED)
    assert not decoys.low > 0, decoys
