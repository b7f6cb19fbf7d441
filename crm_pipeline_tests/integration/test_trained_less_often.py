"""Models trained once a quarter: between, the last champion scores, and the scored table says how old it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from crm_pipeline_tests.integration import world

MONTHS = tuple(f"2024-{month:02d}" for month in range(1, 9))
TRAINED, FIRST, SECOND = "2024-06-01", "2024-07-01", "2024-08-01"


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(folder: Path) -> Path:
    source = world.write_tiny(folder / "quarterly", months=MONTHS, name="quarterly")
    home = world.new_home(folder / "quarterly_home", {**world.TINY, "train_every": 3})
    world.crm("run", "--source", source, "--home", home, "--periods", 3)
    assert world.plan(source, home, "--periods", 3) == []
    return home


def test_the_last_champion_scores_and_the_row_says_how_old_it_is(home: Path) -> None:
    lake = world.lake_of(home)
    versions = set()
    for age, period in enumerate((TRAINED, FIRST, SECOND)):
        scored = lake.table("scores/customers", [period]).execute()
        assert set(scored.model_age_periods[scored.status == "scored"]) == {age}
        champion = lake.table("models/churn/champion", [period]).execute().iloc[0]
        assert str(champion.trained_as_of)[:10] == "2024-07-01"
        versions.add((champion.champion, champion.model_version, champion.status))
        assert ("Trained at the end of 2024-06, carried on since." in champion.reason) == (age > 0)
        assert set(lake.table("scores/churn", [period]).execute().model_version) == {champion.model_version}
    assert len(versions) == 1


def test_only_the_last_period_of_a_quarter_trains(home: Path) -> None:
    import mlflow

    cards = world.lake_of(home)
    trained = {
        p: len(cards.table("models/churn/purchase_process", [p]).execute())
        for p in cards.partitions("models/churn/purchase_process")
    }
    assert trained == {"2024-03-01": 1, TRAINED: 1}
    assert cards.partitions("models/churn/champion") >= [TRAINED, FIRST, SECOND]
    uri = f"sqlite:///{home / 'mlflow.db'}"
    client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
    runs = client.search_runs([client.get_experiment_by_name("crm_pipeline").experiment_id])
    assert {run.data.tags["crm.partition"] for run in runs} <= {"2024-03-01", TRAINED}
    assert len(client.search_model_versions("name = 'crm_pipeline_churn'")) == 1


def test_a_model_is_judged_at_every_age_at_which_it_scored(home: Path) -> None:
    import mlflow

    lake = world.lake_of(home)
    judged = lake.table("evaluation/churn", [SECOND]).execute()
    assert set(judged.cutoff.astype(str).str[:10]) == {FIRST}  # by the model of the quarter before, a month old
    assert "purchase_process" in set(judged.model)
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{home / 'mlflow.db'}")
    uri = lake.table("models/churn/champion", [SECOND]).execute().iloc[0].model_uri
    card = lake.table("models/churn/purchase_process", [TRAINED]).execute().iloc[0]
    assert card.model_uri == uri
    steps = {metric.step: metric.value for metric in client.get_metric_history(card.run_id, "test_log_loss")}
    assert sorted(steps) == [0, 1]
    value = float(judged.value[(judged.model == "purchase_process") & (judged.metric == "log_loss")].iloc[0])
    assert client.get_run(card.run_id).data.metrics["test_log_loss"] == pytest.approx(steps[1]) == pytest.approx(value)
