"""A mended file: what the scores were before, what changed and why, and where a score comes from, by the real command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from crm_pipeline.engine import VOLATILE
from crm_pipeline_tests.integration import world
from crm_pipeline_tests.integration.conftest import Built, restore_tiny

FILE, PERIOD = "orders/2024-03.csv", "2024-03-01"


@dataclass(frozen=True)
class Mended:
    """The tiny home after the amount in one line was mended; ``text`` and ``rows`` as exported before and after."""

    built: Built
    customer: str
    line: int
    before: str
    after: str

    def ask(self, *arguments: Any) -> Any:
        return json.loads(world.crm(*arguments, "--home", self.built.home, "--json").stdout)


def export(home: Path, to: Path, *more: str) -> str:
    world.crm("scores", "--home", home, "--format", "json", "--to", to, *more)
    return to.read_text()


@pytest.fixture(scope="module")
def mended(tiny: Built, folder: Path) -> Iterator[Mended]:
    restore_tiny(tiny)
    before = export(tiny.home, folder / "before.json")
    path = tiny.source / FILE
    lines = path.read_text().splitlines()
    _, customer, _, _ = lines[10].split(",")
    lines[10] = f"{lines[10].rpartition(',')[0]},987.65"
    path.write_text("\n".join(lines) + "\n")
    world.crm("run", "--source", tiny.source, "--home", tiny.home, "--through", "2024-04")
    yield Mended(tiny, customer, 11, before, export(tiny.home, folder / "after.json"))
    restore_tiny(tiny)


def content(text: str) -> dict[str, dict[str, Any]]:
    rows = {row["customer_id"]: row for row in json.loads(text)}
    return {customer: {k: v for k, v in row.items() if k not in VOLATILE} for customer, row in rows.items()}


@pytest.mark.parametrize("named", ["1", "first"])
def test_a_generation_reads_as_it_was_exported_before_the_fix(mended: Mended, folder: Path, named: str) -> None:
    assert export(mended.built.home, folder / "again.json", "--generation", named) == mended.before
    assert mended.before != mended.after


def test_diff_names_the_raw_partition_the_file_and_the_customers_that_changed(mended: Mended) -> None:
    found = mended.ask("diff", "--period", "2024-04")
    (cause,) = found["causes"]
    assert (cause["kind"], cause["asset"], cause["partition"]) == ("rows", "raw/orders", PERIOD)
    assert cause["files"] == [{"file": FILE, "gone": 1, "new": 1, "customers": [mended.customer]}]
    before, after = content(mended.before), content(mended.after)
    changed = {customer for customer in before if before[customer] != after[customer]}
    assert (found["changed"], found["same"]) == (len(changed), len(before) - len(changed))
    spent = {c for c in before if before[c]["spend_12m"] != after[c]["spend_12m"]}
    assert spent == {mended.customer} == set(found["own_rows"])
    assert found["columns"]["spend_12m"] == 1
    assert found["before"]["generation"] == 1
    assert found == mended.ask("diff", "--period", "2024-04", "--against", found["before"]["run_id"])


def test_diff_says_it_in_words(mended: Mended) -> None:
    told = world.crm("diff", "--home", mended.built.home).stdout
    assert f"raw/orders of 2024-03 changed: {FILE} (rows: 1 gone, 1 new; 1 customer: {mended.customer})" in told
    assert "by way of raw/orders → clean/orders → activity/orders → " in told


def test_trace_names_the_line_in_which_the_order_stands(mended: Mended) -> None:
    found = mended.ask("trace", mended.customer, "--task", "churn", "--as-of", "2024-04")
    placed = [r for r in found["rows"] if (r["source_file"], r["source_line"]) == (FILE, mended.line)]
    line = (mended.built.source / FILE).read_text().splitlines()[mended.line - 1]
    assert [r["id"] for r in placed] == [line.split(",")[0]]
    every = [
        (path.relative_to(mended.built.source).as_posix(), number)
        for path in sorted((mended.built.source / "orders").glob("2024-0[1-4].csv"))
        for number, text in enumerate(path.read_text().splitlines(), start=1)
        if f",{mended.customer}," in text
    ]
    assert sorted((r["source_file"], r["source_line"]) for r in found["rows"] if r["table"] == "orders") == every
    hashes = world.hashes(mended.built.home)
    assert all(hashes[p["asset"], p["partition"]] == p["content_hash"] for p in found["pinned"])
    assert found["model"]["estimator"] == "purchase_process"
    assert found["model"]["mlflow_run"]


def test_trace_of_a_generation_reads_the_file_as_it_was(mended: Mended) -> None:
    asked = ("trace", mended.customer, "--task", "churn", "--as-of", "2024-04")
    now, then = mended.ask(*asked), mended.ask(*asked, "--generation", "first")
    hashes = [{(p["asset"], p["partition"]): p["content_hash"] for p in t["pinned"]} for t in (now, then)]
    first = world.lake_of(mended.built.home).history("raw/orders", PERIOD)[0]
    assert hashes[1]["raw/orders", PERIOD] == first.content_hash != hashes[0]["raw/orders", PERIOD]
    assert then["edition"].startswith("generation 1 of the scored table of 2024-04")


def test_what_is_not_there_is_one_sentence(mended: Mended) -> None:
    home = mended.built.home
    for arguments, sentence in (
        (
            ("scores", "--generation", "7"),
            "Generation 7 of scores/customers of 2024-04 is not kept; kept are generations",
        ),
        (("diff", "--period", "2024-02"), "has no scores of 2024-02"),
        (("trace", "nobody"), "No customer 'nobody' in the scores of 2024-04"),
        (("trace", mended.customer, "--task", "demand"), "has no demand scores: switch the task on"),
    ):
        told = world.crm(*arguments, "--home", home, expect=1 if "demand" in arguments else 2).stderr
        assert sentence in told
        assert told.count("\n") == 1
