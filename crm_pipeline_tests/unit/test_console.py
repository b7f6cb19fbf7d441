"""What the terminal says of a made-up company, and of models beside each other."""

import pandas as pd
import pytest

from crm_pipeline import console
from crm_pipeline.modeling.decision import read_decision
from crm_pipeline.modeling.tasks import task
from crm_pipeline.periods import Calendar

FACTS = {
    "customers": 2000, "periods": 18, "seed": 7, "recordings": 40, "first_period": "2025-01-01", "last_period": "2026-06-01",
    "rows": {"orders": 41395, "messages": 6869, "calls": 30}, "oracle_auc": 0.9392, "recency_auc": 0.8275, "churn_rate": 0.2587,
    "eligible": 1689, "cutoff": "2026-03-01", "fix": "orders/2026-02.csv",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console.out, "width", 400)


def test_a_made_up_company_is_told_in_words(capsys: pytest.CaptureFixture[str], tmp_path) -> None:
    console.show_sample(tmp_path / "shop", FACTS)
    said = capsys.readouterr().out
    assert "2,000 customers over 18 months (2025-01 to 2026-06), 41,395 orders" in said
    assert "30 of the calls have a recording" in said, "there are no more calls"
    assert "26% of 1,689 eligible customers lapsed after 2026-03; AUC of who knows all truths 0.939" in said
    assert f"--home {tmp_path / 'shop_home'}" in said


def test_nothing_is_told_of_what_is_not_known(capsys: pytest.CaptureFixture[str], tmp_path) -> None:
    console.show_sample(tmp_path / "sample", FACTS | {"oracle_auc": None, "fix": None, "recordings": 0})
    said = capsys.readouterr().out
    assert [word for word in ("AUC", "wrong", "recording", "None") if word in said] == []
    assert f"--home {tmp_path / 'home'}" in said


def test_the_table_of_models_marks_who_scores_and_who_was_judged_on_fewer_blocks(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = {name: 0.5 for metric in task("churn").shown for name in (metric, f"{metric}_mean")}
    rows = [{"model": "average", "cutoffs": 2}, {"model": "recurrent_network", "cutoffs": 1}]
    frame = pd.DataFrame([{**row, "cutoff": "2026-03-01", **shown} for row in rows])
    decision = read_decision({"task": "churn", "champion": "average", "blocks": 2})
    console.out.print(console._models_table(frame, decision, Calendar("month"), ""))
    said = capsys.readouterr().out
    assert "average (scores)" in said
    assert "recurrent network (1 of 2 blocks) │" in said
