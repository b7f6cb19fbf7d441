import errno
import json
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import ibis
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_pipeline.engine import DuckDBEngine, storage_error
from crm_pipeline.errors import CrmError
from crm_pipeline.home.disk import told_of_disk
from crm_pipeline.lake import Lake, collect_garbage, inspect_lake, is_alive, publish_views, repair_links, sign_of_life

ASSET, PERIOD = "clean/orders", "2011-03-01"


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path / "home", DuckDBEngine("500MB", 1, tmp_path / "spill"))


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
    assert not list(lake.staging().iterdir()), "what was staged for nothing takes no room"


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
    engine = DuckDBEngine("500MB", 1, tmp_path_factory.getbasetemp() / "spill")
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
    repair_links(lake)
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


WORKER = "import sys; from crm_pipeline.lake import sign_of_life; print(sign_of_life(sys.argv[1]), flush=True); input()"


def worker(home):
    return subprocess.Popen([sys.executable, "-c", WORKER, str(home)], stdin=-1, stdout=-1, text=True)


def died_at_once(home):
    process = worker(home)
    token = process.stdout.readline().strip()
    process.kill()
    process.communicate()
    return token


def test_a_process_is_alive_until_it_dies_and_whoever_gets_its_number_is_not_it(lake):
    process = worker(lake.home)
    token = process.stdout.readline().strip()
    (lake.root / ".staging" / f"{token}-abc").mkdir()
    assert is_alive(lake.home, token)
    assert collect_garbage(lake, keep_days=400) == 0, "what a living process stages is left alone"
    process.kill()
    process.communicate()
    assert not is_alive(lake.home, token)
    assert collect_garbage(lake, keep_days=400) == 1
    assert not is_alive(lake.home, str(os.getpid())), "a process id is no token: another container has the same ones"
    assert not is_alive(lake.home, "../../etc/passwd")


def test_a_process_has_one_token_per_home(lake, tmp_path):
    own = sign_of_life(lake.home)
    assert (sign_of_life(lake.home), is_alive(lake.home, own)) == (own, True)
    assert not is_alive(tmp_path / "other", own)
    assert lake.staging().name.startswith(own)


def test_garbage_of_killed_processes_is_collected_and_nothing_else(lake):
    publish(lake, [1])
    (lake.root / ".staging" / f"{died_at_once(lake.home)}-abc").mkdir()
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
        own = Lake(lake.home, DuckDBEngine("200MB", 1, tmp_path / "spill-reader"))
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
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "/proc/none"), "/proc/none"),
        (duckdb.IOException("IO Error: No space left on device"), "is full"),
        (duckdb.OutOfMemoryException("x"), "memory limit"),
    ],
)
def test_disk_and_memory_errors_are_one_sentence(tmp_path, error, words):
    made = storage_error(error, tmp_path)
    assert isinstance(made, CrmError)
    assert words in str(made)


def test_other_errors_stay_what_they_are(tmp_path):
    error = duckdb.BinderException("x")
    assert storage_error(error, tmp_path) is error


def test_a_full_disk_is_said_even_where_the_folder_is_not_there(tmp_path):
    assert "is full" in str(storage_error(OSError(errno.ENOSPC, "x"), tmp_path / "not" / "there"))


def test_a_home_that_cannot_be_made_is_one_sentence():
    with pytest.raises(CrmError, match=r"^/proc/none/home cannot be used .*choose another --home, or mend it\.$"):
        Lake(Path("/proc/none/home"), DuckDBEngine("100MB", 1, Path("/tmp/spill")))


def test_an_error_that_is_its_own_cause_ends(tmp_path):
    error = ValueError("x")
    error.__cause__ = error
    with pytest.raises(ValueError, match="x"), told_of_disk(tmp_path):
        raise error


def test_a_home_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "home").write_text("not a folder")
    with pytest.raises(CrmError, match="choose another --home"):
        Lake(tmp_path / "home", DuckDBEngine("100MB", 1, tmp_path / "spill"))


def test_a_read_only_home_is_refused(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("pathlib.Path.mkdir", refuse)
    with pytest.raises(CrmError, match="cannot be written"):
        Lake(tmp_path / "home", DuckDBEngine("100MB", 1, tmp_path / "spill"))


def test_a_lazy_table_can_be_staged(lake):
    staged = lake.stage(ibis.memtable({"a": [1, 2]}).mutate(b=ibis._.a * 2))
    assert staged.rows == 2
    assert set(staged.columns) == {"a", "b"}


def tell(lake, probability, change, *, run="r1", asset="scores/customers"):
    frame = pd.DataFrame(
        {"customer_id": ["a", "b"], "p": probability, "change_since_last": pd.array(change, "Float64"), "run_id": run}
    )
    return lake.publish(asset, PERIOD, [lake.stage(frame)], inputs={}, code_version="v1", run_id=run)


def told(lake, manifest):
    rows = lake.read([manifest]).order_by("customer_id").execute()
    return rows.change_since_last.astype("Float64").fillna(-1).tolist(), set(rows.run_id)


def test_a_column_that_counts_for_nothing_stale_is_right_all_the_same(lake):
    before = tell(lake, 0.5, [None, None])
    after = tell(lake, 0.5, [0.2, -0.1], run="r2")
    assert after.content_hash == before.content_hash, "nothing that reads it becomes stale"
    assert told(lake, lake.manifest("scores/customers", PERIOD)) == ([0.2, -0.1], {"r2"})
    assert [told(lake, m)[0] for m in lake.history("scores/customers", PERIOD)] == [[-1, -1], [0.2, -0.1]]
    again = tell(lake, 0.5, [0.2, -0.1], run="r3")
    assert (again.generation, told(lake, again)[1]) == (2, {"r2"}), "who says the same again changes nothing"


def test_changes_swapped_between_two_customers_are_not_the_same(lake):
    tell(lake, 0.5, [0.2, -0.1])
    assert told(lake, tell(lake, 0.5, [-0.1, 0.2]))[0] == [-0.1, 0.2]


def test_generations_count_on_after_a_partition_was_withdrawn(lake):
    for values in ([0], [1], [2]):
        publish(lake, values)
    lake.remove(ASSET, PERIOD)
    lake.remove(ASSET, PERIOD)
    assert lake.manifest(ASSET, PERIOD) is None
    publish(lake, [99])
    held = [(m.generation, lake.read([m]).amount.execute().tolist()) for m in lake.history(ASSET, PERIOD)]
    assert held == [(1, [0]), (2, [1]), (3, [2]), (4, [99])]


@pytest.mark.parametrize("withdrawn", [False, True])
def test_what_was_recorded_but_never_published_is_no_generation(lake, monkeypatch, withdrawn):
    publish(lake, [1])
    if withdrawn:
        lake.remove(ASSET, PERIOD)
    write = Lake._write

    def killed(self, name, *what):
        if name.startswith(".manifests/"):
            raise KeyboardInterrupt
        write(self, name, *what)

    with monkeypatch.context() as patched:
        patched.setattr(Lake, "_write", killed)
        with pytest.raises(KeyboardInterrupt):
            publish(lake, [1, 2])
    publish(lake, [1, 2, 3])
    assert [(m.generation, m.rows) for m in lake.history(ASSET, PERIOD)] == [(1, 1), (2, 3)]


def test_the_link_for_outsiders_shows_all_rows_of_however_many_files(lake):
    link = lake.root / ASSET / f"period={PERIOD}" / "part.parquet"
    schema = {"amount": "BIGINT"}
    for parts in ([[1]], [[1], [2, 3]], [], [[4], [5], [6, 7]], [[8]]):
        staged = [lake.stage(pd.DataFrame({"amount": values})) for values in parts]
        lake.publish(ASSET, PERIOD, staged, inputs={}, code_version="v", schema=schema)
        collect_garbage(lake, keep_days=400)
        shown = duckdb.sql(f"select amount from read_parquet('{link}') order by amount").fetchall()
        assert shown == [(value,) for values in parts for value in values]


@settings(max_examples=15, deadline=None)
@given(days=st.lists(st.integers(0, 900), min_size=2, max_size=5), keep_days=st.integers(0, 800))
def test_rule_4_the_first_published_scores_stay_as_long_as_they_are_read(tmp_path_factory, days, keep_days):
    home = tmp_path_factory.mktemp("published")
    lake = Lake(home, DuckDBEngine("200MB", 1, home / "spill"))
    ages = sorted(days, reverse=True)
    for asset in ("scores/churn", "clean/orders"):
        for number, age in enumerate(ages, start=1):
            lake.publish(asset, PERIOD, [lake.stage(pd.DataFrame({"p": [number]}))], inputs={}, code_version="v")
            path = lake.root / ".history" / asset / PERIOD / f"{number:06d}.json"
            data = json.loads(path.read_text())
            path.write_text(
                json.dumps(data | {"published_at": (datetime.now(UTC) - timedelta(days=age, hours=1)).isoformat()})
            )
    collect_garbage(lake, keep_days, keep_first={"scores/churn"})
    recent = [n for n in range(1, len(ages) + 1) if n == len(ages) or ages[n] < keep_days]
    kept = {
        a: [lake.read([m]).p.execute()[0] for m in lake.history(a, PERIOD)] for a in ("scores/churn", "clean/orders")
    }
    assert kept == {"scores/churn": sorted({1, *recent}), "clean/orders": recent}


def test_a_month_and_a_week_of_one_key_each_have_their_own_first_edition(lake):
    """2024-01-01 is a Monday: a home that changed its grain, and back, holds both."""
    asset, monday = "scores/churn", "2024-01-01"

    def say(value, grain):
        rows = lake.stage(pd.DataFrame({"p": [value]}))
        lake.publish(asset, monday, [rows], inputs={}, code_version="v", grain=grain)

    def first(grain):
        found = lake.first_edition(asset, monday, grain)
        return lake.read([found]).p.execute()[0] if found else None

    say(0.1, "month")
    assert (first("month"), first("week")) == (0.1, None)
    for value, grain in ((0.7, "week"), (0.8, "week"), (0.2, "month"), (0.3, "month")):
        lake.remove(asset, monday)
        say(value, grain)
    assert (first("month"), first("week")) == (0.1, 0.7)
    assert [m.generation for m in lake.editions(asset, monday, "week")] == [2, 3]
    collect_garbage(lake, keep_days=-1, keep_first={asset})
    assert [m.generation for m in lake.history(asset, monday)] == [1, 2, 5]
    assert (first("month"), first("week")) == (0.1, 0.7)


def test_what_is_kept_of_an_edition_whose_first_was_lost_is_not_taken_for_the_first(lake):
    publish(lake, [1])
    publish(lake, [2])
    (lake.root / ".history" / ASSET / PERIOD / "000001.json").unlink()
    assert lake.first_edition(ASSET, PERIOD, "month") is None
    assert [m.generation for m in lake.editions(ASSET, PERIOD, "month")] == [2]


def test_a_power_cut_leaves_no_manifest_without_its_file(lake, monkeypatch):
    done, sync, replace = [], os.fsync, os.replace

    def noted_sync(handle):
        done.append(("on disk", os.readlink(f"/proc/self/fd/{handle}")))
        sync(handle)

    def noted_replace(source, target):
        done.append(("named", str(target)))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(os, "replace", noted_replace)
    file = lake.root / publish(lake, [1]).files[0].path
    order = [what for what, path in done if path == str(file) or path == str(file.parent) or "/.manifests/" in path]
    assert order[:3] == ["named", "on disk", "named"], "its name is on the disk before the manifest is put in place"
    moved = done.index(("named", str(file)))
    assert done[moved - 1][0] == "on disk", "its rows are on the disk before it is named"


def test_the_same_query_over_the_next_period_is_not_compiled_again_and_reads_no_old_rows(lake, monkeypatch):
    publish(lake, [1])
    publish(lake, [2], period="2011-04-01")
    compiled, compile_one = [], lake.engine._compile
    monkeypatch.setattr(lake.engine, "_compile", lambda expr, **m: compiled.append(expr) or compile_one(expr, **m))
    found = []
    for period in (PERIOD, "2011-04-01"):
        lake.engine.release()
        rows = lake.table(ASSET, [period])
        found.append(rows.mutate(twice=rows.amount * 2).twice.execute().tolist())
    assert found == [[2], [4]]
    assert len(compiled) == 1
    second = lake.table(ASSET, [PERIOD])
    assert (second.mutate(twice=second.amount * 2).twice.execute().tolist(), len(compiled)) == ([2], 2)
    assert rows.amount.execute().tolist() == [2], "each view of a step has its own name"
    lake.engine.release()
    with pytest.raises(duckdb.CatalogException, match="does not exist"):
        rows.amount.execute()


def test_files_of_several_schemas_are_read_as_their_union(lake):
    for period, frame in (("2011-03-01", {"id": ["a"], "n": [1]}), ("2011-04-01", {"channel": ["web"], "id": ["b"]})):
        lake.publish(ASSET, period, [lake.stage(pd.DataFrame(frame))], inputs={}, code_version="v")
    rows = lake.table(ASSET, ["2011-03-01", "2011-04-01"])
    assert list(rows.columns) == ["id", "n", "channel"]
    read = rows.order_by("id").to_pyarrow().to_pylist()
    assert read == [{"id": "a", "n": 1, "channel": None}, {"id": "b", "n": None, "channel": "web"}]


def test_a_query_over_the_next_period_is_not_built_again(lake):
    publish(lake, [1])
    publish(lake, [2], period="2011-04-01")
    built = []

    def times(rows, factor):
        built.append(factor)
        return rows.select(n=rows.amount * factor)

    found = []
    for period, factor in ((PERIOD, 2), ("2011-04-01", 2), ("2011-04-01", 3)):
        lake.engine.release()
        found += lake.engine.once(times, lake.table(ASSET, [period]), factor=factor).n.execute().tolist()
    assert found == [2, 4, 6]
    assert built == [2, 3]


def test_a_generation_whose_file_is_gone_is_told_when_it_is_read(lake):
    first = publish(lake, [1])
    publish(lake, [2])
    (lake.root / first.files[0].path).unlink()
    with pytest.raises(CrmError, match=r"A file of generation 1 of .* is gone from .*doctor --home"):
        lake.read([first])


@pytest.mark.parametrize("size", [0, 5, 100])
def test_a_damaged_file_is_named_and_built_anew_and_spoils_nothing_else(lake, size):
    first = publish(lake, [1, 2])
    other = publish(lake, [5], period="2011-04-01")
    path = lake.root / first.files[0].path
    path.chmod(0o644)
    os.truncate(path, size)
    assert inspect_lake(lake).damaged == {(ASSET, PERIOD): [first.files[0].path]}
    with pytest.raises(Exception, match=r"(?i)parquet|too small"):
        lake.table(ASSET, [PERIOD]).execute()
    lake.engine.release()
    assert list(lake.read([other]).amount.execute()) == [5], "a step of another period goes on"
    again = publish(lake, [1, 2])
    assert (again.content_hash, again.generation) == (first.content_hash, 2)
    assert sorted(lake.table(ASSET, [PERIOD]).amount.execute()) == [1, 2]
    assert inspect_lake(lake).damaged == {}


@pytest.mark.parametrize("text", ["", '{"asset": "a/b"', "[]", '{"asset": "a/b"}'])
def test_a_damaged_manifest_is_one_sentence_that_names_it(lake, text):
    publish(lake, [1])
    (lake.root / ".manifests" / ASSET / f"{PERIOD}.json").write_text(text)
    for look in (lake.index, lambda: lake.manifest(ASSET, PERIOD)):
        with pytest.raises(CrmError, match=rf"{ASSET}/{PERIOD}\.json is damaged: `crm-pipeline doctor --home"):
            look()


def test_a_home_that_may_not_be_written_is_one_sentence_and_other_files_are_not_its(tmp_path):
    closed = PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "lake" / ".locks" / "source.lock"))
    with (
        pytest.raises(CrmError, match=r"cannot be written .*: choose another --home or mend its rights"),
        told_of_disk(tmp_path),
    ):
        raise closed
    with pytest.raises(PermissionError), told_of_disk(tmp_path / "other"):
        raise closed
