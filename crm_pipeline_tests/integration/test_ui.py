"""What a person sees: the Dagster UI, the MLflow UI and the report, served by the real command, in a real Chromium."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from crm_pipeline_tests.integration import world
from crm_pipeline_tests.integration.browser import Page, chromium, find_chromium
from crm_pipeline_tests.integration.conftest import Built

LAYERS = ("1_raw", "2_clean", "3_activity", "4_features", "5_models", "6_evaluation", "7_scores", "8_reports")
ASSET = """
query($key: AssetKeyInput!) { assetOrError(assetKey: $key) { ... on Asset {
  definition { description groupName metadataEntries { label
    ... on TableSchemaMetadataEntry { schema { columns { name type description } } } } }
  assetMaterializations(limit: 1) { partition runId metadataEntries { label __typename
    ... on IntMetadataEntry { intValue } ... on BoolMetadataEntry { boolValue }
    ... on MarkdownMetadataEntry { mdStr } ... on UrlMetadataEntry { url } } }
} } }"""
LAUNCH = """
mutation($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) { __typename
  ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
STATUS = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
WHERE = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }"


@dataclass(frozen=True)
class Site:
    """The servers of one home."""

    dagster: str
    mlflow: str
    reports: str
    home: Path
    period: str

    def ask(self, query: str, **variables: Any) -> Any:
        """Ask Dagster as its UI does."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.dagster}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.load(answer)
        assert not found.get("errors"), found
        return found["data"]

    def asset(self, name: str) -> dict[str, Any]:
        return self.ask(ASSET, key={"path": name.split("/")})["assetOrError"]

    def told(self, name: str) -> dict[str, dict[str, Any]]:
        """The metadata of the latest materialization, by label."""
        return {e["label"]: e for e in self.asset(name)["assetMaterializations"][0]["metadataEntries"]}


@pytest.fixture(scope="module")
def site(whole: Built, folder: Path) -> Iterator[Site]:
    """`crm-pipeline ui` on free ports over a copy of the built home; interrupted at the end, as by Ctrl-C."""
    home = folder / "ui_home"
    shutil.copytree(whole.home, home)
    port, mlflow_port = free_ports()
    process = world.start("ui", "--home", home, "--source", whole.source, "--port", port, "--mlflow-port", mlflow_port)
    found = Site(*(f"http://127.0.0.1:{p}" for p in (port, mlflow_port, mlflow_port + 1)), home, f"{whole.through}-01")
    try:
        answers(process, f"{found.dagster}/server_info", f"{found.mlflow}/health")
        yield found
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
    assert process.returncode == 0
    assert all(is_free(p) for p in (port, mlflow_port, mlflow_port + 1)), "a server outlived its command"


@pytest.fixture(scope="module")
def page(site: Site) -> Iterator[Page]:
    if find_chromium() is None:
        pytest.skip("Chromium is not installed: `make browser` installs it from the system's packages (needs root).")
    with chromium() as found:
        found.open(f"{site.dagster}/asset-groups")
        found.wait(*LAYERS, seconds=90)
        found.press("Skip")  # a first visit is asked to join the community
        yield found


def free_ports() -> tuple[int, int]:
    """Return a free port, and another whose successor is free too."""
    while True:
        one, two = free_port(), free_port()
        if len({one, two, two + 1}) == 3 and two < 65535 and is_free(two + 1):
            return one, two


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def answers(process: subprocess.Popen[str], *addresses: str, seconds: float = 150) -> None:
    """Wait until all addresses answer."""
    end, open_ = time.monotonic() + seconds, list(addresses)
    while open_:
        if process.poll() is not None:
            out, err = process.communicate()
            raise AssertionError(f"`crm-pipeline ui` ended: {out[-1000:]} {err[-3000:]}")
        assert time.monotonic() < end, f"no answer from {open_}"
        try:
            with urllib.request.urlopen(open_[0], timeout=5):
                open_.pop(0)
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)


def test_the_graph_is_grouped_by_layer(page: Page, site: Site) -> None:
    """The screen after start shows the layers, numbered in the way of the data."""
    text = page.wait("Global asset lineage", *LAYERS)
    assert [line for line in dict.fromkeys(text.splitlines()) if line in LAYERS][:8] == list(LAYERS)


def test_an_asset_shows_description_columns_and_row_count(page: Page, site: Site) -> None:
    asset = site.asset("activity/orders")
    columns = asset["definition"]["metadataEntries"]
    schema = next(e["schema"]["columns"] for e in columns if e["label"] == "dagster/column_schema")
    rows = site.told("activity/orders")["dagster/row_count"]["intValue"]
    assert rows > 0
    page.open(f"{site.dagster}/assets/activity/orders")
    text = page.wait(asset["definition"]["description"], "Row count", "3_activity", "crm-data")
    assert f"{rows:,}" in text
    assert all(c["name"] in text and c["description"] in text for c in schema)


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
    where = site.ask(WHERE)["repositoriesOrError"]["nodes"][0]
    selector = {
        "repositoryName": where["name"],
        "repositoryLocationName": where["location"]["name"],
        "pipelineName": "__ASSET_JOB",
        "assetSelection": [{"path": n.split("/")} for n in names],
        "assetCheckSelection": [{"assetKey": {"path": n.split("/")}, "name": "contract"} for n in names],
    }
    tags = {"tags": [{"key": "dagster/partition", "value": site.period}]}
    params = {"selector": selector, "mode": "default", "runConfigData": "{}", "executionMetadata": tags}
    launched = site.ask(LAUNCH, params=params)["launchPipelineExecution"]
    assert "run" in launched, launched
    run_id = launched["run"]["runId"]
    end, status = time.monotonic() + 120, ""
    while status not in ("SUCCESS", "FAILURE", "CANCELED"):
        assert time.monotonic() < end, f"the run is still {status}"
        time.sleep(0.5)
        status = site.ask(STATUS, id=run_id)["runOrError"]["status"]
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
