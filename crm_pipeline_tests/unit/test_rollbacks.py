"""A rollback is an input of the home: written down, read again, refused in one sentence where it makes no sense."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_pipeline.errors import UsageError
from crm_pipeline.home.rollbacks import FILE, read_rollbacks, write_rollbacks
from crm_pipeline.modeling.rollback import Rollback, in_force

MARCH, MAY = Rollback("2024-03-01", "average", "logistic"), Rollback("2024-05-01", "logistic", "average")


def test_what_is_written_is_read_and_none_leaves_no_file(tmp_path: Path) -> None:
    assert read_rollbacks(tmp_path) == {}
    write_rollbacks(tmp_path, {"churn": (MARCH, MAY), "demand": ()})
    assert read_rollbacks(tmp_path) == {"churn": (MARCH, MAY)}
    write_rollbacks(tmp_path, {})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["", "[]", '{"churn": [{"period": "2024-03-01"}]}', '{"churn": [[1]]}', "{"])
def test_a_file_that_someone_broke_is_said_in_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="roll back again") as found:
        read_rollbacks(tmp_path)
    assert "\n" not in str(found.value)


@given(st.lists(st.integers(1, 12)), st.integers(1, 12))
def test_the_last_that_began_by_a_period_holds(months: list[int], month: int) -> None:
    rollbacks = [Rollback(f"2024-{m:02}-01", str(at), "x") for at, m in enumerate(months)]
    found = in_force(rollbacks, f"2024-{month:02}-01")
    begun = [at for at, m in enumerate(months) if m <= month]
    assert (int(found.champion) if found else None) == (begun[-1] if begun else None)
