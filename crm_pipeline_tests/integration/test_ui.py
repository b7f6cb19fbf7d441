"""What a person sees: the Dagster UI, the MLflow UI and the report, served by the real command, in a real Chromium."""

from __future__ import annotations

import json
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from crm_pipeline_tests.integration import world
from crm_pipeline_tests.integration.browser import Page
from crm_pipeline_tests.integration.conftest import Built
from crm_pipeline_tests.integration.serving import LAYERS, Site, served, visited


@pytest.fixture(scope="module")
def site(whole: Built, folder: Path) -> Iterator[Site]:
    """`crm-pipeline ui` over a copy of the built home; interrupted at the end, as by Ctrl-C."""
    home = folder / "ui_home"
    shutil.copytree(whole.home, home)
    with served(home, f"{whole.through}-01", "--source", whole.source) as found:
        yield found


@pytest.fixture(scope="module")
def page(site: Site) -> Iterator[Page]:
    with visited(site) as found:
        yield found


def test_the_graph_is_grouped_by_layer(page: Page, site: Site) -> None:
    """The screen after start shows the layers, numbered in the way of the data."""
    layers = [*LAYERS[:2], "2_text", *LAYERS[2:]]  # the source has messages
    text = page.wait("Global asset lineage", *layers)
    assert [line for line in dict.fromkeys(text.splitlines()) if line in layers][: len(layers)] == layers


def test_an_asset_shows_description_columns_and_row_count(page: Page, site: Site) -> None:
    asset = site.asset("activity/orders")
    columns = asset["definition"]["metadataEntries"]
    schema = next(e["schema"]["columns"] for e in columns if e["label"] == "dagster/column_schema")
    rows = site.told("activity/orders")["dagster/row_count"]["intValue"]
    assert rows > 0
    page.open(f"{site.dagster}/assets/activity/orders")
    page.wait(asset["definition"]["description"], "Row count", f"{rows:,}", "3_activity", "crm-data")
    assert len(schema) > 5
    page.wait(*(said for column in schema for said in (column["name"], column["description"])))


def origins(site: Site, asset: str) -> dict[str, set[str]]:
    """The columns upstream that each column of an asset is made of."""
    return {
        entry["columnName"]: {f"{'/'.join(d['assetKey']['path'])}.{d['columnName']}" for d in entry["columnDeps"]}
        for entry in site.told(asset)["dagster/column_lineage"]["lineage"]
    }


def test_a_column_tells_what_it_is_made_of(site: Site) -> None:
    """In the metadata of every table that is an expression."""
    assert origins(site, "activity/orders")["spend"] == {"clean/orders.event", "clean/orders.amount"}
    loss = origins(site, "scores/customers")["value_at_risk"]
    active = {"features/purchase_process.mbg_alive", "features/purchase_process.pareto_alive"}
    assert loss == {"scores/churn.probability", "scores/demand.value", *active}
    assert "dagster/column_lineage" not in site.told("scores/churn"), "a model's answer is no expression"
    for asset in ("features/customers", "outcomes/churn", "training/churn", "lifetime/customers", "clean/orders"):
        known = {c["name"] for e in site.asset(asset)["definition"]["metadataEntries"] if e["label"] == "dagster/column_schema"
                 for c in e["schema"]["columns"]}  # fmt: skip
        assert origins(site, asset).keys() <= known


def test_the_lake_has_the_columns_that_the_ui_describes(site: Site) -> None:
    """No column of any table is without a description, in its order."""
    index = world.lake_of(site.home).index()
    for name in sorted({asset for asset, _ in index if not asset.startswith("snapshot/")}):
        entries = site.asset(name)["definition"]["metadataEntries"]
        described = [
            c["name"] for e in entries if e["label"] == "dagster/column_schema" for c in e["schema"]["columns"]
        ]
        newest = max(p for a, p in index if a == name)
        missing = [c for c in index[name, newest].schema if c not in described]
        assert not missing, f"{name}: {missing}"


def test_an_evaluation_shows_its_plots(page: Page, site: Site) -> None:
    told = site.told("evaluation/churn")
    assert {k for k, v in told.items() if v.get("mdStr", "").startswith("![")} == {"roc", "calibration"}
    page.open(f"{site.dagster}/assets/evaluation/churn")
    page.wait("[Show Markdown]")
    page.press("[Show Markdown]")
    for _ in range(80):
        width = page.evaluate("Math.max(0, ...[...document.images].filter(i => i.src.startsWith('data:image/png'))"
                              ".map(i => i.naturalWidth))")  # fmt: skip
        if width:
            break
        time.sleep(0.25)
    assert width > 300


def test_a_model_links_to_its_mlflow_run(page: Page, site: Site) -> None:
    link = site.told("models/churn/logistic")["mlflow"]["url"]
    page.open(f"{site.dagster}/assets/models/churn/logistic")
    page.wait(link)
    assert page.evaluate(f"[...document.links].some(a => a.href === {json.dumps(link)})")
    page.open(site.mlflow + link[link.index("/#/") :])  # the home was built for the default port
    page.wait(f"churn/logistic@{site.period}", "crm.partition", site.period)


def test_mlflow_lists_the_runs(page: Page, site: Site) -> None:
    page.open(f"{site.mlflow}/#/experiments/1/runs")
    page.wait("Training runs", f"churn/logistic@{site.period}", f"demand/purchase_process@{site.period}")


def test_the_report_opens_from_its_asset(page: Page, site: Site) -> None:
    link = site.told("reports/period")["report"]["url"]
    page.open(site.reports + link[link.rindex("/") :])
    assert page.wait("rack record")


def test_a_run_launched_in_the_ui_reuses_what_is_fresh(site: Site) -> None:
    """Like the button Materialize: a process of its own, nothing computed anew, plots and links still in sight."""
    names = ["activity/orders", "evaluation/churn", "evaluation/churn_predictions", "models/churn/logistic"]
    before = {n: site.told(n) for n in names}
    run_id = site.launch(names, site.period)
    status = site.ended(run_id)
    assert status == "SUCCESS"
    for name in names:
        assert site.asset(name)["assetMaterializations"][0]["runId"] == run_id
        now = site.told(name)
        assert now["reused"]["boolValue"] is True, name
        assert now.keys() == before[name].keys()


def test_a_taken_port_is_one_sentence(whole: Built) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = world.crm("ui", "--home", whole.home, "--port", port, expect=2)
    assert done.stderr.count("\n") == 1
    assert f"Port {port}" in done.stderr
    assert "--port" in done.stderr


def test_a_home_never_run_is_one_sentence(tmp_path: Path) -> None:
    done = world.crm("ui", "--home", tmp_path, expect=1)
    assert done.stderr.count("\n") == 1
    assert "crm-pipeline run" in done.stderr
