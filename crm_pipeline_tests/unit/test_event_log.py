"""The event log of a home in SQLite asks once whether a table is there, and again while it is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from dagster._core.storage.event_log import ConsolidatedSqliteEventLogStorage

from crm_pipeline.defs.event_log import EventLog


def test_a_table_that_is_there_is_asked_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, asked = EventLog(str(tmp_path)), list[str]()
    there = {"asset_keys"}

    def look(self: object, table_name: str) -> bool:
        asked.append(table_name)
        return table_name in there

    monkeypatch.setattr(ConsolidatedSqliteEventLogStorage, "has_table", look)
    log._tables.clear()
    assert [log.has_table("asset_keys") for _ in range(3)] == [True] * 3
    assert [log.has_table("not_yet") for _ in range(2)] == [False, False]
    there.add("not_yet")
    assert log.has_table("not_yet"), "a table may be made by an upgrade"
    assert asked == ["asset_keys", "not_yet", "not_yet", "not_yet"]
