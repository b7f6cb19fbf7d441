"""A source without messages is what it was before messages were read: the same assets, the same contents, no word of them."""

from __future__ import annotations

import duckdb
import pytest

from crm_pipeline_tests.integration import world
from crm_pipeline_tests.integration.conftest import Built

DUCKDB = "2.0."
"""Versions whose hashes these are."""

BEFORE = {
    "activity/orders": (
        "ebd47e8ec1d12d4e3af97b03",
        "f8b9771ee600411529b01339",
        "f58240e197c26db41010e673",
        "deac835ea12fd5a32a7a51c0",
    ),
    "clean/customers": (
        "9a4cdc238515877dfbf5095f",
        "12424543ae1c21f39ed270d5",
        "7754b05e9a026670a9d80456",
        "7754b05e9a026670a9d80456",
    ),
    "clean/orders": (
        "6b8943fd9522781c24571c49",
        "29133713ee2db34ba8e68aea",
        "f261241adf98829971c3d7f1",
        "9cbeadf5508467ee2c243fbb",
    ),
    "lifetime/customers": (
        "61fc2ca66ae46958c1ee37bd",
        "81933ddb28f67626994e426c",
        "1ccc03799708ea6bcde457de",
        "00c020d7ac7f08aa68f16564",
    ),
    "outcomes/churn": (
        "79e93b25a689ef21e8eaa3c2",
        "461d9f338327dc2f2ce2dc43",
        "b8899d113ec4895cb73c77f9",
    ),
    "outcomes/purchases": (
        "0fbb7ac2ee8903fd07fc1460",
        "ba8456749c8c435cf0b9efb8",
        "e42caa5cf8d83928d272befc",
        "49cccabec1ac44bda76e2b9e",
    ),
    "quality/rows": (
        "d38dbc5887175a6fd0627a2f",
        "45de82ffa484d0f956e94f23",
        "f3e1802541c39d1eb1a5e089",
        "45a1dcaf811b4d4a0bbaed5a",
    ),
    "raw/customers": (
        "ce106def4534961a920ff4b9",
        "01ddcbf194460e332e1be830",
        "5bf87abf4cba23ae0a8ee997",
        "5bf87abf4cba23ae0a8ee997",
        "5bf87abf4cba23ae0a8ee997",
    ),
    "raw/orders": (
        "8bab608c5c76d4532f47b5da",
        "4a1f28e2ada83ed0110b5369",
        "53992122256df452713d46df",
        "0b6b9b97b83bffb9766f1e0f",
        "85b807fbc78897f2931507a4",
    ),
    "rejects/customers": (
        "f42d7a4bfc8dcd4a742d73ba",
        "f42d7a4bfc8dcd4a742d73ba",
        "f42d7a4bfc8dcd4a742d73ba",
        "f42d7a4bfc8dcd4a742d73ba",
        "f42d7a4bfc8dcd4a742d73ba",
    ),
    "rejects/orders": (
        "f42d7a4bfc8dcd4a742d73ba",
        "f42d7a4bfc8dcd4a742d73ba",
        "f42d7a4bfc8dcd4a742d73ba",
        "f42d7a4bfc8dcd4a742d73ba",
        "f42d7a4bfc8dcd4a742d73ba",
    ),
}
"""Content hashes of the tiny source's integer layers, period by period, from the last version that did not read messages."""

MADE_OF_THEM = [
    "evaluation/churn",
    "evaluation/churn_dependence",
    "evaluation/churn_fairness",
    "evaluation/churn_leaderboard",
    "evaluation/churn_predictions",
    "evaluation/churn_reasons",
    "features/customers",
    "features/purchase_process",
    "levels/churn",
    "models/churn/champion",
    "models/churn/purchase_process",
    "models/segments",
    "models/value/gamma_gamma",
    "reports/period",
    "scores/churn",
    "scores/customers",
    "scores/segments",
    "scores/value",
    "track_record/churn",
    "training/churn",
]
"""The other assets of that home."""


@pytest.mark.skipif(not duckdb.__version__.startswith(DUCKDB), reason="another DuckDB hashes otherwise")
def test_contents_are_those_of_before(tiny: Built) -> None:
    found = {asset: " ".join(h for (a, _), h in sorted(tiny.hashes.items()) if a == asset) for asset in BEFORE}
    assert found == {asset: " ".join(hashes) for asset, hashes in BEFORE.items()}


def test_assets_are_those_of_before(tiny: Built) -> None:
    assert {asset for asset, _ in tiny.hashes} == {*BEFORE, *MADE_OF_THEM}


def test_nothing_tells_of_messages_but_one_line_of_check(tiny: Built) -> None:
    columns = world.lake_of(tiny.home).table("features/customers", ["2024-04-01"]).columns
    assert not [c for c in columns if c.startswith(("texts_", "messages_", "sentiment"))]
    assert "What customers write" not in (tiny.home / "reports" / "2024-04.html").read_text()
    said = world.crm("check", "--source", tiny.source, "--home", tiny.home).stdout.splitlines()
    (line,) = (line for line in said if "messages" in line and "does not have" in line)
    assert line.startswith("Tables that the source does not have:")
    assert [line for line in said if "there is no table messages" in line]
