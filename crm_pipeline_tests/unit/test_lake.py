import errno
import json
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import duckdb
import ibis
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_pipeline.engine import Engine, storage_error
from crm_pipeline.errors import CrmError
from crm_pipeline.lake import Lake, collect_garbage, publish_views

ASSET, PERIOD = "clean/orders", "2011-03-01"


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path / "home", Engine("500MB", 1, tmp_path / "spill"))


def publish(lake, values, *, run="r1", code="v1", inputs=None, period=PERIOD):
    frame = pd.DataFrame({"customer_id": [str(v) for v in values], "amount": values, "run_id": run})
    return lake.publish(ASSET, period, [lake.stage(frame)], inputs=inputs or {}, code_version=code, run_id=run)


def test_what_is_published_can_be_read(lake):
    manifest = publish(lake, [3, 1, 2])
    assert manifest.generation == 1
    assert sorted(lake.table(ASSET, [PERIOD]).amount.execute()) == [1, 2, 3]
    assert lake.partitions(ASSET) == [PERIOD]


def test_reading_what_was_never_published_raises_and_says_the_mend(lake):
    with pytest.raises(CrmError, match=r"clean/orders of 2011-03-01 has not been built .*crm-pipeline run"):
        lake.snapshot(ASSET, [PERIOD])
    assert lake.snapshot(ASSET, [PERIOD], optional=True) == []


def test_equal_content_keeps_file_and_generation_and_renews_the_pins(lake):
    first = publish(lake, [1, 2], run="r1")
    again = publish(lake, [2, 1], run="r2", inputs={"raw/orders@x": "other"})
    assert again.files == first.files
    assert again.generation == 1
    assert again.inputs == {"raw/orders@x": "other"}


def test_old_generations_can_still_be_read(lake):
    publish(lake, [1])
    publish(lake, [1, 2])
    old, new = lake.history(ASSET, PERIOD)
    assert (lake.read([old]).count().execute(), lake.read([new]).count().execute()) == (1, 2)


def test_an_empty_partition_has_its_schema(lake):
    lake.publish(ASSET, PERIOD, [], inputs={}, code_version="v", schema={"a": "BIGINT", "at": "TIMESTAMP"})
    table = lake.table(ASSET, [PERIOD])
    assert table.schema()["at"].is_timestamp()
    assert table.count().execute() == 0


def test_several_files_make_one_partition_with_an_additive_hash(lake):
    whole = publish(lake, [1, 2, 3])
    parts = [lake.stage(pd.DataFrame({"customer_id": [str(v)], "amount": [v], "run_id": "x"})) for v in (3, 1, 2)]
    split = lake.publish(ASSET, "2011-04-01", parts, inputs={}, code_version="v1")
    assert split.content_hash == whole.content_hash
    assert lake.table(ASSET, ["2011-04-01"]).count().execute() == 3


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(-5, 5), st.sampled_from(["a", "b", None])), min_size=1, max_size=12),
    data=st.data(),
)
def test_rule_5_the_hash_knows_content_not_order(tmp_path_factory, rows, data):
    engine = Engine("500MB", 1, tmp_path_factory.getbasetemp() / "spill")
    folder = tmp_path_factory.mktemp("h")
    shuffled = data.draw(st.permutations(rows))

    def digest(name, listed):
        frame = pd.DataFrame(listed, columns=["n", "s"]).astype({"n": "int64", "s": "string"})
        return engine.stage(frame, folder / name).content_sum

    assert digest("a", rows) == digest("b", shuffled)
    assert digest("c", [*rows, (9, "z")]) != digest("a", rows)
    assert digest("d", [*rows, *rows]) != digest("a", rows)


def test_names_and_types_are_content(lake):
    one = lake.publish("a/b", PERIOD, [lake.stage(pd.DataFrame({"x": [1]}))], inputs={}, code_version="")
    renamed = lake.publish("a/c", PERIOD, [lake.stage(pd.DataFrame({"y": [1]}))], inputs={}, code_version="")
    retyped = lake.publish(
        "a/d", PERIOD, [lake.stage(pd.DataFrame({"x": [1]}).astype("int32"))], inputs={}, code_version=""
    )
    assert len({one.content_hash, renamed.content_hash, retyped.content_hash}) == 3


def test_outsiders_see_a_hard_link_that_follows_the_content(lake):
    link = lake.root / ASSET / f"period={PERIOD}" / "part.parquet"
    publish(lake, [1])
    before = link.stat().st_ino
    publish(lake, [1], code="v2")
    assert link.stat().st_ino == before
    publish(lake, [1, 2])
    assert duckdb.sql(f"select count(*) from '{link}'").fetchall() == [(2,)]


def test_a_killed_run_between_recording_and_linking_is_repaired(lake):
    publish(lake, [1])
    link = lake.root / ASSET / f"period={PERIOD}" / "part.parquet"
    link.unlink()
    lake.repair_links()
    assert link.exists()


def test_views_are_consistent_for_who_has_them_open(lake):
    publish(lake, [1])
    path = publish_views(lake)
    with duckdb.connect(str(path), read_only=True) as reader:
        publish(lake, [1, 2, 3])
        publish_views(lake)
        assert reader.execute("select count(*) from clean.orders").fetchall() == [(1,)]
    with duckdb.connect(str(path), read_only=True) as reader:
        assert reader.execute("select count(*) from clean.orders").fetchall() == [(3,)]


def test_garbage_of_killed_processes_is_collected_and_nothing_else(lake):
    publish(lake, [1])
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    host = lake.staging().name.rsplit("-", 2)[0]
    (lake.root / ".staging" / f"{host}-{dead.pid}-abc").mkdir()
    orphan = lake.root / ".data" / ASSET / PERIOD / "orphan.parquet"
    orphan.write_bytes(b"half a file")
    assert collect_garbage(lake, keep_days=400) == 2
    assert not orphan.exists()
    assert lake.staging().exists()
    assert lake.table(ASSET, [PERIOD]).count().execute() == 1


def test_generations_are_kept_for_a_set_time(lake):
    publish(lake, [1])
    publish(lake, [1, 2])
    assert collect_garbage(lake, keep_days=1) == 0
    later = lake.root / ".history" / ASSET / PERIOD / "000002.json"
    data = json.loads(later.read_text())
    data["published_at"] = (datetime.now(UTC) - timedelta(days=3)).isoformat()
    later.write_text(json.dumps(data))
    assert collect_garbage(lake, keep_days=1) == 2
    assert [m.generation for m in lake.history(ASSET, PERIOD)] == [2]
    assert lake.table(ASSET, [PERIOD]).count().execute() == 2


def test_readers_never_see_a_mixture_while_a_writer_republishes(lake, tmp_path):
    publish(lake, [1] * 10)
    stop, seen = threading.Event(), []

    def read():
        own = Lake(lake.home, Engine("200MB", 1, tmp_path / "spill-reader"))
        while not stop.is_set():
            values = own.table(ASSET, [PERIOD]).amount.execute()
            seen.append((len(values), values.nunique()))

    reader = threading.Thread(target=read)
    reader.start()
    for n in range(30):
        publish(lake, [n] * (10 + n))
    stop.set()
    reader.join()
    assert len(seen) > 3
    assert all(kinds == 1 for _, kinds in seen)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "x"), "is full"),
        (OSError(errno.EROFS, "x"), "cannot be written"),
        (duckdb.IOException("IO Error: No space left on device"), "is full"),
        (duckdb.OutOfMemoryException("x"), "memory limit"),
    ],
)
def test_disk_and_memory_errors_are_one_sentence(tmp_path, error, words):
    made = storage_error(error, tmp_path)
    assert isinstance(made, CrmError)
    assert words in str(made)


def test_other_errors_stay_what_they_are(tmp_path):
    error = OSError(errno.EIO, "x")
    assert storage_error(error, tmp_path) is error


def test_a_home_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "home").write_text("not a folder")
    with pytest.raises(CrmError, match="choose another --home"):
        Lake(tmp_path / "home", Engine("100MB", 1, tmp_path / "spill"))


def test_a_read_only_home_is_refused(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("pathlib.Path.mkdir", refuse)
    with pytest.raises(CrmError, match="cannot be written"):
        Lake(tmp_path / "home", Engine("100MB", 1, tmp_path / "spill"))


def test_a_lazy_table_can_be_staged(lake):
    staged = lake.stage(ibis.memtable({"a": [1, 2]}).mutate(b=ibis._.a * 2))
    assert staged.rows == 2
    assert set(staged.columns) == {"a", "b"}
