"""What a lake asks of the place its files lie in, of each place; and a lake in an object store."""

import os
import sys
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_pipeline.engine import DuckDBEngine
from crm_pipeline.errors import CrmError, UsageError
from crm_pipeline.lake import Lake, collect_garbage, inspect_lake, open_storage, publish_views, repair_links
from crm_pipeline.lake.storage import Conflict, LocalStorage, ObjectStorage
from crm_pipeline.settings import Settings, load_settings
from crm_pipeline_tests.unit.object_stores import InMemory

ASSET, PERIOD = "clean/orders", "2011-03-01"


@pytest.fixture(params=["local", "objects"])
def storage(request, tmp_path):
    made = LocalStorage(tmp_path / "lake") if request.param == "local" else ObjectStorage(InMemory(), tmp_path / "lake")
    made.make()
    return made


@pytest.fixture
def store():
    return InMemory()


@pytest.fixture
def open_home(tmp_path, store):
    """Open the lake of one home or another, whose files lie in the same store."""

    def opened(name="home", **options):
        home = tmp_path / name
        engine = DuckDBEngine("200MB", 1, home / "spill")
        return Lake(home, engine, storage=ObjectStorage(store, home / "lake", **options))

    return opened


def staged(tmp_path, text):
    path = tmp_path / "staged"
    path.write_text(text)
    return path


def publish(lake, values, code="v1", period=PERIOD, **how):
    rows = lake.stage(pd.DataFrame({"amount": values}))
    return lake.publish(ASSET, period, [rows], inputs={}, code_version=code, **how)


def amounts(lake, period=PERIOD):
    return sorted(lake.table(ASSET, [period]).amount.execute())


# -- each place --------------------------------------------------------------------------------------


def test_a_data_file_is_there_once_it_is_kept_and_gone_once_removed(storage, tmp_path):
    name = f".data/{ASSET}/{PERIOD}/a.parquet"
    assert (storage.has(name), storage.names(".data"), storage.size(name)) == (False, [], 0)
    storage.keep(staged(tmp_path, "rows"), name)
    assert (storage.has(name), storage.path(name).read_text(), storage.size(name)) == (True, "rows", 4)
    assert (storage.names(".data"), storage.missing([name, "x/y"])) == ([name], {"x/y"})
    assert storage.paths([name]) == [storage.path(name)]
    assert not (tmp_path / "staged").exists()
    storage.remove(name)
    storage.remove(name)
    assert (storage.has(name), storage.names(".data")) == (False, [])


def test_a_small_file_is_replaced_whole_and_many_are_read_in_order(storage, tmp_path):
    first = f".manifests/{ASSET}/2011-01-01.json"
    assert storage.read(first) is None
    storage.replace(staged(tmp_path, "one"), first, None)
    storage.replace(staged(tmp_path, "two"), first, storage.read(first))
    storage.replace(staged(tmp_path, "other"), ".manifests/clean/calls/2011-01-01.json")
    storage.replace(staged(tmp_path, "no json"), f".manifests/{ASSET}/withdrawn")
    assert storage.read(first).text == "two"
    assert [text and text.text for text in storage.reads([first, "nobody", first])] == ["two", None, "two"]
    assert list(storage.texts(".manifests")) == [(".manifests/clean/calls/2011-01-01.json", "other"), (first, "two")]
    assert first in storage.place(first)


# -- an object store -----------------------------------------------------------------------------------


def test_who_saw_something_else_does_not_replace_it(tmp_path):
    storage = ObjectStorage(InMemory(), tmp_path / "lake")
    storage.replace(staged(tmp_path, "one"), "m.json", None)
    seen = storage.read("m.json")
    storage.replace(staged(tmp_path, "two"), "m.json", seen)
    for stale in (None, seen):
        with pytest.raises(Conflict):
            storage.replace(staged(tmp_path, "three"), "m.json", stale)
    with pytest.raises(Conflict):
        storage.remove("m.json", seen)
    assert storage.read("m.json").text == "two"


@pytest.mark.parametrize("ignored", [{"If-None-Match"}, {"If-Match"}, {"If-None-Match", "If-Match"}])
def test_a_store_that_ignores_a_condition_is_refused(tmp_path, ignored):
    store = InMemory(ignored)
    storage = ObjectStorage(store, tmp_path / "lake")
    with pytest.raises(CrmError, match=r"s3://bucket/lake overwrites objects .* needs a store with conditional writes"):
        storage.replace(staged(tmp_path, "one"), "m.json", None)
    assert store.objects == {}


def test_a_new_home_reads_what_another_published_and_fetches_a_file_once(open_home, store):
    publish(open_home("one"), [3, 1, 2])
    lake = open_home("two")
    assert (amounts(lake), amounts(lake), lake.partitions(ASSET)) == ([1, 2, 3], [1, 2, 3], [PERIOD])
    assert sum(asked.startswith("download") for asked in store.asked) == 1
    assert publish(lake, [1, 2, 3]) == publish(open_home("one"), [1, 2, 3]), "equal content is not published again"


def test_a_copy_that_a_power_cut_left_torn_is_fetched_anew(open_home, store):
    first = publish(open_home("one"), [1, 2])
    other = open_home("two")
    copy = other.storage.path(first.files[0].path)
    whole = copy.read_bytes()
    copy.write_bytes(whole[:10])
    assert amounts(open_home("two")) == [1, 2]
    assert copy.read_bytes() == whole


def test_all_manifests_are_one_listing_and_only_what_changed_is_read(open_home, store):
    lake = open_home()
    for month in range(1, 7):
        publish(lake, [month], period=f"2011-{month:02d}-01")
    for changed, read in ((0, 6), (0, 0), (1, 1)):
        for month in range(changed):
            publish(lake, [month, 99], period="2011-01-01")
        store.asked.clear()
        assert len(lake.index()) == 6
        assert (store.asked.count("list .manifests"), sum(a.startswith("get") for a in store.asked)) == (1, read)


def test_a_lost_race_publishes_upon_the_winner_and_loses_no_generation(open_home, store):
    one, other = open_home("one"), open_home("two")
    publish(one, [0])

    def come_between(name):
        if name.startswith(".manifests/"):
            store.before_put = lambda name: None
            publish(other, [1])

    store.before_put = come_between
    assert publish(one, [2]).generation == 3
    assert [(m.generation, one.read([m]).amount.execute().tolist()) for m in one.history(ASSET, PERIOD)] == [
        (1, [0]), (2, [1]), (3, [2]),
    ]  # fmt: skip
    store.before_put = come_between
    publish(one, [1])
    assert (len(one.history(ASSET, PERIOD)), amounts(one)) == (4, [1])


def test_a_race_that_is_never_won_ends_in_a_sentence(open_home, store):
    one, other, codes = open_home("one"), open_home("two"), iter(range(100))

    def come_between(name):
        if name.startswith(".manifests/"):
            store.before_put = lambda name: None
            publish(other, [1], code=f"v{next(codes)}")
            store.before_put = come_between

    store.before_put = come_between
    with pytest.raises(CrmError, match="clean/orders of 2011-03-01 was published by others at the same time"):
        publish(one, [2])
    assert amounts(open_home()) == [1]


@pytest.mark.parametrize("end", [".data/", ".manifests/", ".history/"])
def test_a_kill_at_any_point_leaves_the_old_or_the_new_and_the_next_run_goes_on(open_home, store, end):
    publish(open_home(), [1])

    def killed(name):
        if name.startswith(end):
            raise KeyboardInterrupt

    store.before_put = killed
    with pytest.raises(KeyboardInterrupt):
        publish(open_home(), [1, 2])
    store.before_put = lambda name: None
    assert amounts(open_home()) == [1]
    assert publish(open_home(), [1, 2, 3]).generation == 2
    lake = open_home()
    assert [(m.generation, m.rows) for m in lake.history(ASSET, PERIOD)] == [(1, 1), (2, 3)]


def test_a_kill_after_the_manifest_leaves_a_generation_that_is_kept(open_home, store):
    publish(open_home(), [1])
    killing = []

    def killed(name):
        if killing and name.startswith(".history/"):
            raise KeyboardInterrupt
        killing.extend([name] if name.startswith(".manifests/") else [])

    store.before_put = killed
    with pytest.raises(KeyboardInterrupt):
        publish(open_home(), [1, 2])
    store.before_put = lambda name: None
    for rows in ([(1, 1), (2, 2)], [(1, 1), (2, 2), (3, 3)]):
        lake = open_home()
        if len(rows) == 3:
            publish(lake, [1, 2, 3])
        assert [(m.generation, m.rows) for m in lake.history(ASSET, PERIOD)] == rows


def age(store, name, days):
    content, tag, changed = store.objects[name]
    store.objects[name] = (content, tag, changed - timedelta(days=days))


def test_garbage_is_what_nothing_names_and_no_writer_can_still_be_about_to_name(open_home, store):
    lake = open_home()
    publish(lake, [1])
    old = publish(lake, [1, 2]).files[0].path
    publish(lake, [1, 2, 3])
    orphans = [f".data/{ASSET}/{PERIOD}/{name}.parquet" for name in ("young", "old")]
    for name in orphans:
        store.put(name, b"rows", None)
    for name in store.listed(".data"):
        age(store, name, days=0 if name == orphans[0] else 2)
    assert inspect_lake(lake).orphans == [f"s3://bucket/lake/{orphans[1]}"]
    assert collect_garbage(open_home(), keep_days=400) == 1
    assert (orphans[0] in store.objects, orphans[1] in store.objects, old in store.objects) == (True, False, True)
    assert collect_garbage(open_home(), keep_days=-1) == 4, "two generations and their files"
    assert ([m.rows for m in open_home().history(ASSET, PERIOD)], amounts(open_home("two"))) == ([3], [1, 2, 3])


def test_what_was_withdrawn_counts_on(open_home):
    lake = open_home()
    publish(lake, [1])
    publish(lake, [2])
    lake.remove(ASSET, PERIOD)
    assert (lake.manifest(ASSET, PERIOD), lake.published()) == (None, [])
    assert publish(open_home("two"), [3]).generation == 3
    assert [m.generation for m in lake.history(ASSET, PERIOD)] == [1, 2, 3]


def test_a_file_that_is_gone_from_the_store_is_told_and_built_again(open_home, store):
    first = publish(open_home(), [1])
    del store.objects[first.files[0].path]
    lake = open_home()
    assert (lake.manifest(ASSET, PERIOD), lake.index()) == (None, {})
    assert inspect_lake(lake).missing == {(ASSET, PERIOD): [first.files[0].path]}
    with pytest.raises(CrmError, match=r"A file of generation 1 of .* is gone"):
        lake.read([first])
    assert publish(lake, [1]).content_hash == first.content_hash
    assert amounts(open_home("two")) == [1]


def test_copies_beyond_the_limit_are_let_go_but_not_those_in_use(open_home, store):
    lake = open_home()
    names = [publish(lake, [n], period=f"2011-0{n}-01").files[0].path for n in (1, 2, 3)]
    long_ago = (datetime.now(UTC) - timedelta(days=2)).timestamp()
    for name in names[:2]:
        os.utime(lake.root / name, (long_ago, long_ago))
    assert [(open_home(cache_bytes=10**9).root / name).exists() for name in names] == [True, True, True]
    assert [(open_home(cache_bytes=1).root / name).exists() for name in names] == [False, False, True]
    assert [amounts(open_home(), f"2011-0{n}-01") for n in (1, 2, 3)] == [[1], [2], [3]]


def test_outsiders_have_links_and_views_only_where_the_lake_is_in_the_home(tmp_path, open_home):
    local = Lake(tmp_path / "home", DuckDBEngine("200MB", 1, tmp_path / "spill"))
    publish(local, [1])
    assert publish_views(local).exists()
    moved = open_home("home")
    publish(moved, [1])
    repair_links(moved)
    assert not publish_views(moved).exists()
    assert list(moved.root.rglob("part.parquet")) == []
    assert inspect_lake(moved).links == inspect_lake(moved).strays == []


def test_a_copied_folder_is_the_same_lake(tmp_path, open_home, store):
    local = Lake(tmp_path / "local", DuckDBEngine("200MB", 1, tmp_path / "spill"))
    publish(local, [1])
    published = publish(local, [1, 2])
    for folder in (".data", ".manifests", ".history"):
        for path in (local.root / folder).rglob("*.*"):
            store.put(path.relative_to(local.root).as_posix(), path.read_bytes(), None)
    moved = open_home()
    assert (moved.index(), amounts(moved)) == ({(ASSET, PERIOD): published}, [1, 2])
    assert moved.history(ASSET, PERIOD) == local.history(ASSET, PERIOD)


@settings(max_examples=15, deadline=None)
@given(
    steps=st.lists(st.tuples(st.integers(0, 1), st.sampled_from(["publish", "remove"]), st.integers(1, 3)), max_size=8)
)
def test_two_homes_of_a_store_do_what_one_local_lake_does(tmp_path_factory, steps):
    base, store = tmp_path_factory.mktemp("lakes"), InMemory()
    homes = [
        Lake(base / name, DuckDBEngine("200MB", 1, base / "spill"), storage=ObjectStorage(store, base / name / "lake"))
        for name in ("a", "b")
    ]
    local = Lake(base / "local", DuckDBEngine("200MB", 1, base / "spill"))
    for which, what, value in steps:
        for lake in (homes[which], local):
            publish(lake, [value]) if what == "publish" else lake.remove(ASSET, PERIOD)
    told = [
        ([(m.generation, m.content_hash) for m in lake.history(ASSET, PERIOD)], lake.published())
        for lake in (*homes, local)
    ]
    assert told[0] == told[1] == told[2]


# -- settings --------------------------------------------------------------------------------------------


def test_without_a_setting_the_lake_is_in_the_home(tmp_path):
    assert isinstance(open_storage(tmp_path, Settings()), LocalStorage)


def test_a_lake_elsewhere_without_the_extra_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(
        UsageError,
        match=r"A lake at s3://bucket/shop needs the extra s3: pip install --editable '\.\[s3\]' in the clone",
    ):
        open_storage(tmp_path, Settings(lake="s3://bucket/shop"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("lake: gs://bucket/x", "'lake'"),
        ("lake: s3://B", "'lake'"),
        ("lake_options: {aws_secret_access_key: x}", "'lake_options"),
        ("lake_cache: much", "'lake_cache'"),
    ],
)
def test_wrong_settings_are_named(tmp_path, text, says):
    (tmp_path / "crm.yaml").write_text(text)
    with pytest.raises(UsageError, match=f"Setting {says}"):
        load_settings(tmp_path)


def test_the_limit_of_the_copies_is_read(tmp_path):
    assert [Settings(lake_cache=text).cache_bytes for text in ("", "1.5 GB", "2MiB")] == [0, 1_500_000_000, 2_097_152]
