"""`crm-pipeline ui` over a home, asked as its pages ask and looked at in a real browser. No tests."""

from __future__ import annotations

import itertools
import json
import random
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from crm_pipeline_tests.integration import world
from crm_pipeline_tests.integration.browser import Page, chromium, find_chromium

LAYERS = ("1_raw", "2_clean", "3_activity", "4_features", "5_models", "6_evaluation", "7_scores", "8_reports")
"""The groups of every source; one with messages has ``2_text`` too."""

ASSET = """
query($key: AssetKeyInput!) { assetOrError(assetKey: $key) { ... on Asset {
  definition { description groupName metadataEntries { label
    ... on TableSchemaMetadataEntry { schema { columns { name type description } } } } }
  assetMaterializations(limit: 1) { partition runId metadataEntries { label __typename
    ... on IntMetadataEntry { intValue } ... on BoolMetadataEntry { boolValue }
    ... on MarkdownMetadataEntry { mdStr } ... on UrlMetadataEntry { url }
    ... on TableColumnLineageMetadataEntry { lineage { columnName columnDeps { assetKey { path } columnName } } } } }
} } }"""
LAUNCH = """
mutation($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) { __typename
  ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
STATUS = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
WHERE = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }"

RUNS = """
query($f: RunsFilter!) { runsOrError(filter: $f) { ... on Runs { results { runId status pipelineName startTime endTime
  tags { key value } assetMaterializations { assetKey { path } partition } } } } }"""
BACKFILL = """
mutation($p: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $p) { __typename
  ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
BACKFILL_STATUS = (
    "query($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } } }"
)


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

    def where(self) -> dict[str, str]:
        """How the code location's repository is named."""
        found = self.ask(WHERE)["repositoriesOrError"]["nodes"][0]
        return {"repositoryName": found["name"], "repositoryLocationName": found["location"]["name"]}

    def launch(self, assets: list[str], period: str, job: str = "__ASSET_JOB", **tags: str) -> str:
        """Press Materialize for assets of a period; return the run."""
        selector: dict[str, Any] = {**self.where(), "pipelineName": job}
        if assets:
            selector["assetSelection"] = [{"path": n.split("/")} for n in assets]
            selector["assetCheckSelection"] = [{"assetKey": {"path": n.split("/")}, "name": "contract"} for n in assets]
        given = [{"key": k, "value": v} for k, v in {"dagster/partition": period, **tags}.items()]
        params = {"selector": selector, "mode": "default", "runConfigData": "{}", "executionMetadata": {"tags": given}}
        launched = self.ask(LAUNCH, params=params)["launchPipelineExecution"]
        assert "run" in launched, launched
        return launched["run"]["runId"]

    def ended(self, run_id: str, seconds: float = 240) -> str:
        """Wait for a run to end; return its status."""
        end, status = time.monotonic() + seconds, ""
        while status not in ("SUCCESS", "FAILURE", "CANCELED"):
            assert time.monotonic() < end, f"the run is still {status}"
            time.sleep(0.5)
            status = self.ask(STATUS, id=run_id)["runOrError"]["status"]
        return status

    def told(self, name: str) -> dict[str, dict[str, Any]]:
        """The metadata of the latest materialization, by label."""
        return {e["label"]: e for e in self.asset(name)["assetMaterializations"][0]["metadataEntries"]}


@contextmanager
def served(home: Path, period: str, *more: Any) -> Iterator[Site]:
    """Serve a home on free ports; interrupted at the end, as by Ctrl-C."""
    port, mlflow_port = free_ports()
    said = home.parent / f"{home.name}.ui.log"  # a pipe that nobody reads fills, and stops whoever writes
    command = [str(world.COMMAND), "ui", "--home", home, *more, "--port", port, "--mlflow-port", mlflow_port]
    with said.open("w") as log:
        process = subprocess.Popen(
            list(map(str, command)), stdout=log, stderr=subprocess.STDOUT, text=True, env=world.environment()
        )
    found = Site(*(f"http://127.0.0.1:{p}" for p in (port, mlflow_port, mlflow_port + 1)), home, period)
    try:
        answers(process, said, f"{found.dagster}/server_info", f"{found.mlflow}/health")
        yield found
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    assert process.returncode == 0
    assert all(is_free(p) for p in (port, mlflow_port, mlflow_port + 1)), "a server outlived its command"


@contextmanager
def visited(site: Site) -> Iterator[Page]:
    """A browser that has opened the asset graph once."""
    if find_chromium() is None:
        pytest.skip("Chromium is not installed: `make browser` installs it from the system's packages (needs root).")
    with chromium() as found:
        found.open(f"{site.dagster}/asset-groups")
        found.wait(*LAYERS, seconds=90)
        found.press("Skip")  # a first visit is asked to join the community
        yield found


def runs(site: Site, **tags: str) -> list[dict[str, Any]]:
    """The runs with these tags, the first first."""
    found = site.ask(RUNS, f={"tags": [{"key": k.replace("__", "/"), "value": v} for k, v in tags.items()]})
    return found["runsOrError"]["results"][::-1]


def finish_backfill(site: Site, params: dict[str, Any], seconds: float = 900) -> str:
    """Launch a backfill as the UI does and wait for it; return its id."""
    launched = site.ask(BACKFILL, p={"title": "a test", **params})["launchPartitionBackfill"]
    assert "backfillId" in launched, launched
    end, status = time.monotonic() + seconds, "REQUESTED"
    while status in ("REQUESTED", "IN_PROGRESS"):
        assert time.monotonic() < end, f"the backfill is still {status}"
        time.sleep(1)
        found = site.ask(BACKFILL_STATUS, id=launched["backfillId"])
        status = found["partitionBackfillOrError"]["status"]
    assert status == "COMPLETED_SUCCESS", status
    return launched["backfillId"]


def one_at_a_time(found: list[dict[str, Any]]) -> bool:
    """Tell whether each of these runs began after the one before had ended."""
    spans = sorted((r["startTime"], r["endTime"]) for r in found)
    return all(a[1] <= b[0] for a, b in itertools.pairwise(spans))


def free_ports() -> tuple[int, int]:
    """Return a free port, and another whose successor is free too."""
    while True:
        one, two = free_port(), free_port()
        if len({one, two, two + 1}) == 3 and is_free(two + 1):
            return one, two


def free_port() -> int:
    """Return a free port below those that the system gives to outgoing connections, which could take it in the meantime."""
    while True:
        port = random.SystemRandom().randrange(15_000, 32_000)
        if is_free(port):
            return port


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def answers(process: subprocess.Popen[str], said: Path, *addresses: str, seconds: float = 150) -> None:
    """Wait until all addresses answer."""
    end, open_ = time.monotonic() + seconds, list(addresses)
    while open_:
        if process.poll() is not None:
            raise AssertionError(f"`crm-pipeline ui` ended: {said.read_text()[-4000:]}")
        assert time.monotonic() < end, f"no answer from {open_}"
        try:
            with urllib.request.urlopen(open_[0], timeout=5):
                open_.pop(0)
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
