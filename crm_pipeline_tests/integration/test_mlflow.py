"""Every fitted model is one finished MLflow run that can be loaded elsewhere; the champion has its alias."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crm_pipeline_tests.integration import loading, world
from crm_pipeline_tests.integration.conftest import Built


@pytest.fixture(scope="module")
def client(whole: Built) -> Any:
    import mlflow

    uri = f"sqlite:///{whole.home / 'mlflow.db'}"
    return mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)


OF_TASKS = ("models/churn/", "models/demand/")


@pytest.fixture(scope="module")
def every_run(client: Any) -> list[Any]:
    experiment = client.get_experiment_by_name("crm_pipeline")
    return list(client.search_runs([experiment.experiment_id], max_results=1000))


@pytest.fixture(scope="module")
def runs(every_run: list[Any]) -> list[Any]:
    """Those of the models of a task."""
    return [run for run in every_run if run.data.tags["crm.asset"].startswith(OF_TASKS)]


def test_the_models_of_text_are_runs_too(whole: Built, every_run: list[Any]) -> None:
    lake = world.lake_of(whole.home)
    told = {run.data.tags["crm.asset"]: run for run in every_run if run.data.tags["crm.asset"].startswith("text/")}
    assert set(told) == {"text/intent_model", "text/sentiment_model"}
    for asset, run in told.items():
        card = lake.table(asset, ["all"]).execute().iloc[0]
        assert (card.run_id, card.model_version) == (run.info.run_id, run.data.tags["crm.model_version"])
        assert run.info.status == "FINISHED"
        assert 0 < run.data.metrics["accuracy"] <= 1


def test_the_segments_are_a_run_too(whole: Built, every_run: list[Any]) -> None:
    period, lake = f"{whole.through}-01", world.lake_of(whole.home)
    told = {run.data.tags["crm.partition"]: run for run in every_run if run.data.tags["crm.asset"] == "models/segments"}
    card, run = lake.table("models/segments", [period]).execute().iloc[0], told[period]
    assert (card.run_id, card.model_version) == (run.info.run_id, run.data.tags["crm.model_version"])
    assert run.info.status == "FINISHED"
    assert run.data.metrics["k"] == card.k == len(json.loads(card.segments)["names"])
    named = set(lake.table("scores/segments", [period]).execute().segment.dropna())
    assert named == set(json.loads(card.segments)["names"])
    assert set(lake.table("scores/customers", [period]).execute().segment.dropna()) == named


@pytest.fixture(scope="module")
def cards(whole: Built) -> dict[world.Key, Any]:
    lake = world.lake_of(whole.home)
    wanted = [k for k in whole.hashes if k[0].startswith(OF_TASKS) and not k[0].endswith("/champion")]
    return {(asset, period): lake.table(asset, [period]).execute().iloc[0] for asset, period in wanted}


def test_one_finished_run_for_each_fitted_model(runs: list[Any], cards: dict[world.Key, Any]) -> None:
    fitted = {key for key, card in cards.items() if card.status == "fitted"}
    assert len(fitted) >= 4
    tagged = [(run.data.tags["crm.asset"], run.data.tags["crm.partition"]) for run in runs]
    assert sorted(tagged) == sorted(fitted)
    assert {run.info.status for run in runs} == {"FINISHED"}


def test_runs_tell_where_they_come_from_and_what_was_learned(
    whole: Built, runs: list[Any], cards: dict[world.Key, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dagster import DagsterInstance

    monkeypatch.setenv("DAGSTER_HOME", str(whole.home / "dagster"))
    with DagsterInstance.from_config(str(whole.home / "dagster")) as instance:
        for run in runs:
            tags, card = run.data.tags, cards[run.data.tags["crm.asset"], run.data.tags["crm.partition"]]
            assert instance.has_run(tags["dagster.run_id"])
            assert tags["crm.model_version"] == card.model_version
            assert card.run_id == run.info.run_id
            assert set(json.loads(tags["crm.inputs"])) >= {f"training/{card.task}@{tags['crm.partition']}"}
            assert run.data.metrics["rows"] == card.rows
            assert run.data.params["features"] == str(len(json.loads(card.features)))
    judged = [run for run in runs if run.data.tags["crm.partition"] < f"{whole.through}-01"]
    assert judged
    assert all(any(name.startswith("test_") for name in run.data.metrics) for run in judged)


def test_models_have_a_signature_an_example_and_plots(client: Any, runs: list[Any], whole: Built) -> None:
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{whole.home / 'mlflow.db'}")
    run = next(r for r in runs if r.data.tags["crm.partition"] < f"{whole.through}-01")
    files = {f.path for folder in (None, "evaluation") for f in client.list_artifacts(run.info.run_id, folder)}
    assert "input_example.json" in files
    assert any(name.endswith(".png") for name in files)
    info = mlflow.models.get_model_info(f"models:/{run.outputs.model_outputs[0].model_id}")
    assert info.signature is not None


@pytest.mark.parametrize("task", ["churn", "demand"])
def test_the_champion_scores_the_same_in_a_new_process(whole: Built, client: Any, tmp_path: Path, task: str) -> None:
    period, lake = f"{whole.through}-01", world.lake_of(whole.home)
    champion = lake.table(f"models/{task}/champion", [period]).execute().iloc[0]
    version = client.get_model_version_by_alias(f"crm_pipeline_{task}", "champion")
    assert version.tags["as_of"] == period
    assert version.tags["model_version"] == champion.model_version
    features = lake.table("features/customers", [period]).order_by("customer_id").execute()
    features.to_parquet(tmp_path / "features.parquet")
    command = [sys.executable, loading.__file__, whole.home, task, f"models:/crm_pipeline_{task}@champion"]
    command += [tmp_path / "features.parquet", tmp_path / "out.parquet"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=world.environment(), check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    raw = pd.read_parquet(tmp_path / "out.parquet").set_index("customer_id")["raw"]
    scored = lake.table(f"scores/{task}", [period]).execute().set_index("customer_id")
    said = scored["probability" if task == "churn" else "value"].reindex(raw.index).astype(float)
    moved = np.log(said / (1 - said)) if task == "churn" else np.log(said)
    # the level moves everybody by the same: the rest is the model, to the last digits
    assert (moved - raw).std() < 1e-9
