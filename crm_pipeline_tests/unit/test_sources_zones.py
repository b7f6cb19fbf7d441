"""Times of a zone as UTC and back, against the engine's own conversion."""

from __future__ import annotations

import duckdb
import pytest

from crm_pipeline.sources.zones import local_sql, utc_sql

ZONES = ["UTC", "Europe/Berlin", "Europe/London", "America/New_York", "America/Sao_Paulo", "Asia/Kolkata", "Australia/Lord_Howe",
         "Pacific/Auckland", "Asia/Tokyo"]  # fmt: skip


@pytest.mark.parametrize("zone", ZONES)
def test_times_of_a_zone_are_converted_as_the_engine_converts_them(zone: str) -> None:
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        # every half hour around and in the years of the tree, and days far outside
        con.execute(
            "CREATE TABLE t AS SELECT TIMESTAMP '2016-12-31' + INTERVAL (i * 30) MINUTE AS a FROM range(190000) r(i) "
            "UNION ALL SELECT TIMESTAMP '1950-06-01' + INTERVAL (i * 97) DAY FROM range(500) r(i) "
            "UNION ALL SELECT NULL"
        )
        local, utc = f"(a AT TIME ZONE 'UTC' AT TIME ZONE '{zone}')", f"(a AT TIME ZONE '{zone}' AT TIME ZONE 'UTC')"
        differing = con.execute(
            f"SELECT a FROM t WHERE {local_sql('a', zone)} IS DISTINCT FROM {local} "
            f"OR {utc_sql('a', zone)} IS DISTINCT FROM {utc}"
        ).fetchall()
    assert differing == []
